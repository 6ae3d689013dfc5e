"""`${...}` in a study: `${seed}` and other variables, `${run_dir}`, and `${run.artifact}` of an earlier run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_reason.errors import PlainError
from lit_reason.run_directory import newest_checkpoint

_REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_ARTIFACT = re.compile(r"(?P<run>[A-Za-z][\w-]*)\.(?P<artifact>[\w.@+-]+)")

KNOWN_BEFOREHAND = {"run_dir": "", "model": "model", "results": "results.json"}
"""Artifacts whose place is known before their run has made them."""


@dataclass(frozen=True)
class Reference:
    """One `${...}`: of a run when `run` is set, else a variable (or `run_dir`) of the run that it stands in."""

    text: str
    run: str | None
    name: str

    def __str__(self) -> str:
        return f"${{{self.text}}}"


def references(value: Any) -> list[Reference]:
    """Every reference in a text, or in the texts of a list or mapping."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in references(item)]
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    return [_reference(text) for text in _REFERENCE.findall(value)] if isinstance(value, str) else []


def replaced(value: Any, by: Callable[[Reference], Any]) -> Any:
    """The value with every reference replaced. A text that is one reference and nothing else keeps its type."""
    if isinstance(value, dict):
        return {key: replaced(item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, by) for item in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return by(_reference(whole[1]))
    return _REFERENCE.sub(lambda match: str(by(_reference(match[1]))), value)


def artifact_path(run_dir: Path, name: str) -> Path:
    """Where a finished run left something.

    Raises:
        PlainError: it left nothing of that name, or several things.
    """
    found = _candidates(run_dir, name)
    if len(found) == 1 and found[0].exists():
        return found[0]
    if len(found) > 1:
        several = ", ".join(sorted(path.name for path in found))
        raise PlainError(f"{run_dir}: {name!r} names several things, {several}: say which")
    there = ", ".join(sorted(path.name for path in run_dir.glob("[!.]*"))) or "nothing"
    raise PlainError(f"{run_dir}: the run left no {name!r}; there is {there}")


def _candidates(run_dir: Path, name: str) -> list[Path]:
    if name in KNOWN_BEFOREHAND:
        return [run_dir / KNOWN_BEFOREHAND[name]]
    if name == "checkpoint":
        return [path for path in [newest_checkpoint(run_dir)] if path]
    if name == "pool" or name.startswith("pool."):
        return _pools(run_dir, name)
    if (run_dir / name).exists():
        return [run_dir / name]
    return [path for path in run_dir.glob("[!.]*") if path.stem == name]


def _pools(run_dir: Path, name: str) -> list[Path]:
    """`pool`, or `pool.<when>` or `pool.<when>.<answers>`, from the run's pools.json."""
    file = run_dir / "pools.json"
    entries = json.loads(file.read_bytes()) if file.exists() else []
    wanted = name.split(".")[1:]
    chosen = [entry for entry in entries if [entry["when"], entry["answers"]][: len(wanted)] == wanted]
    if len({entry["key"] for entry in chosen}) > 1:
        names = ", ".join(f"pool.{entry['when']}.{entry['answers']}" for entry in chosen)
        raise PlainError(f"{run_dir}: {name!r} names several pools: say which of {names}")
    return [(run_dir / entry["folder"]).resolve() for entry in chosen[:1]]


def _reference(text: str) -> Reference:
    match = _ARTIFACT.fullmatch(text)
    return Reference(text, match["run"], match["artifact"]) if match else Reference(text, None, text)
