"""Word problems and other questions of reasoning-gym, as the records that `own_questions.split_questions` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_reason.files import write_jsonl_atomic
from lit_reason.questions import SPLITS, Asking, Exercise, text_key
from lit_reason.questions_gym import PER_SEED, SPACING, Family, equal_shares, exercises
from lit_reason.results import Results
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

_MAX_DRAWS = 4  # for each question that is asked for: a family that repeats itself more has too few


def make_generated(
    out: Path,
    families: Sequence[Family] = (Family("gsm_symbolic"),),
    n_h1: NonNegativeInt = 500,
    n_h2: PositiveInt = 500,
    n_test: PositiveInt = 200,
    seed: NonNegativeInt = 0,
) -> None:
    """Write questions.jsonl: in every split equally many of each family, no text twice. Their topic is the family,
    their difficulty its level; where none is set, the number of calculations in the worked solution.

    Args:
        out: directory of the run.
        families: of reasoning-gym: `gsm_symbolic` are word problems with worked solutions, `leg_counting` some with
            levels, `chain_sum` and `basic_arithmetic` are sums. One value must be the answer to each question.
        n_h1: questions of H1.
        n_h2: questions of H2.
        n_test: test questions.
        seed: another seed, other questions.

    Raises:
        FamilyError: a family is unknown, or cannot be made so.
        WeakToStrongError: no family is named, or one has too few different questions or questions without one answer.
    """
    if not families:
        raise WeakToStrongError("families: is empty; name at least one family of reasoning-gym, such as gsm_symbolic")
    dropped: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for i, family in enumerate(f if isinstance(f, Family) else Family(**f) for f in families):
        shares = {
            split: equal_shares(n, len(families))[i] for split, n in (("T", n_test), ("H1", n_h1), ("H2", n_h2))
        }
        made = _different(family, sum(shares.values()), seed, dropped)
        for split, n in shares.items():
            rows += [_record(family, exercise, split) for exercise in islice(made, n)]
    write_jsonl_atomic(out / "questions.jsonl", rows)
    Results(run=out.name, dropped=dict(dropped)).save(out)


def _different(family: Family, n: int, seed: int, dropped: Counter[str]) -> Iterator[Exercise]:
    """So many questions of a family, whose texts differ."""
    seen: set[str] = set()
    library_seed = (seed * PER_SEED + len(SPLITS)) * SPACING  # apart from what a DataModule makes with this seed
    for exercise in exercises(family, _MAX_DRAWS * n, library_seed, Asking("{question}"), dropped):
        if len(seen) == n:
            return
        if exercise.question.gold is None:
            raise WeakToStrongError(f"{family.label}: its questions have more than one right answer")
        text = text_key(exercise.question)
        if text in seen:
            dropped[f"{family.label} questions made twice"] += 1
            continue
        seen.add(text)
        yield exercise
    if len(seen) < n:
        raise WeakToStrongError(f"{family.label}: only {len(seen)} different questions were made, {n} are asked for")


def _record(family: Family, exercise: Exercise, split: str) -> dict[str, Any]:
    question, solution = exercise.question, exercise.solution
    difficulty = (solution or "").count("=") if family.level is None else family.level
    return {
        "id": question.id, "question": question.prompt, "gold": question.gold, "split": split, "topic": family.name,
        **({"solution": solution} if solution else {}),
        **({"difficulty": difficulty} if solution or family.level is not None else {}),
    }  # fmt: skip
