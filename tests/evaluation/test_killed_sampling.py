"""A real sampling run killed at ten random moments ends as one that was left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lit_reason.files import read_jsonl
from lit_reason.pool import SamplePool
from tests.evaluation.killed_sampling import BATCH, QUESTIONS, SETTINGS, Parity

ROOT = Path(__file__).resolve().parents[2]
N_KILLS = 10


def test_ten_kills_lose_nothing_written_and_repeat_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("killed_sampling.py")
    command = [sys.executable, script, tmp_path, str(N_KILLS), "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    rows = [row for _, row in read_jsonl(tmp_path / "log.jsonl")]
    assert len(rows) == N_KILLS, "the run must have been alive each time"
    written = [row["written"] for row in rows]
    assert written == sorted(written) and 0 < written[-1] < len(QUESTIONS) * SETTINGS.n
    lost = [row["made"] - row["written"] for row in rows]
    for i, (before, after) in enumerate(zip([0, *lost], lost, strict=False)):
        assert 0 <= after - before <= BATCH, f"kill {i} lost more than one unwritten batch"

    whole, killed = (SamplePool(next((tmp_path / name).iterdir())) for name in ("whole", "killed"))
    assert killed.key == whole.key
    assert killed.samples() == whole.samples() and len(whole.samples()) == len(QUESTIONS) * SETTINGS.n
    assert killed.grades(Parity.name) == whole.grades(Parity.name) != []
    made = (tmp_path / "made").stat().st_size
    assert made == len(whole.samples()) + lost[-1], "nothing that was written is made again"
