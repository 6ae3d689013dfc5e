"""GSM8K, MATH, or questions in other columns, as the records that `own_questions.split_questions` reads."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from lit_reason.files import write_jsonl_atomic
from lit_reason.questions import Asking, Exercise
from lit_reason.questions_files import file_exercises, unreadable_golds
from lit_reason.results import Results, count
from lit_reason.weak_to_strong.reading import level
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

logger = logging.getLogger(__name__)


def make_records(
    out: Path,
    train: str,
    test: str,
    subset: str | None = None,
    columns: dict[str, str] | None = None,
    h1_share: ClosedUnitInterval = 0.5,
    n_train: PositiveInt | None = None,
    n_test: PositiveInt | None = None,
    seed: NonNegativeInt = 0,
) -> None:
    """Write questions.jsonl: `id, question, gold, split`, and `solution`, `topic` and `difficulty` where there are. Ids
    say where a question stands, so that train and test share none.

    Args:
        out: directory of the run.
        train: questions that are halved: a file, a folder, or `owner/name[:split]`.
        test: test questions, likewise.
        subset: configuration of a data set that has several, as GSM8K's `main`.
        columns: our column names to the source's own, where they are not recognised.
        h1_share: how much of the training questions goes to H1; the rest is H2.
        n_train: training questions at most, a random choice; null takes all.
        n_test: test questions at most, likewise.
        seed: of the halves and choices.

    Raises:
        RowsError: a source cannot be read.
        WeakToStrongError: one of them has no question whose gold answer can be read.
    """
    dropped: Counter[str] = Counter()
    found = {
        name: _with_gold(name, source, columns, subset, dropped) for name, source in (("train", train), ("test", test))
    }
    drawn, tested = _chosen(found["train"], n_train, seed), _chosen(found["test"], n_test, seed)
    n_h1 = round(len(drawn) * h1_share)
    splits = {"H1": drawn[:n_h1], "H2": drawn[n_h1:], "T": tested}
    write_jsonl_atomic(out / "questions.jsonl", (r for name, some in splits.items() for r in _records(name, some)))
    results = Results(run=out.name, dropped=dict(dropped))
    for name, exercises in splits.items():
        results.put(count("questions", name, "", len(exercises)))
    results.save(out)


def _with_gold(
    name: str, source: str, columns: dict[str, str] | None, subset: str | None, dropped: Counter[str]
) -> list[tuple[str, Exercise]]:
    """Exercises by ids that hold the source's name."""

    def on_bad(place: str, reason: str) -> None:
        dropped[f"{name} rows that are no question"] += 1
        logger.warning("%s %s: %s", name, place, reason)

    every = list(file_exercises(source, on_bad, Asking(template="{question}"), columns, subset))
    unread = {exercise.question.id for exercise in unreadable_golds(every)}
    kept = [e for e in every if e.question.gold is not None and e.question.id not in unread]
    if len(kept) < len(every):
        dropped[f"{name} questions without a gold answer that can be read"] += len(every) - len(kept)
    if not kept:
        raise WeakToStrongError(f"{name}: {source} has no question with a gold answer that can be read")
    return [(f"{name}/{exercise.question.id}", exercise) for exercise in kept]


def _records(split: str, exercises: Sequence[tuple[str, Exercise]]) -> Iterator[dict[str, Any]]:
    for id, exercise in exercises:
        question = exercise.question
        record = {"id": id, "question": question.prompt, "gold": question.gold, "split": split}
        if exercise.solution is not None:
            record["solution"] = exercise.solution
        if "topic" in question.meta:
            record["topic"] = question.meta["topic"]
        difficulty = level(question.meta)
        yield record if difficulty is None else {**record, "difficulty": difficulty}


def _chosen(exercises: list[tuple[str, Exercise]], n: int | None, seed: int) -> list[tuple[str, Exercise]]:
    """So many of them, shuffled."""
    return Random(seed).sample(exercises, min(n or len(exercises), len(exercises)))
