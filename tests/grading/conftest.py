"""Samples and their grades in one line."""

from __future__ import annotations

from collections.abc import Iterable

from lit_reason.grading import Grader
from lit_reason.records import FinishReason, Grade, Question, Sample


def sample(text: str, finish_reason: FinishReason = "stop", question_id: str = "q") -> Sample:
    return Sample("pool", question_id, 0, text, 1, 1, finish_reason)


def grades(grader: Grader, answers: Iterable[tuple[str | None, str]]) -> list[Grade]:
    """The grades of `(gold, text)` pairs."""
    return list(grader.grade_all((Question("q", "?", gold), sample(text)) for gold, text in answers))
