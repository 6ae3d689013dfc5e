"""Check I: killed after sampling for A and while sampling for B, a study ends with the sets of an undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lit_reason.weak_to_strong.steps import make_initial, make_questions
from tests.weak_to_strong.served import ChainServer

ROOT = Path(__file__).resolve().parents[2]
N_H2, N = 24, 6


def study(server: ChainServer, made: Path) -> dict:
    """Two stages whose models are served: A from the supervisor's votes, B from those of another seed's."""
    questions = {"gold": f"{made}/h2_gold.jsonl", "apart": [f"{made}/h1.jsonl", f"{made}/test.jsonl"]}
    endpoint = {"base_url": server.url, "model": "tiny", "max_concurrency": 2}
    ask, select = "lit_reason.weak_to_strong.asking.ask", "lit_reason.weak_to_strong.steps.select"
    return {
        "seeds": [0],
        "runs": {
            "weak": {"call": ask, "set": {"endpoint": endpoint, "questions": f"{made}/h2.jsonl", "n": N}},
            "a": {
                "call": select,
                "set": {"questions": f"{made}/h2.jsonl", "votes": "${weak.votes}", "tau": 0.6, **questions},
            },
            "strong": {
                "call": ask,
                "set": {"endpoint": endpoint, "questions": "${a.discarded}", "n": N, "seed": 1, "temperature": 0.5},
            },
            "b": {
                "call": select,
                "set": {"questions": "${a.discarded}", "votes": "${strong.votes}", "tau": 0.5, "onto": "${a.rows}",
                        "source": "strong_r1", **questions},
            },
        },
    }  # fmt: skip


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "train.py"), "study", "--config", "two.yaml"]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the study and to the step that it runs."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    process.wait()


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob(pattern)) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)


def rows(folder: Path, run: str) -> bytes:
    (path,) = folder.glob(f"runs/studies/two/{run}/*/rows.jsonl")
    return path.read_bytes()


@pytest.mark.slow
def test_a_study_killed_between_and_within_its_samplings_ends_with_the_same_sets(tmp_path):
    made = tmp_path / "questions"
    make_initial(made, n=8)
    make_questions(made, str(made / "initial.jsonl"), n_h1=8, n_h2=N_H2, n_test=8)
    with ChainServer(pause=0.02) as server:
        for name in ("whole", "killed"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "two.yaml").write_text(json.dumps(study(server, made)))
        assert start(tmp_path / "whole").wait() == 0
        n_whole, killed = len(server.requests), tmp_path / "killed"
        first = start(killed)
        wait_for(killed, "runs/studies/two/weak/*/finished.json", first)  # A is sampled
        kill(first)
        n_first = len(server.requests) - n_whole
        second = start(killed)
        wait_for(killed, "runs/studies/two/strong/*/pools/*/samples/*.parquet", second)  # B is being sampled
        kill(second)
        assert not list(killed.glob("runs/studies/two/strong/*/finished.json"))
        n_second = len(server.requests) - n_whole - n_first
        assert start(killed).wait() == 0
        n_third = len(server.requests) - n_whole - n_first - n_second
    assert n_first >= N_H2 * N, "all of A's samples were there"
    assert n_second < n_whole - N_H2 * N and n_third < n_whole - N_H2 * N, "A was not sampled again, nor all of B"
    for run in ("a", "b"):
        assert rows(killed, run) == rows(tmp_path / "whole", run)
    assert 0 < rows(killed, "a").count(b"\n") < rows(killed, "b").count(b"\n")
