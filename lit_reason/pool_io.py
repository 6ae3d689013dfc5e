"""Pools from and to JSON lines."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from lit_reason.files import atomic_stream
from lit_reason.pool import SamplePool
from lit_reason.pool_formats import IMPORTED, file_identity, read_generations
from lit_reason.progress import track
from lit_reason.records import Grade, Question, Sample

ROWS_A_FLUSH = 10_000
SHOWN = 5

Row = TypeVar("Row", Sample, Grade)

log = logging.getLogger(__name__)


@dataclass
class Imported:
    """What an import made.

    Args:
        pool: where the generations are now.
        n_new: samples that were not there already.
        dropped: rows and samples that could not be used, by reason.
        bad: one line for each bad row, with file and line number.
    """

    pool: SamplePool
    n_new: int
    dropped: Counter[str]
    bad: list[str]


def import_jsonl(
    path: Path | str,
    root: Path | str,
    model: str | None = None,
    lengths: str = "stored",
    columns: Mapping[str, str] | None = None,
) -> Imported:
    """Put the generations of a file (`pool_formats.py`) into a pool below `root`.

    Importing the same file again finds the same pool and adds what is missing. Answers that the rows bring become
    grades of `imported@1`.

    Args:
        path: JSON lines.
        root: the folder of the pools.
        model: who generated the samples, for the manifest.
        lengths: what `n_tokens` is: `stored`, a tokenizer, `words` or `characters`; see `read_generations`.
        columns: our names to the file's own, where they differ.

    Raises:
        PoolError: there is no such file or no usable row, or rows contradict each other.
    """
    found = read_generations(path, lengths, columns)
    identity = {**file_identity(path, lengths, columns), "model": model}
    pool = SamplePool.open(root, identity, None, list(found.questions.values()))
    new = _missing(found.samples, pool.done())
    for samples in _chunks(new):
        pool.append_samples(samples)
    for grades in _chunks(_missing(found.grades, pool.graded(IMPORTED))):
        pool.append_grades(IMPORTED, grades)
    for line in found.bad[:SHOWN]:
        log.warning(line)
    if len(found.bad) > SHOWN:
        log.warning("%s: %d more bad rows", path, len(found.bad) - SHOWN)
    return Imported(pool, len(new), found.dropped, found.bad)


def export_jsonl(pool: SamplePool, path: Path | str, grader: str | None = None) -> int:
    """Write one row a sample, its question included, and its grade by `grader`; `import_jsonl` reads them back.

    Rows come in the order of their writing. Returns how many there are.
    """
    questions = {question.id: question for question in pool.questions()}
    grades = {(g.question_id, g.sample_index): g for g in pool.grades(grader)} if grader else {}
    count = 0
    with atomic_stream(path) as stream:
        for samples in track(pool.stream(), "exporting", unit="lists"):
            for sample in samples:
                row = _row(questions.get(sample.question_id), sample)
                if grader:
                    row |= _graded(grades.get((sample.question_id, sample.sample_index)))
                stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            count += len(samples)
    return count


def _row(question: Question | None, sample: Sample) -> dict[str, Any]:
    about = {"prompt": question.prompt, "gold": question.gold, "meta": question.meta} if question else {}
    rest = {name: value for name, value in asdict(sample).items() if name not in ("pool_key", "question_id")}
    return {"question_id": sample.question_id, **about, **rest}


def _graded(grade: Grade | None) -> dict[str, Any]:
    if grade is None:
        return {}
    return {name: getattr(grade, name) for name in ("grader", "status", "answer", "answer_key", "score")}


def _missing(rows: Sequence[Row], there: set[tuple[str, int]]) -> list[Row]:
    return [row for row in rows if (row.question_id, row.sample_index) not in there]


def _chunks(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[i : i + ROWS_A_FLUSH] for i in range(0, len(rows), ROWS_A_FLUSH)]
