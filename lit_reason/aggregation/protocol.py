"""What every aggregator accepts and gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lit_reason.records import Grade, Question, Sample, Vote


@dataclass(frozen=True)
class NeedMore:
    """An aggregator's wish for `n` more samples of the question; whoever owns a sampler may grant it."""

    n: int


class Aggregator(Protocol):
    """Turns the graded samples of one question into one answer. It owns no sampler and never reads the gold answer."""

    @property
    def name(self) -> str:
        """What its figures are called."""
        ...

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote | NeedMore:
        """`grades[i]` belongs to `samples[i]`; both stand in the order in which the samples were drawn."""
        ...


def answer_keys(grades: Sequence[Grade]) -> list[str | None]:
    """The answers by which samples are grouped; None where no answer was read, which never votes."""
    return [None if grade.status == "unparsed" else grade.answer_key for grade in grades]
