"""Collecting functions from sources of every form, every rejection with its reason (section 2, step 1)."""

from __future__ import annotations

import ast
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lit_reason.case2code.decontamination import EvaluationSets
from lit_reason.case2code.functions import Function
from lit_reason.case2code.release import Stage
from lit_reason.case2code.rows import Rejected, read_functions
from lit_reason.case2code.rules import Candidate, HarvestRules, harvest_text
from lit_reason.case2code.sources import python_files, source_root

logger = logging.getLogger(__name__)

SHOWN_BAD_ROWS = 20


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
    near_duplicates: float | None = None,
) -> Harvest:
    """Apply the rules to every function in `sources`, in order; of equal bodies the first one stays.

    Args:
        sources: `stdlib`, packages, folders, .py or .jsonl files.
        evaluation_sets: what must not be found (rule R10), as `EvaluationSets` reads it.
        rules: which functions pass.
        stage: the step that rows of .jsonl files have behind them; None takes each for what it holds.
        near_duplicates: similarity from which a function counts as nearly one of the evaluation sets'; None never.

    Raises:
        SourceError: naming a source that is neither `stdlib`, an installed package, nor a path.
    """
    found = Harvest()
    excluded = EvaluationSets(evaluation_sets, near_duplicates)
    bodies: set[str] = set()
    for source in sources:
        for item in _items(source, found, rules, stage):
            kept = item if isinstance(item, Rejected) else _first_of_its_kind(item, bodies, excluded, rules.of_stored)
            if isinstance(kept, Rejected):
                _reject(kept, found)
            elif isinstance(kept, Candidate):
                found.kept.append(kept)
            else:
                found.executed.append(kept)
    found.dropped = +found.dropped
    return found


def harvest_file(path: Path, origin: str, rules: HarvestRules = HarvestRules()) -> Iterator[Candidate | str]:
    """Yield for every function of one file the candidate, or the reason why it is none (rules R1 to R8). A file that
    cannot be read is one reason, whatever keeps it: no permission, a link that leads nowhere, a pipe."""
    try:
        text = path.read_bytes().decode("utf-8-sig") if path.is_file() else None
    except UnicodeDecodeError:
        yield "encoding"
        return
    except OSError:
        text = None
    if text is None:
        yield "unreadable"
        return
    yield from harvest_text(text, origin, rules)


def _items(
    source: str, found: Harvest, rules: HarvestRules, stage: Stage | None
) -> Iterator[Candidate | Function | Rejected]:
    """Everything in one source."""

    def drop(what: str, n: int) -> None:
        found.dropped[what] += n

    root = source_root(source)
    for path in python_files(source):
        if stage or path.suffix == ".jsonl":
            yield from read_functions(path, rules, drop, stage)
            continue
        origin = f"{source}/{path.relative_to(root).as_posix()}" if root.is_dir() else path.name
        for item in harvest_file(path, origin, rules):
            yield Rejected(item, origin) if isinstance(item, str) else item


def _first_of_its_kind(
    item: Candidate | Function, bodies: set[str], excluded: EvaluationSets, judged: bool
) -> Candidate | Function | Rejected:
    """The item, unless it repeats an earlier one (R9) or an evaluation set's (R10); it is remembered."""
    reason = "R9" if item.body in bodies else excluded.reason(_functions(item, judged))
    if reason:
        return Rejected(reason, item.origin, item.id, item.name)
    bodies.add(item.body)
    return item


def _functions(item: Candidate | Function, judged: bool) -> list[str]:
    """Every function of a program alone; a candidate that was judged has them apart."""
    if judged and isinstance(item, Candidate):
        return [item.source, *item.helpers]
    return [ast.unparse(node) for node in ast.parse(item.code).body if isinstance(node, ast.FunctionDef)]


def _reject(item: Rejected, found: Harvest) -> None:
    """Count, and name rows that cannot be used; of functions in files only the count is kept, there are too many."""
    if not item.is_bad_row:
        found.rejected[item.reason] += 1
    else:
        found.bad_rows[item.detail] += 1
        if found.bad_rows.total() <= SHOWN_BAD_ROWS:
            logger.warning("%s: %s", item.origin, item.detail)
    if item.id or item.is_bad_row:
        found.rejections.append(item)
