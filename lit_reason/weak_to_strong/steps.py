"""The steps of a two-stage study between its fits, as functions of files (2503.04249).

    make_questions   H1, H2 and T, the gold answers of H2 apart
    ask              a model's votes on questions, and its greedy answers to the test
    select           votes -> training rows and what was discarded; with rows to add to, Stage II

Rows for training have `id, prompt, target, source, confidence`; questions have `id, question` and, where they may be
seen, `gold`, `topic` and `difficulty`. Gold answers of H2 are read for figures only, and by the oracle.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from lit_reason.charts import save_charts
from lit_reason.errors import PlainError
from lit_reason.evaluation import evaluate
from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool
from lit_reason.questions import Asking, Exercise, target, text_key
from lit_reason.questions_chains import ChainSettings, chain_exercises
from lit_reason.records import Question
from lit_reason.results import Figure, Results, count, mean, share
from lit_reason.results import value as plain_value
from lit_reason.sampling.protocol import Sampler, SamplingSettings
from lit_reason.weak_to_strong.analyses import Known, by_threshold, describe, filter_chart
from lit_reason.weak_to_strong.thresholds import WeakToStrongError, check_threshold
from lit_reason.weak_to_strong.votes import (
    Answered,
    Response,
    VoteRecord,
    cast_vote,
    check_enough,
    oracle_filter,
    split_by_confidence,
)

TAUS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)

logger = logging.getLogger(__name__)


def make_questions(
    out: Path,
    n_h1: PositiveInt = 2000,
    n_h2: PositiveInt = 2000,
    n_test: PositiveInt = 400,
    n_initial: PositiveInt = 2000,
    max_steps: PositiveInt = 4,
    seed: NonNegativeInt = 0,
) -> None:
    """Arithmetic chains of known difficulty and topic, no text in two splits.

    Args:
        out: directory of the run.
        n_h1: gold-labelled questions for the weak model.
        n_h2: questions to be labelled.
        n_test: test questions.
        n_initial: chains of products that the strong model knows before any task training.
        max_steps: steps of the hardest chains.
        seed: of all questions.
    """
    asking = Asking(template="{question}")
    chains = ChainSettings(topics=("add", "mixed"), min_steps=2, max_steps=max_steps)
    products = ChainSettings(topics=("multiply",), min_steps=3, max_steps=3)
    for settings, n in ((chains, n_h1 + n_h2 + n_test), (products, n_initial)):
        for key, problem in settings.problems(n):
            raise WeakToStrongError(f"{key} {problem}")
    made = chain_exercises(chains, {"train": n_h1, "val": n_h2, "test": n_test}, seed, asking)
    texts = {text_key(exercise.question) for several in made.values() for exercise in several}
    initial = chain_exercises(products, {"train": n_initial, "val": 0, "test": 0}, seed, asking)["train"]
    kept = [exercise for exercise in initial if text_key(exercise.question) not in texts]
    write_jsonl_atomic(out / "initial.jsonl", [_gold_row(exercise) for exercise in kept])
    write_jsonl_atomic(out / "h1.jsonl", [_gold_row(exercise) for exercise in made["train"]])
    write_jsonl_atomic(out / "h2_gold_rows.jsonl", [_gold_row(exercise) for exercise in made["val"]])
    write_jsonl_atomic(out / "h2.jsonl", [_question_row(e.question, gold=False) for e in made["val"]])
    write_jsonl_atomic(out / "h2_gold.jsonl", [_question_row(e.question, gold=True) for e in made["val"]])
    write_jsonl_atomic(out / "test.jsonl", [_question_row(e.question, gold=True) for e in made["test"]])


def ask(
    out: Path,
    model: str,
    test: str,
    questions: str | None = None,
    n: PositiveInt = 10,
    temperature: PositiveFloat = 1.0,
    max_new_tokens: PositiveInt = 96,
    seed: NonNegativeInt = 0,
    batch_size: PositiveInt = 128,
    grader: Literal["maths", "text"] = "text",
) -> None:
    """Ask a model: n samples a question for its votes, and one greedy answer a test question.

    Args:
        out: directory of the run; samples lie below it, so a killed run asks only what is missing.
        model: its folder.
        test: test questions with gold answers.
        questions: questions to vote on; null votes on none.
        n: samples a question.
        temperature: of the samples.
        max_new_tokens: length limit.
        seed: of the samples.
        batch_size: rows decoded together.
        grader: how answers are read and compared.
    """
    from lit_reason.grading import MathGrader, TextGrader

    reader: Grader = MathGrader() if grader == "maths" else TextGrader()
    sampler = _sampler(model, batch_size)
    results = Results(run=out.name)
    greedy = SamplingSettings(max_new_tokens=max_new_tokens)
    answers = _answers(out, sampler, reader, read_questions(test, with_gold=True), greedy)
    right = [row["right"] for row in answers]
    results.put(share("accuracy", "test", "", sum(right), len(right), [seed]))
    write_jsonl_atomic(out / "answers.jsonl", answers)
    asked = read_questions(questions, with_gold=False) if questions else []
    settings = SamplingSettings(n=n, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
    votes = votes_of(out, sampler, reader, asked, settings)
    write_jsonl_atomic(out / "votes.jsonl", [asdict(vote) for vote in votes])
    if votes:
        parsed, drawn = sum(vote.n_parsed for vote in votes), sum(vote.n_samples for vote in votes)
        results.put(share("samples with an answer", "H2", "", parsed, drawn, [seed]))
    results.save(out)


def votes_of(
    out: Path,
    sampler: Sampler,
    grader: Grader,
    questions: Sequence[Question],
    settings: SamplingSettings,
    response: Response = "first",
) -> list[VoteRecord]:
    """The majority of a model's samples for each question, from a pool below `out` that is filled first."""
    if not questions:
        return []
    pool = SamplePool.open(out / "pools", sampler.identity, settings, questions)
    samples: dict[str, list[Answered]] = {question.id: [] for question in questions}
    for row in evaluate(questions, sampler, [grader], pool, settings).rows:
        samples[row.question.id].append(Answered(row.sample.text, row.grade.answer_key))
    return [cast_vote(id, drawn, response) for id, drawn in samples.items()]


