"""The intervals against numbers worked out by hand, and against SciPy's independent implementations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.statistics import (
    bootstrap_interval,
    independent_difference,
    paired_bootstrap_difference,
    seed_interval,
    wilson_interval,
)


def test_wilson_by_hand() -> None:
    # p = 1/2, n = 4: the centre is 1/2, the half-width z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n), with z^2 = 3.8415.
    z2 = 1.959963985**2
    half = math.sqrt(z2) * math.sqrt(1 / 16 + z2 / 64) / (1 + z2 / 4)
    assert wilson_interval(2, 4) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-9)
    assert wilson_interval(2, 4) == pytest.approx((0.150, 0.850), abs=5e-4)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(43, 120, 0.2781, 0.4473), (1, 120, 0.0015, 0.0457), (81, 263, 0.2553, 0.3662)],  # the last from Newcombe (1998)
)
def test_wilson_published_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_at_the_edges() -> None:
    z2 = 1.959963985**2
    assert wilson_interval(0, 10) == (0.0, pytest.approx(z2 / (10 + z2)))
    assert wilson_interval(10, 10) == (pytest.approx(10 / (10 + z2)), 1.0)
    low, high = wilson_interval(1, 1)
    assert 0 < low < 1 and high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (1, 0), (0, -1), (-1, 5), (6, 5)])
def test_wilson_refuses_the_impossible(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="at least one trial" if n <= 0 else "impossible"):
        wilson_interval(successes, n)


@settings(max_examples=50)
@given(
    st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_wilson_agrees_with_scipy(counts: tuple[int, int], level: float) -> None:
    from scipy.stats import binomtest

    successes, n = counts
    theirs = binomtest(successes, n).proportion_ci(level, method="wilson")
    low, high = wilson_interval(successes, n, level)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert low <= successes / n <= high


def test_bootstrap_of_two_values_by_hand() -> None:
    # Resampled means of (0, 1) are 0, 1/2, 1 with 1/4, 1/2, 1/4: the 2.5 % and 97.5 % quantiles are the ends.
    assert bootstrap_interval([0.0, 1.0], seed=0) == (0.0, 1.0)
    # At level 0.4 the quantiles 30 % and 70 % both fall on 1/2.
    assert bootstrap_interval([0.0, 1.0], seed=0, level=0.4) == (0.5, 0.5)


def test_bootstrap_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(5).gamma(2.0, size=80)
    theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert bootstrap_interval(values, seed=1, n_resamples=20_000) == pytest.approx(tuple(theirs), abs=0.02)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(400, 60))
    intervals = [bootstrap_interval(sample, seed=i, n_resamples=400) for i, sample in enumerate(samples)]
    assert 0.90 <= np.mean([low <= 0 <= high for low, high in intervals]) <= 0.98


def test_bootstrap_is_seeded_and_independent_of_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(50)
    whole = bootstrap_interval(values, seed=3)
    assert whole == bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    monkeypatch.setattr("lit_reason.statistics._RESAMPLED_AT_ONCE", 777)
    assert bootstrap_interval(values, seed=3) == whole


def test_paired_difference_uses_the_pairing() -> None:
    before = np.linspace(0, 100, 101)
    difference, (low, high) = paired_bootstrap_difference(before, before + 1, seed=0)
    assert difference == pytest.approx(1) and low == pytest.approx(1) and high == pytest.approx(1)
    falling, (low, high) = paired_bootstrap_difference([1, 1, 1, 0], [0, 0, 1, 0], seed=0)
    assert falling == -0.5 and low == -1 and high == 0


def test_bad_values_are_named() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_interval([], seed=0)
    with pytest.raises(ValueError, match="value 2 is nan"):
        bootstrap_interval([0.1, 0.2, math.nan], seed=0)
    with pytest.raises(ValueError, match="equal lengths, found 2 and 1"):
        paired_bootstrap_difference([1, 2], [1], seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_interval([1.0], seed=0, level=95)


def test_newcombes_own_example() -> None:
    """Newcombe (1998), method 10: 56/70 against 48/80 gives .0524 to .3339."""
    a, b = wilson_interval(48, 80), wilson_interval(56, 70)
    assert independent_difference(48 / 80, a, 56 / 70, b) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(41, 400))
def test_a_difference_of_two_samples_is_symmetric_and_wider_than_either(x: int, y: int, n: int) -> None:
    a, b = wilson_interval(x, n), wilson_interval(y, n)
    low, high = independent_difference(x / n, a, y / n, b)
    back = independent_difference(y / n, b, x / n, a)
    assert (low, high) == pytest.approx((-back[1], -back[0]), abs=1e-12) and low <= (y - x) / n <= high
    assert high - low >= max(a[1] - a[0], b[1] - b[0]) - 1e-12


def test_an_interval_that_does_not_hold_its_value_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold its value 0.9"):
        independent_difference(0.5, (0.4, 0.6), 0.9, (0.1, 0.2))


def test_seeds_by_hand() -> None:
    """t(0.975, 1) = 12.7062: values 1 and 3 have sd sqrt 2, half width 12.7062."""
    assert seed_interval([1, 3]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)
    with pytest.raises(ValueError, match="at least two"):
        seed_interval([1])
