"""H1, H2 and T of a two-stage study out of GSM8K, MATH, or a file of one's own, in the files of `steps.make_questions`.

h1.jsonl            rows for a weak model that is tuned first; one that is used as it is leaves them alone
h2.jsonl            questions to be labelled, without gold answers
h2_gold.jsonl       the same with them, for figures and the oracle
h2_gold_rows.jsonl  rows for the ceiling
test.jsonl          questions with gold answers
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from lit_reason.files import write_jsonl_atomic
from lit_reason.questions import Asking, Exercise, target, text_key
from lit_reason.questions_files import file_exercises
from lit_reason.results import Results, count
from lit_reason.weak_to_strong.question_files import question_row
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

logger = logging.getLogger(__name__)


def split_questions(
    out: Path,
    train: str,
    test: str,
    subset: str | None = None,
    columns: dict[str, str] | None = None,
    template: str = "{question}",
    h1_share: ClosedUnitInterval = 0.5,
    n_train: PositiveInt | None = None,
    n_test: PositiveInt | None = None,
    seed: NonNegativeInt = 0,
    keep_overlap: bool = False,
) -> None:
    """Write the five files. Ids say where a question stands, so none is in two splits; a text of H2 that is in H1 or in
    the test, or twice in H2, is dropped and counted.

    Args:
        out: directory of the run.
        train: questions with gold answers to be halved: a file, a folder, or `owner/name[:split]`.
        test: test questions, likewise.
        subset: configuration of a data set that has several, as GSM8K's `main`.
        columns: our column names to the source's own, where they are not recognised.
        template: how a question is put; holds `{question}`.
        h1_share: how much of the training questions goes to H1.
        n_train: training questions at most, a random choice; null takes all.
        n_test: test questions at most, likewise.
        seed: of the halves and choices.
        keep_overlap: keep repeated texts, for parity with published splits that hold some.
    """
    asking = Asking(template=template)
    if problem := asking.problem():
        raise WeakToStrongError(f"template: {problem}")
    dropped: Counter[str] = Counter()
    found = _read("train", train, asking, columns, subset, dropped)
    tested = _chosen(_read("test", test, asking, columns, subset, dropped), n_test, seed)
    drawn = _chosen(found, n_train, seed)
    Random(seed).shuffle(drawn)
    n_h1 = round(len(drawn) * h1_share)
    h1, h2 = drawn[:n_h1], drawn[n_h1:]
    if not keep_overlap:
        h2 = _apart(h2, [*h1, *tested], dropped)
    if not h2 or not tested:
        raise WeakToStrongError(f"{'H2' if not h2 else 'test'} is empty: no question with a gold answer is left")
    write_jsonl_atomic(out / "h1.jsonl", map(_gold_row, h1))
    write_jsonl_atomic(out / "h2_gold_rows.jsonl", map(_gold_row, h2))
    for name, gold, exercises in (("h2", False, h2), ("h2_gold", True, h2), ("test", True, tested)):
        write_jsonl_atomic(out / f"{name}.jsonl", [question_row(e.question, gold=gold) for e in exercises])
    results = Results(run=out.name, dropped=dict(dropped))
    for name, exercises in (("H1", h1), ("H2", h2), ("T", tested)):
        results.put(count("questions", name, "", len(exercises)))
    results.save(out)


def _read(
    split: str, source: str, asking: Asking, columns: dict[str, str] | None, subset: str | None, dropped: Counter[str]
) -> list[Exercise]:
    def on_bad(place: str, reason: str) -> None:
        dropped[f"{split} rows that are no question"] += 1
        logger.warning("%s %s: %s", split, place, reason)

    found = []
    for exercise in file_exercises(source, on_bad, asking, columns, subset):
        question = exercise.question
        if question.gold is None:
            dropped[f"{split} questions without a gold answer"] += 1
            continue
        meta = {name: value for name, value in question.meta.items() if name != "source"}
        level = str(meta.get("difficulty", ""))
        if level.removeprefix("Level ").isdecimal():  # as MATH writes it
            meta["difficulty"] = int(level.removeprefix("Level "))
        found.append(Exercise(type(question)(f"{split}/{question.id}", question.prompt, question.gold, meta),
                              exercise.solution))  # fmt: skip
    return found


def _apart(h2: list[Exercise], others: list[Exercise], dropped: Counter[str]) -> list[Exercise]:
    seen = {text_key(exercise.question) for exercise in others}
    kept = []
    for exercise in h2:
        key = text_key(exercise.question)
        if key in seen:
            dropped["H2 questions whose text is elsewhere"] += 1
        else:
            kept.append(exercise)
        seen.add(key)
    return kept


def _chosen(exercises: list[Exercise], n: int | None, seed: int) -> list[Exercise]:
    return Random(seed).sample(exercises, n) if n is not None and n < len(exercises) else list(exercises)


def _gold_row(exercise: Exercise) -> dict[str, Any]:
    question = exercise.question
    labelled = {"target": target(exercise), "answer": question.gold}
    return {"id": question.id, "prompt": question.prompt, **labelled, "source": "gold", "confidence": 1.0}
