"""AoR for users: an aggregator of one question, or of a whole pool with judge calls batched over its questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lit_reason.aggregation.aor.asking import Asker
from lit_reason.aggregation.aor.calls import Chain
from lit_reason.aggregation.aor.driver import AorResult, DrawMore, GradedRow, Session, drive
from lit_reason.aggregation.aor.judge import Judge
from lit_reason.aggregation.aor.log import JudgeLog
from lit_reason.aggregation.aor.release import release_answer
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.protocol import NeedMore, answer_keys
from lit_reason.records import Grade, Question, Sample, Vote


class AggregationOfReasoning:
    """Chooses by scoring chains: first within each answer, then between answers, drawing more where it is close.

    It owns no sampler: for one question it answers a vote or `NeedMore(n)`; over a pool, `run` takes a function that
    draws. Right answers are never read: grades only tell which answer a chain reaches.

    Args:
        judge: scores chains.
        log: file in which replies are kept, for good; null keeps them in memory.
        calls_at_once: prompts that the judge gets together.
        settings: everything of `AorSettings`, by name: k, epsilon, theta, n, n_max, m, b and so on.

    Raises:
        AggregationError: a setting is out of its range, or there is no judge.
    """

    def __init__(
        self, judge: Judge, log: JudgeLog | Path | str | None = None, calls_at_once: int = 64, **settings: Any
    ) -> None:
        if judge is None:
            raise AggregationError("aor: a judge is missing")
        self.settings = AorSettings(**settings)
        if self.settings.max_call_tokens is None:
            self.settings = replace(self.settings, max_call_tokens=getattr(judge, "context_tokens", None))
        self.log = log if isinstance(log, JudgeLog) else JudgeLog(log)
        self._asker = Asker(judge, self.settings, self.log, calls_at_once)

    @property
    def name(self) -> str:
        """`AoR(20, 40)`, or the part of it that is run."""
        if self.settings.method == "aor":
            return f"AoR({self.settings.n}, {self.settings.n_max})"
        return f"AoR {self.settings.method.replace('_', ' ')}({self.settings.n})"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote | NeedMore:
        """The vote, or how many samples are missing for it. What was judged before is not judged again."""
        rows = [GradedRow(question, *pair) for pair in zip(samples, grades, strict=True)]
        session = Session(question, self._chains(rows), self.settings)
        while not session.finished:
            if session.wants > 0:
                return NeedMore(session.wants)
            session.advance(self._asker.scores(session.asks))
        return session.result.vote

    def run(
        self,
        questions: Sequence[Question],
        rows: Iterable[tuple[Question, Sample, Grade]],
        draw: DrawMore | None = None,
    ) -> list[AorResult]:
        """All questions, in order.

        Args:
            questions: also those without any row, which end without an answer.
            rows: the graded samples, in any order; a question's are used in the order of their indices. Permute them
                with `driver.drawn_in_order` to average over draws of luck.
            draw: called with (question, how many more) pairs, gives the new rows. Without it a question uses what there
                is: `n_used` shows it.

        Raises:
            AggregationError: a row has no text to judge, or occurs twice.
        """
        by_question: dict[str, list[GradedRow]] = {question.id: [] for question in questions}
        for row in map(GradedRow._make, rows):
            if row.question.id in by_question:
                by_question[row.question.id].append(row)
        sessions = [Session(question, self._chains(by_question[question.id]), self.settings) for question in questions]
        return drive(sessions, self._asker, None if draw is None else lambda wanted: self._drawn(draw, wanted))

    def _drawn(self, draw: DrawMore, wanted: list[tuple[Question, int]]) -> dict[str, list[Chain]]:
        by_question: dict[str, list[GradedRow]] = {question.id: [] for question, _ in wanted}
        for row in map(GradedRow._make, draw(wanted)):
            by_question[row.question.id].append(row)
        return {id: self._chains(rows) for id, rows in by_question.items()}

    def _chains(self, rows: Iterable[GradedRow]) -> list[Chain]:
        """What AoR sees of samples and grades: texts and answers, never verdicts."""
        chains: dict[int, Chain] = {}
        for row in sorted(rows, key=lambda row: row.sample.sample_index):
            question, sample, grade = row
            if grade.detail.get("kind") == "missing":  # never sampled: there is nothing to judge
                continue
            name = f"sample {sample.sample_index} of question {question.id!r}"
            if sample.sample_index in chains:
                raise AggregationError(f"aor: {name} occurs twice")
            answer = answer_keys([grade])[0]
            if not isinstance(sample.text, str) or (answer is not None and not sample.text.strip()):
                raise AggregationError(f"aor: {name} has no text, so there is no chain to judge")
            if self.settings.extractor != "grader":
                answer = release_answer(sample.text, self.settings.extractor)
            chains[sample.sample_index] = Chain(sample.sample_index, sample.text, answer, sample.n_tokens)
        return list(chains.values())
