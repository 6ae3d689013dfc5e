"""Classes by short name, found by reading source files instead of importing them."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from lit_reason.config.mistakes import nearest

OUR_PACKAGES = ("lit_reason", "datamodules", "callbacks")
LIGHTNING_BASES = ("Callback", "Logger", "Strategy", "Profiler")
LIGHTNING_ROOMS = ("callbacks", "loggers", "strategies", "profilers", "plugins")


@dataclass(frozen=True)
class ClassEntry:
    """A public class as its source file declares it."""

    name: str
    module: str
    file: Path
    bases: tuple[str, ...]
    summary: str

    @property
    def class_path(self) -> str:
        return f"{self.module}.{self.name}"


class ClassIndex:
    """Every public top-level class of our three packages, and of Lightning's rooms when one of those is asked for."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(__file__).resolve().parents[2]

    @cached_property
    def ours(self) -> dict[str, list[ClassEntry]]:
        """Short name -> where it is defined (two places make the name ambiguous)."""
        return _by_name(entry for package in OUR_PACKAGES for entry in scan(self.root / package, package))

    @cached_property
    def lightning(self) -> dict[str, list[ClassEntry]]:
        found = importlib.util.find_spec("lightning")
        if found is None or not found.submodule_search_locations:
            return {}
        home = Path(next(iter(found.submodule_search_locations))) / "pytorch"
        rooms = (scan(home / room, f"lightning.pytorch.{room}") for room in LIGHTNING_ROOMS)
        return _by_name(entry for room in rooms for entry in room)

    def find(self, name: str) -> list[ClassEntry]:
        """Entries of a short name, or of a full path in our packages; ours hide Lightning's."""
        short = name.rpartition(".")[2]
        entries = self.ours.get(short) or self.lightning.get(short, [])
        return [entry for entry in entries if name in (entry.name, entry.class_path)]

    def class_path(self, name: str) -> str | None:
        """The full path of a short name; a dotted name is returned as it is; None when unknown or ambiguous."""
        if "." in name:
            return name
        found = self.find(name)
        return found[0].class_path if len(found) == 1 else None

    def problem(self, name: str, base: str | None = None) -> tuple[str, str | None]:
        """Why `name` names no class, and the nearest name (of a class below `base`) that does."""
        found = self.find(name)
        if len(found) > 1:
            return f"names several classes, write one in full: {', '.join(sorted(e.class_path for e in found))}", None
        names = self.kinds_of(base) if base else {*self.ours, *self.lightning}
        return "is no known class", nearest(name.rpartition(".")[2], names)

    def is_a(self, entry: ClassEntry, base: str) -> bool:
        """Whether the class derives from `base`, judged by the names of its bases."""
        if entry.name == base or base in entry.bases:
            return True
        rooms = {**self.lightning, **self.ours} if base in LIGHTNING_BASES else self.ours
        return any(
            self.is_a(parent, base) for name in entry.bases if name != entry.name for parent in rooms.get(name, [])
        )

    def kinds_of(self, base: str) -> list[str]:
        """Short names of our classes below `base`, and Lightning's where `base` lives in its rooms."""
        rooms = {**self.lightning, **self.ours} if base in LIGHTNING_BASES else self.ours
        return sorted(name for name, found in rooms.items() if name != base and any(self.is_a(e, base) for e in found))


@lru_cache(maxsize=1)
def class_index() -> ClassIndex:
    """The index of the installed tree."""
    return ClassIndex()


def scan(folder: Path, package: str) -> Iterator[ClassEntry]:
    """Public top-level classes of every module below `folder`."""
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text("utf-8", "replace")
        if "class " not in text:
            continue
        parts = file.relative_to(folder).with_suffix("").parts
        module = ".".join((package, *(part for part in parts if part != "__init__")))
        for node in parsed(file, text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                summary = (ast.get_docstring(node) or "").strip().split("\n")[0]
                yield ClassEntry(node.name, module, file, tuple(_last_name(base) for base in node.bases), summary)


@cache
def parsed(file: Path, text: str | None = None) -> ast.Module:
    """The syntax tree of a file; a file that does not compile has no classes (importing it shows the error itself)."""
    try:
        return ast.parse(text if text is not None else file.read_text("utf-8", "replace"))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _by_name(entries: Iterator[ClassEntry]) -> dict[str, list[ClassEntry]]:
    found: dict[str, list[ClassEntry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found
