"""Processes and directories: nothing outlives its owner, and a dead zygote is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_reason.sandbox import Limits, Outcome, Program, Protections, Sandbox, SandboxUnavailable

Behind = Callable[..., Sandbox]
FOREVER = Program("while True: pass", limits=Limits(wall_seconds=60))
HERE = Path(__file__).parents[2]


def _until(condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _children(pid: int) -> list[int]:
    """Children of all threads of the process."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in lists for child in text.split()]


def _gone(pid: int) -> bool:
    """Whether no such process runs; an orphan's corpse may wait for its new parent."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def _busy(pid: int) -> bool:
    """Whether it has computed for a while: the endless program, and not the child that tries the walls at the start."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[11]) >= 5
    except FileNotFoundError:
        return False


def _zygotes(sandbox: Sandbox) -> list[int]:
    return [worker._process.pid for worker in sandbox._workers if worker._process is not None]


def _start_forever(sandbox: Sandbox) -> list[object]:
    """Run the endless program in a thread; its outcome or error will be in the list."""
    results: list[object] = []

    def work() -> None:
        try:
            results.append(sandbox.run(FOREVER))
        except RuntimeError as error:
            results.append(error)

    threading.Thread(target=work, daemon=True).start()
    return results


def _running(sandbox: Sandbox, other_than: int = 0) -> tuple[int, int]:
    """The one zygote that has a program now, and the program's process; not the zygote that was just killed."""

    def found() -> list[tuple[int, int]]:
        zygotes = [zygote for zygote in _zygotes(sandbox) if zygote != other_than]
        return [(zygote, child) for zygote in zygotes for child in _children(zygote) if _busy(child)]

    assert _until(found)
    return found()[0]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_closing_ends_everything(temporary: Path) -> None:
    with Sandbox(workers=1) as sandbox:
        results = _start_forever(sandbox)
        processes = _running(sandbox)
        assert list(temporary.iterdir())
    assert _until(lambda: all(map(_gone, processes)), 2)
    assert list(temporary.iterdir()) == []
    assert _until(lambda: results) and "closed" in str(results[0])
    with pytest.raises(RuntimeError, match="the sandbox is closed"):
        sandbox.run(FOREVER)
    sandbox.close()


def test_a_sandbox_that_is_forgotten_ends_too(temporary: Path) -> None:
    sandbox = Sandbox(workers=2)
    list(sandbox.map([Program("1")] * 8))
    zygotes = _zygotes(sandbox)
    assert zygotes
    del sandbox
    assert _until(lambda: all(map(_gone, zygotes))) and list(temporary.iterdir()) == []


def test_a_dead_zygote_is_replaced(temporary: Path) -> None:
    with Sandbox(workers=1) as sandbox:
        assert sandbox.run(Program("print(1)")).stdout == "1\n"
        (zygote,) = _zygotes(sandbox)
        os.kill(zygote, signal.SIGKILL)
        assert sandbox.run(Program("print(2)")).stdout == "2\n"
        assert _zygotes(sandbox) != [zygote] and len(list(temporary.iterdir())) == 1


def test_a_program_dies_with_its_zygote_and_is_tried_once_more() -> None:
    with Sandbox(workers=1) as sandbox:
        results = _start_forever(sandbox)
        zygote = 0
        for _ in range(2):
            assert not results
            zygote, program = _running(sandbox, other_than=zygote)
            os.kill(zygote, signal.SIGKILL)
            assert _until(lambda program=program: _gone(program))
        assert _until(lambda: results)
        (outcome,) = results
        assert isinstance(outcome, Outcome) and outcome.status == "killed"
        assert sandbox.run(Program("print(3)")).stdout == "3\n"


def test_nothing_outlives_a_parent_that_is_killed(temporary: Path) -> None:
    source = (
        "import tempfile, sys\nfrom lit_reason.sandbox import *\n"
        f"tempfile.tempdir = {str(temporary)!r}\n"
        "sandbox = Sandbox(workers=2, limits=Limits(wall_seconds=60))\n"
        "list(sandbox.map([Program('while True: pass')] * 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", source], cwd=HERE)
    try:
        assert _until(lambda: len(_children(parent.pid)) == 2)
        zygotes = _children(parent.pid)
        assert _until(lambda: all(_children(zygote) for zygote in zygotes))
        programs = [child for zygote in zygotes for child in _children(zygote)]
    finally:
        parent.kill()
        parent.wait()
    assert _until(lambda: all(map(_gone, zygotes + programs)))
    assert _until(lambda: list(temporary.iterdir()) == [])


