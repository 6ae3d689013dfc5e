"""A rank that dies ends the run within a minute, for all ranks, and the last line says which it was and how to go
on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.strategies.conftest import FULL
from tests.strategies.modules import STRATEGIES, command
from tests.strategies.ranks import ROOT

SHARDING = [pytest.param(strategy, marks=pytest.mark.slow) for strategy in ("fsdp2", "zero2")]


def started(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """`train.py` outside. Its output stays open, and this waits, as long as any process of it lives."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def fit(strategy: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Two processes with a checkpoint a step."""
    often = ["--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every_n_steps=1"]
    return started([*command(STRATEGIES[strategy], FULL, folder, "failing"), *often, *more])


def failing(rank: int, how: str) -> list[str]:
    callback = "--trainer.callbacks+=tests.strategies.failing_rank.FailingRank"
    return [callback, f"--trainer.callbacks.rank={rank}", f"--trainer.callbacks.how={how}"]


def how_to_resume(folder: Path) -> str:
    kept = folder / "failing" / "only" / "checkpoints" / "step=000002.ckpt"
    return rf"the run ends\. Resume it with --ckpt_path=last \(last checkpoint: {re.escape(str(kept))}, step 2\)"


def seconds_since_the_last_step(folder: Path) -> float:
    return time.time() - (folder / "failing" / "only" / "metrics.csv").stat().st_mtime


@pytest.mark.parametrize("strategy", ["ddp", *SHARDING])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_run(strategy, rank, tmp_path):
    done = fit(strategy, tmp_path, *failing(rank, "SIGKILL"))
    assert seconds_since_the_last_step(tmp_path) < 60
    assert done.returncode == (1 if rank else -9)
    said = done.stderr.splitlines()
    was_killed = r"was killed by signal 9 \(SIGKILL\)" if rank else "was killed"
    assert re.fullmatch(rf"rank {rank} \(process \d+\) {was_killed}; {how_to_resume(tmp_path)}", said[-1]), said
    assert "Traceback" not in done.stderr


ERRORS = [
    ("ddp", 1),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (("ddp", 0), ("fsdp2", 0), ("fsdp2", 1), ("zero2", 1))),
]


@pytest.mark.parametrize("strategy, rank", ERRORS)
def test_the_error_of_one_rank_is_what_is_read(strategy, rank, tmp_path):
    done = fit(strategy, tmp_path, *failing(rank, "raise"))
    assert done.returncode == 1
    said = done.stderr.splitlines()
    error = said.index(f"IndexError: trouble on rank {rank}")
    assert done.stderr.count("Traceback") == 1
    if rank:
        failed = r"rank 1 \(process \d+\) failed \(exit code 1; its error is above\)"
        assert re.fullmatch(f"{failed}; {how_to_resume(tmp_path)}", said[error + 1]), said
    assert len(said) == error + 1 + rank, said


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["DDPStrategy", "FSDP2"])
def test_a_rank_that_hangs_ends_the_run_after_the_strategys_timeout(strategy, tmp_path):
    # The ranks must find each other within the time, too.
    patience = [f"--trainer.strategy={strategy}", "--trainer.strategy.timeout=0:00:30"]
    done = fit("ddp", tmp_path, *patience, *failing(1, "SIGSTOP"))
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert re.match(r"rank 0 \(process \d+\) lost the connection to another rank, which has ended or does not", said)
    assert re.search(how_to_resume(tmp_path), said), done.stderr[-3000:]
