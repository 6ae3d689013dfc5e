"""A rank that dies ends the run instead of leaving the others to wait for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.strategies.conftest import FULL
from tests.strategies.modules import command
from tests.strategies.ranks import ROOT


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_run(rank, pairs, tmp_path):
    kill = ["--trainer.callbacks+=tests.strategies.killed_rank.KillRank", f"--trainer.callbacks.rank={rank}"]
    arguments = [*command("ddp", FULL, pairs.rows_file, tmp_path, "killed"), *kill]
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,  # its output stays open as long as any rank lives
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode != 0
    assert "by peer" in done.stderr or "terminated with code -9" in done.stderr, done.stderr[-2000:]
