"""Processes that are killed and replaced: order, laziness, limits, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lit_reason.grading.workers import Failure, Workers

UNHEARD = "__import__('signal').signal(14, 1) or __import__('re').match('(a+)+$', 'a' * 60 + 'b')"
"""A regular expression that runs in C for years, with the alarm ignored."""


def test_results_come_in_order_whoever_is_first() -> None:
    with Workers(eval, workers=3) as workers:
        items = [f"__import__('time').sleep({0.2 if i % 5 == 0 else 0}) or {i}" for i in range(30)]
        assert list(workers.map(items)) == list(range(30))


def test_each_failure_has_its_kind_and_the_others_go_on() -> None:
    items = ["1", UNHEARD, "2", "__import__('os')._exit(3)", "3", "1 / 0", "4", "'x' * 10**9", "5"]
    with Workers(eval, workers=2, seconds=1.0, memory_mb=400) as workers:
        results = list(workers.map(items))
    assert results[::2] == [1, 2, 3, 4, 5]
    assert results[1::2] == [
        Failure("time", "over 1 s"),
        Failure("died", "its process ended with status 3"),
        Failure("error", "ZeroDivisionError: division by zero"),
        Failure("memory"),
    ]


def test_items_that_hang_run_side_by_side() -> None:
    began = time.monotonic()
    with Workers(time.sleep, workers=4, seconds=0.5) as workers:
        results = list(workers.map([60.0] * 4))
    assert results == [Failure("time", "over 0.5 s")] * 4
    assert time.monotonic() - began < 6  # not four times the limit, nor a minute


def test_items_are_read_little_ahead() -> None:
    read = []

    def items() -> Iterator[str]:
        for i in range(10_000):
            read.append(i)
            yield str(i)

    with Workers(eval, workers=2) as workers:
        results = workers.map(items())
        assert [next(results) for _ in range(10)] == list(range(10))
        results.close()  # type: ignore[attr-defined]
        assert len(read) < 200
        assert list(workers.map(["7", "8"])) == [7, 8]  # nothing of the first call is left


def test_a_slow_caller_changes_no_verdict() -> None:
    with Workers(time.sleep, workers=1, seconds=0.5) as workers:
        results = workers.map([0.0, 0.1, 0.2])
        for _ in range(3):
            time.sleep(0.7)
            assert next(results) is None


def test_a_worker_that_cannot_start_says_why() -> None:
    with Workers(eval, imports=("no_such_module",)) as workers:
        with pytest.raises(RuntimeError, match="does not start: ModuleNotFoundError: No module named 'no_such_module'"):
            list(workers.map(["1"]))


def test_the_function_runs_in_a_main_thread() -> None:
    with Workers(eval, workers=1) as workers:
        (is_main,) = workers.map(["(t := __import__('threading')).current_thread() is t.main_thread()"])
    assert is_main


def test_what_a_library_prints_blocks_nothing() -> None:
    with Workers(eval, workers=1) as workers:
        assert list(workers.map(["__import__('sys').stderr.write('x' * 10**6)", "1"])) == [10**6, 1]


@pytest.mark.parametrize("settings", [{"workers": 0}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="workers must be at least 1 and seconds above 0"):
        Workers(eval, **settings)  # type: ignore[arg-type]


def test_nothing_runs_when_nothing_is_asked() -> None:
    with Workers(eval, imports=("no_such_module",)) as workers:
        assert list(workers.map([])) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_parent_leaves_no_process_behind(tmp_path: object) -> None:
    script = (
        "import os, lit_reason.grading.workers as w\n"
        "w._GRACE_SECONDS = 1.0\n"
        "pool = w.Workers(eval, workers=2, seconds=1.0)\n"
        "items = [\"print('x') or __import__('os').getpid()\"] * 2 + ['__import__(\"time\").sleep(600)'] * 2\n"
        "for i, result in enumerate(pool.map(items)):\n"
        "    print(result, flush=True)\n"
        "    if i == 1: os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    workers = [int(line) for line in done.stdout.split()]
    assert len(workers) == 2
    deadline = time.monotonic() + 10
    while any(map(_is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_is_running, workers))


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z" and os.getpgid(pid) > 0
    except (FileNotFoundError, ProcessLookupError):
        return False
