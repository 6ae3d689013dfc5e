"""A run page's figures: from a run to drawings, each once wide and once narrow for a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from lit_reason.charts import Chart
from lit_reason.report import drawing, story, svg
from lit_reason.report.load import Curve, Run
from lit_reason.results import Figure

WIDE, NARROW = 780, 346
MOST_POINTS = 400


@dataclass(frozen=True)
class Drawing:
    """One figure in two widths."""

    wide: Markup
    narrow: Markup


def draw_all(run: Run) -> dict[str, Drawing]:
    """Every figure that the run has data for, by file name."""
    found = {
        "learning_curve": learning_curve(run),
        "by_family": by_family(run),
        "verdicts": verdicts(run),
        "throughput": throughput(run),
    }
    return {name: chart for name, chart in found.items() if chart is not None}


def drawn(chart: Chart) -> Drawing:
    """What a method described as data, in both widths."""
    return _both(lambda width: drawing.draw(chart, width))


def file_name(title: str) -> str:
    """A chart's title as the name of a file: `Accuracy against tokens` is `accuracy_against_tokens`."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "chart"


def learning_curve(run: Run) -> Drawing | None:
    """Loss over steps, training smoothed over its raw values, and the learning rate below it."""
    training, validation = run.metrics.get("train/loss", []), run.metrics.get("val/loss", [])
    if len(training) < 2:
        return None
    lines = [svg.Line("training, raw", thinned(training), "faint")] if len(training) >= 25 else []
    lines.append(svg.Line("training", thinned(smoothed(training))))
    if validation:
        lines.append(svg.Line("validation", thinned(validation), "control"))
    panels = [svg.Panel("Loss", lines, 200)]
    if rate := run.metrics.get("train/lr"):
        panels.append(svg.Panel("Learning rate", [svg.Line("learning rate", thinned(rate), "second")], 52,
        from_zero=True))
    return _both(lambda width: svg.line_chart(panels, "optimizer steps", "Loss and learning rate over steps", width))


def throughput(run: Run) -> Drawing | None:
    """Tokens a second by kind."""
    styles = {"target": "accent", "prompt": "control", "padding": "second"}
    found = {kind: run.speed.get(f"speed/{kind}_tokens_per_s", []) for kind in styles}
    lines = [svg.Line(kind, thinned(curve), styles[kind]) for kind, curve in found.items() if len(curve) > 1]
    if not lines:
        return None
    panel = svg.Panel("Tokens a second", lines, 130, from_zero=True)
    return _both(lambda width: svg.line_chart([panel], "optimizer steps", "Tokens a second, by kind", width))


def by_family(run: Run) -> Drawing | None:
    """The headline measure for whole splits and for their parts, where it is a share or lies between 0 and 1 anyway."""
    measure = story.headline_measure(run.results)
    families = {split: at for (_, split), at in story.family_table(run.results).rows.items()}
    whole = {split: at for (name, split), at in story.main_table(run.results).rows.items() if name == measure}
    if not measure or not families or not all(map(_is_fraction, [*families.values(), *whole.values()])):
        return None
    rows = []
    for split in dict.fromkeys([*whole, *(part.partition("/")[0] for part in families)]):
        if split in whole:
            rows.append(_interval_row(f"{split}, all", whole[split], strong=True))
        parts = [part for part in families if part.startswith(f"{split}/")]
        rows += [_interval_row(part.partition("/")[2], families[part]) for part in parts]
    return _both(lambda width: svg.interval_chart(rows, f"{story.words(measure)} by family", width))


def verdicts(run: Run) -> Drawing | None:
    """How the answers failed: one bar for each split and moment."""
    shares = story.verdict_shares(run.results)
    if not shares:
        return None
    bars = [
        svg.Bar(", ".join(filter(None, (story.words(split), when))), [_part(*part) for part in parts.items()])
        for (split, when), parts in shares.items()
    ]
    return _both(lambda width: svg.stacked_chart(bars, "Verdicts by kind", width))


def smoothed(curve: Curve) -> Curve:
    """A centred running mean over about a twenty-fifth of the curve, one-sided at its ends."""
    steps, values = zip(*curve, strict=True)
    reach, here = len(curve) // 50, np.arange(len(curve))
    first, last = np.maximum(here - reach, 0), np.minimum(here + reach + 1, len(curve))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[last] - sums[first]) / (last - first)
    return list(zip(steps, means.tolist(), strict=True))


def thinned(curve: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> Curve:
    """At most about `most` points: of each stretch its lowest and highest, so that no spike is lost."""
    if len(curve) <= most:
        return list(curve)
    kept: Curve = []
    for stretch in np.array_split(np.arange(len(curve)), most // 2):
        values = [curve[i][1] for i in stretch]
        kept += [curve[i] for i in sorted({int(stretch[np.argmin(values)]), int(stretch[np.argmax(values)])})]
    return kept


def _interval_row(label: str, at: dict[str, Figure], strong: bool = False) -> svg.IntervalRow:
    shown = {when: at[when] for when in ("before", "control", "after") if when in at}
    shown = shown or {"after": next(iter(at.values()))}  # taken once: drawn like what comes out of a run
    marks = [
        svg.Mark(f.value, *(f.ci95 or (f.value, f.value)), when, f"{f.when} {f.text()} {f.interval_text()}".strip())
        for when, f in shown.items()
    ]
    last = list(shown.values())[-1]
    return svg.IntervalRow(story.words(label), marks, f"n {last.n:,}" if last.n else "", strong)


def _is_fraction(at: dict[str, Figure]) -> bool:
    values = [x for when, f in at.items() if when != "change" for x in (f.value, *(f.ci95 or ()))]
    return all(0 <= value <= 1 for value in values)


def _part(kind: str, share: float) -> tuple[str, float, str]:
    label, tone = story.verdict(kind)
    return tone, share, f"{label}: {100 * share:.1f} %"


def _both(draw: Callable[[int], Markup]) -> Drawing:
    return Drawing(draw(WIDE), draw(NARROW))
