"""Choosing once which cases of a function are kept, which of them prompts may show, and which stay hidden.

Every case has traits: the branches it took, what its output looks like, which edge values its input holds. The shown
cases begin with those that cover most traits, so that the function can be inferred; the hidden ones first cover what
these do not, then everything that several cases have, so that passing them means something.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from lit_reason.case2code.functions import Case
from lit_reason.grading.code import read_literal

Traits = frozenset[Hashable]

MIN_SHOWN_OUTPUTS = 3
"""Distinct outputs among the shown cases, unless there are fewer (section 9.8)."""

_SHOWN_CHARS = 240
"""Cases longer than this are hidden where enough others can be shown: prompts must stay readable."""

_EDGE_WEIGHT = 3


@dataclass(frozen=True)
class Choice:
    """The cases kept, and disjoint indices into them."""

    cases: tuple[Case, ...]
    shown: tuple[int, ...]
    hidden: tuple[int, ...]


def traits(case: Case, coverage: Iterable[Hashable] = ()) -> Traits:
    """What distinguishes the behaviour of a case: branches taken, kind of output, edge values in the input."""
    edges = [("input", name, _edge(value)) for name, value in case.arguments().items() if _edge(value)]
    output = ("error", case.error) if case.error is not None else ("output", _output_kind(str(case.returned)))
    return frozenset([*(("step", step) for step in coverage), *edges, output])


def choose_cases(
    cases: Sequence[Case],
    coverages: Sequence[Iterable[Hashable]],
    rng: Random,
    *,
    n_cases: int = 24,
    max_shown: int = 10,
    hidden_share: float = 1 / 3,
) -> Choice:
    """Keep at most `n_cases` cases, hide at least `hidden_share` of them and one, show at most `max_shown`."""
    order = list(range(len(cases)))
    rng.shuffle(order)
    traits_of = [traits(case, coverage) for case, coverage in zip(cases, coverages, strict=True)]
    n = min(n_cases, len(cases))
    n_hidden = 1 if n < 4 else min(max(math.ceil(hidden_share * n), n - max_shown, 1), n - 1)
    n_shown = min(n - n_hidden, max_shown)
    short = [i for i in order if len(cases[i].kwargs) + len(cases[i].output) <= _SHOWN_CHARS]
    showable = short if len(short) >= n_shown else order
    shown = _cover(showable, traits_of, math.ceil(n_shown / 2))
    known = frozenset[Hashable]().union(*(traits_of[i] for i in shown))
    hidden = _cover(_without(order, shown), traits_of, n_hidden, known)
    left = _without(showable, [*shown, *hidden])
    shown += left[: n_shown - len(shown)]
    _diversify(shown, hidden, _without(order, [*shown, *hidden]), cases)
    return _choice(cases, shown, hidden)


def _cover(candidates: Sequence[int], traits_of: Sequence[Traits], n: int, known: Traits = frozenset()) -> list[int]:
    """`n` candidates, greedily the one with the most traits that are new; first those not `known`, then all others."""
    left, covered, chosen = list(candidates), set[Hashable](), list[int]()
    while left and len(chosen) < n:
        best = max(left, key=lambda i: (_weight(traits_of[i] - covered - known), _weight(traits_of[i] - covered)))
        chosen.append(best)
        left.remove(best)
        covered |= traits_of[best]
    return chosen


def _weight(some: Traits | set[Hashable]) -> int:
    """Edge values count for more than single steps, or the longest path would always come first."""
    return sum(1 if isinstance(trait, tuple) and trait[0] == "step" else _EDGE_WEIGHT for trait in some)


def _without(some: Iterable[int], others: Iterable[int]) -> list[int]:
    taken = set(others)
    return [i for i in some if i not in taken]


def _choice(cases: Sequence[Case], shown: Sequence[int], hidden: Sequence[int]) -> Choice:
    kept = sorted([*shown, *hidden])
    place = {index: position for position, index in enumerate(kept)}
    return Choice(
        tuple(cases[i] for i in kept), tuple(sorted(place[i] for i in shown)), tuple(sorted(place[i] for i in hidden))
    )


def _diversify(shown: list[int], hidden: list[int], left_out: list[int], cases: Sequence[Case]) -> None:
    """Swap shown cases for others until they have enough distinct outputs, or all that there are."""
    wanted = min(MIN_SHOWN_OUTPUTS, len({case.output for case in cases}), len(shown))
    while len(outputs := {cases[i].output for i in shown}) < wanted:
        others = hidden if any(cases[i].output not in outputs for i in hidden) else left_out
        new = next(place for place, i in enumerate(others) if cases[i].output not in outputs)
        seen: set[str] = set()
        for place, i in enumerate(shown):
            if cases[i].output in seen:
                shown[place], others[new] = others[new], i
                break
            seen.add(cases[i].output)


def _edge(value: Any) -> str | None:
    """Name of the edge that a value stands on, None for ordinary values."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, (int, float)):
        return "0" if value == 0 else "1" if value == 1 else "negative" if value < 0 else None
    if isinstance(value, (str, bytes, list, tuple, set, dict)):
        return "empty" if not value else "single" if len(value) == 1 else None
    return None


def _output_kind(text: str) -> str:
    """A coarse class of an output: its type and whether it is an edge value."""
    try:
        value = read_literal(text)
    except ValueError:
        return "other"
    return f"{type(value).__name__} {_edge(value) or ''}"
