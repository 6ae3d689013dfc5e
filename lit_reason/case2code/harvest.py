"""Collecting functions from sources of every form, every rejection with its reason (section 2, step 1)."""

from __future__ import annotations

import ast
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lit_reason.case2code.functions import Function
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.rows import read_functions
from lit_reason.case2code.rules import Candidate, harvest_text
from lit_reason.case2code.sources import python_files, source_root
from lit_reason.files import read_jsonl
from lit_reason.grading.code import parse_code

logger = logging.getLogger(__name__)


@dataclass
class Harvest:
    """What was found: candidates, functions that were run before, rejections by reason, and unusable rows by reason."""

    kept: list[Candidate] = field(default_factory=list)
    executed: list[Function] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    bad_rows: Counter[str] = field(default_factory=Counter)


def harvest(
    sources: Sequence[str], evaluation_sets: Sequence[str] = (), *, max_lines: int = 60, max_chars: int = 4096
) -> Harvest:
    """Apply the rules to every function in `sources`, in order; of equal bodies the first one stays.

    Raises:
        SourceError: naming a source that is neither `stdlib`, an installed package, nor a path.
    """
    found = Harvest()
    excluded = evaluation_keys(evaluation_sets)
    bodies: set[str] = set()
    for source in sources:
        for item in _items(source, found, max_lines, max_chars):
            reason = item if isinstance(item, str) else _repeats(item, bodies, excluded)
            if reason:
                found.rejected[reason] += 1
                continue
            assert not isinstance(item, str)
            bodies.add(item.body)
            if isinstance(item, Candidate):
                found.kept.append(item)
            else:
                found.executed.append(item)
    return found


def harvest_file(path: Path, origin: str, max_lines: int = 60, max_chars: int = 4096) -> Iterator[Candidate | str]:
    """Yield for every function of one file the candidate, or the reason why it is none (rules R1 to R8)."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        yield "encoding"
        return
    yield from harvest_text(text, origin, max_lines, max_chars)


def evaluation_keys(paths: Iterable[str]) -> set[tuple[str, str]]:
    """(name, normalised body) of every function in evaluation files: rows with `code` or `content` (rule R10)."""
    keys = set()
    for path in paths:
        for _, row in read_jsonl(path):
            tree = parse_code(row.get("code") or row.get("content") or "")
            for node in tree.body if tree else []:
                if isinstance(node, ast.FunctionDef):
                    keys.add((node.name, normalised_body(ast.unparse(node))))
    return keys


def _items(source: str, found: Harvest, max_lines: int, max_chars: int) -> Iterator[Candidate | Function | str]:
    """Everything in one source; rows that cannot be used are named in the log and counted in `found`."""

    def bad_row(place: str, reason: str) -> None:
        found.bad_rows[reason] += 1
        logger.warning("%s: %s", place, reason)

    root = source_root(source)
    for path in python_files(root):
        if path.suffix == ".jsonl":
            yield from read_functions(path, bad_row, max_lines, max_chars)
        else:
            origin = f"{source}/{path.relative_to(root).as_posix()}" if root.is_dir() else path.name
            yield from harvest_file(path, origin, max_lines, max_chars)


def _repeats(item: Candidate | Function, bodies: set[str], excluded: set[tuple[str, str]]) -> str | None:
    if item.body in bodies:
        return "R9"
    return "R10" if (item.name, item.body) in excluded else None
