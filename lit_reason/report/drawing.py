"""Charts that a method describes as data (`lit_reason/charts.py`), drawn as SVG for a page of a given width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from lit_reason.charts import Chart, Series
from lit_reason.report import svg
from lit_reason.report.svg import tag, tick_text

TONES = ("accent", "control", "third", "timeout", "syntax", "before")
"""Classes of figure.css, one a series, told apart in light and dark."""

LEFT, BOTTOM, PLOT_HEIGHT = 52, 40, 210
CHARACTER = 6.6
"""Width of a character of a label, in CSS pixels, on average."""

Scale = Callable[[float], float]


def draw(chart: Chart, width: int) -> Markup:
    """The chart at a width in CSS pixels: legend, the label of what is measured, the plot, the label of x."""
    legend, top = _legend(chart.series, width) if len(chart.series) > 1 or chart.kind == "histogram" else ([], 0.0)
    named = tag("text", chart.y_label, x=0, y=top + 13, class_="label strong")
    kinds = {"lines": _lines, "bars": _bars, "histogram": _histogram}
    drawn, height = kinds[chart.kind](chart, width, top + 26)
    return svg.frame(f"{chart.title}: {chart.y_label} by {chart.x_label}", width, height, [*legend, named, *drawn])


def _lines(chart: Chart, width: int, top: float) -> tuple[list[Markup], float]:
    place: Scale = math.log if chart.log_x else float
    xs = [place(float(x)) for series in chart.series for x in series.x]
    along, _ = svg.scale(xs, LEFT, width - 14, tight=True)
    up, frame = _upright(chart, width, top)
    drawn = [*frame, *_x_axis(chart, lambda x: along(place(x)), width, top)]
    for tone, series in zip(TONES, chart.series, strict=False):
        drawn.append(_line(series, [along(place(float(x))) for x in series.x], up, tone, chart))
    return drawn, top + PLOT_HEIGHT + BOTTOM


def _line(series: Series, xs: Sequence[float], up: Scale, tone: str, chart: Chart) -> Markup:
    """One series: its band below, then the line, then a dot with the numbers at each point."""
    parts: list[Markup] = []
    if series.low is not None and series.high is not None:
        there = [f"{x:.1f},{up(high):.1f}" for x, high in zip(xs, series.high, strict=True)]
        back = [f"{x:.1f},{up(low):.1f}" for x, low in zip(xs, series.low, strict=True)][::-1]
        parts.append(tag("path", d="M" + "L".join(there + back) + "Z", class_=f"band tone-{tone}"))
    path = "M" + "L".join(f"{x:.1f},{up(y):.1f}" for x, y in zip(xs, series.y, strict=True))
    parts.append(tag("path", tag("title", series.name), d=path, class_=f"line tone-{tone}"))
    if len(xs) <= 40:
        for i, (x, y) in enumerate(zip(xs, series.y, strict=True)):
            at = f"{chart.x_label} {svg.value_text(series.x[i], 'number')}"
            tip = tag("title", f"{series.name}, {at}: {_point(series, i, chart)}")
            parts.append(tag("circle", tip, cx=x, cy=up(y), r=3, class_=f"fill tone-{tone}"))
    return tag("g", *parts)


def _bars(chart: Chart, width: int, top: float) -> tuple[list[Markup], float]:
    """One group a name, its label above it, one thin bar a series with its interval as a whisker."""
    names = list(dict.fromkeys(str(x) for series in chart.series for x in series.x))
    values = [v for s in chart.series for v in [*s.y, *(s.low or []), *(s.high or [])]]
    along, ticks = svg.scale([0.0, *values], 4, width - 60, about=5)
    thick, group = 13.0, 24.0 + 15.0 * len(chart.series)
    bottom = top + group * len(names)
    drawn = [
        tag("line", x1=along(t), x2=along(t), y1=top, y2=bottom, class_="grid" if t else "grid zero") for t in ticks
    ]
    for row, name in enumerate(names):
        y = top + group * row
        drawn.append(_fitting(name, 4, y + 13, width, "label over"))
        for tone, series in zip(TONES, chart.series, strict=False):
            y += 15.0
            if name in series.x:
                drawn.append(_bar(series, list(map(str, series.x)).index(name), along, y + 3, thick, tone, chart))
    every = 2 if width < 500 and len(ticks) > 5 else 1
    for tick in ticks[ticks.index(0.0) % every :: every]:
        anchor = "start" if tick == ticks[0] else "middle"
        drawn.append(tick_text(svg.value_text(tick, chart.y_unit), along(tick), bottom + 18, anchor))
    return drawn, bottom + 26


def _bar(series: Series, i: int, along: Scale, y: float, thick: float, tone: str, chart: Chart) -> Markup:
    left, right = sorted((along(0.0), along(series.y[i])))
    tip = tag("title", f"{series.name}, {series.x[i]}: {_point(series, i, chart)}")
    parts = [tag("rect", tip, x=left, y=y, width=max(1.0, right - left), height=thick, class_=f"fill tone-{tone}")]
    end = right
    if series.low is not None and series.high is not None:
        low, high, middle = along(series.low[i]), along(series.high[i]), y + thick / 2
        end = max(right, high)
        parts.append(tag("path", d=f"M{low:.1f},{middle:.1f}H{high:.1f}", class_="whisker"))
        parts += [tag("path", d=f"M{x:.1f},{middle - 3:.1f}v6", class_="whisker") for x in (low, high)]
    parts.append(tick_text(svg.value_text(series.y[i], chart.y_unit), end + 6, y + thick - 2.5))
    return tag("g", *parts)


def _histogram(chart: Chart, width: int, top: float) -> tuple[list[Markup], float]:
    edges = [float(x) for x in chart.series[0].x]
    along, _ = svg.scale(edges, LEFT, width - 14, tight=True)
    up, frame = _upright(chart, width, top)
    drawn = [*frame, *_x_axis(chart, along, width, top)]
    for tone, series in zip(TONES, chart.series, strict=False):
        steps = "".join(
            f"L{along(a):.1f},{up(y):.1f}H{along(b):.1f}" for a, b, y in zip(edges, edges[1:], series.y, strict=False)
        )
        path = f"M{along(edges[0]):.1f},{up(0):.1f}{steps}V{up(0):.1f}Z"
        drawn.append(tag("path", tag("title", series.name), d=path, class_=f"step tone-{tone}"))
    return drawn, top + PLOT_HEIGHT + BOTTOM


def _upright(chart: Chart, width: int, top: float) -> tuple[Scale, list[Markup]]:
    """The vertical scale over everything that is drawn, and its lines and numbers."""
    values = [v for s in chart.series for v in [*s.y, *(s.low or []), *(s.high or [])]]
    from_zero = [0.0] if chart.kind == "histogram" else []
    up, ticks = svg.scale(values + from_zero, top + PLOT_HEIGHT, top, about=5)
    drawn: list[Markup] = []
    for tick in ticks:
        drawn.append(tag("line", x1=LEFT, x2=width - 14, y1=up(tick), y2=up(tick), class_="grid"))
        drawn.append(tick_text(svg.value_text(tick, chart.y_unit), LEFT - 8, up(tick) + 4, "end"))
    return up, drawn


def _x_axis(chart: Chart, along: Scale, width: int, top: float) -> list[Markup]:
    """Numbers below the plot, as many as find room, and the label under them."""
    xs = sorted({float(x) for series in chart.series for x in series.x})
    few = len(xs) <= 10 and chart.kind == "lines" and all(x == float(f"{x:.3g}") for x in xs)
    ticks = xs if few else _powers(xs) if chart.log_x else [t for t in svg.ticks(xs[0], xs[-1]) if xs[0] <= t <= xs[-1]]
    drawn, free = [], -math.inf
    for tick in ticks:
        text = svg.number(tick)
        half = CHARACTER * len(text) / 2
        x = min(max(along(tick), half), width - half)
        if x - half > free + 6:
            drawn.append(tick_text(text, x, top + PLOT_HEIGHT + 17, "middle"))
            free = x + half
    middle = (LEFT + width - 14) / 2
    return [*drawn, tick_text(chart.x_label, middle, top + PLOT_HEIGHT + BOTTOM - 4, "middle")]


def _powers(xs: Sequence[float]) -> list[float]:
    """Powers of ten inside a range, or of two where fewer than three of those lie in it."""
    for base in (10, 2):
        first, last = math.ceil(math.log(xs[0], base) - 1e-9), math.floor(math.log(xs[-1], base) + 1e-9)
        if last - first >= 2 or base == 2:
            return [float(base) ** i for i in range(first, last + 1)]
    return []


def _legend(series: Sequence[Series], width: int) -> tuple[list[Markup], float]:
    """Names beside a stroke of their colour, in as many rows as they need, and where the rows end."""
    drawn, x, y = [], 0.0, 12.0
    for tone, each in zip(TONES, series, strict=False):
        room = 22 + CHARACTER * len(each.name) + 14
        if x and x + room > width:
            x, y = 0.0, y + 18
        drawn.append(tag("line", x1=x, x2=x + 14, y1=y - 4, y2=y - 4, class_=f"line tone-{tone}"))
        drawn.append(_fitting(each.name, x + 20, y, width, "tick"))
        x += room
    return drawn, y + 10


def _fitting(text: str, x: float, y: float, width: float, style: str = "label") -> Markup:
    """A text shortened to the room that is left of it; the whole is its tooltip."""
    fits = max(4, int((width - x) / CHARACTER))
    short = text if len(text) <= fits else text[: fits - 1] + "…"
    return tag("text", short, tag("title", text), x=x, y=y, class_=style)


def _point(series: Series, i: int, chart: Chart) -> str:
    """`52.1 % [48.0, 56.2]`, for a tooltip."""
    value = svg.value_text(series.y[i], chart.y_unit)
    if series.low is None or series.high is None:
        return value
    return f"{value} [{svg.value_text(series.low[i], chart.y_unit)}, {svg.value_text(series.high[i], chart.y_unit)}]"
