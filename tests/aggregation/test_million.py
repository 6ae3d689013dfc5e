"""Check L of Shortest Majority Vote: a million samples, every rule, within a minute and 2 GB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_million_samples_take_less_than_a_minute_and_2_gb() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/aggregation.py"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = re.search(r"1,000,000 samples, everything +([\d.]+) s, peak ([\d,]+) MB", done.stdout)
    assert said is not None, done.stdout
    seconds, megabytes = float(said[1]), int(said[2].replace(",", ""))
    assert seconds < 60 and megabytes < 2048
