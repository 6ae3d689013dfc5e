"""Accuracy at k of n (checks C and D), the simulation of check E, and comparisons of two rules."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from lit_reason.aggregation import pass_at_k
from lit_reason.aggregation.columns import table_from_columns
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.scores import (
    Majority,
    Oracle,
    PowerMajority,
    RandomSample,
    Shortest,
    ShortestMajority,
    ShortM,
    usual_rules,
)
from lit_reason.aggregation.subsets import AtK, accuracy, accuracy_at_k, accuracy_at_tokens, compare
from lit_reason.aggregation.votes import expected_accuracy, majority_vote, shortest_majority_vote
from tests.aggregation.simulation import pool

ANSWERS, LENGTHS = list("AAABBBCC"), [300, 350, 400, 900, 1000, 1100, 200, 1500]


@pytest.fixture
def table():
    return table_from_columns(["q"] * 8, ANSWERS, LENGTHS, [answer == "A" for answer in ANSWERS])


@pytest.mark.parametrize(
    ("k", "majority", "shortest"),
    [(1, 0.375, 0.375), (2, 0.375, 0.535714), (3, 0.392857, 0.446429), (4, 0.414286, 0.5), (8, 0.5, 1.0)],
)
def test_exact_expectation_of_check_c(table, k: int, majority: float, shortest: float) -> None:
    found = accuracy_at_k(table, [Majority(), ShortestMajority()], k)
    assert [at.accuracy for at in found] == pytest.approx([majority, shortest], abs=1e-6)
    assert all(at.exact for at in found)
    by_rule = accuracy_at_k(table, [Majority("shortest")], k, ties="rule")[0]
    assert by_rule.accuracy == pytest.approx(shortest, abs=1e-6)  # under that tie rule both coincide here


def test_against_a_loop_over_all_subsets() -> None:
    rng = np.random.default_rng(3)
    answers = rng.choice(["A", "B", "C", "D"], size=9).tolist()
    answers[4] = None
    lengths = rng.integers(2, 30, size=9).tolist()
    table = table_from_columns(["q"] * 9, answers, lengths, [a == "A" for a in answers])
    for k in range(1, 10):
        majority, shortest = accuracy_at_k(table, [Majority(), ShortestMajority()], k)
        subsets = list(combinations(range(9), k))
        votes = [majority_vote([answers[i] for i in s]) for s in subsets]
        assert majority.accuracy == pytest.approx(sum(expected_accuracy(v, {"A"}) for v in votes) / comb(9, k))
        assert majority.tied[0] == pytest.approx(sum(v.tied for v in votes) / comb(9, k))
        assert majority.tokens[0] == pytest.approx(k * sum(lengths) / 9)
        votes = [shortest_majority_vote([answers[i] for i in s], [lengths[i] for i in s]) for s in subsets]
        assert shortest.accuracy == pytest.approx(sum(expected_accuracy(v, {"A"}) for v in votes) / comb(9, k))


def test_coverage_is_pass_at_k() -> None:
    assert [round(pass_at_k(16, 3, k), 6) for k in (1, 4, 8)] == [0.1875, 0.607143, 0.9]
    table = table_from_columns(["q"] * 16, list("AAABBBBBBBBBBBBB"), [5] * 16, [True] * 3 + [False] * 13)
    for k in (1, 4, 8, 16):
        assert accuracy_at_k(table, [Oracle()], k)[0].accuracy == pytest.approx(pass_at_k(16, 3, k))


def test_too_many_subsets_are_drawn_at_random_and_seeded() -> None:
    n, right = 40, 12
    codes = ["A"] * right + [f"w{i}" for i in range(n - right)]
    table = table_from_columns(["q"] * n, codes, [7] * n, [c == "A" for c in codes])
    drawn = accuracy_at_k(table, [RandomSample(), Oracle()], 10)
    assert not drawn[0].exact
    assert drawn[0].accuracy == pytest.approx(right / n, abs=0.01)  # the first 10 are all right: 1.0
    assert drawn[1].accuracy == pytest.approx(pass_at_k(n, right, 10), abs=0.01)
    assert accuracy_at_k(table, [RandomSample()], 10)[0].values == drawn[0].values
    assert accuracy_at_k(table, [RandomSample()], 10, seed=1)[0].values != drawn[0].values
    assert accuracy_at_k(table, [Oracle()], 3)[0].exact  # C(40, 3) = 9,880


def test_questions_of_different_size() -> None:
    question = ["long"] * 3 + ["short"] * 2
    table = table_from_columns(question, ["A", "B", "B", "A", "B"], [5] * 5, [True, False, False, True, False])
    single = accuracy_at_k(table, [Majority()], 1)[0]
    assert single.values == pytest.approx([1 / 3, 1 / 2])
    with pytest.raises(AggregationError, match="question 'short' has 2 samples, fewer than k = 3"):
        accuracy_at_k(table, [Majority()], 3)
    with pytest.raises(AggregationError, match="k must be at least 1, not 0"):
        accuracy_at_k(table, [Majority()], 0)


def test_memory_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pool(40, 8, 1.5, seed=0)
    whole = accuracy_at_k(table, usual_rules(), 3)
    monkeypatch.setattr("lit_reason.aggregation.subsets._CELLS_AT_ONCE", 1)
    for one, other in zip(accuracy_at_k(table, usual_rules(), 3), whole, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


CHECK_E = [
    (4, 1.0, [0.500, 0.578, 0.578, 0.578, 0.569, 0.501, 0.554, 0.817]),
    (4, 1.5, [0.500, 0.578, 0.627, 0.629, 0.658, 0.688, 0.620, 0.817]),
    (8, 1.5, [0.500, 0.617, 0.648, 0.662, 0.703, 0.756, 0.732, 0.908]),
    (16, 1.0, [0.500, 0.632, 0.632, 0.632, 0.630, 0.501, 0.554, 0.956]),
    (16, 1.5, [0.500, 0.632, 0.651, 0.679, 0.722, 0.806, 0.807, 0.956]),
    (16, 2.5, [0.500, 0.632, 0.653, 0.732, 0.813, 0.937, 0.903, 0.956]),
]


@pytest.mark.parametrize(("n", "ratio", "expected"), CHECK_E)
def test_simulation_of_check_e(n: int, ratio: float, expected: list[float]) -> None:
    rules = [
        RandomSample(), Majority(), ShortestMajority(), PowerMajority(0.5), PowerMajority(1), Shortest(), ShortM(3),
        Oracle(),
    ]  # fmt: skip
    found = [at.accuracy for at in accuracy(pool(20_000, n, ratio, seed=0), rules)]
    assert found == pytest.approx(expected, abs=0.015)


def test_k_of_n_estimates_a_pool_of_k() -> None:
    """Eight of sixteen is what eight are worth: the figures of a pool drawn with n = 8."""
    at = accuracy_at_k(pool(400, 16, 1.5, seed=1), [Majority(), ShortestMajority(), Oracle()], 8)
    assert [one.accuracy for one in at] == pytest.approx([0.617, 0.648, 0.908], abs=0.05)


def test_paired_comparison() -> None:
    table = pool(2_000, 8, 2.5, seed=0)
    majority, shortest, power = accuracy(table, [Majority(), ShortestMajority(), PowerMajority(1)])
    gain, (low, high) = compare(majority, power)
    assert gain == pytest.approx(power.accuracy - majority.accuracy) and 0 < low < gain < high
    assert compare(shortest, shortest) == (0.0, (0.0, 0.0))


def test_equal_tokens_are_interpolated_and_never_extrapolated() -> None:
    curve = [
        AtK("x", k, np.array([a]), np.array([t]), np.zeros(1), True)
        for k, a, t in [(1, 0.4, 100.0), (2, 0.6, 200.0), (4, 0.7, 400.0)]
    ]
    assert accuracy_at_tokens(curve, 150) == pytest.approx(0.5)
    assert accuracy_at_tokens(curve, 400) == pytest.approx(0.7)
    assert accuracy_at_tokens(curve, 99) is None and accuracy_at_tokens(curve, 401) is None
    assert accuracy_at_tokens([], 1) is None
