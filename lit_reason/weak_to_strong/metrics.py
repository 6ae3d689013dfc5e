"""What weak-to-strong generalization is measured by: the performance gap recovered, and agreement with the
supervisor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from lit_reason.results import Figure, share
from lit_reason.statistics import Interval


def performance_gap_recovered(weak: float, student: float, ceiling: float) -> float | None:
    """PGR = (student - weak) / (ceiling - weak), a fraction that may be below 0 or above 1; None where the ceiling is
    not above the weak model, for then there is no gap to recover."""
    if not ceiling > weak:
        return None
    return (student - weak) / (ceiling - weak)


def gap_note(gap: float, standard_error: float) -> str:
    """What to know of a ceiling minus weak before believing a PGR over it; empty where it is far from 0."""
    if not gap > 0:
        return "undefined: the ceiling is not above the weak model"
    return "" if gap >= 2 * standard_error else "gap not significant: below twice its standard error"


def gap_standard_error(weak: Sequence[bool], ceiling: Sequence[bool]) -> float:
    """Of ceiling minus weak, from right and wrong answers to the same questions; infinite for a single one."""
    changes = np.asarray(ceiling, np.float64) - np.asarray(weak, np.float64)
    return float(changes.std(ddof=1) / math.sqrt(len(changes))) if len(changes) > 1 else math.inf


@dataclass(frozen=True)
class GapRecovered:
    """PGR of one (weak, student, ceiling), and what a reader must know before believing it.

    Args:
        value: the fraction, None where undefined.
        ci95: paired bootstrap over the test questions; None where undefined or where the gap may vanish.
        gap: ceiling minus weak.
        note: why it is undefined or doubtful; empty otherwise.
    """

    value: float | None
    ci95: Interval | None
    gap: float
    note: str = ""

    def figure(self, name: str, n: int, seed: int) -> Figure | None:
        """On n test questions; None where undefined."""
        if self.value is None:
            return None
        if self.ci95 is None:
            return Figure(name, "test", "", self.value, n, seeds=[seed], kind="value")
        return Figure(name, "test", "", self.value, n, self.ci95, "paired bootstrap", [seed])


def gap_recovered(
    weak: Sequence[bool], student: Sequence[bool], ceiling: Sequence[bool], *, seed: int = 0, n_resamples: int = 4000
) -> GapRecovered:
    """PGR from right and wrong answers of the three models to the same test questions, in one order.

    Raises:
        ValueError: the lengths differ, or there are no questions.
    """
    right = np.array([weak, student, ceiling], dtype=np.float64)
    n = right.shape[1]
    if not n:
        raise ValueError("a gap needs test questions")
    accuracies = right.mean(1)
    gap = float(accuracies[2] - accuracies[0])
    value = performance_gap_recovered(*map(float, accuracies))
    note = gap_note(gap, gap_standard_error(weak, ceiling))
    if value is None:
        return GapRecovered(None, None, gap, note)
    drawn = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    w, s, c = (row[drawn].mean(1) for row in right)
    if (c <= w).mean() > 0.025:  # the interval would run through infinity
        return GapRecovered(value, None, gap, note or "the gap may vanish, so PGR has no interval")
    ratios = (s - w)[c > w] / (c - w)[c > w]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return GapRecovered(value, (float(low), float(high)), gap, note)


def in_percent(gap: Figure | None) -> str | None:
    """A PGR as papers print it: `98.56 % [91.2, 104.3]`."""
    if gap is None:
        return None
    interval = "" if gap.ci95 is None else " [{:.1f}, {:.1f}]".format(*(100 * bound for bound in gap.ci95))
    return f"{100 * gap.value:.2f} %{interval}"


def median_gap_recovered(rows: Iterable[tuple[float, float, float]]) -> float | None:
    """The released notebook's summary: the median PGR over (weak, student, ceiling) rows, undefined ones skipped."""
    defined = [pgr for row in rows if (pgr := performance_gap_recovered(*row)) is not None]
    return median(defined) if defined else None


Answers = Mapping[str, str | None]


def agreement(student: Answers, supervisor: Answers, gold: Mapping[str, str], split: str, when: str) -> list[Figure]:
    """How often student and supervisor give the same answer: over all questions, and where the supervisor is right or
    wrong. An unparsed answer agrees with nothing. Agreement with wrong answers is overfitting made visible."""
    parts: dict[str, list[bool]] = {"": [], "supervisor right": [], "supervisor wrong": []}
    for id, truth in gold.items():
        same = student.get(id) is not None and student.get(id) == supervisor.get(id)
        parts[""].append(same)
        parts["supervisor right" if supervisor.get(id) == truth else "supervisor wrong"].append(same)
    return [
        share("agreement with the supervisor", f"{split}/{part}" if part else split, when, sum(same), len(same))
        for part, same in parts.items()
        if same
    ]


AGREEMENT = {
    f"{whose}{which}": (split, part)
    for split, whose in (("test", "of the test"), ("H2", "of its labels of H2"))
    for part, which in (("", ""), ("supervisor right", ", right ones"), ("supervisor wrong", ", wrong ones"))
}
"""What tables call each of these shares: its split and its part."""


def shares(values: Iterable[Hashable]) -> dict[Hashable, float]:
    """How large a part each value has; in the order of the values' texts."""
    counts = Counter(values)
    total = counts.total()
    return {value: counts[value] / total for value in sorted(counts, key=_place)}


def total_variation(a: Iterable[Hashable], b: Iterable[Hashable]) -> float | None:
    """Half the summed difference of two distributions of values, 0 to 1; None where either is empty."""
    p, q = shares(a), shares(b)
    if not p or not q:
        return None
    return sum(abs(p.get(value, 0.0) - q.get(value, 0.0)) for value in {*p, *q}) / 2


def _place(value: Hashable) -> tuple[bool, float, str]:
    """Numbers in their order, then texts in theirs."""
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if isinstance(value, int | float) else 0.0, str(value)
