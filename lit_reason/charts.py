"""Charts as data: a method says what its numbers are, the report draws them, in a run's page and in a study's.

A run keeps its charts in `charts.json`; `save_charts` puts one in place of an older one of the same title, so that a
repeated evaluation replaces what it drew before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lit_reason.files import write_json_atomic
from lit_reason.results import Figure

SCHEMA_VERSION = 1
CHARTS_FILE = "charts.json"

ChartKind = Literal["lines", "bars", "histogram"]
Unit = Literal["number", "share"]


@dataclass(frozen=True)
class Series:
    """One line, one colour of bars, or one histogram of a chart.

    Args:
        name: what the legend calls it.
        x: numbers for lines, names for bars, the edges of the bins (one more than `y`) for a histogram.
        y: one number each; a share is a fraction of one.
        low: lower ends of the intervals, or None where there are none.
        high: their upper ends.
    """

    name: str
    x: Sequence[float | str]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    @classmethod
    def of_figures(cls, name: str, x: Sequence[float | str], figures: Sequence[Figure]) -> Series:
        """Figures over `x`, each with its interval; one that has none gets an interval without length."""
        ends = [figure.ci95 or (figure.value, figure.value) for figure in figures]
        return cls(name, x, [figure.value for figure in figures], [low for low, _ in ends], [high for _, high in ends])


@dataclass(frozen=True)
class Chart:
    """One drawing. Intervals are shown as bands around lines and as whiskers on bars.

    Args:
        kind: lines over numbers, bars over names, or histograms over shared bins.
        title: a chart's name in its run: unique there.
        x_label: what lies along the horizontal axis, with its unit.
        y_label: what is measured, with its unit.
        series: at most six; more cannot be told apart.
        y_unit: "share" shows fractions of one as per cent.
        log_x: draw numbers along x by their logarithm, as 1, 2, 4, 8 samples are read.
        note: one or two sentences below the chart: what was held fixed, what the intervals are.

    Raises:
        ValueError: naming the chart and what does not fit together.
    """

    kind: ChartKind
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    y_unit: Unit = "number"
    log_x: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", [_plain(series) for series in self.series])
        problem = _problem(self)
        if problem:
            raise ValueError(f"chart {self.title!r}: {problem}")


def histogram(
    title: str, x_label: str, values: Mapping[str, Sequence[float]], *, bins: int = 24, note: str = ""
) -> Chart:
    """Histograms of several groups over the same bins, each as shares of its own group; empty groups are left out.

    Raises:
        ValueError: no group has any value, or one is not finite.
    """
    groups = {name: np.asarray(group, dtype=np.float64) for name, group in values.items() if len(group)}
    if not groups:
        raise ValueError(f"chart {title!r}: a histogram needs at least one value")
    together = np.concatenate(list(groups.values()))
    if not np.isfinite(together).all():
        raise ValueError(f"chart {title!r}: a value is {together[~np.isfinite(together)][0]}")
    edges = np.histogram_bin_edges(together, bins)
    series = [
        Series(f"{name} (n = {len(group):,})", edges.tolist(), (np.histogram(group, edges)[0] / len(group)).tolist())
        for name, group in groups.items()
    ]
    return Chart("histogram", title, x_label, "share of the group", series, "share", note=note)


def save_charts(run_dir: Path | str, charts: Sequence[Chart]) -> Path:
    """Write charts into a run directory; those of other titles stay, those of the same title give way, in place."""
    charts = [*load_charts(run_dir), *charts]
    latest = {chart.title: chart for chart in charts}
    path = Path(run_dir) / CHARTS_FILE
    write_json_atomic(path, {"schema": SCHEMA_VERSION, "charts": [asdict(chart) for chart in latest.values()]})
    return path


def load_charts(run_dir: Path | str) -> list[Chart]:
    """A run's charts, none where it has no `charts.json`.

    Raises:
        ValueError: the file is not what `save_charts` writes; the message names it.
    """
    path = Path(run_dir) / CHARTS_FILE
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != SCHEMA_VERSION:
            raise ValueError(f"not a charts file of schema {SCHEMA_VERSION}")
        return [parse_chart(row) for row in document["charts"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def parse_chart(row: dict[str, Any]) -> Chart:
    """A chart from what `dataclasses.asdict` made of it.

    Raises:
        ValueError, KeyError, TypeError: it is not that.
    """
    series = [Series(**{f.name: each[f.name] for f in fields(Series)}) for each in row["series"]]
    return Chart(**{**{f.name: row[f.name] for f in fields(Chart)}, "series": series})


def _plain(series: Series) -> Series:
    """Lists of plain numbers, which is what JSON holds."""
    low, high = (None if ends is None else [_item(end) for end in ends] for ends in (series.low, series.high))
    return Series(series.name, [_item(x) for x in series.x], [_item(y) for y in series.y], low, high)


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _problem(chart: Chart) -> str:
    """What is wrong with a chart, or an empty string."""
    if chart.kind not in get_args(ChartKind):
        return f"kind is {chart.kind!r}, not one of {', '.join(get_args(ChartKind))}"
    if not 1 <= len(chart.series) <= 6:
        return f"it has {len(chart.series)} series; between 1 and 6 can be told apart"
    if len({series.name for series in chart.series}) < len(chart.series):
        return "two series have the same name"
    for series in chart.series:
        if why := _series_problem(chart, series):
            return f"series {series.name!r}: {why}"
    if chart.kind == "histogram" and any(series.x != chart.series[0].x for series in chart.series):
        return "all series of a histogram share their bins"
    return ""


def _series_problem(chart: Chart, series: Series) -> str:
    wanted = len(series.y) + (chart.kind == "histogram")
    if not series.y or len(series.x) != wanted:
        return f"{len(series.x)} values of x for {len(series.y)} of y"
    if (series.low is None) != (series.high is None):
        return "low and high come together"
    ends = [*(series.low or []), *(series.high or [])]
    if len(ends) not in (0, 2 * len(series.y)):
        return "an interval for every value, or for none"
    along = [] if chart.kind == "bars" else list(series.x)
    for number in [*series.y, *ends, *along]:
        if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
            return f"{number!r} is not a finite number"
    if chart.log_x and any(float(x) <= 0 for x in along):
        return "a logarithmic axis needs x above 0"
    if any(low > high for low, high in zip(series.low or [], series.high or [], strict=True)):
        return "an interval ends before it begins"
    return ""
