"""The settings of AoR (sections 2 and 12), checked before anything is sampled or judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lit_reason.aggregation.errors import AggregationError

Method = Literal["aor", "local_sum", "local_max", "global", "best_chain"]
Task = Literal["mathematics", "general"]
Parser = Literal["rules", "llm"]
Extractor = Literal["grader", "release_number", "release_option", "release_yes_no"]


@dataclass(frozen=True)
class AorSettings:
    """How answers are scored and compared. Scores lie in 0..10.

    Args:
        k: chains kept of an answer, and rounds of one comparison.
        epsilon: a chain needs this local score to be kept.
        theta: stop when the best answer leads by this much on average.
        n: chains at the start.
        n_max: most chains; with n_max = n no more are drawn (AoR-static).
        m: chains added in a step.
        b: most chains in one local call.
        method: `aor`; or a part of it on the first n chains: `local_sum`, `local_max` (answers ranked by their chains'
            local scores), `global` (k random chains of each answer are compared, none is scored first), `best_chain`
            (the answer of the chain of the best local score).
        task: which rubric the judge gets.
        include_question: show the judge the question; the paper's release does not.
        parser: read scores by `rules`, or let the judge turn its own reply into JSON first (`llm`).
        allow_fraction: accept a score such as 7.5.
        attempts: most calls until a reply can be read.
        shuffle: show the answers in another order in each round, so that no place is favoured.
        pool_rounds: average over all rounds so far instead of the latest comparison only.
        max_answers: most answers in one comparison; those of the best local scores.
        max_chain_tokens: longer chains are shown without their middle; null shows all.
        max_call_tokens: most tokens of chains in one call; larger batches are split. Null: what the judge's context
            allows where the judge tells it, else no limit.
        extractor: whose answers form the groups: the grader's, or the release's rules, for comparison only.
        seed: of the order of answers and of the judge's samples.

    Raises:
        AggregationError: a setting is out of its range; the message names it.
    """

    k: int = 3
    epsilon: float = 6
    theta: float = 2
    n: int = 20
    n_max: int = 40
    m: int = 5
    b: int = 5
    method: Method = "aor"
    task: Task = "mathematics"
    include_question: bool = True
    parser: Parser = "rules"
    allow_fraction: bool = False
    attempts: int = 5
    shuffle: bool = True
    pool_rounds: bool = False
    max_answers: int = 8
    max_chain_tokens: int | None = None
    max_call_tokens: int | None = None
    extractor: Extractor = "grader"
    seed: int = 0

    def __post_init__(self) -> None:
        problem = next(iter(self._problems()), None)
        if problem:
            raise AggregationError(f"aor: {problem}")

    def _problems(self) -> list[str]:
        at_least = {"k": 1, "n": 1, "m": 1, "b": 1, "attempts": 1, "max_answers": 2}
        found = [
            f"{name} must be at least {least}, not {getattr(self, name)}"
            for name, least in at_least.items()
            if getattr(self, name) < least
        ]
        found += [
            f"{name} must lie in 0..10, not {getattr(self, name)}"
            for name in ("epsilon", "theta")
            if not 0 <= getattr(self, name) <= 10
        ]
        found += [
            f"{name} must be at least 1, not {value}"
            for name in ("max_chain_tokens", "max_call_tokens")
            if (value := getattr(self, name)) is not None and value < 1
        ]
        kinds = {"method": Method, "task": Task, "parser": Parser, "extractor": Extractor}
        found += [
            f"{name} must be one of {', '.join(get_args(kind))}, not {getattr(self, name)!r}"
            for name, kind in kinds.items()
            if getattr(self, name) not in get_args(kind)
        ]
        if self.n > self.n_max:
            found.append(f"n is {self.n}, more than n_max = {self.n_max}")
        return found