def test_no_child_is_left_unreaped(sandbox: Sandbox) -> None:
    list(
        sandbox.map(
            [Program("1"), Program("import os; os._exit(1)"), Program("while True: pass", limits=Limits(0.1))] * 3
        )
    )
    assert [_children(zygote) for zygote in _zygotes(sandbox)] == [[]] * len(_zygotes(sandbox))


def test_without_walls_a_background_process_still_ends_with_its_program(behind: Behind) -> None:
    source = "import os\npid = os.fork()\nif pid == 0:\n    os.close(1); os.close(3)\n    while True: pass\nprint(pid)"
    outcome = behind().run(Program(source))
    assert outcome.status == "ok" and _until(lambda: _gone(int(outcome.stdout)), 2)


def test_a_fork_of_the_parent_neither_uses_nor_ends_the_sandbox(sandbox: Sandbox) -> None:
    sandbox.run(Program("1"))
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.run(Program("1"))
        except RuntimeError as error:
            os._exit(7 if "does not survive a fork" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert sandbox.run(Program("print(1)")).stdout == "1\n"


@pytest.mark.parametrize(
    ("wall", "named"),
    [("landlock", "Landlock (Linux 5.13 or later)"), ("seccomp", "seccomp (Linux on x86_64 or aarch64)")],
)
def test_a_missing_wall_is_refused_by_name_unless_permitted(wall: str, named: str) -> None:
    lacking = type("Lacking", (Sandbox,), {"_without": frozenset({wall})})
    with pytest.raises(SandboxUnavailable) as refusal, lacking(workers=1):
        pass
    assert str(refusal.value) == (
        f"the sandbox does not start without {named}, missing on this machine; "
        "allow_unprotected=True (--allow_unprotected) runs programs without"
    )
    with lacking(workers=1, allow_unprotected=True) as sandbox:
        assert sandbox.protections.missing == (wall,) and sandbox.run(Program("1")).status == "ok"


def test_all_walls_stand_here(sandbox: Sandbox) -> None:
    assert sandbox.protections.missing == ()
    assert sandbox.protections == Protections(sandbox.protections.landlock, True, True, True)


def test_an_interpreter_that_does_not_start_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lit_reason.sandbox.worker._BOOTSTRAP", "raise ImportError('no such thing')")
    with pytest.raises(
        SandboxUnavailable, match=r"^the sandbox's interpreter did not start: ImportError: no such thing$"
    ):
        Sandbox(workers=1).run(Program("1"))


def test_the_zygote_is_small(sandbox: Sandbox) -> None:
    """It imports nothing heavy, and only this package of ours."""
    sandbox.run(Program("1"))
    maps = Path(f"/proc/{_zygotes(sandbox)[0]}/maps").read_text()
    assert "libtorch" not in maps and "numpy" not in maps
    resident = next(
        line for line in Path(f"/proc/{_zygotes(sandbox)[0]}/status").read_text().splitlines() if "VmRSS" in line
    )
    assert int(resident.split()[1]) < 80_000


def test_no_program_finds_what_an_earlier_one_left_in_memory() -> None:
    """A child inherits the zygote's memory: neither a program nor its results may be in the part that it inherits."""
    needles = [f"needle-{kind}-".encode() + b"7" * 20 for kind in ("source", "argument", "result", "stdout")]
    source, argument, result, stdout = (needle.decode() for needle in needles)
    program = f"# {source}\nprint({stdout[:8]!r} + {stdout[8:]!r})\ndef f(x): return {result[:8]!r} + {result[8:]!r}"
    with Sandbox(workers=1) as sandbox:
        outcome = sandbox.run(Program(program, "f", (f"{{'x': {argument!r}}}",)))
        assert outcome.calls[0].text == repr(result) and stdout in outcome.stdout
        inherited, withheld = _memory(_zygotes(sandbox)[0])
    assert [needle for needle in needles if needle in inherited] == []
    assert [needle for needle in needles if needle in withheld] == needles[2:], "the search finds what is there"


def _memory(pid: int) -> tuple[bytes, bytes]:
    """What a child of the process inherits, and what its own mappings withhold (flag `dc`: do not copy on fork)."""
    inherited, withheld = bytearray(), bytearray()
    if not os.access(f"/proc/{pid}/mem", os.R_OK):
        pytest.skip("this user may not look into its children's memory")
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        start = end = 0
        readable = False
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            head = line.split()
            if "-" in head[0] and ":" not in head[0]:
                start, end = (int(part, 16) for part in head[0].split("-"))
                readable = head[1].startswith("rw")
            elif head[0] == "VmFlags:" and readable:
                memory.seek(start)
                (withheld if "dc" in head else inherited).extend(memory.read(end - start))
    return bytes(inherited), bytes(withheld)
