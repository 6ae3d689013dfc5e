"""A function over many items in processes that can be killed: for libraries that hang, or eat memory, on some inputs.

    with Workers(grade_one, imports=("math_verify",)) as workers:
        for result in workers.map(items):  # in order
            if isinstance(result, Failure): ...

Each worker is a fresh interpreter whose main thread calls the function (math-verify behaves differently on another).
An item that takes too long costs its own worker, which is replaced; the items after it never notice.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

_AHEAD = 32
"""Items per worker, finished or under way, that may pile up behind one that takes long."""

_GRACE_SECONDS = 5.0  # past the limit, from the parent's kill to the worker's own end if there is no parent any more
_START_SECONDS = 120.0
_CHILD = "import sys; from lit_reason.grading.workers import serve; serve(int(sys.argv[1]), float(sys.argv[2]))"


@dataclass(frozen=True)
class Failure:
    """Why an item has no result: over its `time` or `memory`, its worker `died`, or the function raised (`error`)."""

    kind: Literal["time", "memory", "died", "error"]
    message: str = ""


class Workers:
    """Processes that call one function on one item at a time.

    Args:
        function: importable by name in another process; it, its items and its results are pickled.
        workers: items at a time.
        seconds: wall clock for one item.
        memory_mb: address space of a worker.
        imports: modules to import before the clock of the first item starts.

    Raises:
        RuntimeError: (from `map`) a worker does not start; the message ends with what it said.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        workers: int = 2,
        seconds: float = 10.0,
        memory_mb: int = 2048,
        imports: tuple[str, ...] = (),
    ) -> None:
        if workers < 1 or not seconds > 0:
            raise ValueError(f"workers must be at least 1 and seconds above 0, not {workers} and {seconds}")
        self.seconds = seconds
        start = pickle.dumps((function, memory_mb, imports))
        self._workers = [_Worker(start, seconds) for _ in range(workers)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all processes, whatever they do."""
        for worker in self._workers:
            worker.kill()

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield one result or `Failure` for each item, in order. `items` may be lazy; it is read little ahead."""
        coming, exhausted = enumerate(items), False
        finished: dict[int, Any] = {}
        due = n_read = 0
        try:
            while not exhausted or n_read > due:
                for worker in self._workers:
                    if worker.item is None and not exhausted and n_read < due + _AHEAD * len(self._workers):
                        index, item = next(coming, (-1, None))
                        exhausted = index < 0
                        if not exhausted:
                            worker.give(index, item)
                            n_read += 1
                if due in finished:
                    yield finished.pop(due)
                    due += 1
                elif n_read > due:
                    finished.update(self._wait())
        finally:  # left early: what is under way would otherwise answer the next call
            for worker in self._workers:
                if worker.item is not None:
                    worker.kill()

    def _wait(self) -> dict[int, Any]:
        """Results by index, as soon as there are any."""
        busy = [worker for worker in self._workers if worker.item is not None]
        first = min(worker.deadline for worker in busy)
        wait([worker.connection for worker in busy], timeout=max(0.0, first - time.monotonic()))
        return {index: result for worker in busy for index, result in worker.take()}


class _Worker:
    """One process and the item it works on."""

    def __init__(self, start: bytes, seconds: float) -> None:
        self.item: int | None = None
        self.deadline = 0.0
        self.connection: Connection = None  # type: ignore[assignment]
        self._start, self._seconds = start, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def give(self, index: int, item: Any) -> None:
        """Start on an item; the process itself is started where there is none."""
        if self._process is None:
            self._spawn()
        self.item = index
        # A new process reads its first item when it is ready, and its clock starts there.
        self.deadline = time.monotonic() + (self._seconds if self._ready else _START_SECONDS)
        with suppress(BrokenPipeError):  # it died idle, or while it started: `take` finds out
            self.connection.send(item)

    def take(self) -> Iterator[tuple[int, Any]]:
        """The result of the item, if there is one by now."""
        assert self.item is not None
        index = self.item
        try:
            if self.connection.poll():
                answer = self.connection.recv()
                if answer == "ready":
                    self._ready, self.deadline = True, time.monotonic() + self._seconds
                    return
                self.item = None
                seconds, result = answer
                # The caller may have been away for long; the worker's own clock decides.
                yield index, result if seconds <= self._seconds else self._too_slow()
                if isinstance(result, Failure) and result.kind == "memory":
                    self.kill()  # what is left of it may be in any state
            elif time.monotonic() >= self.deadline:
                self._check_started("it takes too long")
                self.kill()
                yield index, self._too_slow()
        except (EOFError, ConnectionResetError):
            self._check_started("it ended")
            code = self._process.wait()  # type: ignore[union-attr]
            self.kill()
            timed_out = code == -signal.SIGALRM
            yield index, self._too_slow() if timed_out else Failure("died", f"its process ended with status {code}")

    def kill(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stderr.close()  # type: ignore[union-attr]
            self.connection.close()
        self._process, self._ready, self.item = None, False, None

    def _spawn(self) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(theirs.fileno()), str(self._seconds + _GRACE_SECONDS)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is the caller's to handle
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        with suppress(BrokenPipeError):
            self.connection.send_bytes(self._start)

    def _check_started(self, why: str) -> None:
        if not self._ready:
            self._process.kill()  # type: ignore[union-attr]
            said = self._process.stderr.read().decode("utf-8", "replace").strip()  # type: ignore[union-attr]
            self.kill()
            raise RuntimeError(f"a grading process does not start: {said.splitlines()[-1] if said else why}")

    def _too_slow(self) -> Failure:
        return Failure("time", f"over {self._seconds:g} s")


def serve(descriptor: int, alarm_seconds: float) -> None:
    """A worker's whole life: answer items until the other end is closed.

    A timer ends the process inside a call that never returns, so that none is left behind when the parent was killed.
    """
    connection = Connection(descriptor)
    function, memory_mb, imports = pickle.loads(connection.recv_bytes())
    for name in imports:
        import_module(name)
    _silence(sys.stderr.fileno())
    with suppress(ValueError, OSError):  # some systems refuse to limit the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    connection.send("ready")
    with suppress(EOFError, BrokenPipeError):
        while True:
            item = connection.recv()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, alarm_seconds)
            began = time.monotonic()
            result = _call(function, item)
            seconds = time.monotonic() - began
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send((seconds, result))


def _call(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except MemoryError:
        return Failure("memory")
    except Exception as error:  # the caller decides what a failing item means; the others go on
        return Failure("error", f"{type(error).__name__}: {str(error)[:200]}")


def _silence(descriptor: int) -> None:
    """Warnings of libraries go nowhere from here on; a pipe that nobody reads would fill up and block."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
