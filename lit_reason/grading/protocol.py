"""What every grader accepts and gives back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from lit_reason.records import Grade, Question, Sample


class Grader(Protocol):
    """Judges samples. A pool keeps the grades of each grader apart, so a stored pool can be graded again by another."""

    @property
    def name(self) -> str:
        """Name and version, for example "case2code@1"; a change of the rules is a new version."""
        ...

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order and as it is ready; `pairs` may be lazy."""
        ...
