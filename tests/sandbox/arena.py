"""What is attacked: a folder, a process, listeners, kernel objects; and runs of an attack, behind walls or without."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_reason.sandbox import Limits, Program, Sandbox
from tests.sandbox.syscall_numbers import FORBIDDEN, FORBIDDEN_X86, FORBIDDEN_YOUNG, MACHINES

SECRET = "witness, unharmed"
LATER = """
import builtins, colorsys, decimal, fcntl, gc, json, os, signal, socket, sys, time, warnings
print(sorted(os.listdir()), sorted(os.environ), oct(os.umask(0o77)), os.path.basename(os.getcwd()) != "")
print(json.dumps([len("abc"), sorted([2, 1])]), colorsys.rgb_to_hsv(0, 0, 0), decimal.Decimal(1) / 3)
print(signal.getsignal(signal.SIGTERM), len(warnings.filters), sys.getrecursionlimit(), gc.isenabled())
print(len(sys.meta_path), sys.gettrace(), sys.getprofile(), time.localtime(0).tm_hour)
time.sleep(0.002)
print([fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (0, 1, 2)], socket.getdefaulttimeout())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("once")
print([str(each.message) for each in caught], int("7" * 4000) % 10, type("C", (), {}).__name__)
"""
"""Prints what an earlier program might have changed for it."""

_LONGEST_SECONDS = 8.0  # a run behind walls that takes longer did not keep to its limits
_usual_naively: list[str] = []
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Run:
    """What an attack and a program after it gave."""

    text: str
    later: str | None = None
    usual: str = ""
    """What the later program prints after an innocent one."""
    ended: bool = True
    """By itself or by its limits; False when the test had to end it."""
    crashed: bool = False
    """Whether the executor broke down with its program."""


class Arena:
    """Targets of one attack, made anew for each run, with a picture of how they were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "witness"
        self.file.write_text(SECRET)
        self.scratch = folder / "scratch"  # where the naive executor works: not a witness
        self.scratch.mkdir()
        with self.file.open("r+b") as stream:
            self.victim = subprocess.Popen(
                ["/bin/sleep", "60"], env={"PASSWORD": SECRET}, cwd=folder, stdin=stream, start_new_session=True
            )
        while SECRET.encode() not in Path(f"/proc/{self.victim.pid}/environ").read_bytes():
            time.sleep(0.001)  # its memory is laid out a moment after Popen returns
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix = _listen(str(folder / "socket"))
        self.abstract = _listen(f"\0lit-reason-{os.getpid()}-{folder.name}")
        self.key = 0x11700000 + os.getpid() % 0xFFFF
        self._folder_before, self._victim_before = self._see_folder(), self._see_victim()

    def close(self) -> None:
        """Take everything down."""
        self.victim.kill()
        self.victim.wait()
        for listener in (self.tcp, self.udp, self.unix, self.abstract):
            listener.close()
        for name in self.kernel_objects():
            _remove(name, self.key)

    def source(self, attack: str) -> str:
        """The attack with everything that it could wish to know."""
        known = {
            "FILE": str(self.file),
            "FOLDER": str(self.folder),
            "SECRET": SECRET,
            "PID": self.victim.pid,
            "PASSWORD_ADDRESS": int(_stat(self.victim.pid)[49]),
            "TCP": self.tcp.getsockname(),
            "UDP": self.udp.getsockname(),
            "UNIX": str(self.folder / "socket"),
            "ABSTRACT": self.abstract.getsockname(),
            "KEY": self.key,
            "NR": machine_numbers(),
        }
        return "\n".join([*(f"{name} = {value!r}" for name, value in known.items()), _CALL, attack])

    def folder_changed(self) -> bool:
        """Whether a name, the contents or any metadata below the folder differ."""
        return self._see_folder() != self._folder_before

    def victim_changed(self) -> bool:
        """Whether the process is gone, stopped, or has other limits, priorities or memory."""
        return self._see_victim() != self._victim_before

    def heard(self) -> bool:
        """Whether anybody called a listener."""
        return any(_called(listener) for listener in (self.tcp, self.udp, self.unix, self.abstract))

    def kernel_objects(self) -> list[str]:
        """Which objects under the key outlived their maker."""
        found = {
            "shm": _libc.shmget(self.key, 0, 0) >= 0,
            "sem": _libc.semget(self.key, 0, 0) >= 0,
            "msg": _libc.msgget(self.key, 0) >= 0,
            "mq": _libc.mq_open(f"/lit-reason-{self.key}".encode(), 0) >= 0,
            "dev_shm": os.path.exists(f"/dev/shm/lit-reason-{self.key}"),
        }
        return [name for name, exists in found.items() if exists]

    def _see_folder(self) -> dict[str, Any]:
        return {path.name: _see(path) for path in [self.folder, *self.folder.iterdir()] if path != self.scratch}

    def _see_victim(self) -> tuple[object, ...]:
        pid = self.victim.pid
        if self.victim.poll() is not None:
            return ("gone",)
        stat = _stat(pid)
        limits = [resource.prlimit(pid, kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        oom = Path(f"/proc/{pid}/oom_score_adj").read_text()
        comm = Path(f"/proc/{pid}/comm").read_text()
        policy = (
            os.sched_getscheduler(pid),
            os.sched_getaffinity(pid),
            _libc.syscall(machine_numbers()["ioprio_get"], 1, pid),
        )
        return (stat[2] == "T", stat[18], limits, environment, oom, comm, policy)


def run_in(sandbox: Sandbox, source: str, limits: Limits) -> Run:
    """The attack and a later program in a sandbox of one worker."""
    usual = _usual_in(sandbox)
    calls = ("{}",) if "\ndef f(" in source else ()
    started = time.monotonic()
    outcome = sandbox.run(Program(source, "f" if calls else None, calls, limits=limits))
    seconds = time.monotonic() - started
    said = (outcome.stdout, *(f"{call.text} {call.message}" for call in outcome.calls), outcome.error or "")
    later = sandbox.run(Program(LATER))
    return Run(" ".join(said), later.stdout, usual, seconds < _LONGEST_SECONDS)


@functools.cache
def _usual_in(sandbox: Sandbox) -> str:
    return sandbox.run(Program(LATER)).stdout


def run_naively(arena: Arena, source: str, seconds: float) -> Run:
    """The same in the naive executor, ended so many seconds after the attack began."""
    if not _usual_naively:
        _usual_naively.append(_run_naively(arena, "", 10).later or "")
        for path in arena.scratch.iterdir():
            path.unlink()
    return dataclasses.replace(_run_naively(arena, source, seconds), usual=_usual_naively[0])


def _run_naively(arena: Arena, source: str, seconds: float) -> Run:
    request = json.dumps({"source": source, "later": LATER, "file": str(arena.file)})
    command = [sys.executable, "-S", "-P", str(Path(__file__).with_name("naive.py")), request]
    grader = subprocess.Popen(
        command, cwd=arena.scratch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not (arena.scratch / "started").exists() and grader.poll() is None:
            time.sleep(0.002)
        output = grader.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        return Run("", ended=False)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(grader.pid, signal.SIGKILL)
        grader.wait()
    try:
        report = json.loads(output)
    except ValueError:
        return Run(output.decode(errors="replace"), crashed=True)
    return Run(report["text"], report["later"])


_CALL = """
def call(name, *arguments):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(NR[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
"""


def machine_numbers() -> dict[str, int]:
    """System calls that programs are refused, by their numbers on this machine."""
    column = MACHINES.index(platform.machine())
    young = FORBIDDEN_YOUNG | (FORBIDDEN_X86 if column == 0 else {})
    return {name: pair[column] for name, pair in FORBIDDEN.items()} | young


def _listen(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    return listener


def _called(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(100)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat, counted from 0 as the manual counts from 1."""
    name, rest = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
    return [str(pid), name, *rest.split()]


def _see(path: Path) -> tuple[object, ...]:
    facts = path.lstat()
    attributes = os.listxattr(path, follow_symlinks=False) if not path.is_symlink() else []
    contents = path.read_bytes()[:10_000] if path.is_file() else b""
    times = facts.st_mtime_ns if path.name == "witness" else 0
    return (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_nlink, facts.st_size, times, attributes, contents)


def _remove(name: str, key: int) -> None:
    if name == "shm":
        _libc.shmctl(_libc.shmget(key, 0, 0), 0, None)
    elif name == "sem":
        _libc.semctl(_libc.semget(key, 0, 0), 0, 0)
    elif name == "msg":
        _libc.msgctl(_libc.msgget(key, 0), 0, None)
    elif name == "mq":
        _libc.mq_unlink(f"/lit-reason-{key}".encode())
    else:
        os.unlink(f"/dev/shm/lit-reason-{key}")
