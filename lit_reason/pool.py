"""The sample pool: what was sampled, and how it was graded, as Parquet part files that survive a kill at any moment.

    <root>/<pool key>/manifest.json     which model, template, settings and questions
                      questions.parquet
                      samples/          what was sampled
                      grades/<grader>/  what each grader found
                      judge/            what judges replied (AoR keeps its log there)

The key is a hash of everything in the manifest, so the same questions asked of the same model land in the same pool,
and an interrupted run goes on where it stopped. Grades lie apart from samples: code that trains reads samples only.

Every flush is one part file that appears whole; now and then they are put together (`pool_parts.py`). Several
processes may write to one pool at once.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

import numpy as np

from lit_reason.files import stable_hash, write_json_atomic
from lit_reason.pool_parts import KEY, PartFiles, PoolError, key_codes, read_rows, write_rows
from lit_reason.records import SCHEMA_VERSION, Grade, Question, Sample, from_table, to_table

if TYPE_CHECKING:
    import pyarrow as pa

    from lit_reason.sampling.protocol import SampleKey, SamplingSettings

__all__ = ["PoolError", "SamplePool", "check_unique", "pool_key"]

MANIFEST = "manifest.json"
QUESTIONS = "questions.parquet"

COMPACT_EVERY = 256
"""Flushes of one writer to one folder after which it compacts the folder."""

Stored = TypeVar("Stored", Sample, Grade)



class SamplePool:
    """An existing pool, by its folder; `SamplePool.open` finds or makes the pool of some questions and a sampler."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        if not path.is_file():
            raise PoolError(f"{self.folder}: not a sample pool, it has no {MANIFEST}")
        self.manifest: dict[str, Any] = json.loads(path.read_bytes())
        if self.manifest.get("schema") != SCHEMA_VERSION:
            found = self.manifest.get("schema")
            raise PoolError(f"{path}: schema {found} is not the one this version reads ({SCHEMA_VERSION})")
        self.key: str = self.manifest["pool_key"]
        self._present: dict[Path, set[SampleKey]] = {}
        self._flushes: Counter[Path] = Counter()

    @classmethod
    def open(
        cls,
        root: Path | str,
        identity: dict[str, Any],
        settings: SamplingSettings | None,
        questions: Sequence[Question],
    ) -> SamplePool:
        """The pool below `root` for these questions, sampled this way by a sampler of this identity; made if need be.

        `settings` are None where nobody knows how the samples were drawn.

        Raises:
            PoolError: two questions have the same id.
        """
        manifest = _manifest(identity, settings, questions)
        folder = Path(root) / manifest["pool_key"]
        if not (folder / MANIFEST).is_file():  # the manifest comes last: a pool that has one is complete
            write_rows(folder / QUESTIONS, to_table(Question, list(questions)))
            write_json_atomic(folder / MANIFEST, manifest)
        return cls(folder)

    def questions(self) -> list[Question]:
        """The questions that were asked, as they were asked."""
        return from_table(Question, read_rows(self.folder / QUESTIONS, Question))

    def append_samples(self, samples: Iterable[Sample]) -> None:
        """Write samples as one new part file, under this pool's key.

        Raises:
            PoolError: a sample with this question and index is already there, belongs to another pool, or has a
                negative length or a log-probability that is no finite number.
        """
        self._append(self._samples(), samples)

    def append_grades(self, grader: str, grades: Iterable[Grade]) -> None:
        """Write the grades of one grader as one new part file.

        Raises:
            PoolError: this grader has already graded the sample, or the grade is another grader's or another pool's.
        """
        grades = list(grades)
        for grade in grades:
            if grade.grader != grader:
                raise PoolError(f"a grade of {grade.grader} cannot be stored under {grader}")
        self._append(self._grades(grader), grades)

    def samples(self) -> list[Sample]:
        """All samples, each question and index once, ordered by them."""
        return from_table(Sample, self._samples().table())

    def grades(self, grader: str) -> list[Grade]:
        """All grades by `grader`, each question and index once, ordered by them."""
        return from_table(Grade, self._grades(grader).table())

    def done(self) -> set[SampleKey]:
        """The (question id, sample index) pairs that are sampled."""
        return _keys(self._samples())

    def graded(self, grader: str) -> set[SampleKey]:
        """The (question id, sample index) pairs that `grader` has graded."""
        return _keys(self._grades(grader))

    def graders(self) -> list[str]:
        """The names of the graders that have graded here."""
        return sorted(unquote(path.name) for path in self.folder.glob("grades/*/"))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Samples as an Arrow table, ordered by question and index; only `columns` are read, None: all of them."""
        return self._samples().table(columns)

    def grade_table(self, grader: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The grades of one grader as an Arrow table, ordered and read as in `table`."""
        return self._grades(grader).table(columns)

    def graded_table(self, grader: str, columns: Sequence[str] = ("n_tokens", "logprob")) -> pa.Table:
        """Samples joined with their grades, in Arrow and without reading any text.

        Returns:
            `question_id`, `sample_index`, the sample's `columns`, then `answer_key` and `status` of the grade, which
            are null where `grader` has not graded; ordered by question and index.
        """
        samples = self.table([*KEY, *columns])
        grades = self.grade_table(grader, [*KEY, "answer_key", "status"])
        found = _matches(samples, grades)
        for name in ("answer_key", "status"):
            samples = samples.append_column(name, grades[name].take(found))
        return samples

    def stream(self) -> Iterator[list[Sample]]:
        """All samples in lists, in the order of their writing: for more text than fits in memory."""
        for table in self._samples().stream():
            for batch in table.to_batches(max_chunksize=1024):
                yield from_table(Sample, batch)

    def compact(self) -> None:
        """Put the part files of each kind together; other processes may read and write meanwhile."""
        for parts in self._all():
            parts.compact()

    def n_files(self) -> int:
        """How many part files hold the pool's rows."""
        return sum(parts.n_files() for parts in self._all())

    def _all(self) -> list[PartFiles]:
        return [self._samples(), *map(self._grades, self.graders())]

    def _samples(self) -> PartFiles:
        return PartFiles(self.folder / "samples", Sample)

    def _grades(self, grader: str) -> PartFiles:
        return PartFiles(self.folder / "grades" / quote(grader, safe="@"), Grade)

    def _append(self, parts: PartFiles, rows: Iterable[Stored]) -> None:
        rows = list(rows)
        if not rows:
            return
        if parts.folder not in self._present:
            self._present[parts.folder] = _keys(parts)
        new: set[SampleKey] = set()
        for row in rows:
            key = row.question_id, row.sample_index
            self._check(row)
            if key in new or key in self._present[parts.folder]:
                raise PoolError(f"{_name(row)} is already in {parts.folder}")
            new.add(key)
        parts.append(to_table(parts.record, [replace(row, pool_key=self.key) for row in rows]))
        self._present[parts.folder] |= new
        self._flushes[parts.folder] += 1
        if self._flushes[parts.folder] % COMPACT_EVERY == 0:
            parts.compact()

    def _check(self, row: Sample | Grade) -> None:
        if row.pool_key not in ("", self.key):
            raise PoolError(f"{_name(row)} belongs to pool {row.pool_key}, not {self.key}")
        if row.sample_index < 0:
            raise PoolError(f"{_name(row)} has an index below 0")
        if isinstance(row, Sample):
            if row.n_tokens < 0 or row.n_prompt_tokens < 0:
                raise PoolError(f"{_name(row)} has a negative length")
            logprobs = [row.logprob or 0.0, *(row.token_logprobs or ())]
            if not all(map(math.isfinite, logprobs)):
                raise PoolError(f"{_name(row)} has a log-probability that is no finite number")


