"""Driving AoR over many questions at once: each round, all their draws are made together and all their calls judged
together, so that a local model works in batches."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from lit_reason.aggregation.aor.asking import Ask, Asker, Usage
from lit_reason.aggregation.aor.calls import Call, Chain, Draw, Outcome, Scores, seeded
from lit_reason.aggregation.aor.parts import machine
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.files import write_jsonl_atomic
from lit_reason.progress import Job
from lit_reason.records import Grade, Question, Sample, Vote

_log = logging.getLogger(__name__)

QUESTIONS_AT_ONCE = 512
"""Questions whose chains are in play at the same time."""


class GradedRow(NamedTuple):
    """A sample, its question and its grade: what `evaluate` gives."""

    question: Question
    sample: Sample
    grade: Grade


DrawMore = Callable[[list[tuple[Question, int]]], Iterable[tuple[Question, Sample, Grade]]]
"""Draws and grades so many more samples of each question; fewer may come."""


@dataclass
class AorResult:
    """One question's outcome and what it cost.

    Args:
        question_id: whose.
        outcome: how it ended.
        usage: the judge's cost by phase: local, global, parse.
        chain_tokens: tokens of the chains used.
        n_parsed: chains that had an answer.
    """

    question_id: str
    outcome: Outcome
    usage: dict[str, Usage] = field(default_factory=dict)
    chain_tokens: int = 0
    n_parsed: int = 0

    @property
    def tokens(self) -> int:
        """Everything that was paid for: chains, and what the judge read and wrote."""
        return self.chain_tokens + sum(usage.tokens_in + usage.tokens_out for usage in self.usage.values())

    @property
    def vote(self) -> Vote:
        """As a vote: scores are the averages of the comparison (of an undisputed answer its count); the cost includes
        the judge's tokens."""
        outcome = self.outcome
        counts = {answer: float(n) for answer, n in outcome.groups.items()}
        support = outcome.groups.get(outcome.answer, 0) if outcome.answer is not None else 0
        scores = outcome.averages or counts
        return Vote(outcome.answer, scores, support, outcome.tied, outcome.n_used, self.n_parsed, self.tokens)

    def row(self) -> dict[str, Any]:
        """As a line of a results file (section 8)."""
        o = self.outcome
        margin = None if o.margin is None or math.isinf(o.margin) else o.margin
        return {
            "id": self.question_id, "answer": o.answer, "margin": margin, "stop": o.stop, "tied": o.tied,
            "n_used": o.n_used, "steps": o.steps, "groups": o.groups, "Z": o.averages,
            "representatives": o.representatives, "local_calls": o.local_calls, "global_calls": o.global_calls,
            "degraded": o.degraded, "left_out": o.left_out, "majority": o.majority,
            "agrees_with_majority": o.answer == o.majority, "chain_tokens": self.chain_tokens,
            "judge": {phase: asdict(usage) for phase, usage in sorted(self.usage.items())},
        }  # fmt: skip


