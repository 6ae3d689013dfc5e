"""Do longer chains of thought for the same question give better answers? (Shortest Majority Vote, section 5)

Hard questions have longer chains and more wrong ones, so a comparison of all wrong samples with all right ones shows
difficulty, not length. `within_question` compares samples of the same question; `pooled_ratio` is the confounded figure
to show beside it, never alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.table import VoteTable
from lit_reason.statistics import Interval, bootstrap_interval

_RESAMPLED_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Mean:
    """A mean over questions with its bootstrap interval."""

    value: float
    ci95: Interval
    n: int


@dataclass(frozen=True)
class Rank:
    """The r-th shortest sample of every question that has so many.

    Args:
        rank: 0 is the shortest; or "shorter half", "middle", "longer half".
        accuracy: of these samples.
        length: tokens.
        markers: mean count of self-revision cues, None if they were not counted.
        share_of_right: of all right samples, the share that has this rank.
    """

    rank: int | str
    accuracy: Mean
    length: Mean
    markers: Mean | None
    share_of_right: float


@dataclass(frozen=True)
class Contrast:
    """Wrong samples against right ones of the same question, over the `n` questions that have both.

    Args:
        right_length: mean over questions of the mean length of right samples.
        wrong_length: likewise of wrong ones.
        ratio: wrong / right; above 1, right samples are shorter.
        ci95: of the ratio, bootstrap over questions.
        right_is_shorter: share of questions in which right samples are shorter on average, equal ones left out.
        sign_test: two-sided p-value that this share is one half.
        pooled_ratio: of all wrong to all right samples of all questions, which difficulty confounds.
    """

    n: int
    right_length: float
    wrong_length: float
    ratio: float
    ci95: Interval
    right_is_shorter: float
    sign_test: float
    pooled_ratio: float

    @property
    def shows_an_effect(self) -> bool:
        """Whether the interval of the ratio within questions excludes 1; the pooled ratio has no say."""
        return not self.ci95[0] <= 1 <= self.ci95[1]


def length_ranks(table: VoteTable, markers: np.ndarray | None = None, *, seed: int = 0) -> list[Rank]:
    """Analysis A: samples by their place in the order of length within their question, earlier ones first on equal
    length.

    Args:
        table: samples of length 0 are no chains and left out.
        markers: int [Q, n], cues in each sample.
        seed: of the bootstrap.
    """
    ranks = _ranks(table)
    return [_rank(table, r, ranks == r, markers, seed) for r in range(int(ranks.max(initial=-1)) + 1)]


def length_halves(table: VoteTable, markers: np.ndarray | None = None, *, seed: int = 0) -> list[Rank]:
    """Analysis A in three parts: the floor(n / 2) shortest samples of each question, the floor(n / 2) longest, and the
    one between where n is odd."""
    ranks = _ranks(table)
    n = (ranks >= 0).sum(axis=1, keepdims=True)
    shorter = (ranks >= 0) & (ranks < n // 2)
    longer = ranks >= n - n // 2
    parts = {"shorter half": shorter, "middle": (ranks >= 0) & ~shorter & ~longer, "longer half": longer}
    return [_rank(table, name, chosen, markers, seed) for name, chosen in parts.items() if chosen.any()]


def within_question(table: VoteTable, *, without_truncated: bool = False, seed: int = 0) -> Contrast | None:
    """Analysis B; with `without_truncated` analysis D: samples that hit the token limit are long and wrong by
    construction. None if no question has both right and wrong samples.

    Raises:
        AggregationError: `without_truncated` is asked of a table that does not tell.
    """
    chains = _chains(table)
    if without_truncated:
        if table.truncated is None:
            raise AggregationError("the table does not tell which samples were truncated")
        chains &= ~table.truncated
    right, wrong = chains & table.right, chains & ~table.right
    both = right.any(axis=1) & wrong.any(axis=1)
    if not both.any():
        return None
    of_right, of_wrong = (_means(table.lengths, chosen)[both] for chosen in (right, wrong))
    differ = of_right != of_wrong
    shorter = int((of_right < of_wrong).sum())
    return Contrast(
        int(both.sum()), float(of_right.mean()), float(of_wrong.mean()), float(of_wrong.mean() / of_right.mean()),
        _ratio_interval(of_right, of_wrong, seed), shorter / max(int(differ.sum()), 1),
        _sign_test(shorter, int(differ.sum())), float(table.lengths[wrong].mean() / table.lengths[right].mean()),
    )  # fmt: skip


@dataclass(frozen=True)
class Level:
    """Questions of one difficulty: how accurate and long their samples are, and the contrast within them."""

    level: str
    n: int
    accuracy: Mean
    length: Mean
    contrast: Contrast | None


def by_level(table: VoteTable, levels: Sequence[str], *, seed: int = 0) -> list[Level]:
    """Analysis C: `levels[i]` is the difficulty of `table.questions[i]`. Levels differ between questions, the contrast
    of each within them: where lengths rise with the level and the contrast is 1, difficulty explains length."""
    if len(levels) != len(table.questions):
        raise AggregationError(f"{len(table.questions)} questions, but {len(levels)} levels")
    found = []
    for level in sorted(set(levels)):
        own = table.select(np.array([other == level for other in levels]))
        chains = _chains(own)
        some = chains.any(axis=1)
        accuracy, length = (
            _mean(_means(values, chains)[some], seed) for values in (own.right.astype(float), own.lengths)
        )
        found.append(Level(level, len(own.questions), accuracy, length, within_question(own, seed=seed)))
    return found


@dataclass(frozen=True)
class Shares:
    """Analyses D and E: how many samples hit the token limit (None if unknown), and how many have no answer."""

    n: int
    truncated: int | None
    unparsed: int


def shares(table: VoteTable) -> Shares:
    """Counts over all samples; `results.share` gives them their intervals."""
    truncated = None if table.truncated is None else int((table.truncated & table.present).sum())
    return Shares(int(table.present.sum()), truncated, int((table.present & ~table.answered).sum()))


@dataclass(frozen=True)
class Quantile:
    """Samples of one quantile of length: the longest of them, their accuracy, how many they are."""

    longest: float
    accuracy: float
    n: int


def accuracy_by_quantile(table: VoteTable, n_quantiles: int = 10, *, within: bool = True) -> list[Quantile]:
    """Accuracy along length: relative to the mean of the question (`within`), or in tokens, where difficulty confounds
    it. Equal lengths stay together, so there may be fewer quantiles."""
    chains = _chains(table)
    lengths = table.lengths / _means(table.lengths, chains)[:, None] if within else table.lengths
    values, right = lengths[chains], table.right[chains]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_quantiles + 1)[1:], method="inverted_cdf"))
    places = np.searchsorted(edges, values, side="left")
    groups = [(edge, right[places == i]) for i, edge in enumerate(edges)]
    return [Quantile(float(edge), float(own.mean()), len(own)) for edge, own in groups if len(own)]


def _chains(table: VoteTable) -> np.ndarray:
    """bool [Q, n]: samples that hold anything at all."""
    return table.present & (table.lengths > 0)


def _ranks(table: VoteTable) -> np.ndarray:
    """int [Q, n]: place in the order of length within the question; -1 where there is no chain."""
    chains = _chains(table)
    order = np.argsort(np.where(chains, table.lengths, np.inf), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), axis=1)
    return np.where(chains, ranks, -1)


def _rank(table: VoteTable, name: int | str, chosen: np.ndarray, markers: np.ndarray | None, seed: int) -> Rank:
    some = chosen.any(axis=1)

    def mean(values: np.ndarray) -> Mean:
        return _mean(_means(values.astype(float), chosen)[some], seed)

    n_right = int((table.right & _chains(table)).sum())
    return Rank(
        name, mean(table.right), mean(table.lengths), None if markers is None else mean(markers),
        int((table.right & chosen).sum()) / max(n_right, 1),
    )  # fmt: skip


def _mean(values: np.ndarray, seed: int) -> Mean:
    if not len(values):
        raise AggregationError("no sample holds any text, so there are no lengths to compare")
    return Mean(float(values.mean()), bootstrap_interval(values, seed=seed), len(values))


def _means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """float [Q]: mean over each question's chosen samples; NaN without any."""
    with np.errstate(invalid="ignore"):
        return np.where(chosen, values, 0).sum(axis=1) / chosen.sum(axis=1)


def _ratio_interval(below: np.ndarray, above: np.ndarray, seed: int, n_resamples: int = 10_000) -> Interval:
    """Percentile bootstrap of mean(above) / mean(below), both of the same resampled questions."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _RESAMPLED_AT_ONCE // len(below))
    ratios = np.empty(n_resamples)
    for start in range(0, n_resamples, at_once):
        drawn = generator.integers(len(below), size=(min(at_once, n_resamples - start), len(below)))
        ratios[start : start + len(drawn)] = above[drawn].mean(axis=1) / below[drawn].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def _sign_test(successes: int, n: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(successes, n, 0.5).pvalue) if n else 1.0
