"""The demonstration study, with real fits: handed on, killed, resumed, changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lit_reason.study_results import StudyRecord

ROOT = Path(__file__).resolve().parents[2]
STUDY = ["study", "--config", "configs/studies/smoke.yaml", "--smoke"]


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "train.py"), *STUDY, "--root", str(root), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(root: Path, *arguments: str) -> str:
    study = start(root, *arguments)
    printed, _ = study.communicate(timeout=400)
    assert study.returncode == 0, printed[-3000:]
    return printed


def steps(root: Path, pattern: str) -> list[Path]:
    return sorted((root / "studies" / "smoke-smoke").glob(pattern))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, str]:
    """The study undisturbed: its root and what it printed."""
    root = tmp_path_factory.mktemp("whole") / "runs"
    return root, finish(root)


@pytest.mark.slow
def test_two_fits_with_a_hand_over_a_table_and_a_claim(whole):
    root, printed = whole
    record = StudyRecord.load(root / "studies" / "smoke-smoke")
    assert [run["run"] for run in record.runs] == ["rows", "first", "second"]
    (second,) = steps(root, "second/*")
    (first,) = steps(root, "first/*")
    assert f"--model.backbone.name {first}/model" in printed
    assert f"name: {first}/model" in (second / "config.yaml").read_text()
    losses = [row[1].value for row in record.results.tables[0].rows]
    assert losses[1] < losses[0] < 6 and record.results.claims[0].measured.value == pytest.approx(losses[0] - losses[1])
    assert "NOT TESTABLE HERE" in printed and "report: " in printed
    assert "FutureWarning" not in printed and "Loading weights" not in printed and "FLOPs" not in printed
    assert "parameters: 94,528 trained, 94,528 in all" in printed
    assert ".html" in (root / "studies/smoke-smoke/report.html").read_text(), "runs' own pages are linked"


@pytest.mark.slow
def test_a_fit_killed_with_its_study_goes_on_from_its_checkpoint(whole, tmp_path):
    """And the study ends with the very weights of the undisturbed one."""
    root = tmp_path / "runs"
    study = start(root)
    deadline = time.monotonic() + 200
    while not (found := steps(root, "first/*/checkpoints/*.ckpt")) and time.monotonic() < deadline:
        assert study.poll() is None
        time.sleep(0.05)
        if steps(root, "first/*/metrics.csv") and steps(root, "first/*/metrics.csv")[0].read_text().count("\n") > 1:
            break  # it trains: SIGTERM makes it write its checkpoint
    os.kill(study.pid, signal.SIGKILL)
    study.wait(30)
    assert not steps(root, "first/*/finished.json"), found
    printed = finish(root)
    assert "finished before" in printed and "from checkpoint: " in printed, printed[-3000:]
    weights = [load_file(steps(place, "second/*/model/model.safetensors")[0]) for place in (whole[0], root)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.slow
def test_a_changed_second_fit_reruns_alone(whole):
    root, _ = whole
    printed = finish(root, "--runs.second.set.model.optimizer.lr", "0.001", "--dry_run")
    lines = [line.partition(": ")[2] for line in printed.splitlines() if line.startswith("[")]
    assert lines == ["skip (finished)", "skip (finished)", "run (new settings or inputs)"]
    printed = finish(root, "--runs.second.set.model.optimizer.lr", "0.001")
    assert printed.count("done in") == 1 and len(steps(root, "second/*")) == 2 and len(steps(root, "first/*")) == 1
