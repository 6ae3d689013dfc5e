"""Charts as data: what they refuse, and that they survive the file."""

from __future__ import annotations

import numpy as np
import pytest

from lit_reason.charts import Chart, Series, histogram, load_charts, save_charts
from lit_reason.results import count, share


def chart(*series: Series, **changes) -> Chart:
    return Chart(**{"kind": "lines", "title": "t", "x_label": "x", "y_label": "y", "series": series, **changes})


def test_a_chart_survives_its_file_and_a_newer_one_takes_its_place(tmp_path):
    first = chart(Series("a", np.arange(3), np.array([0.5, 1.0, 2.0]), [0, 0, 0], [1, 2, 3]))
    other = chart(Series("b", ["p", "q"], [1, 2]), kind="bars", title="other")
    save_charts(tmp_path, [first, other])
    assert load_charts(tmp_path) == [first, other]
    newer = chart(Series("c", [1, 2], [3, 4]), log_x=True, note="n")
    save_charts(tmp_path, [newer])
    assert load_charts(tmp_path) == [newer, other]


def test_figures_bring_their_intervals():
    series = Series.of_figures("a", [1, 2], [share("s", "", "", 3, 10), count("c", "", "", 7)])
    assert series.low == [share("s", "", "", 3, 10).ci95[0], 7] and series.high[1] == 7


def test_histograms_share_bins_and_are_shares_of_their_own_group():
    found = histogram("t", "x", {"right": [1, 1, 2, 4], "wrong": [3, 5], "none": []}, bins=4)
    assert [series.name for series in found.series] == ["right (n = 4)", "wrong (n = 2)"]
    assert found.series[0].x == found.series[1].x == [1, 2, 3, 4, 5]
    assert found.series[0].y == [0.5, 0.25, 0, 0.25] and found.series[1].y == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: chart(), "it has 0 series"),
        (lambda: chart(*[Series(str(i), [1], [1]) for i in range(7)]), "it has 7 series"),
        (lambda: chart(Series("a", [1], [1]), Series("a", [1], [2])), "two series have the same name"),
        (lambda: chart(Series("a", [1, 2], [1])), "series 'a': 2 values of x for 1 of y"),
        (lambda: chart(Series("a", [1], [float("nan")])), "series 'a': nan is not a finite number"),
        (lambda: chart(Series("a", ["p"], [1])), "series 'a': 'p' is not a finite number"),
        (lambda: chart(Series("a", [1], [1], [0])), "low and high come together"),
        (lambda: chart(Series("a", [1], [1], [2], [0])), "an interval ends before it begins"),
        (lambda: chart(Series("a", [0], [1]), log_x=True), "a logarithmic axis needs x above 0"),
        (lambda: chart(Series("a", [1], [1]), kind="pie"), "kind is 'pie'"),
        (lambda: histogram("t", "x", {"a": []}), "a histogram needs at least one value"),
        (lambda: histogram("t", "x", {"a": [1, float("inf")]}), "a value is inf"),
    ],
)
def test_what_does_not_fit_together(make, problem):
    with pytest.raises(ValueError, match=r"chart 't': .*" + problem):
        make()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "charts.json").write_text('{"schema": 1, "charts": [{"kind": "lines"}]}')
    with pytest.raises(ValueError, match="charts.json: 'series'"):
        load_charts(tmp_path)
    (tmp_path / "charts.json").write_text("[]")
    with pytest.raises(ValueError, match=r"charts.json: not a charts file of schema 1"):
        load_charts(tmp_path)