def select(
    out: Path,
    questions: str,
    votes: str,
    gold: str,
    tau: float = 0.6,
    source: str = "weak",
    onto: str | None = None,
    stage2: Literal["filtered", "unfiltered"] = "filtered",
    oracle: bool = False,
    drop_ties: bool = False,
    batch: PositiveInt = 32,
) -> None:
    """Turn votes into training rows: Training Set A, or with `onto` the union of A and B.

    Args:
        out: directory of the run; gets rows.jsonl, discarded.jsonl and labels.jsonl.
        questions: what was voted on.
        votes: as `ask` wrote them.
        gold: all of H2 with gold answers, for figures (and the oracle).
        tau: least share of all samples that gave the answer.
        source: `weak`, `strong_r1`, `strong_r2`.
        onto: rows of the earlier stage, which stay.
        stage2: `unfiltered` adds every question that has an answer, as tau = 0 does.
        oracle: keep exactly the right labels instead: an upper bound, no method.
        drop_ties: leave tied votes out.
        batch: rows of a training batch, to warn below it.
    """
    check_threshold("tau", tau)
    asked = read_questions(questions, with_gold=False)
    cast = read_votes(votes)
    known = read_known(gold)
    if oracle:
        kept, discarded = oracle_filter(cast, {id: str(each.gold) for id, each in known.items()})
    else:
        kept, discarded = split_by_confidence(cast, 0.0 if stage2 == "unfiltered" else tau, drop_ties)
    earlier = [row for _, row in read_jsonl(onto)] if onto else []
    if not onto or kept:
        for warning in check_enough(kept, cast, tau, batch):
            logger.warning("%s", warning)
    else:
        logger.warning("Stage II keeps no label, so its rows are those of Stage I")
    rows = earlier + training_rows(asked, kept, source)
    write_jsonl_atomic(out / "rows.jsonl", rows)
    ids = {vote.id for vote in discarded}
    write_jsonl_atomic(out / "discarded.jsonl", [_question_row(q, gold=False) for q in asked if q.id in ids])
    labels = {vote.id: vote.answer for vote in kept}
    results = Results(run=out.name)
    for figure in _figures(rows, labels, cast, known):
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


