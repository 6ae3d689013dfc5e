"""Charts that the weak-to-strong studies share."""

from __future__ import annotations

from collections.abc import Mapping

from lit_reason.charts import Chart, Series
from lit_reason.results import Figure


def gap_chart(gaps: Mapping[str, Figure]) -> Chart:
    """PGR by variant, as bars with their intervals; variants where it is undefined are left out by the caller."""
    series = Series.of_figures("performance gap recovered", list(gaps), list(gaps.values()))
    note = "0 is the weak supervisor, 100 % the strong model trained on gold labels."
    return Chart("bars", "Performance gap recovered", "", "PGR", [series], "share", note=note)
