"""Sample what is missing, grade what is ungraded, join: one plain function that every evaluation calls.

It knows neither the method nor the metric. Whatever it was interrupted at, calling it again goes on from the pool.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool, check_unique
from lit_reason.progress import track
from lit_reason.records import Grade, Question, Sample
from lit_reason.sampling.protocol import SampleKey, Sampler, SamplingSettings

FLUSH_GRADES = 64
"""Grades written at once: what a kill during grading can lose."""


class Row(NamedTuple):
    """One sample with the verdict of one grader."""

    question: Question
    sample: Sample
    grade: Grade


@dataclass
class Evaluation:
    """What `evaluate` found.

    Args:
        rows: for each grader, each question and each sample index one row, in this order. An answer that is missing is
            wrong: its text is empty, and its grade says "missing" (never sampled) or "ungraded" in `detail["kind"]`.
        dropped: how many rows were made up for that reason or left out for another; only what occurred.
        seconds_sampling: spent by this call; what came from the pool cost nothing now.
        seconds_grading: likewise.
        n_sampled: samples made by this call.
    """

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    seconds_sampling: float = 0.0
    seconds_grading: float = 0.0
    n_sampled: int = 0


def evaluate(
    questions: Sequence[Question],
    sampler: Sampler,
    graders: Sequence[Grader],
    pool: SamplePool,
    settings: SamplingSettings,
) -> Evaluation:
    """Ask every question `settings.n` times and grade each answer with each grader, keeping all of it in the pool.

    `questions` may be part of the pool's: each of several processes passes its own share. Samples for questions that
    were not asked and grades for samples that do not exist are ignored and counted, and so is what a sampler says that
    it could not get (`sampler.dropped`, where it has one).
    """
    check_unique(questions)
    result = Evaluation()
    began = time.perf_counter()
    _sample_missing(questions, sampler, pool, settings, result)
    result.seconds_sampling = time.perf_counter() - began

    wanted = {(question.id, index) for question in questions for index in range(settings.n)}
    samples = {key: sample for sample in pool.samples() if (key := _key(sample)) in wanted}
    result.dropped["missing answers counted wrong"] += len(wanted) - len(samples)
    began = time.perf_counter()
    for grader in graders:
        _grade_missing(questions, samples, grader, pool, result)
        grades = {_key(grade): grade for grade in pool.grades(grader.name)}
        result.dropped["ungraded answers counted wrong"] += len(samples.keys() - grades.keys())
        result.rows += _join(questions, settings, samples, grades, grader.name, pool.key)
    result.seconds_grading = time.perf_counter() - began
    result.dropped = +result.dropped  # without the zeros
    return result


def _sample_missing(
    questions: Sequence[Question], sampler: Sampler, pool: SamplePool, settings: SamplingSettings, result: Evaluation
) -> None:
    wanted = {(question.id, index) for question in questions for index in range(settings.n)}
    done = pool.done()
    if wanted <= done:
        return
    for batch in sampler.sample(questions, settings, done):
        known = [sample for sample in batch if _key(sample) in wanted]
        result.dropped["samples for unknown questions ignored"] += len(batch) - len(known)
        pool.append_samples(known)
        result.n_sampled += len(known)
    # Samplers that may fail count why; what they left out is also among the missing answers.
    result.dropped.update(getattr(sampler, "dropped", {}))


def _grade_missing(
    questions: Sequence[Question],
    samples: dict[SampleKey, Sample],
    grader: Grader,
    pool: SamplePool,
    result: Evaluation,
) -> None:
    graded = pool.graded(grader.name)
    by_id = {question.id: question for question in questions}
    pairs = [(by_id[key[0]], sample) for key, sample in sorted(samples.items()) if key not in graded]
    if not pairs:
        return
    grades = track(grader.grade_all(pairs), f"grading, {grader.name}", total=len(pairs), unit="samples")

    def is_new(grade: Grade) -> bool:
        key = _key(grade)
        known = key in samples and key not in graded
        graded.add(key)
        result.dropped["grades for unknown samples ignored"] += not known
        return known

    for chunk in _chunks(filter(is_new, grades), FLUSH_GRADES):
        pool.append_grades(grader.name, chunk)


def _join(
    questions: Sequence[Question], settings: SamplingSettings, samples: dict[SampleKey, Sample],
    grades: dict[SampleKey, Grade], grader: str, pool_key: str,
) -> Iterator[Row]:
    for question in questions:
        for index in range(settings.n):
            key = (question.id, index)
            sample = samples.get(key) or Sample(pool_key, *key, "", 0, 0, "length", seed=settings.seed)
            kind = "ungraded" if key in samples else "missing"
            wrong = Grade(pool_key, *key, grader, "wrong", score=0.0, detail={"kind": kind})
            yield Row(question, sample, grades.get(key, wrong) if key in samples else wrong)


def _chunks(grades: Iterable[Grade], size: int) -> Iterator[list[Grade]]:
    chunk: list[Grade] = []
    for grade in grades:
        chunk.append(grade)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _key(row: Sample | Grade) -> SampleKey:
    return row.question_id, row.sample_index
