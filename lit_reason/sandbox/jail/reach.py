"""Python's own files where nobody may look, as with an interpreter below /root: reached without a capability.

A path that starts at /proc/self/fd/N starts at an open folder, and who may search the folders above it no longer
matters. Opened while still root, such a folder stays within reach of the user that the programs run as; Landlock goes
on deciding which of its files may be read.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys

from .linux import ON_LINUX

FIRST_FD = 16
"""Descriptors of the opened folders, one after another: children keep them."""


class Reach:
    """Opens the folders that only root may enter; `views` tells where programs find them."""

    def __init__(self) -> None:
        self.views: dict[str, str] = {}

    @property
    def end(self) -> int:
        """One past the last descriptor."""
        return FIRST_FD + len(self.views)

    def of(self, path: str) -> str:
        """The path by which programs reach this file or folder; the same one where everybody may go.

        Raises:
            RuntimeError: for a private folder where /proc is not mounted.
        """
        if not ON_LINUX or os.geteuid() != 0 or open_to_all(path):
            return path
        folder, name = os.path.split(os.path.realpath(path))
        if folder not in self.views:
            if not os.path.isdir("/proc/self/fd"):
                raise RuntimeError(f"{path} is root's alone, and /proc is not mounted")
            self.views[folder] = f"/proc/self/fd/{self._open(folder)}"
        return os.path.join(self.views[folder], name)

    def _open(self, folder: str) -> int:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            return fcntl.fcntl(fd, fcntl.F_DUPFD, self.end)
        finally:
            os.close(fd)


def move_library(reach: Reach) -> None:
    """Let this interpreter find its standard library, loaded packages included, where programs can reach it."""
    library = os.path.dirname(os.__file__)
    moved = reach.of(library)
    if moved == library:
        return
    sys.path[:] = [path.replace(library, moved, 1) for path in sys.path]
    for module in list(sys.modules.values()):
        folders = getattr(module, "__path__", None)
        if isinstance(folders, list):
            folders[:] = [path.replace(library, moved, 1) for path in folders]
    sys.path_importer_cache.clear()


def open_to_all(path: str) -> bool:
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
