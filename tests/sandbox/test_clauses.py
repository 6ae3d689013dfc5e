"""What the sandbox promises, clause by clause: seen from inside, by a program, and from outside, in /proc."""

from __future__ import annotations

import ast
import errno
import os
import threading
import time
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

import lit_reason.sandbox
from callbacks.case2code_evaluation import Case2CodeEvaluation
from lit_reason.case2code.grader import CaseGrader
from lit_reason.sandbox import Limits, Program, Sandbox, SandboxUnavailable, require_protections
from lit_reason.sandbox.jail.identity import NOBODY
from tests.sandbox.arena import machine_numbers
from tests.sandbox.syscall_numbers import FORBIDDEN_BY_FAMILY, FORBIDDEN_X86, FORBIDDEN_YOUNG

ROOM = Path(lit_reason.sandbox.__file__).parent
AS_ROOT = os.geteuid() == 0

FROM_INSIDE = [
    ("own session", "print(os.getsid(0) == os.getpid())", "True"),
    ("own process group", "print(os.getpgrp() == os.getpid())", "True"),
    ("empty environment", "print(dict(os.environ))", "{}"),
    (
        "empty environment in C",
        "from ctypes import *; print(POINTER(c_char_p).in_dll(CDLL(None), 'environ')[0])",
        "None",
    ),
    ("time zone of no machine", "import time; time.tzset(); print(time.localtime(0).tm_hour, time.tzname[0])", "0 UTC"),
    ("memory", "print(resource.getrlimit(resource.RLIMIT_AS)[0] >> 20)", "512"),
    ("processor time", "print(resource.getrlimit(resource.RLIMIT_CPU))", "(12, 12)"),
    ("size of files", "print(resource.getrlimit(resource.RLIMIT_FSIZE))", str((8 << 20, 8 << 20))),
    ("open files", "print(resource.getrlimit(resource.RLIMIT_NOFILE))", "(64, 64)"),
    ("processes", "print(resource.getrlimit(resource.RLIMIT_NPROC))", "(0, 0)"),
    ("core dumps", "print(resource.getrlimit(resource.RLIMIT_CORE))", "(0, 0)"),
    ("no import of the harness", "import jail", "ModuleNotFoundError"),
    ("no import of this project", "import lit_reason", "ModuleNotFoundError"),
    ("no import of installed packages", "import torch", "ModuleNotFoundError"),
    ("the standard library", "import email, sqlite3, xml.etree.ElementTree, zoneinfo, ssl, json.tool; print(1)", "1"),
    ("own files", "open('x', 'w').write('y'); print(open('x').read(), oct(os.stat('x').st_mode))", "y 0o100600"),
    *[
        (f"no reading of {path}", f"open({path!r}, 'rb').read(1)", "PermissionError")
        for path in ("/etc/passwd", "/proc/self/status", "/proc/meminfo", "/sys/kernel/mm", "/dev/mem", "/etc/hostname")
        if os.path.exists(path)
    ],
    *[
        (f"no listing of {path}", f"os.listdir({path!r})", "PermissionError")
        for path in ("/", "/etc", "/home", "/root", "/tmp", "/proc", "/dev/shm")
        if os.path.exists(path)
    ],
    *[
        (f"no writing in {path}", f"open({path + '/x'!r}, 'w')", "PermissionError")
        for path in ("/tmp", "/var/tmp", "/dev/shm", "/usr/lib", "/")
        if os.path.exists(path)
    ],
]


@pytest.mark.parametrize(("clause", "source", "expected"), FROM_INSIDE, ids=[clause for clause, _, _ in FROM_INSIDE])
def test_clause_from_inside(sandbox: Sandbox, clause: str, source: str, expected: str) -> None:
    outcome = sandbox.run(Program("import os, resource\n" + source))
    assert (outcome.error_type or outcome.stdout.strip()) == expected, outcome


def _errors(sandbox: Sandbox, numbers: dict[str, int]) -> dict[str, int]:
    """What the kernel itself answers to each call; its arguments are such that it would do nothing."""
    source = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {numbers!r}.items():
    result = libc.syscall(number, *[ctypes.c_long(-1)] * 6)
    print(name, ctypes.get_errno() if result == -1 else "passed")
"""
    rows = [line.split() for line in sandbox.run(Program(source)).stdout.splitlines()]
    assert len(rows) == len(numbers)
    return {name: int(answer) if answer.isdigit() else 0 for name, answer in rows}


@pytest.mark.parametrize("family", [*FORBIDDEN_BY_FAMILY, "of x86_64 alone"])
def test_every_family_of_system_calls_is_refused(sandbox: Sandbox, family: str) -> None:
    names = FORBIDDEN_BY_FAMILY.get(family, FORBIDDEN_X86)
    numbers = {name: number for name, number in machine_numbers().items() if name in names}
    assert set(_errors(sandbox, numbers).values()) <= {errno.EPERM}


def test_young_system_calls_do_not_exist(sandbox: Sandbox) -> None:
    """clone3 among them, so that libc falls back to what can be judged by its arguments."""
    assert "clone3" in FORBIDDEN_YOUNG
    assert set(_errors(sandbox, FORBIDDEN_YOUNG).values()) == {errno.ENOSYS}


def test_from_outside() -> None:
    """The kernel's own view of a running program."""
    with Sandbox(workers=1, limits=Limits(wall_seconds=1)) as sandbox:
        sandbox.run(Program("1"))
        running = threading.Thread(target=lambda: sandbox.run(Program("while True: pass")))
        running.start()
        status = _status_of_the_program(sandbox)
        running.join()
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    if AS_ROOT:
        assert status["Uid"].split() == status["Gid"].split() == [str(NOBODY)] * 4 and status["Groups"] == ""


def _status_of_the_program(sandbox: Sandbox) -> dict[str, str]:
    """/proc/PID/status of the program, once it has entered its walls: the filter is the last of them."""
    zygote = sandbox._workers[0]._process.pid
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
        lines = [Path(f"/proc/{child}/status").read_text().splitlines() for child in children]
        for status in (dict(line.split(":", 1) for line in each) for each in lines):
            if status["Seccomp"].strip() == "2":
                return {name: value.strip() for name, value in status.items()}
    raise AssertionError("no program runs")


def test_nothing_that_came_from_a_program_is_unpickled() -> None:
    modules = {
        name.split(".")[0]
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "json" in modules and not modules & {"pickle", "marshal", "shelve", "multiprocessing", "dill", "cloudpickle"}


def test_what_is_not_covered_is_told_where_the_sandbox_is_explained() -> None:
    text = lit_reason.sandbox.__doc__ or ""
    assert all(
        word in text[text.index("NOT cover") :] for word in ("lie", "Kernel", "Metadata", "side channels", "/usr/lib")
    )


def test_protections_can_be_required_before_anything_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert require_protections().missing == ()
    monkeypatch.setattr(Sandbox, "_without", frozenset({"landlock"}))
    with pytest.raises(SandboxUnavailable, match="Landlock") as refusal:
        require_protections()
    assert refusal.value.protections.landlock == 0 and refusal.value.protections.seccomp
    assert require_protections(allow_unprotected=True).missing == ("landlock",)


def test_an_evaluation_refuses_before_it_generates(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    evaluation = Case2CodeEvaluation()
    evaluation.setup(trainer, None, "validate")
    monkeypatch.setattr(Sandbox, "_without", frozenset({"seccomp"}))
    with pytest.raises(SandboxUnavailable, match="seccomp"):
        evaluation.setup(trainer, None, "validate")
    Case2CodeEvaluation(grader=CaseGrader(allow_unprotected=True)).setup(trainer, None, "validate")
