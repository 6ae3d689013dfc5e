"""Checks C and H: gold answers of H2 decide nothing, and every round starts from S0. The real study twice, once with
garbage for gold answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Results

ROOT = Path(__file__).resolve().parents[2]
STUDY = "configs/studies/weak_to_strong_reasoning.yaml"
WEIGHTS = "model/model.safetensors"
TAU = 0.4
"""The threshold of the short form's Stage II."""
GARBLED = ["--runs.questions.call", "tests.weak_to_strong.garbled.make_questions"]


def run(root: Path, *arguments: str) -> set[Path]:
    """The short form up to S3 and the ceiling; returns the folders of its runs."""
    wanted = ["--only", "stage2", "--only", "continued", "--only", "iterated", "--only", "ceiling"]
    command = [sys.executable, "train.py", "study", "--config", STUDY, "--smoke", "--root", str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*command, *wanted, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {path.parent for path in root.glob("studies/*/*/*/finished.json")}


def weights(path: Path) -> dict[str, str]:
    return json.loads((path / "weights.json").read_bytes())


def of(runs: set[Path], name: str) -> dict[str, Path]:
    """The folders of a run by its variables."""
    marks = {path: json.loads((path / "finished.json").read_bytes()) for path in runs if path.parent.name == name}
    return {json.dumps(mark["variables"]): path for path, mark in marks.items()}


@pytest.mark.slow
def test_gold_answers_decide_nothing_and_rounds_restart(tmp_path):
    true = run(tmp_path)
    every_round_restarts_and_adds(true)
    garbage_changes_reports_and_bounds_only(true, run(tmp_path, *GARBLED) - true)


def every_round_restarts_and_adds(runs: set[Path]) -> None:
    """By the hashes that real fits recorded: S1, S2 and S3 begin with the weights that S0 ended with, `continued` with
    those of S1. Every round keeps the rows of the one before, in their order, and Stage II has rows of its own."""
    (s0,) = [weights(path)["end"] for path in of(runs, "initial").values()]
    for name in ("stage1", "stage2", "iterated", "ceiling"):
        starts = {weights(path)["start"] for path in of(runs, name).values()}
        assert starts == {s0}, name
    s1 = {weights(path)["end"] for path in of(runs, "stage1").values()}
    assert {weights(path)["start"] for path in of(runs, "continued").values()} < s1 and s0 not in s1
    (third,) = of(runs, "iterated_rows").values()
    twos = {json.loads(variables)["stage2"]: rows(path) for variables, path in of(runs, "stage2_rows").items()}
    first = next(r for v, path in of(runs, "stage1_rows").items() if json.loads(v)["tau"] == TAU for r in [rows(path)])
    for kind, second in twos.items():
        assert second[: len(first)] == first, kind
        assert {row["source"] for row in second[len(first) :]} == {"strong_r1"}, f"{kind}: B is empty"
    assert rows(third)[: len(twos["filtered"])] == twos["filtered"]
    assert {row["source"] for row in rows(third)[len(twos["filtered"]) :]} <= {"strong_r2"}


def rows(path: Path) -> list[dict]:
    return [row for _, row in read_jsonl(path / "rows.jsonl")]


def garbage_changes_reports_and_bounds_only(true: set[Path], garbled: set[Path]) -> None:
    compared = 0
    for name, file in (
        ("stage1_rows", "rows.jsonl"), ("stage2_rows", "rows.jsonl"), ("stage1_rows", "discarded.jsonl"),
        ("weak", WEIGHTS), ("stage1", WEIGHTS), ("stage2", WEIGHTS), ("iterated", WEIGHTS),
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
