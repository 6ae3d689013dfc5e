"""Giving up root: another user, no groups, no capabilities."""

from __future__ import annotations

import ctypes
import os
import platform
import stat
from collections.abc import Iterable

from .linux import ON_LINUX, PR_SET_KEEPCAPS, prctl, syscall

NOBODY = 65534
_CAP_DAC_READ_SEARCH = 1 << 2
_CAPABILITY_VERSION = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def drop(readable: Iterable[str]) -> bool:
    """Become nobody when root, and give up every capability.

    One capability is kept where Python itself lies where nobody may look (an interpreter below /root): reading.
    Landlock still confines it to the paths that it grants.

    Returns:
        Whether it worked: no user but root is left as it was, and no capability is left.
    """
    kept = 0 if os.geteuid() != 0 or all(_open_to_all(path) for path in readable) else _CAP_DAC_READ_SEARCH
    if not ON_LINUX:
        return os.geteuid() != 0
    if os.geteuid() == 0:
        prctl(PR_SET_KEEPCAPS, 1 if kept else 0)
        _become_nobody()
    return _keep_only(kept)


def _become_nobody() -> bool:
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        # A user namespace with one user in it (rootless containers): its root is an ordinary user without capabilities.
        return False
    return True


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def _keep_only(capabilities: int) -> bool:
    """Leave these capabilities effective and permitted, none inheritable."""
    number = _CAPSET.get(platform.machine())
    if number is None:
        return False
    words = (ctypes.c_uint32 * 6)(capabilities, capabilities, 0, 0, 0, 0)
    try:
        syscall(number, ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), words)
    except OSError:  # an outer filter forbids it
        return False
    return True


def _open_to_all(path: str) -> bool:
    """Whether every user may read the path and search each directory above it."""
    path = os.path.realpath(path)
    mode = os.stat(path).st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    if mode & wanted != wanted:
        return False
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
    return True
