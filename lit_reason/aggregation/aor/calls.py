"""What passes between AoR's logic and the world: chains come in, calls to the judge and draws go out."""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from lit_reason.files import stable_hash

Score: TypeAlias = int | float
Stop = Literal["unanimous", "margin", "budget", "no_survivor", "judge_failed"]


@dataclass(frozen=True)
class Chain:
    """One reasoning chain: where it stands in the order of drawing, its text, and the answer it reaches (None:
    unread). What is right is not known here."""

    index: int
    text: str
    answer: str | None
    n_tokens: int = 0


@dataclass(frozen=True)
class LocalCall:
    """Score chains of one answer. `anchors` are chains of that answer whose scores are known, as a yardstick."""

    step: int
    number: int
    answer: str
    chains: tuple[Chain, ...]
    anchors: tuple[tuple[Chain, Score], ...] = ()
    phase: Literal["local"] = "local"

    @property
    def labels(self) -> list[str]:
        """What the judge calls the chains."""
        return [f"Chain {i}" for i in range(1, len(self.chains) + 1)]


@dataclass(frozen=True)
class GlobalCall:
    """Compare answers, each represented by one chain, in the order in which they are shown."""

    step: int
    number: int
    chains: tuple[Chain, ...]
    phase: Literal["global"] = "global"

    @property
    def labels(self) -> list[str]:
        """What the judge calls the chains: their answers."""
        return [str(chain.answer) for chain in self.chains]


@dataclass(frozen=True)
class Draw:
    """Ask for `n` more chains; fewer may come, which means that there are no more."""

    n: int


Call = LocalCall | GlobalCall
Scores: TypeAlias = "Sequence[Score] | None"
"""Of a call's chains, in their order; None where no reply could be read."""

Machine: TypeAlias = "Generator[Draw | list[Call], Any, Outcome]"
"""Yields a `Draw`, and is sent chains; or yields calls, and is sent a list of `Scores`."""


@dataclass
class Outcome:
    """How a question ended.

    Args:
        answer: None only if no chain had one.
        stop: why no more was drawn or judged.
        margin: lead of the best answer; infinite when unanimous, None where nothing was compared.
        tied: whether a written rule chose among the best.
        n_used: chains drawn.
        steps: times that more were drawn.
        groups: chains of each answer, in order of first appearance.
        averages: global score of each answer compared (Z).
        representatives: indices of the chains kept of each answer.
        local_calls: calls made to score chains, not counting repeated attempts; `global_calls` likewise.
        degraded: some reply could not be read in all its attempts.
        left_out: answers that were too many for one comparison.
        local_scores: of each scored chain, by index.
        rounds: the scores of every global call that could be read.
        majority: the most frequent answer of the same chains, the first seen on ties.
    """

    answer: str | None
    stop: Stop
    margin: float | None
    tied: bool
    n_used: int
    steps: int
    groups: dict[str, int]
    averages: dict[str, float] = field(default_factory=dict)
    representatives: dict[str, list[int]] = field(default_factory=dict)
    local_calls: int = 0
    global_calls: int = 0
    degraded: bool = False
    left_out: list[str] = field(default_factory=list)
    local_scores: dict[int, Score] = field(default_factory=dict)
    rounds: list[dict[str, Score]] = field(default_factory=list)
    majority: str | None = None


def seeded(*parts: object) -> random.Random:
    """Random numbers that depend on these parts only."""
    return random.Random(stable_hash(list(parts)))
