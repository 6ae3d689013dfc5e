"""Invariant 10: gold answers and hidden cases never reach what trains."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from datamodules.case2code import Case2CodeDataModule
from lit_reason.backbones import load_tokenizer
from lit_reason.batches import Loading
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.chat import Chat

ROOT = Path(__file__).resolve().parents[2]
LEARNERS = ("lit_reason/language_model.py", "lit_reason/batches.py", "lit_reason/optim.py", "datamodules/token_data.py")


@pytest.fixture
def data(tiny_backbone) -> Case2CodeDataModule:
    data = Case2CodeDataModule(
        PlantedSettings(n_train=400, n_val=100, n_test=100), RealSettings(sources=[]), loading=Loading(row_tokens=4096)
    )
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=Chat(load_tokenizer(tiny_backbone))))
    return data


def leaks(data: Case2CodeDataModule) -> int:
    """Held-out bodies among the training targets."""
    trained = {normalised_body(function.code) for function, _ in data.rows("train", "training")}
    held_out = [q.gold for split in ("val", "test") for q in data.questions(split)]
    return sum(normalised_body(gold) in trained for gold in held_out)


def test_no_held_out_function_is_trained_on(data):
    assert leaks(data) == 0


def test_a_leaked_function_is_caught(data, monkeypatch):
    original = PlantedSettings.functions
    monkeypatch.setattr(PlantedSettings, "functions", lambda self, split: original(self, "val"))
    assert leaks(data) > 0


def test_prompts_of_held_out_functions_show_neither_source_nor_hidden_cases(data):
    for question in data.questions("val"):
        shown = {question.meta["cases"][i]["kwargs"] for i in question.meta["shown"]}
        assert question.gold.strip() not in question.prompt
        assert all(question.meta["cases"][i]["kwargs"] not in shown for i in question.meta["hidden"])


def test_what_trains_never_opens_grades():
    """Training code may not even import what reads a pool, grades or answers."""
    for name in LEARNERS:
        tree = ast.parse((ROOT / name).read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"lit_reason.pool", "lit_reason.evaluation", "lit_reason.answers"}
        assert not any(str(module).startswith("lit_reason.grading") for module in imported)
