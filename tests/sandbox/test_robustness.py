"""Interrupts, killings and odd surroundings: every program still gets its own answer."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lit_reason.sandbox import Limits, Program, Sandbox

ROOT = Path(__file__).parents[2]


def _numbers(n: int, pause: float = 0.0) -> list[Program]:
    return [Program(f"import time; time.sleep({pause}); print({number})") for number in range(n)]


def _answers(n: int) -> list[str]:
    return [f"{number}\n" for number in range(n)]


def test_after_an_interrupt_the_next_program_gets_its_own_answer() -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    with Sandbox(workers=1) as sandbox:
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                sandbox.run(Program("import time; print('slow'); time.sleep(0.5)"))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        time.sleep(0.4)
        assert [outcome.stdout for outcome in sandbox.map(_numbers(3))] == _answers(3)


def test_no_memory_is_shared_between_programs() -> None:
    """What the zygote collects from a program lies in memory that no program inherits, however little it is."""
    with Sandbox(workers=1) as small:
        small.run(Program("print('a secret')", limits=Limits(output_bytes=100)))
        shared, flags = [], []
        for line in Path(f"/proc/{small._workers[0]._process.pid}/smaps").read_text().splitlines():
            head = line.split()
            if "-" in head[0] and ":" not in head[0]:
                shared.append(head[1].startswith("rw") and head[1].endswith("s"))
            elif head[0] == "VmFlags:":
                flags.append("dc" in head)
    assert any(shared) and all(withheld for both, withheld in zip(shared, flags, strict=True) if both)


def test_a_program_killed_from_outside_is_killed_and_no_more() -> None:
    with Sandbox(workers=1) as sandbox:
        sandbox.run(Program("1"))
        outcomes = []
        waiting = threading.Thread(target=lambda: outcomes.append(sandbox.run(Program("while True: pass"))))
        waiting.start()
        zygote = sandbox._workers[0]._process.pid
        children = Path(f"/proc/{zygote}/task/{zygote}/children")
        while not children.read_text():
            time.sleep(0.01)
        os.kill(int(children.read_text()), signal.SIGKILL)
        waiting.join()
        assert outcomes[0].status == "killed" and "SIGKILL" in outcomes[0].error
        assert sandbox._workers[0]._process.pid == zygote
        assert sandbox.run(Program("print(1)")).stdout == "1\n"


def test_zygotes_killed_in_the_middle_lose_no_program() -> None:
    with Sandbox(workers=2) as sandbox:
        outcomes = sandbox.map(_numbers(60, pause=0.01))
        first = [next(outcomes).stdout for _ in range(5)]
        for worker in sandbox._workers:
            worker._process.kill()
        assert first + [outcome.stdout for outcome in outcomes] == _answers(60)


def test_many_sandboxes_at_once() -> None:
    def work(seed: int) -> list[str]:
        with Sandbox(workers=1, hash_seed=seed) as sandbox:
            return [outcome.stdout for outcome in sandbox.map(_numbers(5))]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [_answers(5)] * 8


def _command(program: Path, **options: Any) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", "lit_reason.sandbox", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "a program with spaces – ünd so.py"
    path.write_text("import decimal, sqlite3, os\nopen('x', 'w').close()\nprint(os.listdir())")
    return path


def test_a_working_folder_that_nobody_can_write(program: Path) -> None:
    assert _command(program, cwd="/proc")["stdout"] == "['x']\n"


def test_a_working_folder_that_is_gone(program: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def enter_and_delete() -> None:
        os.chdir(gone)
        os.rmdir(gone)

    assert _command(program, preexec_fn=enter_and_delete)["stdout"] == "['x']\n"


@pytest.mark.parametrize("name", ["a folder with spaces", "ünïcode", "quote'\"d"])
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_temporary_folder_of_any_name_private_or_not(program: Path, tmp_path: Path, name: str, mode: int) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=mode)
    assert _command(program, env={"TMPDIR": str(folder)})["stdout"] == "['x']\n"
    assert list(folder.iterdir()) == []


def test_another_locale(program: Path) -> None:
    assert _command(program, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})["stdout"] == "['x']\n"


def _closing(*fds: int) -> Callable[[], None]:
    return lambda: [os.close(fd) for fd in fds] and None


def test_closed_standard_input(program: Path) -> None:
    assert _command(program, preexec_fn=_closing(0))["stdout"] == "['x']\n"


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(resource.RLIMIT_AS, 300 << 20), (resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_STACK, 1 << 20)],
    ids=["memory", "descriptors", "stack"],
)
def test_limits_of_the_caller(program: Path, kind: int, limit: int) -> None:
    assert _command(program, preexec_fn=lambda: resource.setrlimit(kind, (limit, limit)))["stdout"] == "['x']\n"


def test_memory_that_the_caller_does_not_have_is_not_there_for_programs(program: Path, tmp_path: Path) -> None:
    hungry = tmp_path / "hungry.py"
    hungry.write_text("x = bytearray(300 << 20)")
    command = [sys.executable, "-m", "lit_reason.sandbox", str(hungry), "--memory", "4000"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20)),
    )
    assert json.loads(done.stdout)["status"] == "memory"
