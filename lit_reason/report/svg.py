"""Small SVG charts without JavaScript: lines, intervals, stacked bars.

Colours are CSS classes (`figure.css`), so one chart serves light and dark. Text keeps its size when a chart is narrow
because each chart is drawn for a width in CSS pixels; the page holds a wide and a narrow drawing. Labels are escaped
by Markup.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup, escape

Point = tuple[float, float]

STYLE = (Path(__file__).parent / "figure.css").read_text("utf-8")


@dataclass(frozen=True)
class Line:
    """One curve of a line chart; `style` is a class of figure.css: "accent", "second", "third" or "faint"."""

    name: str
    points: Sequence[Point]
    style: str = "accent"


@dataclass(frozen=True)
class Panel:
    """One plot of a line chart; several panels share the horizontal axis."""

    title: str
    lines: Sequence[Line]
    height: int
    from_zero: bool = False


@dataclass(frozen=True)
class Mark:
    """One estimate of an interval chart; `style` is a class of figure.css: "before", "after" or "control"."""

    value: float
    low: float
    high: float
    style: str
    title: str = ""


@dataclass(frozen=True)
class IntervalRow:
    """One line of an interval chart: a label, its estimates, and words at the right end."""

    label: str
    marks: Sequence[Mark]
    note: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Bar:
    """One line of a stacked chart: parts are (class of figure.css, size, tooltip); sizes are shares that add up to
    one.
    """

    label: str
    parts: Sequence[tuple[str, float, str]]


def tag(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element; text children and attributes are escaped. `class_` is class, other underscores become hyphens."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    written = Markup("").join(Markup(' {}="{}"').format(key, _short(value)) for key, value in given.items())
    return Markup("<{}{}>{}</{}>").format(Markup(name), written, Markup("").join(map(escape, children)), Markup(name))


def standalone(chart: Markup) -> str:
    """A chart as a file of its own, with its colours inside, light and dark.

    Custom properties are replaced by their values, because converters to PDF do not know them.
    """
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    rules = ".chart { background: var(--paper); }\n" + STYLE[STYLE.index(".chart") :]
    style = f"{_resolved(rules, light)}@media (prefers-color-scheme: dark) {{\n{_resolved(rules, dark)}}}"
    head, _, rest = chart.partition(">")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}><style>\n{style}</style>{rest}\n'


def line_chart(panels: Sequence[Panel], x_label: str, title: str, width: int = 720) -> Markup:
    """Panels below each other over one horizontal axis; each has its title and, for two or more lines, a legend."""
    left, right, gap, bottom = 52, width - 10, 36, 34
    x_of, x_ticks = scale([x for p in panels for line in p.lines for x, _ in line.points], left, right, tight=True)
    drawn, y = [], 0.0
    for panel in panels:
        y += gap
        drawn.append(_panel(panel, x_of, left, right, y))
        y += panel.height
    if width < 500 and len(x_ticks) > 5:
        x_ticks = x_ticks[::2]
    for tick in x_ticks:
        anchor = "end" if x_of(tick) > right - 12 else "middle"
        drawn.append(tick_text(number(tick), x_of(tick), y + 17, anchor))
    drawn.append(tick_text(x_label, (left + right) / 2, y + bottom - 1, "middle"))
    return frame(title, width, y + bottom + 4, drawn)


def interval_chart(rows: Sequence[IntervalRow], title: str, width: int = 720) -> Markup:
    """Shares from 0 to 100 %, one line a row: a thin rule for the interval, a dot for the value."""
    left, right, pitch, top = (160, 86, 24, 8) if width > 500 else (112, 22, 26, 8)
    heights = np.cumsum([0.0, *(pitch * (1.5 if row.strong and i else 1) for i, row in enumerate(rows))])
    bottom = top + heights[-1]

    def x_of(share: float) -> float:
        return left + (width - left - right) * share

    drawn = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawn.append(tag("line", x1=x_of(tick), x2=x_of(tick), y1=top, y2=bottom, class_="grid"))
        drawn.append(tick_text(f"{100 * tick:.0f} %", x_of(tick), bottom + 18, "middle"))
    for row, end in zip(rows, heights[1:], strict=True):
        y = top + float(end) - pitch / 2
        drawn.append(row_label(row.label, left, y, "label strong" if row.strong else "label"))
        if width > 500:
            drawn.append(tick_text(row.note, width - right + 14, y + 4))
        offsets = _offsets(len(row.marks))
        drawn.extend(_interval(mark, x_of, y + offset) for mark, offset in zip(row.marks, offsets, strict=True))
    return frame(title, width, bottom + 28, drawn)


def stacked_chart(bars: Sequence[Bar], title: str, width: int = 720) -> Markup:
    """One bar of equal length a line, cut into parts; parts that are wide enough carry their percentage."""
    left, pitch, thick = (160, 34, 22) if width > 500 else (112, 34, 22)
    drawn = []
    for position, bar in enumerate(bars):
        y, x = 4.0 + pitch * position, float(left)
        drawn.append(row_label(bar.label, left, y + thick / 2, "label"))
        for style, size, tip in bar.parts:
            wide = (width - left - 2) * size
            box = {"x": x, "y": y, "width": max(0.0, wide - 1.5), "height": thick}
            drawn.append(tag("rect", tag("title", tip), **box, class_=f"fill tone-{style}"))
            if wide > 34:
                middle = {"x": x + wide / 2, "y": y + thick / 2 + 4}
                drawn.append(tag("text", f"{100 * size:.0f} %", **middle, class_=f"inside on-{style}"))
            x += wide
    return frame(title, width, pitch * len(bars), drawn)


def number(value: float) -> str:
    """An axis label: 1,200, 0.05, 2e-05."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.10g}"


