"""Intervals for what is reported: Wilson for one share, the percentile bootstrap for means and for paired
differences, Newcombe's for differences of two samples, Student's t over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

Interval = tuple[float, float]

_RESAMPLED_AT_ONCE = 1 << 22  # drawn indices held in memory: 32 MB


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """The score interval of a binomial share (Wilson, 1927). Unlike the normal one it is sound at 0/n, n/n and small n.

    Raises:
        ValueError: n is not positive, or successes lie outside 0..n.
    """
    if n <= 0:
        raise ValueError(f"a share needs at least one trial, n is {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials are impossible")
    z = _standard_score(level)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # At the edges the bounds are 0 and 1 exactly; rounding would leave 1e-17 and make a strict comparison fail.
    return 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, *, seed: int, n_resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """The percentile bootstrap interval of the mean of `values` (one-dimensional, finite, at least one).

    Raises:
        ValueError: there are no values, or one is not a finite number.
    """
    sample = _checked(values)
    _standard_score(level)
    generator = np.random.default_rng(seed)
    at_once = max(1, _RESAMPLED_AT_ONCE // len(sample))
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, at_once):
        rows = min(at_once, n_resamples - start)
        means[start : start + rows] = sample[generator.integers(len(sample), size=(rows, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_bootstrap_difference(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    *,
    seed: int,
    n_resamples: int = 10_000,
    level: float = 0.95,
) -> tuple[float, Interval]:
    """How much higher the mean of `b` is than that of `a`, and its interval. Entry i of both belongs to the same
    question.

    Raises:
        ValueError: the lengths differ, there are no values, or one is not a finite number.
    """
    before, after = _checked(a), _checked(b)
    if len(before) != len(after):
        raise ValueError(f"paired values need equal lengths, found {len(before)} and {len(after)}")
    differences = after - before
    return float(differences.mean()), bootstrap_interval(differences, seed=seed, n_resamples=n_resamples, level=level)


def independent_difference(a: float, ci_a: Interval, b: float, ci_b: Interval) -> Interval:
    """The 95 % interval of b - a for two separate samples, from the interval of each (Newcombe, 1998, method 10, which
    takes Wilson intervals of shares; Zou and Donner, 2008, for any two).

    Raises:
        ValueError: an interval does not hold its value.
    """
    for value, (low, high) in ((a, ci_a), (b, ci_b)):
        if not low <= value <= high:
            raise ValueError(f"the interval [{low}, {high}] does not hold its value {value}")
    below = math.hypot(b - ci_b[0], ci_a[1] - a)
    above = math.hypot(ci_b[1] - b, a - ci_a[0])
    return b - a - below, b - a + above


def seed_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Student's t interval of the mean over a few runs that differ in their seed.

    Raises:
        ValueError: fewer than two values, or one is not a finite number.
    """
    from scipy.stats import t

    sample = _checked(values)
    _standard_score(level)
    if len(sample) < 2:
        raise ValueError("an interval over seeds needs at least two of them")
    spread = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    half = float(t.ppf((1 + level) / 2, len(sample) - 1)) * spread
    centre = float(sample.mean())
    return centre - half, centre + half


def _standard_score(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not at {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def _checked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample):
        raise ValueError(f"a mean needs a list of at least one value, found shape {sample.shape}")
    if not np.isfinite(sample).all():
        position = int(np.argmin(np.isfinite(sample)))
        raise ValueError(f"value {position} is {sample[position]}, not a finite number")
    return sample
