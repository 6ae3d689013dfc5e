"""Giving up root: another user, no groups, no capabilities."""

from __future__ import annotations

import ctypes
import os
import platform

from .linux import ON_LINUX, syscall

NOBODY = 65534
_CAPABILITY_VERSION = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def drop() -> bool:
    """Become nobody when root, and give up every capability.

    Returns:
        Whether it worked: no user but root is left as it was, and no capability is left.
    """
    if not ON_LINUX:
        return os.geteuid() != 0
    if os.geteuid() == 0:
        _become_nobody()
    return _drop_capabilities()


def _become_nobody() -> None:
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        # A user namespace with one user in it (rootless containers): its root is an ordinary user without capabilities.
        return


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def _drop_capabilities() -> bool:
    """Leave none effective, permitted or inheritable."""
    number = _CAPSET.get(platform.machine())
    if number is None:
        return False
    none = (ctypes.c_uint32 * 6)()
    try:
        syscall(number, ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), none)
    except OSError:  # an outer filter forbids it
        return False
    return True
