"""A disk that takes no more: how an error shows it, and how much there is."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CUT = ("unexpected pos", "PytorchStreamWriter failed")
"""How torch's writer of zip files says, in place of the system's error, that a file did not take what was written."""


def no_room(error: BaseException | None) -> str | None:
    """The reason in a few words if an error, or one behind it, came from a full disk, a quota or a limit on a file's
    size; None for every other error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return os.strerror(error.errno)
        if isinstance(error, RuntimeError) and any(text in str(error) for text in _CUT):
            return no_room(error.__cause__ or error.__context__) or "the disk took no more"
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Give errors of writing a file its name; the system gives it only to those of opening one."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            error.filename = error.filename or str(path)
        raise


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def free(folder: Path) -> int:
    """Bytes that its file system still takes."""
    return shutil.disk_usage(folder).free


def megabytes(n_bytes: int) -> str:
    """As people say it."""
    return f"{n_bytes / 1e6:.1f} MB"
