"""Check B: PGR and its null rules; agreement and distances by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lit_reason.weak_to_strong import performance_gap_recovered
from lit_reason.weak_to_strong.metrics import agreement, gap_recovered, median_gap_recovered, shares, total_variation


def test_the_papers_figure():
    assert performance_gap_recovered(74.8, 80.28, 80.36) == pytest.approx(0.9856, abs=1e-4)
    # The MATH row of Llama: weak 18.1, ceiling 32.2 give all three published PGRs.
    published = [performance_gap_recovered(18.1, x, 32.2) for x in (23.2, 34.0, 35.2)]
    assert published == pytest.approx([0.3617, 1.1277, 1.2128], abs=1e-4)


def test_it_may_leave_the_unit_interval():
    assert performance_gap_recovered(0.5, 0.4, 0.6) == pytest.approx(-1)
    assert performance_gap_recovered(0.5, 0.8, 0.6) == pytest.approx(3)


@pytest.mark.parametrize("ceiling", [0.5, 0.4, float("nan")])
def test_without_a_gap_it_is_null(ceiling):
    assert performance_gap_recovered(0.5, 0.7, ceiling) is None


def answers(*rights: int) -> list[list[bool]]:
    return [[i < right for i in range(100)] for right in rights]


def test_interval_and_notes():
    sure = gap_recovered(*answers(40, 60, 80))
    assert sure.value == pytest.approx(0.5) and sure.note == ""
    assert sure.ci95[0] < 0.5 < sure.ci95[1]
    none = gap_recovered(*answers(60, 60, 60))
    assert none.value is None and none.ci95 is None and none.note.startswith("undefined")
    doubtful = gap_recovered(*answers(60, 60, 61))
    assert doubtful.ci95 is None and doubtful.note.startswith("gap not significant")


def test_interval_covers_the_truth():
    """Over repeated test sets of known accuracies the interval holds the true PGR about as often as it says."""
    draw, hits = np.random.default_rng(0), 0
    for seed in range(60):
        drawn = [draw.random(400) < p for p in (0.5, 0.65, 0.8)]
        low, high = gap_recovered(*drawn, seed=seed, n_resamples=400).ci95
        hits += low <= 0.5 <= high
    assert 51 <= hits <= 60


def test_median_skips_undefined_rows():
    assert median_gap_recovered([(0.5, 0.6, 0.7), (0.5, 0.9, 0.5), (0.5, 0.7, 0.7), (0.5, 0.5, 0.7)]) == 0.5
    assert median_gap_recovered([(0.5, 0.6, 0.4)]) is None


def test_agreement_is_split_by_who_is_right():
    gold = {"a": "1", "b": "2", "c": "3", "d": "4"}
    found = agreement(
        {"a": "1", "b": "9", "c": "3", "d": None}, {"a": "1", "b": "9", "c": "8", "d": None}, gold, "T", ""
    )
    values = {figure.split: (figure.value, figure.n) for figure in found}
    assert values == {"T": (0.5, 4), "T/supervisor right": (1.0, 1), "T/supervisor wrong": (1 / 3, 3)}


def test_total_variation_by_hand():
    assert total_variation("aabb", "abcc") == pytest.approx(0.5)
    assert total_variation([1, 2], [2, 1]) == 0
    assert total_variation([], [1]) is None
    assert list(shares([10, 2, 2, "x"])) == [2, 10, "x"]
