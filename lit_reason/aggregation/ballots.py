"""Many votes at once, for rules that are plain array expressions.

A vote is held over all samples of a question, or over one subset of them. Shapes: R votes, n samples in each, G answers
in each at most. Votes are the last axis: there are very many, and every step over a vote's few samples or answers is
then one operation on long rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.votes import TIE_TOLERANCE


@dataclass(frozen=True)
class Ballots:
    """Samples of R votes, in the order in which they were drawn.

    Args:
        codes: int [n, R], the sample's answer among its vote's 0..G-1; -1 where it has none or takes no part.
        present: bool [n, R], whether the sample takes part at all, and so costs tokens.
        lengths: float [n, R], tokens; 0 where absent.
        n_answers: G.
        right: bool [G, R], whether an answer is right; rules do not read it, the oracle excepted.
        lexical: int [G, R], answers in the order of their texts; -1 where a vote has fewer.
        logprobs: float [n, R], NaN where unknown; None if there are none. `rewards` and `steps` likewise.
    """

    codes: np.ndarray
    present: np.ndarray
    lengths: np.ndarray
    n_answers: int
    right: np.ndarray
    lexical: np.ndarray
    logprobs: np.ndarray | None = None
    rewards: np.ndarray | None = None
    steps: np.ndarray | None = None

    @cached_property
    def voting(self) -> np.ndarray:
        """bool [n, R]: the sample takes part and has an answer."""
        return self.codes >= 0

    @cached_property
    def counts(self) -> np.ndarray:
        """int [G, R]: samples of each answer."""
        return self._bins(None).astype(np.int64)

    @cached_property
    def standing(self) -> np.ndarray:
        """bool [G, R]: the answer has at least one sample."""
        return self.counts > 0

    @cached_property
    def mean_lengths(self) -> np.ndarray:
        """float [G, R]; infinite for an answer without samples."""
        return self.mean_of(self.lengths)

    @cached_property
    def first(self) -> np.ndarray:
        """int [G, R]: position of the first sample of each answer; n without one."""
        n = len(self.codes)
        places_left = np.broadcast_to(n - 1.0 - np.arange(n)[:, None], self.codes.shape)
        return n - 1 - self.largest(places_left, -1.0).astype(np.int64)

    def total(self, values: np.ndarray) -> np.ndarray:
        """float [G, R]: the sum of each answer's values [n, R]."""
        return self._bins(values)

    def mean_of(self, values: np.ndarray) -> np.ndarray:
        """float [G, R]: the mean of each answer's values; infinite without samples."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.standing, self.total(values) / self.counts, np.inf)

    def largest(self, values: np.ndarray, absent: float = -np.inf) -> np.ndarray:
        """float [G, R]: the largest of each answer's values; `absent` without samples."""
        found = np.full((self.n_answers + 1) * self.codes.shape[1], absent)
        np.maximum.at(found, self._slots, np.where(self.voting, values, absent).ravel())
        return found.reshape(self.n_answers + 1, -1)[1:]

    def only(self, kept: np.ndarray) -> Ballots:
        """The same votes in which only samples of `kept`, bool [n, R], have a say; all still take part."""
        return replace(self, codes=np.where(kept, self.codes, -1))

    def known(self, values: np.ndarray | None, what: str) -> np.ndarray:
        """`values` if each voting sample has one.

        Raises:
            AggregationError: one has none.
        """
        if values is None or np.isnan(values[self.voting]).any():
            raise AggregationError(f"an answered sample has no {what}, which this vote needs")
        return values

    @cached_property
    def _slots(self) -> np.ndarray:
        # Row 0 collects what does not vote; it is cut off again.
        n_votes = self.codes.shape[1]
        return ((self.codes + 1) * n_votes + np.arange(n_votes)).ravel()

    def _bins(self, weights: np.ndarray | None) -> np.ndarray:
        flat = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
        size = (self.n_answers + 1) * self.codes.shape[1]
        return np.bincount(self._slots, flat, size).reshape(self.n_answers + 1, -1)[1:]


def best_answers(scores: np.ndarray) -> np.ndarray:
    """bool [G, R]: the answers that share the best score [G, R]; none in a vote that holds only -inf."""
    best = scores.max(axis=0, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return (scores > -np.inf) & (scores >= best - TIE_TOLERANCE * np.abs(best))


def narrow(tied: np.ndarray, values: np.ndarray) -> np.ndarray:
    """bool [G, R]: among the tied answers those of the smallest value."""
    kept = np.where(tied, values, np.inf)
    least = kept.min(axis=0, initial=np.inf)
    return tied & (kept <= least + TIE_TOLERANCE * np.abs(least))
