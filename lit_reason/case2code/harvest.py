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
from lit_reason.case2code.release import Stage, row_code
from lit_reason.case2code.rows import Rejected, read_functions
from lit_reason.case2code.rules import Candidate, HarvestRules, harvest_text
from lit_reason.case2code.sources import HUMAN_EVAL, python_files, source_root
from lit_reason.files import read_jsonl
from lit_reason.grading.code import parse_code
from lit_reason.human_eval import load_problems

logger = logging.getLogger(__name__)

_SHOWN_BAD_ROWS = 20


@dataclass
class Harvest:
    """What was found: candidates, tasks in our own form, and what is neither.

    `rejected` counts the rules that functions break, `bad_rows` why rows cannot be used, `dropped` parts of rows that
    were left out; `rejections` holds the rows one by one.
    """

    kept: list[Candidate] = field(default_factory=list)
    executed: list[Function] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    bad_rows: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejected] = field(default_factory=list)


def harvest(
    sources: Sequence[str],
    evaluation_sets: Sequence[str] = (),
    rules: HarvestRules = HarvestRules(),
    stage: Stage | None = None,
) -> Harvest:
    """Apply the rules to every function in `sources`, in order; of equal bodies the first one stays.

    Args:
        sources: `stdlib`, packages, folders, .py or .jsonl files.
        evaluation_sets: what must not be found (rule R10), as `evaluation_keys` reads it.
        rules: which functions pass.
        stage: the step that rows of .jsonl files have behind them; None takes each for what it holds.

    Raises:
        SourceError: naming a source that is neither `stdlib`, an installed package, nor a path.
    """
    found = Harvest()
    excluded = evaluation_keys(evaluation_sets)
    bodies: set[str] = set()
    for source in sources:
        for item in _items(source, found, rules, stage):
            kept = item if isinstance(item, Rejected) else _first_of_its_kind(item, bodies, excluded)
            if isinstance(kept, Rejected):
                _reject(kept, found)
            elif isinstance(kept, Candidate):
                found.kept.append(kept)
            else:
                found.executed.append(kept)
    found.dropped = +found.dropped
    return found


def harvest_file(path: Path, origin: str, rules: HarvestRules = HarvestRules()) -> Iterator[Candidate | str]:
    """Yield for every function of one file the candidate, or the reason why it is none (rules R1 to R8)."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        yield "encoding"
        return
    yield from harvest_text(text, origin, rules)


def evaluation_keys(sets: Iterable[str]) -> set[tuple[str, str]]:
    """(name, normalised body) of every function in evaluation sets: `human_eval`, or .jsonl files whose rows have
    `code` or `content` (rule R10)."""
    keys = set()
    for name in sets:
        if name == HUMAN_EVAL:
            codes = [problem.code for problem in load_problems()]
        else:
            codes = [row_code(row) for _, row in read_jsonl(name, _cut)]
        for tree in map(parse_code, codes):
            for node in tree.body if tree else []:
                if isinstance(node, ast.FunctionDef):
                    keys.add((node.name, normalised_body(ast.unparse(node))))
    return keys


def _items(
    source: str, found: Harvest, rules: HarvestRules, stage: Stage | None
) -> Iterator[Candidate | Function | Rejected]:
    """Everything in one source."""

    def drop(what: str, n: int) -> None:
        found.dropped[what] += n

    root = source_root(source)
    for path in python_files(root):
        if stage or path.suffix == ".jsonl":
            yield from read_functions(path, rules, drop, stage)
            continue
        origin = f"{source}/{path.relative_to(root).as_posix()}" if root.is_dir() else path.name
        for item in harvest_file(path, origin, rules):
            yield Rejected(item, origin) if isinstance(item, str) else item


def _first_of_its_kind(
    item: Candidate | Function, bodies: set[str], excluded: set[tuple[str, str]]
) -> Candidate | Function | Rejected:
    """The item, unless it repeats an earlier one (R9) or an evaluation set's (R10); it is remembered."""
    own = normalised_body(item.source) if isinstance(item, Candidate) and item.helpers else item.body
    if item.body in bodies:
        return Rejected("R9", item.origin, item.id, item.name)
    if {(item.name, item.body), (item.name, own)} & excluded:
        return Rejected("R10", item.origin, item.id, item.name)
    bodies.add(item.body)
    return item


def _cut(path: Path, line: int, why: str) -> None:
    logger.warning("%s:%d: left out of the evaluation set: not JSON: %s", path.name, line, why)


def _reject(item: Rejected, found: Harvest) -> None:
    """Count, and name rows that cannot be used; of functions in files only the count is kept, there are too many."""
    if not item.is_bad_row:
        found.rejected[item.reason] += 1
    else:
        found.bad_rows[item.detail] += 1
        if found.bad_rows.total() <= _SHOWN_BAD_ROWS:
            logger.warning("%s: %s", item.origin, item.detail)
    if item.id or item.is_bad_row:
        found.rejections.append(item)
