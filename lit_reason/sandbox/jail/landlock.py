"""Landlock: a process gives up, for good, every file access that a rule does not grant it (Linux 5.13 and later).

What Landlock does not govern, and `seccomp` must: chmod, chown, utime, extended attributes, stat, chdir and readlink,
and, before ABI 3, truncation.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from .linux import ON_LINUX, Call, prepared_syscall, syscall

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_ABI = 1
_RULE_PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = (1 << bit for bit in (1, 2, 3, 5, 8, 14))
_FILE_RIGHTS = WRITE_FILE | READ_FILE | TRUNCATE
_FILE_BITS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many of the file access bits each ABI knows

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | MAKE_REG | REMOVE_FILE | TRUNCATE
"""Files may come and go; directories, links, sockets and devices may not, so a tree stays flat and safe to empty."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # what packing means from Python 3.14 on; older versions do not read it
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """The kernel's Landlock version; 0 where there is none or it is switched off."""
    if not ON_LINUX:
        return 0
    try:
        return syscall(_CREATE_RULESET, None, 0, _GET_ABI)
    except OSError:  # ENOSYS: not built in; EOPNOTSUPP: disabled at boot; EPERM: an outer seccomp filter
        return 0


def ruleset(rights: Iterable[tuple[str, int]]) -> int:
    """Build a ruleset once; any number of processes may then enter it.

    Args:
        rights: (path, access bits) that stay allowed beneath the path; a path that does not exist is left out.

    Returns:
        A file descriptor for `entrance`. TCP is denied where the kernel can (ABI 4), as are signals to, and abstract
        sockets of, processes outside (ABI 6).
    """
    version = abi()
    handled = (1 << _FILE_BITS_BY_ABI.get(version, 16)) - 1
    attributes = _Ruleset(handled, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    fd = syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    for path, access in rights:
        _allow(fd, path, access & handled)
    return fd


def entrance(ruleset_fd: int) -> Call:
    """The call that enters the ruleset; needs `no_new_privs`. There is no way back."""
    return prepared_syscall(_RESTRICT_SELF, ruleset_fd, 0)


def _allow(ruleset_fd: int, path: str, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= _FILE_RIGHTS
        syscall(_ADD_RULE, ruleset_fd, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(access, parent)), 0)
    finally:
        os.close(parent)
