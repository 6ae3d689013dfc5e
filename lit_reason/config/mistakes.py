"""What the user got wrong: every mistake is kept, so that all of them are shown at once, one line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_reason.errors import PlainError


@dataclass(frozen=True, order=True)
class Origin:
    """Where a setting was written: a line of a file, or the command line when `file` is None."""

    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.file is None:
            return "command line"
        return f"{self.file}:{self.line}" if self.line else self.file


COMMAND_LINE = Origin()
BUILT_IN = Origin("built-in default")


@dataclass(frozen=True)
class Mistake:
    """One wrong setting. `key` is dotted as the user writes it; `nearest` is the valid name that was probably meant."""

    key: str
    problem: str
    value: Any = ...
    nearest: str | None = None
    origin: Origin | None = None

    def __str__(self) -> str:
        hints = []
        if self.value is not ...:
            hints.append(f"got {shown(self.value)}")
        if self.nearest:
            hints.append(f"did you mean {self.nearest}?")
        text = f"config error: {self.key}: {self.problem}" if self.key else f"config error: {self.problem}"
        text += f" ({'; '.join(hints)})" if hints else ""
        text += f" [{self.origin}]" if self.origin else ""
        return " ".join(text.split())


class UserMistakes(PlainError):
    """Raised with everything found so far; the command line prints it and ends with exit code 2."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def shown(value: Any, limit: int = 80) -> str:
    """A value in YAML's words, short enough for one line."""
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = value if isinstance(value, str) and value else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name closest to a misspelt or abbreviated one, or None when nothing is close."""
    by_folded = {candidate.lower(): candidate for candidate in sorted(valid)}
    beginning_so = [candidate for candidate in by_folded if candidate.startswith(str(name).lower())]
    if len(beginning_so) == 1:
        return by_folded[beginning_so[0]]
    found = difflib.get_close_matches(str(name).lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def display_path(path: Path | str) -> str:
    """A path as short as it can be said: relative to the working directory where it lies below it."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except (ValueError, OSError):
        return str(path)
