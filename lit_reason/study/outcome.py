"""The end of a study: its tables function over the finished runs, results.json, report.html, and the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_reason.errors import PlainError
from lit_reason.results import Figure
from lit_reason.study.checks import function_of
from lit_reason.study.file import Study
from lit_reason.study.plan import Step
from lit_reason.study.runner import seconds_of
from lit_reason.study_results import Cell, FinishedRun, FinishedRuns, StudyRecord, StudyResults, Table, over_seeds

if TYPE_CHECKING:
    from rich.console import RenderableType

VERDICT_STYLES = {"replicated": "green", "not replicated": "red", "not testable here": "yellow"}


def conclude(study: Study, steps: Sequence[Step], folder: Path) -> StudyRecord:
    """Ask the study's tables function about the finished runs and write `results.json`.

    Raises:
        PlainError: the function returned something else than a `StudyResults`.
    """
    finished = [FinishedRun(s.spec.name, s.variables, s.run_dir, seconds_of(s.run_dir)) for s in steps]
    runs = FinishedRuns(finished)
    found = function_of(study.tables)[0](runs) if study.tables else figure_table(runs)
    if not isinstance(found, StudyResults):
        raise PlainError(f"{study.tables} returned a {type(found).__name__}, not a StudyResults")
    described = [
        {
            "run": run.name,
            "variables": dict(run.variables),
            "path": os.path.relpath(run.path, folder),
            "seconds": run.seconds,
        }
        for run in finished
    ]
    record = StudyRecord(study.name, study.title, study.paper, found, described)
    record.save(folder)
    return record


def figure_table(runs: FinishedRuns) -> StudyResults:
    """What a study without a tables function shows: every figure of whole splits of every run, over its seeds."""
    groups: dict[tuple[str, tuple[str, str, str]], list[Figure]] = {}
    for run in runs:
        others = [f"{name} {value}" for name, value in run.variables.items() if name != "seed"]
        name = ", ".join([run.name, *others])
        for figure in run.results.figures:
            if "/" not in figure.split and "/" not in figure.name:
                groups.setdefault((name, figure.key), []).append(run.figure(*figure.key))
    rows: list[list[Cell]] = []
    for (name, key), figures in groups.items():
        together = over_seeds(*key, figures)
        rows.append([name, " | ".join(filter(None, key)), together, together.n])
    return StudyResults([Table("Figures of the runs", ["run", "figure", "value", "n"], rows)])


def shown(record: StudyRecord) -> list[RenderableType]:
    """Tables and claims for the terminal."""
    from rich.table import Table as RichTable
    from rich.text import Text

    parts: list[RenderableType] = []
    for table in record.results.tables:
        drawn = RichTable(title=table.title, title_justify="left", box=None, header_style="dim", padding=(0, 2, 0, 0))
        for column in table.columns:
            drawn.add_column(column)
        for row in table.rows:
            drawn.add_row(*(Text(cell_text(cell)) for cell in row))
        parts += [drawn, Text("")]
    for claim in record.results.claims:
        verdict = Text(claim.verdict.upper(), style=VERDICT_STYLES[claim.verdict])
        measured = claim_text(claim.measured)
        words = f" {claim.text} Published: {claim.published} ({claim.source}). {measured} {claim.reason}".rstrip()
        parts.append(verdict + Text(words))
    return parts


def cell_text(cell: Cell) -> str:
    """A table's cell in words: a figure with its interval."""
    if cell is None:
        return ""
    if isinstance(cell, Figure):
        return f"{cell.text()} {cell.interval_text()}".rstrip()
    return f"{cell:,.4g}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def claim_text(figure: Figure | None) -> str:
    """The measured figure of a claim in words, with n and seeds."""
    if figure is None:
        return ""
    seeds = f", seeds {', '.join(map(str, figure.seeds))}" if figure.seeds else ""
    size = f" (n = {figure.n:,}{seeds})" if figure.n else ""
    return f"Measured here: {cell_text(figure)}{size}."
