"""A verdict before it has a sample's name on it, and the kinds that say how it came about."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lit_reason.grading.extraction import Found
from lit_reason.grading.workers import Failure, Workers
from lit_reason.records import Grade, GradeStatus, Question, Sample


@dataclass(frozen=True)
class Verdict:
    """What a grader says about one text.

    `kind` is `ok`, `wrong`, or why there is no such verdict. Unparsed: `no_answer` (none was found), `cut` (the text
    ends within it), `unreadable`, `ambiguous`, `error`. Timed out: `time`, `memory`, `died`. Without a gold answer
    (`no_gold`, or one that cannot be read: `gold_unreadable`) answers still have keys to vote by; their status is
    `wrong`, their score None, and no accuracy should count them.
    """

    status: GradeStatus
    kind: str
    answer: str | None = None
    key: str | None = None
    score: float | None = 0.0
    detail: dict[str, Any] = field(default_factory=dict)

    def of(self, question: Question, sample: Sample, grader: str) -> Grade:
        """The grade of a sample."""
        detail = {"kind": self.kind, **self.detail}
        return Grade(
            sample.pool_key, question.id, sample.sample_index, grader, self.status, self.answer, self.key, self.score,
            detail,
        )  # fmt: skip


def unparsed(kind: str, found: Found | None = None, **detail: Any) -> Verdict:
    """No answer to compare; what was found in its place is kept for the reader."""
    if found is None:
        return Verdict("unparsed", kind, detail=detail)
    return Verdict("unparsed", kind, found.text[:200], detail={"where": found.where, **detail})


def judged(right: bool | None, answer: str, key: str, why_not: str = "no_gold", **detail: Any) -> Verdict:
    """Right or wrong; None where nothing says which, for the reason `why_not`."""
    if right is None:
        return Verdict("wrong", why_not, answer, key, None, detail)
    return Verdict("right" if right else "wrong", "ok" if right else "wrong", answer, key, float(right), detail)


def grade_in_processes(
    pairs: Iterable[tuple[Question, Sample]],
    grader: str,
    item: Callable[[Question, Sample], Any],
    workers: Workers,
) -> Iterator[Grade]:
    """Grades in order, by workers that turn what `item` makes of a pair into a `Verdict`. Closes the workers."""
    waiting: deque[tuple[Question, Sample]] = deque()

    def items() -> Iterator[Any]:
        for question, sample in pairs:
            waiting.append((question, sample))
            yield item(question, sample)

    with workers:
        for result in workers.map(items()):
            verdict = _failed(result) if isinstance(result, Failure) else result
            yield verdict.of(*waiting.popleft(), grader)


def _failed(failure: Failure) -> Verdict:
    status: GradeStatus = "unparsed" if failure.kind == "error" else "timed_out"
    return Verdict(status, failure.kind, detail={"message": failure.message})
