"""A user's own questions as the task of a two-stage study: one file of records, checked row by row, made into splits.

A record is a line of JSON with `id`, `question`, `gold`, `split` (H1, H2 or T), and optionally `solution`, `topic` and
`difficulty`. Every question needs a gold answer: those of H2 train the ceiling and are reported on, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_reason.files import write_jsonl_atomic
from lit_reason.grading.protocol import Grader
from lit_reason.questions import Exercise, text_key
from lit_reason.records import Question
from lit_reason.results import Results
from lit_reason.weak_to_strong.overlap import without_overlap
from lit_reason.weak_to_strong.question_files import read_lines
from lit_reason.weak_to_strong.reading import GraderName, answering, as_text, level, named_grader
from lit_reason.weak_to_strong.steps import write_splits
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

SPLITS = ("T", "H1", "H2")
TEXTS = ("id", "question", "gold")
BOXED = "{question} Put the final answer in \\boxed{}."


def make_arithmetic(
    out: Path, n_h1: NonNegativeInt = 16, n_h2: PositiveInt = 64, n_test: PositiveInt = 32, seed: NonNegativeInt = 0
) -> None:
    """Short sums, differences and products as such a file: a task that is there at once.

    Args:
        out: directory of the run; gets questions.jsonl.
        n_h1: questions of H1.
        n_h2: questions of H2.
        n_test: test questions.
        seed: which questions.
    """
    every = [(a, sign, b) for a in range(2, 40) for b in range(2, 40) for sign in "+-*"]
    Random(seed).shuffle(every)
    names = ["H1"] * n_h1 + ["H2"] * n_h2 + ["T"] * n_test
    rows = [_sum(i, split, *parts) for i, (split, parts) in enumerate(zip(names, every, strict=False))]
    write_jsonl_atomic(out / "questions.jsonl", rows)


def split_questions(
    out: Path,
    path: str,
    template: str = BOXED,
    grader: GraderName = "maths",
    keep_overlap: bool = False,
) -> None:
    """Check a file of records and write its splits.

    Args:
        out: directory of the run.
        path: the file.
        template: how a question is put; `{question}` is replaced.
        grader: how gold answers are read, as in `ask`.
        keep_overlap: keep questions of H1 whose text is in the test, and of H2 whose text is in the test, in H1, or in
            H2 before. They are counted in any case, and dropped otherwise.

    Raises:
        WeakToStrongError: a row cannot be used, an id occurs twice, or H2 or the test is empty; the line is named.
    """
    if "{question}" not in template:
        raise WeakToStrongError("template: has no {question}, so all questions would read the same")
    made: dict[str, list[Exercise]] = {split: [] for split in SPLITS}
    rows = _checked(path)
    for (_, row), exercise in zip(rows, _exercises(path, rows, template, named_grader(grader)), strict=True):
        made[row["split"]].append(exercise)
    made, dropped = without_overlap(made, lambda exercise: text_key(exercise.question), keep_overlap)
    for split in ("H2", "T"):
        if not made[split]:
            raise WeakToStrongError(f"{path}: {split} is empty{f' ({_said(dropped)})' if dropped else ''}")
    write_splits(out, made["H1"], made["H2"], made["T"])
    Results(run=out.name, dropped=dict(dropped)).save(out)


def _checked(path: str) -> list[tuple[int, dict[str, Any]]]:
    """The file's rows with their line numbers."""
    rows = list(read_lines(path))
    lines: dict[str, int] = {}
    for number, row in rows:
        where = f"{path}, line {number}"
        row.update({name: as_text(row.get(name)) for name in TEXTS})
        for name in TEXTS:
            if not isinstance(row.get(name), str) or not row[name]:
                raise WeakToStrongError(f"{where}: {name} is missing or no text")
        if row["id"] in lines:
            raise WeakToStrongError(f"{where}: the id {row['id']!r} is already in line {lines[row['id']]}")
        lines[row["id"]] = number
        if row.get("split") not in SPLITS:
            raise WeakToStrongError(f"{where}: split is {row.get('split')!r}, not H1, H2 or T")
        given = row.pop("difficulty", None)
        if given is not None:
            row["difficulty"] = level({"difficulty": given})
            if row["difficulty"] is None:
                raise WeakToStrongError(f"{where}: difficulty is {given!r}, neither a whole number nor Level and one")
    return rows


def _exercises(
    path: str, rows: Sequence[tuple[int, dict[str, Any]]], template: str, reader: Grader
) -> Iterator[Exercise]:
    """Questions whose gold answers are written as the grader writes answers: votes can be compared with them."""
    pairs = []
    for _, row in rows:
        meta = {name: row[name] for name in ("topic", "difficulty") if row.get(name) is not None}
        question = Question(row["id"], template.replace("{question}", row["question"]), row["gold"], meta)
        pairs.append(answering(question, row["gold"]))
    for (number, row), (question, _), grade in zip(rows, pairs, reader.grade_all(pairs), strict=True):
        if grade.answer_key is None:
            raise WeakToStrongError(f"{path}, line {number}: the gold answer {row['gold']!r} cannot be read")
        yield Exercise(replace(question, gold=grade.answer_key), row.get("solution"))


def _sum(i: int, split: str, a: int, sign: str, b: int) -> dict[str, Any]:
    gold = {"+": a + b, "-": a - b, "*": a * b}[sign]
    topic = {"+": "sum", "-": "difference", "*": "product"}[sign]
    text = f"{a} {sign} {b} = {gold}"
    return {"id": f"q{i}", "question": f"What is {a} {sign} {b}?", "gold": str(gold), "split": split, "topic": topic,
            "difficulty": 1 + (max(a, b) > 9), "solution": text}  # fmt: skip


def _said(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {why}" for why, n in dropped.items())
