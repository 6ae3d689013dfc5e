"""What a vote over k of n samples is worth (Shortest Majority Vote, section 8).

The value of a question is the mean over all C(n, k) subsets of its samples, or over many random ones where there are
too many; never its first k samples, whose order is one draw of luck. Ties are broken at random, in expectation, or by
the written rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from lit_reason.aggregation.ballots import Ballots
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.scores import VoteRule
from lit_reason.aggregation.table import VoteTable
from lit_reason.statistics import paired_bootstrap_difference

MOST_SUBSETS = 20_000
"""Up to so many subsets the expectation is exact."""

RANDOM_SUBSETS = 2_000
"""Drawn where there are more."""

Ties = Literal["random", "rule"]

_CELLS_AT_ONCE = 1 << 18  # samples of all subsets: arrays of 2 MB, which stay in the cache


@dataclass(frozen=True)
class AtK:
    """A rule over k of n samples.

    Args:
        name: of the rule.
        k: samples a vote.
        values: float [Q], each question's chance of a right answer.
        tokens: float [Q], each question's expected tokens.
        tied: float [Q], each question's share of subsets in which several answers had the best score.
        exact: whether every subset was counted, for every question.
    """

    name: str
    k: int
    values: np.ndarray
    tokens: np.ndarray
    tied: np.ndarray
    exact: bool

    @property
    def accuracy(self) -> float:
        """The mean over all questions; one without any answer counts as wrong."""
        return float(self.values.mean())


def accuracy_at_k(
    table: VoteTable, rules: Sequence[VoteRule], k: int, *, ties: Ties = "random", seed: int = 0
) -> list[AtK]:
    """Every rule over k samples of each question.

    Args:
        table: the samples.
        rules: evaluated on the same subsets.
        k: samples a vote.
        ties: broken at random, in expectation, or by each rule's written order.
        seed: of the random subsets, where the subsets are too many to count.

    Raises:
        AggregationError: k is not positive, or a question has fewer than k samples.
    """
    _check_k(table, k)
    values, tokens, tied = (np.zeros((len(rules), len(table.questions))) for _ in range(3))
    exact = True
    for rows, places in _equal_sizes(table):
        chosen, all_counted = _subsets(places.shape[1], k, seed)
        exact &= all_counted
        for part, ballots in _blocks(table, rows, places, chosen):
            for i, rule in enumerate(rules):
                for target, found in zip((values, tokens, tied), _outcome(rule, ballots, ties), strict=True):
                    target[i, part] = found.reshape(len(part), -1).mean(axis=1)
    return [AtK(rule.name, k, values[i], tokens[i], tied[i], exact) for i, rule in enumerate(rules)]


def accuracy(table: VoteTable, rules: Sequence[VoteRule], *, ties: Ties = "random") -> list[AtK]:
    """Every rule over all samples of each question; `k` is the number of samples of the question that has most."""
    n = table.codes.shape[1]
    return [AtK(rule.name, n, *_outcome(rule, table.ballots, ties), exact=True) for rule in rules]


def accuracy_at_tokens(curve: Sequence[AtK], tokens: float) -> float | None:
    """A rule's accuracy at a mean budget of tokens a question, linear between the neighbouring k of its curve.

    None outside the curve: nothing is extrapolated.
    """
    points = sorted((float(point.tokens.mean()), point.accuracy) for point in curve)
    if not points or not points[0][0] <= tokens <= points[-1][0]:
        return None
    costs, accuracies = np.array(points).T
    return float(np.interp(tokens, costs, accuracies))


def compare(a: AtK, b: AtK, *, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """How much more accurate b is than a on the same questions, with its paired bootstrap interval."""
    return paired_bootstrap_difference(a.values, b.values, seed=seed)


def _outcome(rule: VoteRule, ballots: Ballots, ties: Ties) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """float [R] each: the chance of a right answer, the tokens, and whether several answers could have won."""
    chances = rule.chances(ballots)
    right = (chances * ballots.right).sum(axis=0)
    if ties == "rule":
        winners = rule.winners(ballots)
        picked = np.take_along_axis(ballots.right, np.maximum(winners, 0)[None, :], axis=0)[0]
        right = (picked & (winners >= 0)).astype(np.float64)
    return right, rule.tokens(ballots), ((chances > 0).sum(axis=0) > 1).astype(np.float64)


def _check_k(table: VoteTable, k: int) -> None:
    if k < 1:
        raise AggregationError(f"k must be at least 1, not {k}")
    short = np.flatnonzero(table.n_samples < k)
    if len(short):
        name, n = table.questions[short[0]], table.n_samples[short[0]]
        more = f", as have {len(short) - 1} others" if len(short) > 1 else ""
        raise AggregationError(f"question {name!r} has {n} samples, fewer than k = {k}{more}")


def _equal_sizes(table: VoteTable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Questions that have equally many samples: int [questions], and int [questions, samples], where those stand."""
    for n in np.unique(table.n_samples):
        rows = np.flatnonzero(table.n_samples == n)
        yield rows, np.nonzero(table.present[rows])[1].reshape(len(rows), n)


def _subsets(n: int, k: int, seed: int) -> tuple[np.ndarray, bool]:
    """int [subsets, k], k of n places in rising order; and whether these are all."""
    if math.comb(n, k) <= MOST_SUBSETS:
        return np.array(list(combinations(range(n), k))), True
    noise = np.random.default_rng([seed, n, k]).random((RANDOM_SUBSETS, n))
    return np.sort(np.argpartition(noise, k - 1, axis=1)[:, :k], axis=1), False


def _blocks(
    table: VoteTable, rows: np.ndarray, places: np.ndarray, chosen: np.ndarray
) -> Iterator[tuple[np.ndarray, Ballots]]:
    """Questions, as many as fit into memory at once, with one vote for each of their subsets."""
    at_once = max(1, _CELLS_AT_ONCE // chosen.size)
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        members = places[start : start + at_once][:, chosen]  # [questions, subsets, k]
        yield part, table.ballots_of(np.repeat(part, len(chosen)), members.reshape(-1, chosen.shape[1]).T)