def pool_key(identity: dict[str, Any], settings: SamplingSettings | None, questions: Sequence[Question]) -> str:
    """The hash that names a pool: 16 hex digits of model, template, settings and questions."""
    return _manifest(identity, settings, questions)["pool_key"]


def check_unique(questions: Sequence[Question]) -> None:
    """Raise a PoolError that names a question id which occurs more than once."""
    for question_id, n in Counter(question.id for question in questions).items():
        if n > 1:
            raise PoolError(f"the question id {question_id!r} occurs {n} times")


def _manifest(
    identity: dict[str, Any], settings: SamplingSettings | None, questions: Sequence[Question]
) -> dict[str, Any]:
    check_unique(questions)
    by_id = {question.id: question for question in questions}
    contents = {
        "schema": SCHEMA_VERSION,
        "identity": identity,
        "settings": settings.identity() if settings is not None else None,
        "n_questions": len(questions),
        "questions": stable_hash([asdict(by_id[i]) for i in sorted(by_id)]),
    }
    return {"pool_key": stable_hash(contents), **contents}


def _name(row: Sample | Grade) -> str:
    return f"the {type(row).__name__.lower()} of question {row.question_id!r}, index {row.sample_index},"


def _keys(parts: PartFiles) -> set[SampleKey]:
    table = parts.table(KEY)
    # One Python object for all equal ids, so that a million keys of few questions stay small.
    ids = table["question_id"].combine_chunks().dictionary_encode()
    shared = np.array(ids.dictionary.to_pylist(), object)[ids.indices.to_numpy()].tolist()
    return set(zip(shared, table["sample_index"].to_pylist(), strict=True))


def _matches(samples: pa.Table, grades: pa.Table) -> pa.Array:
    """For each sample the row of its grade, null where it has none; int64 [samples]."""
    import pyarrow as pa

    both = pa.concat_tables([table.select(KEY) for table in (samples, grades)])
    codes = key_codes(both)
    wanted, there = codes[: samples.num_rows], codes[samples.num_rows :]  # both ordered
    rows = np.searchsorted(there, wanted)
    missing = np.ones(len(rows), bool)
    inside = rows < len(there)
    missing[inside] = there[rows[inside]] != wanted[inside]
    return pa.array(rows, mask=missing)


if __name__ == "__main__":
    import sys

    from lit_reason.pool_commands import main

    sys.exit(main())
