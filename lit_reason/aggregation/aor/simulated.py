"""A judge whose quality is known (AoR, check F), answering AoR's machine directly: no prompts, no replies to parse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from lit_reason import results
from lit_reason.aggregation.aor.calls import Chain, Draw, GlobalCall, LocalCall, Outcome
from lit_reason.aggregation.aor.parts import machine
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.results import Results

GOLD = "gold"


class Noise:
    """Standard normal numbers one by one, drawn in bulk."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._block: Iterator[float] = iter(())

    def __call__(self) -> float:
        for value in self._block:
            return value
        self._block = iter(self._draw.standard_normal(1 << 16).tolist())
        return next(self._block)


@dataclass
class Judge:
    """Scores right chains above wrong ones by a distance d, in the presence of noise.

    `fixed`: a chain gets the same local score, and the same global score, in every call.
    """

    d: float
    fixed: bool
    noise: Noise

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, int], int] = {}

    def new_question(self) -> None:
        """Forget the chains of the question before."""
        self._known.clear()

    def scores(self, call: LocalCall | GlobalCall) -> list[int]:
        """One score a chain of the call."""
        return [self._score(call.phase, chain) for chain in call.chains]

    def _score(self, phase: str, chain: Chain) -> int:
        key = (phase, chain.index)
        if self.fixed and key in self._known:
            return self._known[key]
        centre, distance = (7, 0.75) if phase == "local" else (6.5, 1.0)
        mean = centre + (distance if chain.answer == GOLD else -distance) * self.d
        self._known[key] = min(10, max(0, round(mean + 1.5 * self.noise())))
        return self._known[key]


def questions(n: int, seed: int) -> list[list[Chain]]:
    """40 chains each: p ~ U(.05, .95) right, the rest over four wrong answers by a flat Dirichlet."""
    draw = np.random.default_rng(seed)
    p = draw.uniform(0.05, 0.95, n)
    shares = np.concatenate([p[:, None], (1 - p)[:, None] * draw.dirichlet(np.ones(4), n)], axis=1)
    codes = (draw.random((n, 40, 1)) > shares.cumsum(axis=1)[:, None, :-1]).sum(axis=-1)
    names = [GOLD, "w1", "w2", "w3", "w4"]
    return [[Chain(i, "", names[code]) for i, code in enumerate(row)] for row in codes.tolist()]


def run(settings: AorSettings, question_id: str, chains: list[Chain], judge: Judge) -> Outcome:
    """One question from start to end."""
    judge.new_question()
    steps = machine(settings, question_id)
    used = 0
    answer: Any = None
    try:
        while True:
            request = steps.send(answer)
            if isinstance(request, Draw):
                answer = chains[used : used + request.n]
                used += len(answer)
            else:
                answer = [judge.scores(call) for call in request]
    except StopIteration as end:
        return cast(Outcome, end.value)


@dataclass(frozen=True)
class Row:
    """One row of check F's table."""

    aor: float
    sc20: float
    sc40: float
    chains: float
    local_calls: float
    global_calls: float


def table_row(settings: AorSettings, d: float, fixed: bool, n: int, seeds: range) -> Row:
    """The means over n questions of each seed."""
    outcomes, pools = simulate(settings, d, fixed, n, seeds)
    return Row(
        float(np.mean([o.answer == GOLD for o in outcomes])), float(np.mean(majority(pools, 20))),
        float(np.mean(majority(pools, 40))), float(np.mean([o.n_used for o in outcomes])),
        float(np.mean([o.local_calls for o in outcomes])), float(np.mean([o.global_calls for o in outcomes])),
    )  # fmt: skip


def simulate(
    settings: AorSettings, d: float, fixed: bool, n: int, seeds: Sequence[int]
) -> tuple[list[Outcome], list[list[Chain]]]:
    """Outcomes and chains of n questions of each seed."""
    outcomes, pools = [], []
    for seed in seeds:
        pool = questions(n, seed)
        judge = Judge(d, fixed, Noise(1000 + seed))
        outcomes += [run(settings, f"{seed}-{i}", chains, judge) for i, chains in enumerate(pool)]
        pools += pool
    return outcomes, pools


def majority(pools: list[list[Chain]], n: int) -> list[bool]:
    """Whether the most frequent answer of each question's first n chains is right."""
    return [Counter(chain.answer for chain in chains[:n]).most_common(1)[0][0] == GOLD for chains in pools]


def majority_accuracy(pools: list[list[Chain]], n: int) -> float:
    """The share of questions that the majority gets right."""
    return float(np.mean(majority(pools, n)))


def oracle_accuracy(pools: list[list[Chain]], n: int) -> float:
    """The share of questions with a right chain among the first n."""
    return float(np.mean([any(chain.answer == GOLD for chain in chains[:n]) for chains in pools]))


def figures(out: Path, d: float, fixed: bool = False, n: int = 3000, seed: int = 0) -> None:
    """A step of a study: AoR with a judge of quality d beside the majority of 20 and of 40; results.json in `out`."""
    settings = AorSettings()
    outcomes, pools = simulate(settings, d, fixed, n, [seed])
    right = [outcome.answer == GOLD for outcome in outcomes]
    of20, of40 = majority(pools, 20), majority(pools, 40)
    found = Results(run=f"simulated judge, d = {d}")
    shares = {"AoR accuracy": right, "SC(20) accuracy": of20, "SC(40) accuracy": of40}
    for name, values in shares.items():
        found.put(results.share(name, "", "", sum(values), n, [seed]))
    for size, votes in ((20, of20), (40, of40)):
        found.put(replace(results.difference(f"AoR - SC({size})", "", votes, right, [seed]), when=""))
    for name in ("n_used", "local_calls", "global_calls"):
        found.put(results.mean(name.replace("_", " "), "", "", [getattr(o, name) for o in outcomes], [seed]))
    found.save(out)
