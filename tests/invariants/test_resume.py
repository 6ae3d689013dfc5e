"""Invariant 3: a run that was killed and resumed is the uninterrupted run, to the last bit of its weights."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.invariants.conftest import ROOT

N_STEPS = 12
"""Two epochs of six windows (47 rows, 95 % of them for training, 8 a window)."""

HARD = (
    "--model.lora.r=4", "--model.lora.dropout=0.3", "--model.optimizer.name=adamw", "--model.optimizer.lr=0.01",
    "--model.schedule.name=cosine", "--model.schedule.warmup=0.3", "--trainer.accumulate_grad_batches=2",
    "--model.backbone.dtype=float32", "--trainer.precision=32-true", "--data.loading.rows=4",
    "--data.loading.pack=false",
    "--data.loading.num_workers=2", "--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every_n_steps=1",
)  # fmt: skip
"""Everything that a resume can get wrong: dropout, warm-up and cosine, accumulation, loader workers, an epoch's end."""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )


def outcome(run: Path) -> tuple[str, str]:
    """SHA-256 of the final weights, and metrics.csv whole."""
    weights = load_file(run / "model" / "adapter_model.safetensors")
    digest = hashlib.sha256(b"".join(name.encode() + weights[name].numpy().tobytes() for name in sorted(weights)))
    return digest.hexdigest(), (run / "metrics.csv").read_text()


def killed_and_resumed(arguments, tmp_path, name: str, steps: list[int], *overrides: str) -> tuple[str, str]:
    """Kill at every given step, resume each time, and let the last run finish."""
    for i, step in enumerate(steps):
        kill = ("--trainer.callbacks+=tests.invariants.killer.KillAt", f"--trainer.callbacks.step={step}")
        resume = ("--ckpt_path=last",) if i else ()
        done = run(arguments(name, *HARD, *overrides, *kill, *resume))
        assert done.returncode == -9, done.stderr[-2000:]
        assert max((tmp_path / "runs" / name / "only" / "checkpoints").glob("*.ckpt")).name == f"step={step:06d}.ckpt"
    done = run(arguments(name, *HARD, *overrides, "--ckpt_path=last"))
    assert done.returncode == 0, done.stderr[-2000:]
    return outcome(tmp_path / "runs" / name / "only")


@pytest.fixture
def uninterrupted(arguments, tmp_path) -> tuple[str, str]:
    done = run(arguments("whole", *HARD))
    assert done.returncode == 0, done.stderr[-2000:]
    return outcome(tmp_path / "runs" / "whole" / "only")


def test_killed_twice_in_the_first_epoch_and_once_at_its_end(uninterrupted, arguments, tmp_path):
    """Step 6 is the first epoch's last: the run goes on from a checkpoint that lies on the boundary."""
    assert killed_and_resumed(arguments, tmp_path, "killed", [1, 5, 6]) == uninterrupted


def test_killed_again_in_the_first_steps_after_an_epochs_end(uninterrupted, arguments, tmp_path):
    """Two resumes in a row: one on the boundary, one from the first checkpoint of the new epoch."""
    assert killed_and_resumed(arguments, tmp_path, "again", [6, 7]) == uninterrupted


def test_a_run_without_its_random_state_is_caught(uninterrupted, arguments, tmp_path):
    weights, _ = killed_and_resumed(arguments, tmp_path, "forgetful", [3], "--run.without=[RandomState]")
    assert weights != uninterrupted[0]


@pytest.mark.slow
def test_killed_at_random_steps(uninterrupted, arguments, tmp_path):
    draw = random.Random()
    steps = sorted(draw.sample(range(1, N_STEPS), 5))
    assert killed_and_resumed(arguments, tmp_path, "random", steps) == uninterrupted, f"killed at {steps}"


@pytest.mark.slow
def test_killed_at_every_step(uninterrupted, arguments, tmp_path):
    assert killed_and_resumed(arguments, tmp_path, "every", list(range(1, N_STEPS))) == uninterrupted
