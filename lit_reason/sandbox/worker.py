"""The parent's handle on one zygote: start it, give it a program, notice when it dies, leave nothing behind."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .jail import protocol
from .jail.identity import NOBODY
from .records import Protections, SandboxUnavailable
from .verdict import Reply

PACKAGES = ("algorithms", "boltons", "labmath", "more_itertools", "mpmath", "networkx", "sympy", "toolz")
"""Pure-Python packages that programs may import beside the standard library, where they are installed."""

STANDARD = (
    "array", "bisect", "calendar", "cmath", "copy", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "hashlib", "heapq", "io", "itertools", "math", "numbers", "operator", "random", "re", "statistics",
    "string", "struct", "textwrap", "time", "traceback", "typing", "unicodedata", "zlib",
)  # fmt: skip
"""Modules of the standard library that small programs import most. A zygote loads each when a program first names it,
and later ones find it there; all of them from the start would make every fork slower."""

_START_SECONDS = 60.0
_GRACE_SECONDS = 60.0  # beyond a program's wall clock before its zygote counts as hung: it may import packages first
_STOP_SECONDS = 5.0
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from jail.zygote import main; main()"


class WorkerDied(RuntimeError):
    """The zygote ended, or hung, while it had a program."""


class Worker:
    """One zygote, started when it is first needed. Use from one thread at a time; `stop` may come from another.

    Args:
        hash_seed: PYTHONHASHSEED of all programs.
        without: names of protections to leave out although the machine has them.
    """

    def __init__(self, hash_seed: int, without: Iterable[str] = ()) -> None:
        self._hash_seed = hash_seed
        self._without = sorted(without)
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = ""
        self._busy = threading.RLock()
        self._stopped = False
        self.protections: Protections | None = None

    def start(self) -> Protections:
        """Start the zygote unless it runs.

        Raises:
            SandboxUnavailable: its interpreter does not come up.
            WorkerDied: the worker was stopped.
        """
        with self._busy:
            if self._stopped:
                raise WorkerDied
            if self._process is None or self.protections is None:
                with self._or_end():
                    self._directory = _make_directory()
                    self._process = self._spawn()
                    self.protections = self._greet(self._process)
            return self.protections

    def execute(self, header: dict[str, Any], program: bytes) -> Reply:
        """Run one program in a fresh child. Raises `WorkerDied`; the next call then starts a new zygote."""
        with self._busy:
            self.start()
            assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
            requests, replies = self._process.stdin.fileno(), self._process.stdout.fileno()
            deadline = time.monotonic() + header["wall_seconds"] + _GRACE_SECONDS
            with self._or_end():
                protocol.send(requests, header)
                protocol.send_bytes(requests, program)
                reply = protocol.receive(replies, deadline)
                output = protocol.read_exactly(replies, reply["output"], deadline)
                records = protocol.read_exactly(replies, reply["records"], deadline)
            return Reply(reply["ending"], reply["status"], reply["seconds"], output, records)

    def stop(self) -> None:
        """End the zygote and what it runs, and delete its directory. Safe to call twice, and while `execute` waits."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.terminate()  # a thread in `execute` sees the pipe end and lets go of the lock
        with self._busy:
            self._end()

    @contextlib.contextmanager
    def _or_end(self) -> Iterator[None]:
        """End the zygote whatever goes wrong, an interrupt too: a reply left in the pipe must not answer the next."""
        try:
            yield
        except (protocol.Closed, protocol.Late):
            self._end()
            raise WorkerDied from None
        except BaseException:
            self._end()
            raise

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {"PYTHONHASHSEED": str(self._hash_seed), "LC_ALL": "C.UTF-8", "TZ": "UTC", "LD_BIND_NOW": "1"}
        if "LD_LIBRARY_PATH" in os.environ:  # some interpreters do not find their own library without it
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        # Not -I, which would ignore PYTHONHASHSEED; -s -S -P and an environment of our own are the rest of it.
        flags = ["-s", "-S", "-P", "-X", "utf8", "-W", "ignore"]
        command = [sys.executable, *flags, "-c", _BOOTSTRAP, str(Path(__file__).parent)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd="/", start_new_session=True, bufsize=0
        )

    def _greet(self, process: subprocess.Popen[bytes]) -> Protections:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        setup = {"directory": self._directory, "packages": installed_packages(), "without": self._without}
        try:
            protocol.send(process.stdin.fileno(), setup)
            hello = protocol.receive(process.stdout.fileno(), time.monotonic() + _START_SECONDS)
        except (protocol.Closed, protocol.Late):
            process.kill()
            complaint = process.stderr.read().decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
            raise SandboxUnavailable(f"the sandbox's interpreter did not start: {complaint[-1]}") from None
        standing = hello["standing"]
        return Protections(
            landlock=hello["landlock"] if "landlock" in standing else 0,
            seccomp="seccomp" in standing,
            rlimits="rlimits" in standing,
            identity="identity" in standing,
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end_process(process)
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)  # usually the zygote has done it
            self._directory = ""


def _end_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@functools.cache
def worth_loading() -> frozenset[str]:
    """What a zygote loads for all of its programs once the first of them names it."""
    return frozenset({*STANDARD, *installed_packages()})


@functools.cache
def installed_packages() -> dict[str, str]:
    """Those of `PACKAGES` that are installed: name to directory or file."""
    found = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin
    return found


def _make_directory() -> str:
    directory = tempfile.mkdtemp(prefix="lit-reason-sandbox-")
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a namespace that knows no nobody: there the zygote keeps its user too
            os.chown(directory, NOBODY, NOBODY)
    return directory