class Session:
    """One question on its way: its machine, the chains it may still take, and what it waits for."""

    def __init__(self, question: Question, chains: Iterable[Chain], settings: AorSettings) -> None:
        self.question, self._chains = question, list(chains)
        self.usage: dict[str, Usage] = {}
        self.asks: list[Ask] = []
        self._used = 0
        self._drawing = 0
        self._machine = machine(settings, question.id)
        self._outcome: Outcome | None = None
        self._step(None)

    @property
    def finished(self) -> bool:
        """Whether there is an outcome."""
        return self._outcome is not None

    @property
    def wants(self) -> int:
        """How many chains must be drawn before it can go on; 0 when it waits for scores."""
        return self._drawing

    @property
    def result(self) -> AorResult:
        """The outcome with its cost."""
        if self._outcome is None:
            raise ValueError(f"question {self.question.id!r} is not finished")
        used = self._chains[: self._used]
        parsed = sum(chain.answer is not None for chain in used)
        return AorResult(self.question.id, self._outcome, self.usage, sum(c.n_tokens for c in used), parsed)

    def advance(self, scores: list[Scores]) -> None:
        """Go on with the scores of `asks`."""
        self._step(scores)

    def add(self, chains: Iterable[Chain]) -> None:
        """Go on with what was drawn; fewer than wanted mean that there are no more."""
        self._chains += chains
        asked, self._drawing = self._asked, 0
        self._step(self._take(asked))

    def _step(self, answer: Any) -> None:
        """Run the machine until it needs something from outside."""
        self.asks = []
        try:
            request: Draw | list[Call] = self._machine.send(answer)
            while isinstance(request, Draw):
                self._asked = request.n
                self._drawing = request.n - (len(self._chains) - self._used)
                if self._drawing > 0:
                    return
                self._drawing = 0
                request = self._machine.send(self._take(request.n))
            self.asks = [Ask(self.question, call, self.usage) for call in request]
        except StopIteration as end:
            self._outcome = end.value

    def _take(self, n: int) -> list[Chain]:
        taken = self._chains[self._used : self._used + n]
        self._used += len(taken)
        return taken


def drive(
    sessions: Sequence[Session],
    asker: Asker,
    draw: Callable[[list[tuple[Question, int]]], Mapping[str, list[Chain]]] | None,
) -> list[AorResult]:
    """Bring every session to its end; results in the order given."""
    short = 0
    with Job("aggregation of reasoning", total=len(sessions), unit="questions") as job:
        for start in range(0, len(sessions), QUESTIONS_AT_ONCE):
            active = [session for session in sessions[start : start + QUESTIONS_AT_ONCE] if not session.finished]
            while active:
                drawing = [session for session in active if session.wants]
                short += 0 if draw else len(drawing)
                _draw(drawing, draw)
                asking = [session for session in active if session.asks]
                _judge(asking, asker)
                active = [session for session in active if not session.finished]
                job.update(min(start + QUESTIONS_AT_ONCE, len(sessions)) - len(active))
    if short:
        _log.warning("AoR: the pool ended early %d times and nothing draws more: n_used tells the chains used", short)
    return [session.result for session in sessions]


def drawn_in_order(rows: Iterable[tuple[Question, Sample, Grade]], seed: int) -> list[tuple[Question, Sample, Grade]]:
    """The rows as if each question's samples had been drawn in another, seeded order: their indices are permuted.

    Give the same rows to AoR and to the votes it is compared with, so that both see the same luck.
    """
    by_question: dict[str, list[tuple[Question, Sample, Grade]]] = {}
    for row in rows:
        by_question.setdefault(row[0].id, []).append(row)
    found = []
    for question_id, own in by_question.items():
        own.sort(key=lambda row: row[1].sample_index)
        seeded(seed, question_id, "draw").shuffle(own)
        found += [_renumbered(row, index) for index, row in enumerate(own)]
    return found


def write_results(path: Path | str, results: Iterable[AorResult]) -> None:
    """One JSON line a question, in one piece; equal results give equal bytes."""
    write_jsonl_atomic(path, (result.row() for result in results))


def _draw(
    sessions: Sequence[Session], draw: Callable[[list[tuple[Question, int]]], Mapping[str, list[Chain]]] | None
) -> None:
    drawn = draw([(session.question, session.wants) for session in sessions]) if draw and sessions else {}
    for session in sessions:
        session.add(drawn.get(session.question.id, []))


def _judge(sessions: Sequence[Session], asker: Asker) -> None:
    scores = iter(asker.scores([ask for session in sessions for ask in session.asks]))
    for session in sessions:
        session.advance([next(scores) for _ in session.asks])


def _renumbered(row: tuple[Question, Sample, Grade], index: int) -> tuple[Question, Sample, Grade]:
    question, sample, grade = row
    return question, replace(sample, sample_index=index), replace(grade, sample_index=index)
