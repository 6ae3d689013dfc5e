"""The steps of a two-stage study between its fits, as functions of files (2503.04249).

    make_initial     what the base models know before any task
    make_questions   H1, H2 and T, the gold answers of H2 apart
    ask              a model's votes and greedy answers (asking.py)
    select           votes -> training rows and what was discarded; with rows to add to, Stage II

Rows for training have `id, prompt, target, source, answer, confidence`; questions have `id, question` and, where they
may be seen, `gold`, `topic` and `difficulty`. Gold answers of H2 are read for figures only, and by the oracle.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from lit_reason.charts import save_charts
from lit_reason.files import write_jsonl_atomic
from lit_reason.questions import Asking, Exercise, Split, target
from lit_reason.questions_chains import ChainSettings, chain_exercises
from lit_reason.records import Question
from lit_reason.results import Results
from lit_reason.weak_to_strong.analyses import by_threshold, filter_chart
from lit_reason.weak_to_strong.label_figures import label_figures
from lit_reason.weak_to_strong.question_files import (
    check_known,
    question_row,
    read_identified,
    read_known,
    read_lines,
    read_questions,
    read_votes,
)
from lit_reason.weak_to_strong.thresholds import WeakToStrongError, check_threshold
from lit_reason.weak_to_strong.votes import VoteRecord, check_enough, oracle_filter, split_by_confidence, why_none

TAUS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)

logger = logging.getLogger(__name__)


def make_initial(
    out: Path,
    n: PositiveInt = 3000,
    topics: Sequence[str] = ("multiply", "extremes"),
    min_steps: PositiveInt = 2,
    max_steps: PositiveInt = 5,
    modulus: PositiveInt = 10,
    boxed: bool = True,
    seed: NonNegativeInt = 0,
) -> None:
    """Solved chains for the base models, weak and strong; the task may ask for other topics.

    Args:
        out: directory of the run; gets initial.jsonl.
        n: how many.
        topics: their operations.
        min_steps: steps of the shortest.
        max_steps: steps of the longest.
        modulus: of all results.
        boxed: whether solutions end in their boxed answer. Without it the base models learn to compute but not to
            answer, and tuning has that to bring out.
        seed: which chains.
    """
    settings = ChainSettings(topics=tuple(topics), min_steps=min_steps, max_steps=max_steps, modulus=modulus)
    rows = list(map(_gold_row, _chains(settings, {"train": n}, seed)["train"]))
    for row in rows:
        row["target"] = row["target"] if boxed else row["target"].rpartition("\n")[0]
    write_jsonl_atomic(out / "initial.jsonl", rows)


def make_questions(
    out: Path,
    initial: str | list[str],
    n_h1: PositiveInt = 2000,
    n_h2: PositiveInt = 2000,
    n_test: PositiveInt = 400,
    topics: Sequence[str] = ("add", "mixed"),
    min_steps: PositiveInt = 2,
    max_steps: PositiveInt = 5,
    modulus: PositiveInt = 10,
    seed: NonNegativeInt = 0,
) -> None:
    """The task: chains of known difficulty and topic, no text in two splits or among what the base models have seen.

    Args:
        out: directory of the run.
        initial: rows that the base models were trained on, one file or several.
        n_h1: gold-labelled questions for the weak model.
        n_h2: questions to be labelled.
        n_test: test questions.
        topics: their operations.
        min_steps: steps of the easiest chains.
        max_steps: steps of the hardest.
        modulus: of all results.
        seed: of all questions.
    """
    chains = ChainSettings(topics=tuple(topics), min_steps=min_steps, max_steps=max_steps, modulus=modulus)
    made = _chains(chains, {"train": n_h1, "val": n_h2, "test": n_test}, seed)
    files = [initial] if isinstance(initial, str) else initial
    seen = {row["prompt"] for file in files for _, row in read_lines(file)}
    h1, h2, test = ([e for e in made[split] if e.question.prompt not in seen] for split in ("train", "val", "test"))
    left_out = sum(map(len, made.values())) - len(h1) - len(h2) - len(test)
    for name, split in (("H1", h1), ("H2", h2), ("the test", test)):
        if not split:
            raise WeakToStrongError(f"{name} is empty: the base models have seen all its questions; take another seed")
    write_splits(out, h1, h2, test)
    Results(run=out.name, dropped={"questions that the base models have seen": left_out} if left_out else {}).save(out)


def write_splits(out: Path, h1: Sequence[Exercise], h2: Sequence[Exercise], test: Sequence[Exercise]) -> None:
    """The files of a task: what trains W, H2 without and with its gold answers, and the test."""
    write_jsonl_atomic(out / "h1.jsonl", map(_gold_row, h1))
    write_jsonl_atomic(out / "h2_gold_rows.jsonl", map(_gold_row, h2))
    write_jsonl_atomic(out / "h2.jsonl", [question_row(e.question, gold=False) for e in h2])
    write_jsonl_atomic(out / "h2_gold.jsonl", [question_row(e.question, gold=True) for e in h2])
    write_jsonl_atomic(out / "test.jsonl", [question_row(e.question, gold=True) for e in test])


def select(
    out: Path,
    questions: str,
    votes: str,
    gold: str,
    tau: ClosedUnitInterval = 0.6,
    source: str = "weak",
    onto: str | None = None,
    stage2: Literal["filtered", "unfiltered"] = "filtered",
    oracle: bool = False,
    drop_ties: bool = False,
    batch: PositiveInt = 32,
    apart: Sequence[str] = (),
) -> None:
    """Turn votes into training rows: Training Set A, or with `onto` the union of A and B.

    Args:
        out: directory of the run; gets rows.jsonl and discarded.jsonl.
        questions: what was voted on. Those without a vote are discarded, and counted.
        votes: as `ask` wrote them; each is of one of the questions.
        gold: all of H2 with gold answers, for figures (and the oracle).
        tau: least share of all samples that gave the answer.
        source: `weak`, `strong_r1`, `strong_r2`.
        onto: rows of the earlier stage, which stay.
        stage2: `unfiltered` adds every question that has an answer, as tau = 0 does.
        oracle: keep exactly the right labels instead: an upper bound, no method.
        drop_ties: leave tied votes out.
        batch: rows of a training batch, to warn below it.
        apart: files of questions that must not be trained on: H1 and the test.

    Raises:
        WeakToStrongError: a threshold or a row cannot be used, or a question of `apart` would be trained on.
    """
    check_threshold("tau", tau)
    asked, known = read_questions(questions, with_gold=False), read_known(gold)
    check_known(questions, "question", known, gold)
    cast = read_votes(votes, {question.id for question in asked})
    before = [row for _, row in read_identified(onto, "target")] if onto else []
    if onto:
        check_known(onto, "target", known, gold)
    elif not asked:
        raise WeakToStrongError(f"{questions}: H2 is empty: there is no question to label")
    least = None if oracle else 0.0 if stage2 == "unfiltered" else tau
    if least is None:
        kept, _ = oracle_filter(cast, {id: str(each.gold) for id, each in known.items()})
    else:
        kept, _ = split_by_confidence(cast, least, drop_ties)
    _warn(kept, cast, least, batch, onto is not None)
    added = training_rows(asked, kept, source)
    rows = before + added
    for file in apart:
        check_apart(rows, file)
    write_jsonl_atomic(out / "rows.jsonl", rows)
    labelled = {row["id"] for row in rows}
    left = [question for question in asked if question.id not in labelled]
    write_jsonl_atomic(out / "discarded.jsonl", [question_row(question, gold=False) for question in left])
    results = Results(run=out.name, dropped=_without_vote(left, cast))
    for figure in label_figures(rows, {row["id"]: row["answer"] for row in added}, cast, known):
        results.put(figure)
    results.save(out)
    if not onto:
        save_charts(out, [filter_chart(by_threshold(cast, known, TAUS))])


def training_rows(questions: Sequence[Question], kept: Sequence[VoteRecord], source: str) -> list[dict[str, Any]]:
    """One row a kept vote, in the order of the questions; a gold answer is nowhere to be had here."""
    by_id = {vote.id: vote for vote in kept}
    return [
        {"id": q.id, "prompt": q.prompt, "target": by_id[q.id].chosen_response, "source": source,
         "answer": by_id[q.id].answer, "confidence": by_id[q.id].confidence}
        for q in questions if q.id in by_id
    ]  # fmt: skip


def check_apart(rows: Sequence[dict[str, Any]], file: str) -> None:
    """Raise a WeakToStrongError where a row for training has the id of a question in `file`."""
    there = {str(row.get("id")) for _, row in read_lines(file)}
    for number, row in enumerate(rows, 1):
        if row["id"] in there:
            raise WeakToStrongError(
                f"training row {number}: the id {row['id']!r} is also in {file}, which is kept apart"
            )


def _without_vote(left: Sequence[Question], cast: Sequence[VoteRecord]) -> dict[str, int]:
    """How many of the questions that stay unlabelled were not even voted on; warned of, for votes may be incomplete."""
    voted = {vote.id for vote in cast}
    n = sum(question.id not in voted for question in left)
    if n:
        logger.warning("%d questions have no vote, so they are discarded", n)
    return {"questions without a vote": n} if n else {}


def _warn(kept: Sequence[VoteRecord], cast: Sequence[VoteRecord], tau: float | None, batch: int, second: bool) -> None:
    """Stage I stops where nothing is kept; Stage II then has the rows of Stage I and says so."""
    if second and not kept:
        logger.warning("Stage II keeps no label, so its rows are those of Stage I: %s", why_none(cast, tau))
        return
    for warning in check_enough(kept, cast, tau, batch):
        logger.warning("%s", warning)


def _chains(settings: ChainSettings, sizes: dict[Split, int], seed: int) -> dict[Split, list[Exercise]]:
    for key, problem in settings.problems(sum(sizes.values())):
        raise WeakToStrongError(f"{key} {problem}")
    return chain_exercises(settings, sizes, seed, Asking(template="{question}"))


def _gold_row(exercise: Exercise) -> dict[str, Any]:
    question = exercise.question
    return {"id": question.id, "prompt": question.prompt, "target": target(exercise), "source": "gold",
            "answer": question.gold, "confidence": 1.0}  # fmt: skip
