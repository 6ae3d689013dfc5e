"""AoR's logic (section 3), without judge, sampler or files: a generator that asks for chains and for scores.

Whoever drives it answers from a model, a log or a simulation. It does nothing random except the seeded order of answers
in a comparison, so the same answers lead to the same outcome.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from fractions import Fraction
from typing import Any

from lit_reason.aggregation.aor.calls import (
    Call,
    Chain,
    Draw,
    GlobalCall,
    LocalCall,
    Machine,
    Outcome,
    Score,
    Scores,
    Stop,
    seeded,
)
from lit_reason.aggregation.aor.settings import AorSettings


def aggregate(settings: AorSettings, question_id: str) -> Machine:
    """The whole of section 3, with the choices of section 12."""
    run = Run(settings, question_id)
    new = yield from run.draw(settings.n)
    while not run.groups and new:
        new = yield from run.draw_step()
    if len(run.groups) <= 1:
        return run.undisputed()
    changed = yield from run.score(run.chains)
    while True:
        if changed:
            if len(run.kept) == 1:
                return run.outcome(next(iter(run.kept)), "margin", None)
            if not (yield from run.compare()):
                return run.outcome(run.majority(run.kept), "judge_failed", None)
        if run.kept and run.is_clear:
            return run.outcome(run.leader, "margin", run.margin)
        new = yield from run.draw_step()
        if not new:
            break
        changed = yield from run.score(new)
    if run.kept:
        return run.outcome(run.leader, "budget", run.margin)
    # Nothing reached epsilon: section 12, rule 2. A judge that never gave a readable score has failed instead.
    return run.outcome(run.majority(run.groups), "no_survivor" if run.local_scores else "judge_failed", None)


class Run:
    """What is known about one question so far, and the moves that learn more."""

    def __init__(self, settings: AorSettings, question_id: str) -> None:
        self.settings, self.question_id = settings, question_id
        self.chains: list[Chain] = []
        self.groups: dict[str, list[Chain]] = {}
        self.kept: dict[str, list[tuple[Score, Chain]]] = {}
        self.local_scores: dict[int, Score] = {}
        self.averages: dict[str, Fraction] = {}
        self.rounds: list[dict[str, Score]] = []
        self.left_out: list[str] = []
        self.leader: str | None = None
        self.margin: Fraction | None = None
        self.tied = self.degraded = False
        self.steps = self.local_calls = self.global_calls = 0
        self._more = True

    def draw(self, n: int) -> Generator[Draw, Sequence[Chain], list[Chain]]:
        """Ask for `n` chains and sort what comes into the groups; fewer mean that the source is empty."""
        new = list((yield Draw(n)))[:n]
        self._more = len(new) == n
        self.chains += new
        for chain in new:
            if chain.answer is not None:
                self.groups.setdefault(chain.answer, []).append(chain)
        return new

    def draw_step(self) -> Generator[Draw, Sequence[Chain], list[Chain]]:
        """The next m chains, or as many as the budget allows; none when it is spent."""
        n = min(self.settings.m, self.settings.n_max - len(self.chains))
        if n <= 0 or not self._more:
            return []
        new = yield from self.draw(n)
        self.steps += bool(new)
        return new

    def score(self, chains: Iterable[Chain]) -> Generator[list[Call], list[Scores], bool]:
        """Score chains, answer by answer, and keep the best; whether the representatives of any answer changed."""
        calls = list(self._local_calls(chains))
        self.local_calls += len(calls)
        replies = (yield list(calls)) if calls else []
        found: dict[str, list[tuple[Score, Chain]]] = {}
        for call, scores in zip(calls, replies, strict=True):
            self.degraded |= scores is None
            for chain, score in zip(call.chains, scores or (), strict=scores is not None):
                self.local_scores[chain.index] = score
                if score >= self.settings.epsilon:
                    found.setdefault(call.answer, []).append((score, chain))
        changed = [self._keep(answer, passed) for answer, passed in found.items()]
        return any(changed)

    def compare(self) -> Generator[list[Call], list[Scores], bool]:
        """k rounds over all answers that have representatives; False if no round could be read."""
        answers = self._contenders()
        calls = [self._global_call(answers, t) for t in range(self.settings.k)]
        self.global_calls += len(calls)
        replies = yield list(calls)
        rounds = [
            dict(zip(call.labels, scores, strict=True))
            for call, scores in zip(calls, replies, strict=True)
            if scores is not None
        ]
        self.degraded |= len(rounds) < len(calls)
        if not rounds:
            return False
        self.rounds += rounds
        self._rank(answers, self.rounds if self.settings.pool_rounds else rounds)
        return True

    @property
    def is_clear(self) -> bool:
        """Whether the lead reaches theta, in exact numbers: as floats 11/3 - 5/3 is less than 2."""
        return self.margin is not None and self.margin >= self.settings.theta

    def majority(self, among: Iterable[str]) -> str | None:
        """The most frequent of these answers, the first seen on ties."""
        allowed = set(among)
        return max((a for a in self.groups if a in allowed), key=lambda a: len(self.groups[a]), default=None)

    def outcome(self, answer: str | None, stop: Stop, margin: Fraction | float | None, tied: bool = False) -> Outcome:
        """What is reported."""
        compared = margin is not None and margin != math.inf
        return Outcome(
            answer, stop, None if margin is None else float(margin), (self.tied and compared) or tied,
            n_used=len(self.chains), steps=self.steps,
            groups={a: len(chains) for a, chains in self.groups.items()},
            averages={a: float(z) for a, z in self.averages.items()},
            representatives={a: [chain.index for _, chain in kept] for a, kept in self.kept.items()},
            local_calls=self.local_calls, global_calls=self.global_calls, degraded=self.degraded,
            left_out=self.left_out, local_scores=self.local_scores, rounds=self.rounds,
            majority=self.majority(self.groups),
        )  # fmt: skip

    def undisputed(self) -> Outcome:
        """The outcome where there is one answer, or none at all: the judge is not called."""
        if not self.groups:
            return self.outcome(None, "no_survivor", None)
        return self.outcome(next(iter(self.groups)), "unanimous", math.inf)

    def _local_calls(self, chains: Iterable[Chain]) -> Iterable[LocalCall]:
        new: dict[str, list[Chain]] = {}
        for chain in chains:
            if chain.answer is not None:
                new.setdefault(chain.answer, []).append(chain)
        number = 0
        for answer, members in new.items():
            kept = self.kept.get(answer, [])
            anchors = tuple((chain, score) for score, chain in kept[:1] + kept[1:][-1:])
            room = sum(self._shown_tokens(chain) for chain, _ in anchors)
            for batch in self._batches(members, room):
                yield LocalCall(self.steps, number, answer, batch, anchors)
                number += 1

    def _batches(self, chains: Sequence[Chain], room_taken: int) -> Iterable[tuple[Chain, ...]]:
        """Consecutive chains, at most b and, where the judge's context is limited, no more than it holds."""
        limit = self.settings.max_call_tokens or math.inf
        batch: list[Chain] = []
        tokens = room_taken
        for chain in chains:
            size = self._shown_tokens(chain)
            if batch and (len(batch) == self.settings.b or tokens + size > limit):
                yield tuple(batch)
                batch, tokens = [], room_taken
            batch.append(chain)
            tokens += size
        if batch:
            yield tuple(batch)

    def _shown_tokens(self, chain: Chain) -> int:
        return min(chain.n_tokens, self.settings.max_chain_tokens or chain.n_tokens)

    def _keep(self, answer: str, passed: list[tuple[Score, Chain]]) -> bool:
        """Merge into the answer's representatives: best first, earlier ones first on equal scores, cut to k."""
        before = self.kept.get(answer, [])
        self.kept[answer] = sorted(before + passed, key=lambda pair: -pair[0])[: self.settings.k]
        return [chain.index for _, chain in self.kept[answer]] != [chain.index for _, chain in before]

    def _contenders(self) -> list[str]:
        """The answers that one call can hold: those of the best local scores, in order of first appearance."""
        by_score = sorted(self.kept, key=lambda answer: -self.kept[answer][0][0])
        limit, tokens = self.settings.max_call_tokens or math.inf, 0
        chosen: list[str] = []
        for answer in by_score[: self.settings.max_answers]:
            tokens += max(self._shown_tokens(chain) for _, chain in self.kept[answer])
            if tokens > limit and len(chosen) >= 2:
                break
            chosen.append(answer)
        self.left_out = [answer for answer in self.groups if answer in self.kept and answer not in chosen]
        return [answer for answer in self.groups if answer in chosen]

    def _global_call(self, answers: list[str], t: int) -> GlobalCall:
        shown = [self.kept[answer][t % len(self.kept[answer])][1] for answer in answers]
        if self.settings.shuffle:
            seeded(self.settings.seed, self.question_id, "order", self.steps, t).shuffle(shown)
        return GlobalCall(self.steps, t, tuple(shown))

    def _rank(self, answers: list[str], rounds: list[dict[str, Score]]) -> None:
        of = {answer: [Fraction(scores[answer]) for scores in rounds if answer in scores] for answer in answers}
        self.averages = {answer: sum(scores, Fraction(0)) / len(scores) for answer, scores in of.items()}
        order = sorted(self.averages, key=self._preference)
        first, second = (self.averages[answer] for answer in order[:2])
        self.leader, self.margin, self.tied = order[0], first - second, first == second

    def _preference(self, answer: str) -> tuple[Any, ...]:
        """Best average; then more representatives, the larger group, the first seen (section 12, rule 4)."""
        return -self.averages[answer], -len(self.kept[answer]), -len(self.groups[answer])
