"""Invariant 8: every reported mean has n and an interval, in the file that a real evaluation writes."""

from __future__ import annotations

import json

import pytest

from lit_reason import results
from lit_reason.cli import main

ESTIMATES = ("share", "mean", "share_difference", "mean_difference")


@pytest.fixture
def evaluate(tmp_path):
    """Run `validate` with the Case2Code evaluation on a tiny model; returns what is in results.json."""

    def run() -> list[dict]:
        arguments = [
            "validate", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny",
            "--model.backbone.tokenizer=bytes",
            "--model.backbone.dtype=float32", "--data=Case2CodeDataModule", "--data.real.sources=[]",
            "--data.planted.n_val=6",
            "--data.loading.row_tokens=2000", "--data.loading.rows=1", "--trainer.accelerator=cpu",
            "--trainer.enable_progress_bar=false",
            "--trainer.callbacks+=Case2CodeEvaluation", "--trainer.callbacks.max_new_tokens=4",
            f"--trainer.callbacks.pools={tmp_path / 'pools'}", f"--run.root={tmp_path / 'runs'}",
            "--run.name=a", "--run.id=b",
        ]  # fmt: skip
        assert main(arguments) == 0
        return json.loads((tmp_path / "runs" / "a" / "b" / "results.json").read_text())["figures"]

    return run


def without_interval(figures: list[dict]) -> list[str]:
    return [f["name"] for f in figures if f["kind"] in ESTIMATES and not (f["n"] and f["ci95"] and f["ci_method"])]


def test_every_mean_of_a_run_has_n_and_interval(evaluate):
    figures = evaluate()
    assert {"strict_pass", "case_fraction"} <= {f["name"] for f in figures if f["kind"] in ESTIMATES}
    assert without_interval(figures) == []


def test_a_mean_without_interval_is_caught(evaluate, monkeypatch):
    monkeypatch.setattr(results, "_problem", lambda figure: None)
    monkeypatch.setattr(results, "wilson_interval", lambda *a, **k: None)
    monkeypatch.setattr(results, "bootstrap_interval", lambda *a, **k: None)
    assert without_interval(evaluate())
