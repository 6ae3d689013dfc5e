r"""Arithmetic chains with worked solutions, that a model of a million parameters learns from scratch over bytes.

A question is a chain of operations, worked from left to right modulo a small number; its difficulty is the number of
steps, its topic the kind of operations. A solution computes step by step and ends in a box:

    Modulo 10, left to right: 7 + 5 - 3
    7 + 5 = 2
    2 - 3 = 9
    \boxed{9}

Mistakes and revisions can be planted, to study what length and self-revision say about an answer (SMV, check J): the
first attempt is right with probability `first_try`; after each attempt the solution goes on, with probability `revise`,
by a cue and an attempt that is right with probability `revision_right`, whatever came before.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from random import Random

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from lit_reason.questions import SPLITS, Asking, Exercise, Split
from lit_reason.records import Question

Operation = tuple[str, Callable[[int, int], int]]

TOPICS: dict[str, tuple[Operation, ...]] = {
    "add": (("+", lambda a, b: a + b), ("-", lambda a, b: a - b)),
    "multiply": (("*", lambda a, b: a * b),),
    "mixed": (("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("*", lambda a, b: a * b)),
    "extremes": (("max", max), ("min", min)),
}

_MAX_SHARE = 0.5  # of all different questions: beyond this, drawing new ones takes long


@dataclass(frozen=True)
class ChainSettings:
    """Which chains to make, and what is planted in their solutions.

    Args:
        topics: kinds of operations: `add`, `multiply`, `mixed`, `extremes`.
        min_steps: steps of the easiest chains.
        max_steps: steps of the hardest; topics and numbers of steps are equally frequent.
        modulus: results are taken modulo this; operands are smaller.
        first_try: share of first attempts that are right. A wrong one is off by one in one step.
        revise: probability of a cue and another attempt after an attempt.
        revision_right: share of these further attempts that are right.
        max_revisions: further attempts at most.
        cue: the line before a further attempt.
        solutions: solutions for each training question, each with its own mistakes and revisions.
    """

    topics: tuple[str, ...] = ("add", "multiply")
    min_steps: PositiveInt = 1
    max_steps: PositiveInt = 4
    modulus: PositiveInt = 10
    first_try: ClosedUnitInterval = 1.0
    revise: ClosedUnitInterval = 0.0
    revision_right: ClosedUnitInterval = 1.0
    max_revisions: NonNegativeInt = 1
    cue: str = "Wait"
    solutions: PositiveInt = 1

    def problems(self, n_questions: int) -> list[tuple[str, str]]:
        """`(setting, message)` for settings that contradict each other, or allow too few different questions."""
        unknown = [topic for topic in self.topics if topic not in TOPICS]
        if unknown or not self.topics:
            near = difflib.get_close_matches(unknown[0], TOPICS, n=1) if unknown else []
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(TOPICS)}"
            return [("topics", f"{unknown[0]} is no topic; {hint}" if unknown else f"is empty; {hint}")]
        if self.min_steps > self.max_steps:
            return [("min_steps", f"is {self.min_steps}, above max_steps = {self.max_steps}")]
        if self.modulus < 3:
            return [("modulus", f"is {self.modulus}; with fewer than 3 residues one more is one less")]
        if not self.cue.strip() or "\n" in self.cue:
            return [("cue", "is no single line of text")]
        per_cell = -(-n_questions // len(self.cells))
        topic, steps = min(self.cells, key=lambda cell: self.n_different(*cell))
        n = self.n_different(topic, steps)
        if n * _MAX_SHARE >= per_cell:
            return []
        message = (
            f"there are {n} different {topic} chains of {steps} steps; {per_cell} are asked for, at most half can be"
        )
        return [("min_steps", message)]

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Every topic with every number of steps."""
        return list(product(self.topics, range(self.min_steps, self.max_steps + 1)))

    def n_different(self, topic: str, steps: int) -> int:
        """How many different chains there are."""
        return self.modulus * (len(TOPICS[topic]) * self.modulus) ** steps


@dataclass(frozen=True)
class Chain:
    """A start and its steps, each an operation and an operand."""

    topic: str
    start: int
    steps: tuple[tuple[int, int], ...]
    modulus: int

    @property
    def text(self) -> str:
        """The question."""
        written = "".join(f" {TOPICS[self.topic][kind][0]} {operand}" for kind, operand in self.steps)
        return f"Modulo {self.modulus}, left to right: {self.start}{written}"

    def results(self, slip: tuple[int, int] | None = None) -> list[int]:
        """The value after each step; `slip` = (step, by) adds a mistake to one of them, and later steps follow it."""
        value, found = self.start, []
        for i, (kind, operand) in enumerate(self.steps):
            value = TOPICS[self.topic][kind][1](value, operand) % self.modulus
            if slip is not None and slip[0] == i:
                value = (value + slip[1]) % self.modulus
            found.append(value)
        return found

    def attempt(self, results: list[int]) -> str:
        """The lines that lead to these results, and the last one in a box."""
        values = [self.start, *results]
        lines = [
            f"{values[i]} {TOPICS[self.topic][kind][0]} {operand} = {values[i + 1]}"
            for i, (kind, operand) in enumerate(self.steps)
        ]
        return "\n".join([*lines, rf"\boxed{{{results[-1]}}}"])


def chain_exercises(
    settings: ChainSettings, sizes: dict[Split, int], seed: int, asking: Asking
) -> dict[Split, list[Exercise]]:
    """Splits that share no question. A training question appears once for each of its solutions."""
    seen: set[str] = set()
    return {split: list(_split(settings, split, sizes.get(split, 0), seed, asking, seen)) for split in SPLITS}


def solution(chain: Chain, settings: ChainSettings, rng: Random) -> str:
    """A worked solution with its planted mistakes and revisions."""
    attempts = [_attempt(chain, rng.random() < settings.first_try, rng)]
    while len(attempts) <= settings.max_revisions and rng.random() < settings.revise:
        attempts.append(_attempt(chain, rng.random() < settings.revision_right, rng))
    return f"\n{settings.cue}\n".join(attempts)


def _attempt(chain: Chain, right: bool, rng: Random) -> str:
    truth = chain.results()
    if right:
        return chain.attempt(truth)
    slips = [(rng.randrange(len(truth)), rng.choice((-1, 1))), (len(truth) - 1, rng.choice((-1, 1)))]
    # A later step may mend a mistake (times 0); one in the last step stays.
    return chain.attempt(next(r for slip in slips if (r := chain.results(slip))[-1] != truth[-1]))


def _split(
    settings: ChainSettings, split: Split, n: int, seed: int, asking: Asking, seen: set[str]
) -> Iterator[Exercise]:
    rng = Random(f"{seed} {split}")
    for i in range(n):
        topic, steps = settings.cells[i % len(settings.cells)]
        chain = _new_chain(settings, topic, steps, rng, seen)
        meta = {"source": f"chains/{topic}", "topic": topic, "difficulty": steps}
        question = Question(f"{split}/{i}", asking.prompt(chain.text), str(chain.results()[-1]), meta)
        for _ in range(settings.solutions if split == "train" else 1):
            yield Exercise(question, solution(chain, settings, rng))


def _new_chain(settings: ChainSettings, topic: str, steps: int, rng: Random, seen: set[str]) -> Chain:
    while True:
        pairs = ((rng.randrange(len(TOPICS[topic])), rng.randrange(settings.modulus)) for _ in range(steps))
        chain = Chain(topic, rng.randrange(settings.modulus), tuple(pairs), settings.modulus)
        if chain.text not in seen:  # another topic may hold the same chain
            seen.add(chain.text)
            return chain
