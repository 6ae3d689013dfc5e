"""The zygote: a small interpreter that forks one child per program, and outlives all of them.

Requests come as two frames: a header with limits, which the zygote reads, then the program, which only the child
reads. With `Buffer` this keeps every program and its results out of the memory that later children inherit.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes enum members of what passes, slow in a fresh child
import contextlib
import gc
import importlib
import importlib.util
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

from . import harness, landlock, protocol
from .lockdown import Lockdown
from .reach import FIRST_FD, Reach, move_library
from .supervisor import Bounds, Supervisor, kill

REFUSED = 72
"""Exit status of a child that could not enter its walls or read its program."""

_INT_DIGITS = 100_000
"""Python's own 4,300 fails honest programs; this many digits still convert within a fraction of a second."""


def main() -> NoReturn:
    """Serve programs from standard input until it ends."""
    requests, replies = _take_standard_streams()
    setup = protocol.receive(requests)
    _prefer_as_victim()
    spare = _prepare_interpreter(setup["packages"])
    above, name = os.path.split(setup["directory"])
    above_fd = os.open(above, os.O_RDONLY)  # by its name it may be out of reach for who gave up root
    lockdown = Lockdown(setup["directory"], setup["packages"].values(), setup["without"], spare)
    gc.freeze()  # children leave the shared pages alone
    os.dup2(harness.RECORDS_FD, 2)  # a start that fails is told on standard error; from here on nobody reads it
    signal.signal(signal.SIGTERM, _stop)
    try:
        protocol.send(replies, {"standing": sorted(lockdown.standing), "landlock": landlock.abi()})
        _serve(requests, replies, lockdown)
    except (protocol.Closed, BrokenPipeError, _Stopped):
        _empty()
        with contextlib.suppress(OSError):  # the parent was faster, or the directory above is not ours to change
            os.rmdir(name, dir_fd=above_fd)
    os._exit(0)


def _prepare_interpreter(packages: dict[str, str]) -> range:
    """Everything that programs find in their interpreter; the descriptors that it needs."""
    _leave_no_trace()
    reach = Reach()
    move_library(reach)
    sys.meta_path.append(_PackageFinder({name: reach.of(path) for name, path in packages.items()}))
    sys.set_int_max_str_digits(_INT_DIGITS)
    return range(FIRST_FD, reach.end)


def _serve(requests: int, replies: int, lockdown: Lockdown) -> NoReturn:
    supervisor = Supervisor(requests)
    while True:
        header = protocol.receive(requests)
        _warm(header["warm"])
        reply = _run(header, requests, lockdown, supervisor)
        if reply["ending"] == "orphan":
            raise protocol.Closed
        protocol.send(replies, reply)
        supervisor.output.write_to(replies)
        supervisor.records.write_to(replies)
        _empty()


def _run(header: dict[str, Any], requests: int, lockdown: Lockdown, supervisor: Supervisor) -> dict[str, Any]:
    output, output_end = os.pipe()
    records, records_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(header, requests, (output_end, records_end), lockdown)
    os.close(output_end)
    os.close(records_end)
    bounds = Bounds(header["wall_seconds"], header["step_seconds"], header["output_bytes"], header["record_bytes"])
    try:
        ending, status, seconds = supervisor.watch(pid, output, records, bounds)
    except BaseException:
        kill(pid)
        with contextlib.suppress(ChildProcessError):  # reaped just before
            os.waitpid(pid, 0)
        raise
    finally:
        os.close(output)
        os.close(records)
    return {
        "ending": "refused" if ending == "exit" and status == REFUSED else ending,
        "status": status,
        "seconds": seconds,
        "output": min(supervisor.output.size, bounds.output_bytes),
        "records": min(supervisor.records.size, bounds.record_bytes),
    }


def _child(header: dict[str, Any], requests: int, ends: tuple[int, int], lockdown: Lockdown) -> NoReturn:
    """Read the program, enter the walls, run it; never return."""
    status = REFUSED
    try:
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        os.setsid()
        program = protocol.receive(requests)
        # Both pipe ends lie above 3, where standard streams and the records belong.
        os.dup2(ends[0], 1)
        os.dup2(ends[1], harness.RECORDS_FD)
        _open_null(0, 2)
        lockdown.enter(header["wall_seconds"], header["memory_mb"])
        status = 1
        harness.run(program)
        status = 0
    finally:
        os._exit(status)


class _PackageFinder:
    """Finds the few packages outside the standard library that programs may import; nothing else is on `sys.path`."""

    def __init__(self, packages: dict[str, str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a permitted top-level package or module; its submodules are found as usual."""
        location = self._packages.get(name)
        if location is None:
            return None
        if not os.path.isdir(location):
            return importlib.util.spec_from_file_location(name, location)
        start = os.path.join(location, "__init__.py")
        return importlib.util.spec_from_file_location(name, start, submodule_search_locations=[location])


def _take_standard_streams() -> tuple[int, int]:
    """Move the two pipes to the parent out of the way and leave /dev/null in their place, and on descriptor 3."""
    _open_null(harness.RECORDS_FD)
    requests, replies = os.dup(0), os.dup(1)
    _open_null(0, 1)
    return requests, replies


def _open_null(*fds: int) -> None:
    """/dev/null at these descriptors, opened anew: flags set on a shared one would reach the next program."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    if null not in fds:
        os.close(null)


class _Stopped(BaseException):
    """The parent closes the sandbox; no Exception, so that no handler on the way takes it for its own."""


def _stop(signum: int, frame: object) -> NoReturn:
    raise _Stopped


def _prefer_as_victim() -> None:
    """Where memory runs out, the kernel shall end a program and never the training beside it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")


def _leave_no_trace() -> None:
    """What programs find: no environment, no way to import this package, no arguments.

    Without TZ and with /etc/localtime out of reach, the time zone stays UTC.
    """
    for name in [name for name in sys.modules if name.split(".")[0] == "jail"]:
        del sys.modules[name]
    del sys.path[0]
    sys.argv = ["program"]
    sys.dont_write_bytecode = True
    os.environ.clear()


def _warm(modules: list[str]) -> None:
    """Import trusted modules once, for all later children."""
    for name in modules:
        if name not in sys.modules:
            with contextlib.suppress(Exception):  # the program that asked for it will meet the error itself
                importlib.import_module(name)
            gc.freeze()


def _empty() -> None:
    """Delete what the program left: files only, since it could make nothing else behind its walls."""
    with os.scandir() as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.path)
            else:
                os.unlink(entry.path)


def _remove_tree(path: str) -> None:
    import shutil  # brings libraries that every fork would have to copy

    shutil.rmtree(path, ignore_errors=True)
