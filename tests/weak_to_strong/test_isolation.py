"""Check C: gold answers of H2 decide nothing. The real study twice, once with garbage in their place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.results import Results

ROOT = Path(__file__).resolve().parents[2]
STUDY = "configs/studies/weak_to_strong_reasoning.yaml"
WEIGHTS = "model/model.safetensors"
GARBLED = ["--runs.questions.call", "tests.weak_to_strong.garbled.make_questions"]


def run(root: Path, *arguments: str) -> set[Path]:
    """The short form up to S2 and the ceiling; returns the folders of its runs."""
    wanted = ["--only", "stage2", "--only", "ceiling"]
    command = [sys.executable, "train.py", "study", "--config", STUDY, "--smoke", "--root", str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*command, *wanted, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {path.parent for path in root.glob("studies/*/*/*/finished.json")}


def of(runs: set[Path], name: str) -> dict[str, Path]:
    """The folders of a run by its variables."""
    marks = {path: json.loads((path / "finished.json").read_bytes()) for path in runs if path.parent.name == name}
    return {json.dumps(mark["variables"]): path for path, mark in marks.items()}


@pytest.mark.slow
def test_garbage_for_gold_changes_reports_and_bounds_only(tmp_path):
    true = run(tmp_path)
    garbled = run(tmp_path, *GARBLED) - true
    compared = 0
    for name, file in (
        ("stage1_rows", "rows.jsonl"), ("stage2_rows", "rows.jsonl"), ("stage1_rows", "discarded.jsonl"),
        ("weak", WEIGHTS), ("stage1", WEIGHTS), ("stage2", WEIGHTS),
    ):  # fmt: skip
        before, after = of(true, name), of(garbled, name)
        assert before.keys() == after.keys() and before
        for variables, path in before.items():
            assert (path / file).read_bytes() == (after[variables] / file).read_bytes(), f"{name} {variables}: {file}"
            compared += (path / file).stat().st_size > 0
    assert compared >= 9  # none of the files was empty
    (one,), (two,) = of(true, "ceiling").values(), of(garbled, "ceiling").values()
    assert (one / WEIGHTS).read_bytes() != (two / WEIGHTS).read_bytes()
    for variables, path in of(garbled, "stage1_rows").items():
        assert Results.load(path).get("label accuracy", "voted on", "").value == 0
        assert Results.load(of(true, "stage1_rows")[variables]).get("label accuracy", "voted on", "").value > 0
