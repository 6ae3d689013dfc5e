"""One self-contained HTML page for a run, a study, or two runs beside each other, made from their files alone: no
script, no request, readable on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from lit_reason.charts import Chart
from lit_reason.errors import PlainError
from lit_reason.files import write_text_atomic
from lit_reason.report import charts, story, svg, text
from lit_reason.report.charts import Drawing
from lit_reason.report.compare import Comparison, difference_drawing
from lit_reason.report.load import read_run
from lit_reason.results import Figure
from lit_reason.study_results import StudyRecord

__all__ = ["write_comparison", "write_report"]

STUDY_FILE = "study.yaml"
"""A directory that holds one is a study's."""

TONES = {"replicated": "right", "not replicated": "syntax", "not testable here": "wrong"}


def write_report(folder: Path | str) -> Path:
    """Write `report.html` and `figures/*.svg` into a run's or a study's directory and return the page's path.

    Any file of a run may be absent or damaged: what is there is shown, and what could not be read is listed on the
    page.

    Raises:
        PlainError: a study that has no results yet.
    """
    folder = Path(folder)
    return _write_study(folder) if (folder / STUDY_FILE).exists() else _write_run(folder)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page of two compared runs."""
    figure = difference_drawing(comparison)
    html = _rendered("compare.html.j2", comparison=comparison, figure=figure, summary=comparison.summary())
    write_text_atomic(path, html)
    return path


def _write_run(folder: Path) -> Path:
    run = read_run(folder)
    figures = charts.draw_all(run)
    described = _described(run.charts)
    _write_figures(folder, figures, described)
    html = _rendered("run.html.j2", run=run, figures=figures, described_charts=described)
    write_text_atomic(folder / "report.html", html)
    return folder / "report.html"


def _write_study(folder: Path) -> Path:
    try:
        record = StudyRecord.load(folder)
    except ValueError as error:
        unfinished = not (folder / "results.json").exists()
        raise PlainError(f"{folder}: the study has not finished yet" if unfinished else str(error)) from None
    described = _described(record.results.charts)
    _write_figures(folder, {}, described)
    pages = [Path(str(run["path"])) / "report.html" for run in record.runs]
    html = _rendered(
        "study.html.j2", record=record, described_charts=described, tones=TONES, summary=_verdicts(record),
        reports=[page.as_posix() if (folder / page).exists() else "" for page in pages],
        study_text=(folder / STUDY_FILE).read_text("utf-8", "replace"),
    )  # fmt: skip
    write_text_atomic(folder / "report.html", html)
    return folder / "report.html"


def _described(found: list[Chart] | Any) -> list[tuple[Chart, Drawing]]:
    return [(chart, charts.drawn(chart)) for chart in found]


def _write_figures(folder: Path, figures: dict[str, Drawing], described: list[tuple[Chart, Drawing]]) -> None:
    named = {**figures, **{charts.file_name(chart.title): drawing for chart, drawing in described}}
    for name, drawing in named.items():
        write_text_atomic(folder / "figures" / f"{name}.svg", svg.standalone(drawing.wide))


def _verdicts(record: StudyRecord) -> str:
    """One sentence: how many claims were replicated, how many were not, and how many nothing here can test."""
    claims = record.results.claims
    counts = {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in TONES}
    words = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    runs = f"{len(record.runs)} run{'s' if len(record.runs) != 1 else ''}"
    if not claims:
        return f"{runs}; the study judges no claims."
    return f"Of {len(claims)} claim{'s' if len(claims) > 1 else ''}: {words}; {runs}."


def _rendered(template: str, **context: Any) -> Markup:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    room = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(room), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        story=story, shown=text.shown, value_text=svg.value_text, xs_of=_xs, cell_text=_cell_text,
        figure_style=svg.STYLE, page_style=(room / "page.css").read_text("utf-8"),
    )  # fmt: skip
    return Markup(environment.get_template(template).render(**context))


def _xs(chart: Chart) -> list[Any]:
    """Every x of a chart, in order of appearance for names, by size for numbers."""
    found = list(dict.fromkeys(x for series in chart.series for x in series.x))
    return found if chart.kind == "bars" else sorted(found)


def _cell_text(value: int | float | Figure) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
