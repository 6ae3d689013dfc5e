"""Many votes at once: arrays with one row a vote, for rules that are plain array expressions.

A row is all samples of a question, or one subset of them. Shapes: R rows, n samples a row, G answers a row at most.
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
        codes: int [R, n], the sample's answer among its row's 0..G-1; -1 where it has none or takes no part.
        present: bool [R, n], whether the sample takes part at all, and so costs tokens.
        lengths: float [R, n], tokens; 0 where absent.
        n_answers: G.
        right: bool [R, G], whether an answer is right; rules do not read it, the oracle excepted.
        lexical: int [R, G], answers in the order of their texts; -1 where a row has fewer.
        logprobs: float [R, n], NaN where unknown; None if there are none. `rewards` and `steps` likewise.
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
        """bool [R, n]: the sample takes part and has an answer."""
        return self.codes >= 0

    @cached_property
    def counts(self) -> np.ndarray:
        """int [R, G]: samples of each answer."""
        return self._bins(None).astype(np.int64)

    @cached_property
    def standing(self) -> np.ndarray:
        """bool [R, G]: the answer has at least one sample."""
        return self.counts > 0

    @cached_property
    def mean_lengths(self) -> np.ndarray:
        """float [R, G]; infinite for an answer without samples."""
        return self.mean_of(self.lengths)

    @cached_property
    def first(self) -> np.ndarray:
        """int [R, G]: position of the first sample of each answer; n without one."""
        n = self.codes.shape[1]
        return n - 1 - self.largest(np.broadcast_to(n - 1.0 - np.arange(n), self.codes.shape), -1.0).astype(np.int64)

    def total(self, values: np.ndarray) -> np.ndarray:
        """float [R, G]: the sum of each answer's values [R, n]."""
        return self._bins(values)

    def mean_of(self, values: np.ndarray) -> np.ndarray:
        """float [R, G]: the mean of each answer's values; infinite without samples."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.standing, self.total(values) / self.counts, np.inf)

    def largest(self, values: np.ndarray, absent: float = -np.inf) -> np.ndarray:
        """float [R, G]: the largest of each answer's values; `absent` without samples."""
        rows, _ = self.codes.shape
        found = np.full(rows * (self.n_answers + 1), absent)
        np.maximum.at(found, self._slots, np.where(self.voting, values, absent).ravel())
        return found.reshape(rows, -1)[:, 1:]

    def only(self, kept: np.ndarray) -> Ballots:
        """The same votes in which only samples of `kept`, bool [R, n], have a say; all still take part."""
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
        # Column 0 of each row collects what does not vote; it is cut off again.
        rows = np.arange(len(self.codes), dtype=np.int64)[:, None]
        return (rows * (self.n_answers + 1) + self.codes + 1).ravel()

    def _bins(self, weights: np.ndarray | None) -> np.ndarray:
        rows = len(self.codes)
        flat = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
        return np.bincount(self._slots, flat, rows * (self.n_answers + 1)).reshape(rows, -1)[:, 1:]


def best_answers(scores: np.ndarray) -> np.ndarray:
    """bool [R, G]: the answers that share the best score [R, G]; none in a row that holds only -inf."""
    best = scores.max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return (scores > -np.inf) & (scores >= best - TIE_TOLERANCE * np.abs(best))


def narrow(tied: np.ndarray, values: np.ndarray) -> np.ndarray:
    """bool [R, G]: among the tied answers those of the smallest value."""
    kept = np.where(tied, values, np.inf)
    least = kept.min(axis=1, keepdims=True, initial=np.inf)
    return tied & (kept <= least + TIE_TOLERANCE * np.abs(least))
