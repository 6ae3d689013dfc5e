"""Invariants 7, 8 and 9 for votes over samples, through the real command line: unparsed answers never vote, ties and
k of n are expectations, every estimate has n and an interval, and two processes count a question once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from callbacks import sampled_evaluation
from lit_reason import results
from lit_reason.aggregation import columns, subsets
from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]
ESTIMATES = ("share", "mean", "share_difference", "mean_difference")
SOLUTIONS = {
    "1": [r"\boxed{1}", r"\boxed{1}", "?!", "?!", "?!"],  # two of two that have an answer
    "2": [r"\boxed{2}", r"\boxed{2}", r"\boxed{3}", r"\boxed{3}", "?!"],  # a tie
    "3": [r"\boxed{3}", r"\boxed{9}", r"\boxed{9}", "?!", "?!"],  # the first is right, the majority is not
}
MAJORITY = {"1": 1.0, "2": 0.5, "3": 0.0}
PASS_AT_2 = {"1": 0.7, "2": 0.7, "3": 0.4}  # 1 - C(n - c, 2) / C(n, 2) with n = 5, c = 2, 2, 1


@pytest.fixture
def arguments(tmp_path):
    asking = tmp_path / "asking.yaml"
    asking.write_text('data: {asking: {template: "{question}"}}')
    path = tmp_path / "rollout.jsonl"
    rows = [
        {"id": gold, "question": f"Number {gold}?", "ref_answer": gold, "model_solution": texts}
        for gold, texts in SOLUTIONS.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def build(name: str, *more: str) -> list[str]:
        return [
            "validate", "--model=SamplerModule", f"--model.replay={path}", "--model.lengths=words",
            "--data=QuestionFileDataModule", f"--data.validation_path={path}", f"--config={asking}",
            "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
            "--trainer.callbacks+=SampledEvaluation", "--trainer.callbacks.grader=MathGrader",
            "--trainer.callbacks.n=5", f"--trainer.callbacks.pools={tmp_path / name / 'pools'}",
            f"--run.root={tmp_path}", f"--run.name={name}", "--run.id=only", *more,
        ]  # fmt: skip

    return build


@pytest.fixture
def evaluate(tmp_path, arguments):
    """Run it in this process; returns the figures by name and split."""

    def run(name: str = "a") -> dict[tuple[str, str], dict]:
        assert main(arguments(name)) == 0
        return figures(tmp_path / name / "only")

    return run


def figures(folder: Path) -> dict[tuple[str, str], dict]:
    found = json.loads((folder / "results.json").read_text())["figures"]
    return {(figure["name"], figure["split"]): figure for figure in found}


def by_hand(found: dict) -> bool:
    expected = {
        ("accuracy", "majority"): sum(MAJORITY.values()) / 3,
        ("at k/2", "coverage"): sum(PASS_AT_2.values()) / 3,
    }
    return all(found[key]["value"] == pytest.approx(value) for key, value in expected.items())


def without_interval(found: dict) -> list[str]:
    estimates = [figure for figure in found.values() if figure["kind"] in ESTIMATES]
    return [f["name"] for f in estimates if not (f["n"] and f["ci95"] and f["ci_method"])]


def test_votes_and_subsets_are_those_worked_out_by_hand(evaluate):
    assert by_hand(evaluate())


def test_an_unparsed_answer_that_votes_is_caught(evaluate, monkeypatch):
    keys = columns.answer_keys
    monkeypatch.setattr(columns, "answer_keys", lambda grades: [key or "[invalid]" for key in keys(grades)])
    assert not by_hand(evaluate())


def test_the_first_k_are_caught(evaluate, monkeypatch):
    monkeypatch.setattr(subsets, "_subsets", lambda n, k, seed: (np.arange(k)[None, :], True))
    assert not by_hand(evaluate())


def test_every_estimate_has_n_and_interval(evaluate):
    found = evaluate()
    names = {name for name, _ in found}
    assert {"accuracy", "accuracy minus the majority's", "at k/2", "samples without an answer"} <= names
    assert without_interval(found) == []


def test_an_estimate_without_interval_is_caught(evaluate, monkeypatch):
    monkeypatch.setattr(results, "_problem", lambda figure: None)
    monkeypatch.setattr(results, "wilson_interval", lambda *a, **k: None)
    monkeypatch.setattr(results, "bootstrap_interval", lambda *a, **k: None)
    assert without_interval(evaluate())


def test_two_processes_count_every_question_once(evaluate, arguments, tmp_path):
    alone = evaluate()
    command = arguments("both", "--trainer.devices=2", "--trainer.strategy=ddp")
    done = subprocess.run([sys.executable, "train.py", *command], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    both = figures(tmp_path / "both" / "only")
    assert both == alone
    assert both["accuracy", "majority"]["n"] == len(SOLUTIONS)


def test_questions_that_are_asked_by_all_are_caught(evaluate, monkeypatch):
    """Where each process would ask everything, or a part be lost, the count of questions says so."""
    whole = sampled_evaluation.with_gold
    monkeypatch.setattr(sampled_evaluation, "with_gold", lambda rows: (whole(rows)[0][:10], {}))
    assert evaluate()["accuracy", "majority"]["n"] != len(SOLUTIONS)
