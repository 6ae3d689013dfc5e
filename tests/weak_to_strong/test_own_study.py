"""Check J: two stages with a real language model on short arithmetic, through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.study_results import StudyRecord
from lit_reason.weak_to_strong.question_files import read_votes

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_real_model_goes_through_both_stages_and_leaves_a_report(tmp_path):
    """64 questions, 4 samples each, one LoRA epoch a stage: 15 runs, five minutes of one core."""
    study = ["study", "--config", "configs/studies/weak_to_strong_own.yaml", "--root", str(tmp_path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "train.py", *study], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (folder,) = tmp_path.glob("studies/*")
    (votes,) = folder.glob("weak_answers/*/votes.jsonl")
    assert [vote.n_samples for vote in read_votes(votes)] == [4] * 64
    (first,), (second,) = (folder.glob(f"stage{i}_rows/*/rows.jsonl") for i in (1, 2))
    kept, more = ({row["id"] for _, row in read_jsonl(path)} for path in (first, second))
    assert 0 < len(kept) <= 64 and kept <= more
    tables = {table.title: table for table in StudyRecord.load(folder).results.tables}
    restarts = {row[0]: row[1:3] for row in tables["Restarts"].rows}
    assert restarts == {name: [1, 1] for name in ("naive", "stage1", "stage2", "ceiling")}
    assert all(row[1].n == 32 for row in tables["Every variant"].rows)
    assert "Restarts" in (folder / "report.html").read_text()