def value_text(value: float | str, unit: str) -> str:
    """A number for a reader in its unit: 0.521 as a share is `52.1 %`; text stays as it is."""
    if isinstance(value, str):
        return value
    return f"{100 * value:.3g} %" if unit == "share" else number(float(f"{value:.4g}"))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, spaced 1, 2 or 5 times a power of ten."""
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-300):  # one value, but for rounding
        spread = abs(low) / 2 if abs(low) > 1e-300 else 0.5
        low, high = low - spread, low + spread
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def frame(title: str, width: float, height: float, children: Sequence[Markup]) -> Markup:
    """The whole drawing: a title for screen readers, and its size in CSS pixels."""
    box = {"viewBox": f"0 0 {width} {_short(height)}", "width": width, "height": height}
    named = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "class_": "chart"}
    return tag("svg", tag("title", title), *children, **named, **box)


def tick_text(text: str, x: float, y: float, anchor: str | None = None) -> Markup:
    """Small grey text, as on an axis."""
    return tag("text", text, x=x, y=y, class_="tick", text_anchor=anchor)


def row_label(text: str, left: float, y: float, style: str) -> Markup:
    """A row label that ends at the axis, shortened to what fits there; the whole text is its tooltip."""
    fits = int((left - 14) / 6.5)
    short = text if len(text) <= fits else text[: fits - 1] + "…"
    return tag("text", short, tag("title", text), x=left - 12, y=y + 4, class_=style, text_anchor="end")


def scale(
    values: Sequence[float], start: float, end: float, about: int = 6, tight: bool = False
) -> tuple[Callable[[float], float], list[float]]:
    """A linear map of the values' range onto start..end, and its ticks; `tight` ends the axis at the last value."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    marks = ticks(low, high, max(2, about))
    first, last = marks[0], marks[-1]
    if tight and high > low:
        first, last = low, high
        marks = [mark for mark in marks if low <= mark <= high]
    return (lambda value: start + (end - start) * (value - first) / (last - first)), marks


def _resolved(rules: str, properties: str) -> str:
    """CSS rules with every `var(--x)` replaced; a `--tone` set by a class becomes that class's own colours."""
    values = dict(re.findall(r"(--\w+): ([^;]+);", properties))
    rules = re.sub(r"var\((--\w+)\)", lambda match: values.get(match[1], match[0]), rules)
    return rules.replace("--tone:", "color:").replace("var(--tone)", "currentColor")


def _panel(panel: Panel, x_of: Callable[[float], float], left: float, right: float, top: float) -> Markup:
    values = [y for line in panel.lines for _, y in line.points] + [0.0] * panel.from_zero
    y_of, y_ticks = scale(values, top + panel.height, top, about=panel.height // 40)
    drawn = [tag("text", panel.title, x=0, y=top - 12, class_="label strong"), *_legend(panel, right, top)]
    for tick in y_ticks:
        drawn.append(tag("line", x1=left, x2=right, y1=y_of(tick), y2=y_of(tick), class_="grid"))
        drawn.append(tick_text(number(tick), left - 8, y_of(tick) + 4, "end"))
    for line in panel.lines:
        points, tone = [(x_of(x), y_of(y)) for x, y in line.points], f"tone-{line.style}"
        path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(tag("path", tag("title", line.name), d=path, class_=f"line {tone}"))
        if len(points) < 25 and line.style != "faint":
            drawn.extend(tag("circle", cx=x, cy=y, r=2.6, class_=f"fill {tone}") for x, y in points)
    return tag("g", *drawn)


def _legend(panel: Panel, right: float, top: float) -> list[Markup]:
    named = [line for line in panel.lines if line.style != "faint"]
    drawn, x = [], right
    for line in reversed(named if len(named) > 1 else []):
        x -= 7.0 * len(line.name)
        drawn.append(tick_text(line.name, x, top - 12))
        drawn.append(tag("line", x1=x - 20, x2=x - 6, y1=top - 16, y2=top - 16, class_=f"line tone-{line.style}"))
        x -= 34
    return drawn


def _interval(mark: Mark, x_of: Callable[[float], float], y: float) -> Markup:
    rule = tag("line", x1=x_of(mark.low), x2=x_of(mark.high), y1=y, y2=y, class_=f"rule tone-{mark.style}")
    dot = tag("circle", cx=x_of(mark.value), cy=y, r=4.2, class_=f"dot tone-{mark.style}")
    return tag("g", tag("title", mark.title), rule, dot)


def _offsets(n: int) -> list[float]:
    """Marks of one row lie a little apart, so that equal values hide neither."""
    return [6.0 * (i - (n - 1) / 2) for i in range(n)]


def _short(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
