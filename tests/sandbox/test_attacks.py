"""Attacks. Each must fail in the sandbox, and behind each wall alone that should stop it, and succeed without walls."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lit_reason.sandbox import Limits, Outcome, Program, Sandbox

Behind = Callable[..., Sandbox]
SECRET = "witness, unharmed"


@dataclass(frozen=True)
class Target:
    """What is attacked: a file, a process, a listening port."""

    file: Path
    process: subprocess.Popen[bytes]
    server: socket.socket

    def source(self, template: str) -> str:
        words = {"FILE": repr(str(self.file)), "PID": str(self.process.pid), "PORT": str(self.server.getsockname()[1])}
        for word, value in words.items():
            template = template.replace(word, value)
        return template

    @property
    def file_changed(self) -> bool:
        return not self.file.exists() or self.file.read_text() != SECRET

    @property
    def process_killed(self) -> bool:
        try:
            return self.process.wait(0.3) is not None
        except subprocess.TimeoutExpired:
            return False


@dataclass(frozen=True)
class Attack:
    name: str
    walls: str
    source: str
    succeeded: Callable[[Target, Outcome], bool]


def _changed(target: Target, outcome: Outcome) -> bool:
    return target.file_changed


def _killed(target: Target, outcome: Outcome) -> bool:
    return target.process_killed


def _won(target: Target, outcome: Outcome) -> bool:
    return "won" in outcome.stdout


_LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_SIGNAL_IO = """
import fcntl, os
reading, writing = os.pipe()
fcntl.fcntl(reading, 10, 9)  # F_SETSIG, SIGKILL
fcntl.fcntl(reading, 8, PID)  # F_SETOWN
fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
os.write(writing, b"x")
"""
_FOREIGN_CALL = """
import ctypes, mmap
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid, 32-bit table); int 0x80; ret
import os
pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
print("won" if pid == os.getpid() else pid)
"""

ATTACKS = [
    Attack("write a file outside", "landlock identity", "open(FILE, 'w').write('x')", _changed),
    Attack("read a file outside", "landlock", f"print('won' if open(FILE).read() == {SECRET!r} else '')", _won),
    Attack("delete a file outside", "landlock identity", "import os; os.unlink(FILE)", _changed),
    Attack("chmod a file outside", "seccomp identity", "import os; os.chmod(FILE, 0o777); print('won')", _won),
    Attack("set times of a file outside", "seccomp identity", "import os; os.utime(FILE, (1, 1)); print('won')", _won),
    Attack("link to a file outside", "landlock seccomp", "import os; os.link(FILE, FILE + '2'); print('won')", _won),
    Attack(
        "symlink for the parent to follow", "landlock seccomp", "import os; os.symlink(FILE, 'x'); print('won')", _won
    ),
    Attack(
        "make directories that are hard to delete", "landlock seccomp", "import os; os.mkdir('x'); print('won')", _won
    ),
    Attack("truncate by path", "landlock seccomp identity", "import os; os.truncate(FILE, 0)", _changed),
    Attack(
        "truncate read-only",
        "landlock seccomp identity",
        "import os; os.open(FILE, os.O_RDONLY | os.O_TRUNC)",
        _changed,
    ),
    Attack(
        "connect",
        "landlock seccomp",
        "import socket; socket.create_connection(('127.0.0.1', PORT)); print('won')",
        _won,
    ),
    Attack(
        "send a datagram",
        "seccomp",
        "import socket as s; s.socket(2, 2).sendto(b'x', ('127.0.0.1', PORT)); print('won')",
        _won,
    ),
    Attack("fork", "seccomp rlimits+identity", "import os\nif os.fork() == 0: os._exit(0)\nprint('won')", _won),
    Attack("start a thread", "seccomp", "import _thread; _thread.start_new_thread(print, ()); print('won')", _won),
    Attack("exec", "landlock seccomp", "import os; os.execv('/bin/sh', ['sh', '-c', 'echo x > ' + FILE])", _changed),
    Attack("kill a process", "landlock seccomp identity", "import os; os.kill(PID, 9)", _killed),
    Attack(
        "kill through signal-driven I/O",
        "landlock seccomp identity",
        _SIGNAL_IO,
        _killed,
    ),
    Attack("ptrace", "landlock seccomp identity", _LIBC + "if libc.ptrace(16, PID, 0, 0) == 0: print('won')", _won),
    Attack("read a process' environment", "landlock", "print('won' if open('/proc/PID/environ').read() else '')", _won),
    Attack("memory that is a file", "seccomp", "import os; os.memfd_create('x'); print('won')", _won),
    Attack(
        "io_uring",
        "seccomp",
        _LIBC + "if libc.syscall(425, 4, ctypes.create_string_buffer(120)) >= 0: print('won')",
        _won,
    ),
    Attack("new namespaces", "seccomp", _LIBC + "if libc.unshare(0x10000000) == 0: print('won')", _won),
    Attack("lose the death signal", "seccomp", _LIBC + "if libc.prctl(1, 0, 0, 0, 0) == 0: print('won')", _won),
    Attack("become root", "seccomp identity", "import os; os.setuid(0); print('won')", _won),
    Attack("take memory", "rlimits", "x = bytearray(700 << 20); print('won')", _won),
    Attack(
        "write a huge file",
        "rlimits",
        "f = open('x', 'wb'); f.seek(20 << 20); f.write(b'x'); f.flush(); print('won')",
        _won,
    ),
    Attack("open many files", "rlimits", "x = [open('/dev/null') for _ in range(200)]; print('won')", _won),
]
if platform.machine() == "x86_64":
    ATTACKS.append(Attack("call through the 32-bit table", "seccomp", _FOREIGN_CALL, _won))


@pytest.fixture
def target(tmp_path: Path):
    file = tmp_path / "witness"
    file.write_text(SECRET)
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Target(file, process, server)
    process.kill()
    process.wait()


def _try(attack: Attack, target: Target, sandbox: Sandbox) -> bool:
    outcome = sandbox.run(Program(target.source(attack.source), limits=Limits(wall_seconds=5)))
    return attack.succeeded(target, outcome)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_fails_in_the_sandbox_and_behind_each_wall_and_succeeds_without(
    attack: Attack, target: Target, sandbox: Sandbox, behind: Behind
) -> None:
    assert not _try(attack, target, sandbox), "the sandbox lets it through"
    for walls in attack.walls.split():
        if "identity" not in walls or os.geteuid() == 0:
            assert not _try(attack, target, behind(*walls.split("+"))), f"{walls} alone lets it through"
    assert _try(attack, target, behind()), "the attack is broken: nothing stops it, and it fails"
