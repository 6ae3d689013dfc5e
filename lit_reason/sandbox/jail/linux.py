"""The two C functions that the walls need: `prctl` and `syscall`, raising OSError as Python's own wrappers do."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

ON_LINUX = sys.platform.startswith("linux")

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


Call = Callable[[], int]
"""A C function with its arguments, all of them converted: a fresh child that makes the call touches little memory."""


def prctl(option: int, argument: int = 0, pointer: Any = None) -> None:
    """`prctl(option, argument, pointer, 0, 0)`; unused arguments must be zero, some options check it."""
    prepared_prctl(option, argument, pointer)()


def prepared_prctl(option: int, argument: int = 0, pointer: Any = None) -> Call:
    """`prctl`, to be made later."""
    zero = ctypes.c_ulong(0)
    third = zero if pointer is None else pointer
    return _prepared(_libc.prctl, ctypes.c_int(option), ctypes.c_ulong(argument), third, zero, zero)


def syscall(number: int, *arguments: Any) -> int:
    """A system call that libc has no name for; integers are passed as C longs."""
    return prepared_syscall(number, *arguments)()


def prepared_syscall(number: int, *arguments: Any) -> Call:
    """`syscall`, to be made later."""
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _prepared(_libc.syscall, ctypes.c_long(number), *converted)


def _prepared(function: Callable[..., int], *arguments: Any) -> Call:
    def call() -> int:
        result = function(*arguments)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    return call
