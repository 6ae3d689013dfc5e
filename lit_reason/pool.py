"""The sample pool: what was sampled, and how it was graded, as Parquet part files that survive a kill at any moment.

    <root>/<pool key>/manifest.json              which model, template, settings and questions
                      questions.parquet
                      samples/part-*.parquet
                      grades/<grader>/part-*.parquet

The key is a hash of everything in the manifest, so the same questions asked of the same model land in the same pool,
and an interrupted run goes on where it stopped. Grades lie apart from samples: code that trains reads samples only.

Every flush is one part file that appears whole. Several processes may write to one pool at once. Where two of them
wrote the same sample, the part file whose name sorts first wins, for every reader and for good.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from lit_reason.errors import PlainError
from lit_reason.files import stable_hash, write_bytes_atomic, write_json_atomic
from lit_reason.records import SCHEMA_VERSION, Grade, Question, Sample, from_table, schema, to_table

if TYPE_CHECKING:
    import pyarrow

    from lit_reason.sampling.protocol import SampleKey, SamplingSettings

MANIFEST = "manifest.json"
QUESTIONS = "questions.parquet"

Stored = TypeVar("Stored", Sample, Grade)


class PoolError(PlainError, ValueError):
    """A pool that is missing, damaged or misused; the message is one readable line."""


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
        # Names sort by the time at which their writer opened the pool; the random end tells apart equal times.
        self._writer = f"{time.time_ns():016x}{os.urandom(3).hex()}"
        self._n_parts = 0
        self._present: dict[Path, set[SampleKey]] = {}

    @classmethod
    def open(
        cls, root: Path | str, identity: dict[str, Any], settings: SamplingSettings, questions: Sequence[Question]
    ) -> SamplePool:
        """The pool below `root` for these questions, sampled this way by a sampler of this identity; made if need be.

        Raises:
            PoolError: two questions have the same id.
        """
        manifest = _manifest(identity, settings, questions)
        folder = Path(root) / manifest["pool_key"]
        if not (folder / MANIFEST).is_file():  # the manifest comes last: a pool that has one is complete
            _write_table(folder / QUESTIONS, to_table(Question, list(questions)))
            write_json_atomic(folder / MANIFEST, manifest)
        return cls(folder)

    def questions(self) -> list[Question]:
        """The questions that were asked, as they were asked."""
        return from_table(Question, _read_table(self.folder / QUESTIONS, Question))

    def append_samples(self, samples: Iterable[Sample]) -> None:
        """Write samples as one new part file, under this pool's key.

        Raises:
            PoolError: a sample with this question and index is already there, or belongs to another pool.
        """
        self._append(self.folder / "samples", Sample, samples)

    def append_grades(self, grader: str, grades: Iterable[Grade]) -> None:
        """Write the grades of one grader as one new part file.

        Raises:
            PoolError: this grader has already graded the sample, or the grade is another grader's or another pool's.
        """
        grades = list(grades)
        for grade in grades:
            if grade.grader != grader:
                raise PoolError(f"a grade of {grade.grader} cannot be stored under {grader}")
        self._append(self._grades_folder(grader), Grade, grades)

    def samples(self) -> list[Sample]:
        """All samples, each question and index once, ordered by them."""
        return self._read(self.folder / "samples", Sample)

    def grades(self, grader: str) -> list[Grade]:
        """All grades by `grader`, each question and index once, ordered by them."""
        return self._read(self._grades_folder(grader), Grade)

    def done(self) -> set[SampleKey]:
        """The (question id, sample index) pairs that are sampled."""
        return _keys(self.folder / "samples", Sample)

    def graded(self, grader: str) -> set[SampleKey]:
        """The (question id, sample index) pairs that `grader` has graded."""
        return _keys(self._grades_folder(grader), Grade)

    def _grades_folder(self, grader: str) -> Path:
        return self.folder / "grades" / quote(grader, safe="@")

    def _append(self, folder: Path, record: type[Stored], rows: Iterable[Stored]) -> None:
        rows = list(rows)
        if folder not in self._present:
            self._present[folder] = _keys(folder, record)
        present = self._present[folder]
        for row in rows:
            if row.pool_key not in ("", self.key):
                raise PoolError(f"{_name(record, row)} belongs to pool {row.pool_key}, not {self.key}")
            if _key(row) in present:
                raise PoolError(f"{_name(record, row)} is already in {folder}")
            present.add(_key(row))
        if rows:
            table = to_table(record, [replace(row, pool_key=self.key) for row in rows])
            _write_table(folder / f"part-{self._writer}-{self._n_parts:06d}.parquet", table)
            self._n_parts += 1

    def _read(self, folder: Path, record: type[Stored]) -> list[Stored]:
        rows: dict[SampleKey, Stored] = {}
        for path in _parts(folder):
            for row in from_table(record, _read_table(path, record)):
                rows.setdefault(_key(row), row)
        return [rows[key] for key in sorted(rows)]


def pool_key(identity: dict[str, Any], settings: SamplingSettings, questions: Sequence[Question]) -> str:
    """The hash that names a pool: 16 hex digits of model, template, settings and questions."""
    return _manifest(identity, settings, questions)["pool_key"]


def check_unique(questions: Sequence[Question]) -> None:
    """Raise a PoolError that names a question id which occurs more than once."""
    for question_id, n in Counter(question.id for question in questions).items():
        if n > 1:
            raise PoolError(f"the question id {question_id!r} occurs {n} times")


def _manifest(identity: dict[str, Any], settings: SamplingSettings, questions: Sequence[Question]) -> dict[str, Any]:
    check_unique(questions)
    by_id = {question.id: question for question in questions}
    contents = {
        "schema": SCHEMA_VERSION,
        "identity": identity,
        "settings": settings.identity(),
        "n_questions": len(questions),
        "questions": stable_hash([asdict(by_id[i]) for i in sorted(by_id)]),
    }
    return {"pool_key": stable_hash(contents), **contents}


def _key(row: Sample | Grade) -> SampleKey:
    return row.question_id, row.sample_index


def _name(record: type, row: Sample | Grade) -> str:
    return f"the {record.__name__.lower()} of question {row.question_id!r}, index {row.sample_index},"


def _parts(folder: Path) -> list[Path]:
    """Part files in order of their names. What a kill left unfinished begins with a dot and is not one of them."""
    return sorted(folder.glob("part-*.parquet"))


def _keys(folder: Path, record: type) -> set[SampleKey]:
    found: set[SampleKey] = set()
    for path in _parts(folder):
        table = _read_table(path, record, columns=["question_id", "sample_index"])
        found.update(zip(table["question_id"].to_pylist(), table["sample_index"].to_pylist(), strict=True))
    return found


def _write_table(path: Path, table: pyarrow.Table) -> None:
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    write_bytes_atomic(path, buffer.getvalue())


def _read_table(path: Path, record: type, columns: list[str] | None = None) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise PoolError(f"{path}: unreadable ({error}); move the file away, and its rows are made again") from None
    expected, found = ((s.metadata or {}).get(b"lit_reason", b"unknown rows") for s in (schema(record), table.schema))
    if found != expected:
        raise PoolError(f"{path}: holds {found.decode()}, where {expected.decode()} is expected")
    return table