def read_questions(path: str | Path, with_gold: bool) -> list[Question]:
    """Questions of a file; without their gold answers unless they are asked for.

    Raises:
        WeakToStrongError: a row lacks its id or question, or two have one id.
    """
    found: dict[str, Question] = {}
    for number, row in read_jsonl(path):
        for name in ("id", "question"):
            if not isinstance(row.get(name), str) or not row[name]:
                raise WeakToStrongError(f"{path}, line {number}: {name} is missing or no text")
        if row["id"] in found:
            raise WeakToStrongError(f"{path}, line {number}: the id {row['id']!r} occurs twice")
        meta = {name: row[name] for name in ("topic", "difficulty") if row.get(name) is not None}
        found[row["id"]] = Question(row["id"], row["question"], row.get("gold") if with_gold else None, meta)
    return list(found.values())


def read_votes(path: str | Path) -> list[VoteRecord]:
    """Votes as `ask` wrote them."""
    try:
        return [VoteRecord(**row) for _, row in read_jsonl(path)]
    except TypeError as error:
        raise WeakToStrongError(f"{path}: not a file of votes ({error})") from None


def read_known(path: str | Path) -> dict[str, Known]:
    """What is known of questions, for figures."""
    questions = read_questions(path, with_gold=True)
    return {q.id: Known(q.gold, q.meta.get("difficulty"), q.meta.get("topic")) for q in questions}


def _figures(
    rows: Sequence[dict[str, Any]], labels: dict[str, str | None], votes: Sequence[VoteRecord], known: dict[str, Known]
) -> list[Figure]:
    """Of the labels kept now, of all rows, and of what all votes would say."""
    found = [count("rows", "H2", "", len(rows))]
    every = {row["id"]: row.get("answer") for row in rows}
    discarded = {vote.id: vote.answer for vote in votes if vote.id not in labels}
    parts = {"rows": every, "kept now": labels, "voted on": {v.id: v.answer for v in votes}, "discarded": discarded}
    for split, chosen in parts.items():
        about = describe(chosen, known)
        graded = [label == known[id].gold for id, label in chosen.items() if known[id].gold is not None]
        found.append(share("kept share", split, "", about.n, len(known)))
        if graded:
            found.append(share("label accuracy", split, "", sum(graded), len(graded)))
        levels = [float(level) for id in chosen if (level := known[id].difficulty) is not None]
        if levels:
            found.append(mean("difficulty", split, "", levels))
        distances = {"difficulty": about.difficulty_distance, "topic": about.topic_distance}
        for name, distance in distances.items():
            if distance is not None:
                found.append(plain_value(f"{name} distance from H2", split, "", distance))
    return found


def _answers(
    out: Path, sampler: Sampler, grader: Grader, questions: Sequence[Question], settings: SamplingSettings
) -> list[dict[str, Any]]:
    if not questions or any(question.gold is None for question in questions):
        raise WeakToStrongError("test: every question needs a gold answer, and there must be one")
    pool = SamplePool.open(out / "pools", sampler.identity, settings, questions)
    rows = evaluate(questions, sampler, [grader], pool, settings).rows
    return [{"id": r.question.id, "answer": r.grade.answer_key, "right": r.grade.status == "right"} for r in rows]


def _sampler(model: str, batch_size: int) -> Sampler:
    """Of an exported model's folder, by the template that it was trained with."""
    from lit_reason.backbones import Backbone, load_model, load_tokenizer
    from lit_reason.chat import Chat
    from lit_reason.sampling.local import local_sampler

    if not Path(model).is_dir():
        raise PlainError(f"model: no such folder {model}")
    backbone = Backbone(model)
    tokenizer = load_tokenizer(backbone)
    loaded = load_model(backbone).eval()
    chat = Chat(tokenizer)
    identity = {"model": str(model), "template": chat.template}
    return local_sampler(loaded, tokenizer, chat, identity=identity, batch_size=batch_size)


def _gold_row(exercise: Exercise) -> dict[str, Any]:
    question = exercise.question
    return {"id": question.id, "prompt": question.prompt, "target": target(exercise), "source": "gold",
            "answer": question.gold, "confidence": 1.0}  # fmt: skip


def _question_row(question: Question, gold: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"id": question.id, "question": question.prompt, **question.meta}
    row.pop("source", None)
    return {**row, "gold": question.gold} if gold else row
