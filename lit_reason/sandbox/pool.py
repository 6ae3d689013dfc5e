"""The sandbox as its users see it: programs in, outcomes out."""

from __future__ import annotations

import functools
import os
import queue
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from .execution import Execution
from .records import Limits, Outcome, Program, Protections, SandboxUnavailable
from .verdict import Reply
from .worker import Worker, WorkerDied

_AHEAD = 32
"""Programs per worker, finished or waiting, that may pile up behind one that takes long."""

_NEEDED = {
    "landlock": "Landlock (Linux 5.13 or later)",
    "seccomp": "seccomp (Linux on x86_64 or aarch64)",
    "rlimits": "resource limits",
    "identity": "giving up root and its capabilities",
}


class Sandbox:
    """Runs untrusted Python, `workers` programs at a time, each in a process of its own. Many threads may share it.

    Args:
        workers: programs at a time; each worker is one small interpreter of about 20 MB.
        limits: for programs that bring none of their own.
        hash_seed: fixes string hashes and with them the order of sets; what differs between two seeds depends on it.
        allow_unprotected: run even where a protection is missing on this machine.

    Raises:
        SandboxUnavailable: on entering, or at the first program, when a protection is missing and `allow_unprotected`
            is False.
    """

    _without: frozenset[str] = frozenset()
    """Protections to leave out although they exist: how tests show that each one carries weight."""

    def __init__(
        self, workers: int = 2, limits: Limits = Limits(), hash_seed: int = 0, allow_unprotected: bool = False
    ) -> None:
        if workers < 1:
            raise ValueError(f"a sandbox needs at least one worker, not {workers}")
        if not 0 <= hash_seed < 2**32:
            raise ValueError(f"hash_seed must lie between 0 and 4294967295, not {hash_seed}")
        self.limits = limits
        self._allow_unprotected = allow_unprotected
        self._owner = os.getpid()
        self._workers = [Worker(hash_seed, self._without) for _ in range(workers)]
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._finalizer = weakref.finalize(self, _stop_all, self._workers, self._owner)

    def __enter__(self) -> Sandbox:
        self.protections  # noqa: B018  refuses here rather than at the first program
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, whatever they run, and delete their directories."""
        self._finalizer()

    @property
    def protections(self) -> Protections:
        """What stands between a program and this machine. Starts a worker to find out, the first time."""
        worker = self._workers[0]
        return worker.protections or self._start(worker)

    def run(self, program: Program) -> Outcome:
        """Run one program; waits for a free worker."""
        if os.getpid() != self._owner:
            raise RuntimeError("a Sandbox does not survive a fork: make one in the process that uses it")
        worker = self._idle.get()
        try:
            return Execution(program, program.limits or self.limits, functools.partial(self._ask, worker)).outcome()
        finally:
            self._idle.put(worker)

    def map(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, `workers` at a time. The iterable is read little ahead of them."""
        ahead = _AHEAD * len(self._workers)
        pending: deque[Future[Outcome]] = deque()
        with ThreadPoolExecutor(len(self._workers), thread_name_prefix="sandbox") as threads:
            try:
                for program in programs:
                    pending.append(threads.submit(self.run, program))
                    while pending and (len(pending) >= ahead or pending[0].done()):
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _ask(self, worker: Worker, header: dict[str, Any], program: bytes) -> Reply:
        for _ in range(2):  # a zygote may have died idle; if it dies twice the program has to do with it
            self._start(worker)
            try:
                return worker.execute(header, program)
            except WorkerDied:
                continue
        return Reply("worker_died", 0, 0.0, b"", b"")

    def _start(self, worker: Worker) -> Protections:
        try:
            protections = worker.start()
        except WorkerDied:
            raise RuntimeError("the sandbox is closed") from None
        if protections.missing and not self._allow_unprotected:
            self.close()
            names = " and ".join(_NEEDED[name] for name in protections.missing)
            raise SandboxUnavailable(
                f"the sandbox does not start without {names}, missing on this machine; "
                "allow_unprotected=True (--allow_unprotected) runs programs without",
                protections,
            )
        return protections


def require_protections(allow_unprotected: bool = False) -> Protections:
    """What programs will run behind on this machine: to be called at the start of what executes only at its end.

    Raises:
        SandboxUnavailable: a protection is missing and `allow_unprotected` is False.
    """
    with Sandbox(workers=1, allow_unprotected=allow_unprotected) as sandbox:
        return sandbox.protections


def _stop_all(workers: list[Worker], owner: int) -> None:
    if os.getpid() == owner:  # a forked copy of the sandbox must not end the original's processes
        for worker in workers:
            worker.stop()
