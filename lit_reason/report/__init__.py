"""One self-contained HTML page per run, made from the run's files alone: no script, no request, readable on a phone."""

from __future__ import annotations

from pathlib import Path

from lit_reason.files import write_text_atomic
from lit_reason.report import charts, story, svg, text
from lit_reason.report.load import read_run

__all__ = ["write_report"]


def write_report(run_dir: Path | str) -> Path:
    """Write `report.html` and `figures/*.svg` into a run directory and return the page's path.

    Any file of the run may be absent or damaged: what is there is shown, and what could not be read is listed on the
    page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    run = read_run(Path(run_dir))
    figures = charts.draw_all(run)
    for name, chart in figures.items():
        write_text_atomic(run.path / "figures" / f"{name}.svg", svg.standalone(chart.wide))
    room = Path(__file__).parent
    page = Environment(
        loader=FileSystemLoader(room), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).get_template("template.html.j2")
    html = page.render(
        run=run, story=story, figures=figures, shown=text.shown, figure_style=svg.STYLE,
        page_style=(room / "page.css").read_text("utf-8"),
    )  # fmt: skip
    path = run.path / "report.html"
    write_text_atomic(path, html)
    return path
