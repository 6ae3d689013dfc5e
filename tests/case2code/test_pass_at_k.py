"""Acceptance G: the unbiased pass@k."""

from __future__ import annotations

from itertools import combinations

import pytest

from lit_reason.aggregation.pass_at_k import pass_at_k


def test_hand_computed() -> None:
    assert pass_at_k(10, 3, 5) == pytest.approx(1 - 21 / 252)  # 1 - C(7,5)/C(10,5)
    assert round(pass_at_k(10, 3, 5), 4) == 0.9167


def test_it_is_the_mean_over_all_draws() -> None:
    right = [True] * 2 + [False] * 5
    for k in range(1, 8):
        draws = list(combinations(right, k))
        assert pass_at_k(7, 2, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_edges() -> None:
    assert pass_at_k(4, 0, 4) == 0.0
    assert pass_at_k(4, 4, 1) == 1.0
    assert pass_at_k(4, 1, 4) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (4, 1, 0), (0, 0, 1), (4, 5, 1), (4, -1, 1)])
def test_what_cannot_be_estimated_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError):
        pass_at_k(n, c, k)
