"""Length analyses by hand, and on pools whose truth is known (check F)."""

from __future__ import annotations

import numpy as np
import pytest

from lit_reason.aggregation.columns import table_from_columns
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.lengths import (
    accuracy_by_quantile,
    by_level,
    length_halves,
    length_ranks,
    shares,
    within_question,
)
from lit_reason.aggregation.markers import count_markers, total_markers
from tests.aggregation.simulation import as_table, pool


@pytest.fixture
def table():
    """Two questions of three and two samples, by length: q right 10, wrong 20, wrong 60; r wrong 30, right 40."""
    return table_from_columns(
        ["q", "q", "q", "r", "r"], ["B", "A", None, "A", "B"], [20, 10, 60, 40, 30], [False, True, False, True, False],
        truncated=[False, False, True, False, False],
    )  # fmt: skip


def test_ranks_by_hand(table) -> None:
    markers = np.array([[1, 0, 5], [2, 3, 0]])
    first, second, third = length_ranks(table, markers)
    assert (first.accuracy.value, first.length.value, first.markers.value, first.share_of_right) == (0.5, 20, 1.5, 0.5)
    assert (second.accuracy.value, second.length.value, second.markers.value) == (0.5, 30, 1.5)
    assert (third.accuracy.value, third.length.value, third.accuracy.n, third.share_of_right) == (0, 60, 1, 0)
    assert first.accuracy.ci95 == (0, 1)


def test_halves_by_hand(table) -> None:
    shorter, middle, longer = length_halves(table)
    assert [part.rank for part in (shorter, middle, longer)] == ["shorter half", "middle", "longer half"]
    assert (shorter.accuracy.value, shorter.length.value, shorter.accuracy.n) == (0.5, 20, 2)  # q: 10; r: 30
    assert (middle.accuracy.value, middle.length.value, middle.accuracy.n) == (0, 20, 1)  # r has no middle
    assert (longer.accuracy.value, longer.length.value) == (0.5, 50)


def test_contrast_by_hand(table) -> None:
    found = within_question(table)
    assert (found.n, found.right_length, found.wrong_length) == (2, 25, 35)  # (10 + 40) / 2 and (40 + 30) / 2
    assert found.ratio == pytest.approx(35 / 25) and found.right_is_shorter == 0.5 and found.sign_test == 1.0
    assert found.pooled_ratio == pytest.approx((110 / 3) / 25)
    assert found.ci95[0] == pytest.approx(0.75) and found.ci95[1] == pytest.approx(4)  # only r, only q
    cut = within_question(table, without_truncated=True)
    assert cut.wrong_length == (20 + 30) / 2
    assert (shares(table).n, shares(table).truncated, shares(table).unparsed) == (5, 1, 1)


def test_nothing_to_contrast_is_no_division_by_zero() -> None:
    assert within_question(table_from_columns(["q", "q"], ["A", "A"], [3, 4], [True, True])) is None
    with pytest.raises(AggregationError, match="does not tell which samples were truncated"):
        within_question(table_from_columns(["q"], ["A"], [3], [True]), without_truncated=True)


def test_questions_of_different_size_keep_their_own_verdicts() -> None:
    """The release lines the longer ranks up with other questions' references."""
    table = table_from_columns(
        ["a", "b", "b", "c", "c", "c"], list("xxyxyz"), [5, 1, 2, 1, 2, 3], [False, True, False, True, False, True]
    )
    assert [rank.accuracy.value for rank in length_ranks(table)] == pytest.approx([2 / 3, 0, 1])
    assert [rank.accuracy.n for rank in length_ranks(table)] == [3, 2, 1]


def test_empty_samples_are_no_chains() -> None:
    table = table_from_columns(["q", "q", "q"], ["A", None, "B"], [4, 0, 2], [True, False, False])
    assert [rank.length.value for rank in length_ranks(table)] == [2, 4]


@pytest.mark.parametrize(("ratio", "effect"), [(1.0, False), (1.5, True)])
def test_the_interval_finds_a_planted_effect_only(ratio: float, effect: bool) -> None:
    found = within_question(pool(3000, 8, ratio, seed=0))
    assert found.shows_an_effect == effect
    assert found.ratio == pytest.approx(ratio, rel=0.05)


def test_difficulty_alone_is_not_called_an_effect() -> None:
    """Hard questions are longer and more often wrong; within a question length says nothing."""
    draw = np.random.default_rng(0)
    p = draw.uniform(0.1, 0.9, (3000, 1))
    right = draw.random((3000, 8)) < p
    length = 1000 * np.exp(2 * (1 - p)) * draw.lognormal(0, 0.35, (3000, 8))
    table = as_table(np.where(right, 0, 1), length, right)
    found = within_question(table)
    assert found.pooled_ratio > 1.4
    assert not found.shows_an_effect and found.ratio == pytest.approx(1, abs=0.02)
    levels = ["hard" if q < 0.5 else "easy" for q in p[:, 0]]
    easy, hard = by_level(table, levels)
    assert (easy.level, hard.level, easy.n + hard.n) == ("easy", "hard", 3000)
    assert easy.accuracy.ci95[0] > hard.accuracy.ci95[1] and easy.length.ci95[1] < hard.length.ci95[0]
    assert not easy.contrast.shows_an_effect and not hard.contrast.shows_an_effect
    pooled, within = (accuracy_by_quantile(table, 5, within=w) for w in (False, True))
    assert pooled[0].accuracy - pooled[-1].accuracy > 0.3
    assert abs(within[0].accuracy - within[-1].accuracy) < 0.06


def test_quantiles_by_hand() -> None:
    table = table_from_columns(["q"] * 4, list("ABCD"), [1, 2, 3, 4], [True, True, False, False])
    found = accuracy_by_quantile(table, 2, within=False)
    assert [(q.longest, q.accuracy, q.n) for q in found] == [(2, 1, 2), (4, 0, 2)]
    assert [(q.longest, q.n) for q in accuracy_by_quantile(table, 2)] == [(0.8, 2), (1.6, 2)]


def test_levels_must_match() -> None:
    with pytest.raises(AggregationError, match="1 questions, but 2 levels"):
        by_level(table_from_columns(["q"], ["A"], [3], [True]), ["a", "b"])


def test_markers() -> None:
    text = "Wait, await the waiter. WAIT... Alternatively, alternatively;"
    assert count_markers(text) == {"wait": 2, "alternatively": 2} and total_markers(count_markers(text)) == 4
    assert count_markers(text, whole_words=False) == {"wait": 4, "alternatively": 2}  # as the release counts
    assert count_markers("Hold on! Hmm...", ["hold on", "hmm..."]) == {"hold on": 1, "hmm...": 1}
