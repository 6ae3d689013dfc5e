"""Watching one child: collect what it writes, end it when a limit is reached."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import time
from typing import NamedTuple

DISK_BYTES = 64 << 20
DISK_FILES = 1000
_TICK_SECONDS = 0.1


class Bounds(NamedTuple):
    """What a child may take before it is killed. `step_seconds` bounds the time from one line of its records on."""

    wall_seconds: float
    step_seconds: float
    output_bytes: int
    record_bytes: int


class Buffer:
    """Bounded bytes in memory that a child does not inherit: no program can read or change what another one wrote."""

    def __init__(self) -> None:
        self._map = _private(mmap.PAGESIZE)
        self._limit = self.size = 0

    def reset(self, limit: int) -> None:
        """Forget the contents and take up to `limit` bytes."""
        if limit >= len(self._map):
            self._map.close()
            self._map = _private(limit + 1)
        self._limit, self.size = limit, 0

    def fill(self, fd: int) -> bool:
        """Read once; False at the end of the stream."""
        with memoryview(self._map) as view, view[self.size : self._limit + 1] as room:
            count = os.readv(fd, [room])
        self.size += count
        return count > 0

    @property
    def full(self) -> bool:
        """Whether more than the limit came."""
        return self.size > self._limit

    def has_line(self, start: int) -> bool:
        """Whether a line ended in what came since `start`."""
        return self._map.find(b"\n", start, self.size) >= 0

    def write_to(self, fd: int) -> None:
        """Pass the contents on, without a copy that a later child would inherit."""
        done = 0
        with memoryview(self._map) as view:
            while done < min(self.size, self._limit):
                with view[done : min(self.size, self._limit)] as rest:
                    done += os.write(fd, rest)


def _private(size: int) -> mmap.mmap:
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_DONTFORK"):
        memory.madvise(mmap.MADV_DONTFORK)
    return memory


class Supervisor:
    """Watches children, one at a time, for a zygote whose parent holds the other end of `parent_fd`.

    Their files are counted in the working directory, which a child shares with the zygote.
    """

    def __init__(self, parent_fd: int) -> None:
        self.output, self.records = Buffer(), Buffer()
        self._parent_fd = parent_fd
        self._next_tick = 0.0

    def watch(self, pid: int, output_fd: int, records_fd: int, bounds: Bounds) -> tuple[str, int, float]:
        """Wait until the child has ended, or end it.

        Returns:
            (why it ended: "exit", or the limit "wall", "step", "output", "records", "disk", or "orphan" when the parent
            is gone; its exit status, negative for a signal; seconds it ran). What it wrote is in `output` and
            `records`.
        """
        started = time.monotonic()
        self._next_tick = started + _TICK_SECONDS
        self.output.reset(bounds.output_bytes)
        self.records.reset(bounds.record_bytes)
        ending = self._collect(output_fd, records_fd, bounds, started)
        if ending == "exit":
            ending = self._await_exit(pid, started + bounds.wall_seconds)
        kill(pid)  # without walls it may have left others of its group behind, however it ended
        status = os.waitpid(pid, 0)[1]
        return ending, os.waitstatus_to_exitcode(status), time.monotonic() - started

    def _collect(self, output_fd: int, records_fd: int, bounds: Bounds, started: float) -> str:
        """Read both streams to their end. A program may close them and live on: the caller waits for it."""
        poll = select.poll()
        open_streams = {output_fd: self.output, records_fd: self.records}
        for fd in open_streams:
            poll.register(fd, select.POLLIN)
        poll.register(self._parent_fd, 0)  # only a hang-up is reported
        wall = started + bounds.wall_seconds
        step = wall
        while open_streams:
            now = time.monotonic()
            if now >= min(wall, step):
                return "wall" if wall <= step else "step"
            if self._too_many_files(now):
                return "disk"
            for fd, _ in poll.poll(max(1, 1000 * (min(wall, step, self._next_tick) - now))):
                if fd == self._parent_fd:
                    return "orphan"
                buffer, before = open_streams[fd], open_streams[fd].size
                if not buffer.fill(fd):
                    poll.unregister(fd)
                    del open_streams[fd]
                elif buffer.full:
                    return "output" if fd == output_fd else "records"
                elif fd == records_fd and buffer.has_line(before):
                    step = time.monotonic() + bounds.step_seconds
        return "exit"

    def _await_exit(self, pid: int, wall: float) -> str:
        """Wait for a child that closed its streams. Usually it ends at once; if it lives on it stays bounded."""
        parent, pause = None, 0.0001
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            now = time.monotonic()
            if now >= wall:
                return "wall"
            if self._too_many_files(now):
                return "disk"
            if parent is None:
                parent = select.poll()
                parent.register(self._parent_fd, 0)
            if parent.poll(0):
                return "orphan"
            time.sleep(pause)
            pause = min(2 * pause, 0.01)
        return "exit"

    def _too_many_files(self, now: float) -> bool:
        if now < self._next_tick:
            return False
        self._next_tick = now + _TICK_SECONDS
        return _over_quota()


def kill(pid: int) -> None:
    """End the child and its group. Safe until it is reaped: its number cannot have been given away."""
    for end, target in ((os.killpg, pid), (os.kill, pid)):
        try:
            end(target, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # not yet a group leader, or a zombie already
            continue


def _over_quota() -> bool:
    files = size = 0
    with os.scandir() as entries:
        for entry in entries:
            files += 1
            with contextlib.suppress(FileNotFoundError):
                size += entry.stat(follow_symlinks=False).st_size
            if files > DISK_FILES or size > DISK_BYTES:
                return True
    return False
