"""seccomp: a filter, assembled here, through which the kernel passes every system call of the program.

Written by hand because the usual binding needs libseccomp, which many machines do not have, and the program is a page
long. Denied calls answer EPERM. A call made through a foreign ABI (32-bit calls on x86_64) kills the process, since
its number means something else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import termios
from collections.abc import Sequence

from . import syscalls
from .linux import PR_SET_SECCOMP, Call, prepared_prctl

_FILTER_MODE = 2
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000

# Instruction codes: load a word of seccomp_data, compare it with a constant, mask it, return a verdict.
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

Instruction = tuple[int, int, int, int]
"""(code, instructions to skip if true, to skip if false, constant)"""

_FCNTL = [*range(5), 1030]
"""F_DUPFD to F_SETFL, F_DUPFD_CLOEXEC. F_SETOWN with F_SETSIG would send any signal to any process of the user."""
_IOCTL = [termios.TCGETS if hasattr(termios, "TCGETS") else 0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451]
"""Is it a terminal, its size, FIONBIO, FIONREAD, FIONCLEX, FIOCLEX."""


def supported() -> bool:
    """Whether there are system call numbers for this machine (64-bit x86 or ARM)."""
    return platform.machine() in syscalls.AUDIT_ARCH and struct.calcsize("P") == 8


def build(machine: str) -> bytes:
    """The filter program for `x86_64` or `aarch64`, as the kernel reads it: eight bytes an instruction."""
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, syscalls.AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        *_search(_segments(_verdicts(machine))),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


class Filter(ctypes.Structure):
    """A filter program laid out for the kernel, once for all children."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]

    def __init__(self, program: bytes) -> None:
        super().__init__(len(program) // 8, program)

    def entrance(self) -> Call:
        """The call that puts the filter on a process, for good; needs `no_new_privs`."""
        return prepared_prctl(PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(self))


def _verdicts(machine: str) -> dict[int, list[Instruction]]:
    """What to do for each system call number that is not denied."""
    verdicts = {number: [_return(_ALLOW)] for number in syscalls.allowed(machine).values()}
    checks = {
        "open": _opening(1),
        "openat": _opening(2),
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "prlimit64": _one_of(0, [0]),  # of this process only
    }
    return verdicts | {number: checks[name] for name, number in syscalls.checked(machine).items()}


def _segments(verdicts: dict[int, list[Instruction]]) -> list[tuple[int, list[Instruction]]]:
    """(first number, verdict) of each stretch of numbers with one verdict, ascending and without gaps."""
    segments: list[tuple[int, list[Instruction]]] = []
    for number in range(max(syscalls.UNIFIED, *verdicts) + 2):
        otherwise = _return(_ERRNO | (errno.ENOSYS if number >= syscalls.UNIFIED else errno.EPERM))
        verdict = verdicts.get(number, [otherwise])
        if not segments or segments[-1][1] != verdict:
            segments.append((number, verdict))
    return segments


def _search(segments: Sequence[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Binary search: at every installation the kernel walks the program once for each number, too slow for a list."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _search(segments[:middle]), _search(segments[middle:])
    return [(_AT_LEAST, len(below), 0, segments[middle][0]), *below, *above]


def _return(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


def _load_argument(index: int) -> Instruction:
    # The low word is enough: the kernel itself reads these arguments as 32-bit integers.
    return (_LOAD, 0, 0, 16 + 8 * index)


def _one_of(argument: int, values: Sequence[int]) -> list[Instruction]:
    tests = [step for value in values for step in ((_EQUAL, 0, 1, value), _return(_ALLOW))]
    return [_load_argument(argument), *tests, _return(_ERRNO | errno.EPERM)]


def _opening(flags: int) -> list[Instruction]:
    """Everything but truncation without write access, which Landlock before ABI 3 does not see."""
    return [
        _load_argument(flags),
        (_AND, 0, 0, os.O_ACCMODE | os.O_TRUNC),
        (_EQUAL, 0, 1, os.O_RDONLY | os.O_TRUNC),
        _return(_ERRNO | errno.EPERM),
        _return(_ALLOW),
    ]
