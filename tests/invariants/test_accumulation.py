"""Invariant 1: 8 x 1 = 4 x 2 = 1 x 8 accumulation = two processes, in loss and in gradient norm."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from lit_reason.language_model import CausalLanguageModel
from tests.invariants.conftest import ROOT, metrics

SPLITS = {"4x2": (4, 2), "1x8": (1, 8)}


def split(rows: int, accumulate: int) -> list[str]:
    return [f"--data.loading.rows={rows}", f"--trainer.accumulate_grad_batches={accumulate}"]


@pytest.fixture
def whole(fit):
    """One micro-batch of 8 rows a step."""
    return metrics(fit("8x1", *split(8, 1)))


def largest_gap(a: dict, b: dict) -> float:
    """The largest relative difference in loss, gradient norm and validation loss over all steps."""
    names = ("train/loss", "train/grad_norm")
    assert all(len(a[name]) == len(b[name]) > 3 for name in names)
    return max(np.max(np.abs(np.array(a[name]) / np.array(b[name]) - 1)) for name in names)


@pytest.mark.parametrize("pack", ["true", "false"])
def test_accumulation_changes_nothing(fit, pack):
    one = metrics(fit("8x1", *split(8, 1), f"--data.loading.pack={pack}"))
    for name, (rows, accumulate) in SPLITS.items():
        other = metrics(fit(name, *split(rows, accumulate), f"--data.loading.pack={pack}"))
        assert largest_gap(one, other) < 1e-8


def test_two_processes_are_one(whole, arguments, tmp_path):
    """DDP over gloo with 2 x 2 x 2: half of each window's rows on each rank, accumulated twice."""
    command = arguments("ddp", *split(2, 2), "--trainer.devices=2", "--trainer.strategy=ddp")
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert largest_gap(whole, metrics(tmp_path / "runs" / "ddp" / "only")) < 1e-8


def test_a_mean_of_micro_batch_means_is_caught(whole, fit, monkeypatch):
    """The usual mistake: each micro-batch divided by its own target count."""

    def step(self, batch, batch_idx):
        loss_sum, n_targets = self.target_loss(batch)
        self._log_window_loss(
            loss_sum.detach(), batch, last=(batch_idx + 1) % self.trainer.accumulate_grad_batches == 0
        )
        return loss_sum / n_targets.clamp(min=1)

    monkeypatch.setattr(CausalLanguageModel, "training_step", step)
    assert largest_gap(whole, metrics(fit("broken", *split(1, 8)))) > 1e-2


def test_a_forgotten_accumulation_factor_is_caught(whole, fit, monkeypatch):
    original = CausalLanguageModel.training_step
    monkeypatch.setattr(
        CausalLanguageModel,
        "training_step",
        lambda self, batch, i: original(self, batch, i) / self.trainer.accumulate_grad_batches,
    )
    assert largest_gap(whole, metrics(fit("broken", *split(4, 2)))) > 1e-2
