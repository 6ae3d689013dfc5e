"""Two runs side by side: for each figure that both have the difference, paired question by question where both runs
kept what each question scored, else with the wider interval of two separate samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lit_reason.answers import read_pools
from lit_reason.charts import Chart, Series
from lit_reason.config.mistakes import display_path
from lit_reason.errors import PlainError
from lit_reason.pool import SamplePool
from lit_reason.question_scores import FigureKey, load_scores
from lit_reason.report import charts
from lit_reason.results import Figure, Kind, Results, mean, share
from lit_reason.statistics import independent_difference, paired_bootstrap_difference

if TYPE_CHECKING:
    from rich.table import Table

IN_POOL = "answered right (pool)"
"""The figure of all answers of a pool, where no figure of the runs could be tied to its questions."""

Scores = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One figure of both runs, B less A, and how its interval came about."""

    key: FigureKey
    a: Figure
    b: Figure
    difference: Figure | None
    how: str

    @property
    def label(self) -> str:
        """The figure's name for readers."""
        return _label(self.key)


@dataclass(frozen=True)
class Comparison:
    """Two runs by name, what they share, and the labels of what only one of them has."""

    a: str
    b: str
    rows: list[Row]
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One sentence: how many figures, how many of them paired, how many clearly different."""
        paired = sum(row.how.startswith("paired") for row in self.rows)
        intervals = [row.difference.ci95 for row in self.rows if row.difference and row.difference.ci95]
        clear = sum(not low <= 0 <= high for low, high in intervals)
        figures = f"{len(self.rows)} shared figure{'s' if len(self.rows) != 1 else ''}"
        return f"{figures}, {paired} compared question by question; clearly different: {clear or 'none'}."


def compare(a: Path, b: Path) -> Comparison:
    """Compare two run directories.

    Raises:
        PlainError: a directory has no results, or the runs share no figure and no question.
    """
    first, second = (_results(path) for path in (a, b))
    figures_a, figures_b = ({figure.key: figure for figure in found.figures} for found in (first, second))
    shared = [key for key in figures_a if key in figures_b]
    scores_a, scores_b = scores_of(a, first), scores_of(b, second)
    rows = [_row(key, figures_a[key], figures_b[key], scores_a.get(key), scores_b.get(key)) for key in shared]
    paired = {row.key[2] for row in rows if row.how.startswith("paired")}
    rows += [row for row in _pool_rows(a, b) if row.key[2] not in paired]
    names = [display_path(path) for path in (a, b)]
    if not rows:
        there = " and ".join(f"{name} has {_listed(found)}" for name, found in zip(names, (first, second), strict=True))
        raise PlainError(f"nothing to compare: the runs share no figure and no question ({there})")
    only_a = [_label(key) for key in figures_a if key not in figures_b]
    only_b = [_label(key) for key in figures_b if key not in figures_a]
    return Comparison(names[0], names[1], rows, only_a, only_b)


def scores_of(run_dir: Path, results: Results) -> dict[FigureKey, Scores]:
    """What each question scored, by figure: as the run wrote it down, else from its pools. The share of right answers
    a question belongs to the first figure of a split and moment whose value and n it reproduces exactly."""
    found = load_scores(run_dir)
    for pool in read_pools(run_dir):
        scores, sources = _pool_scores(run_dir, pool)
        taken = {key[1:] for key in found}
        for figure in results.figures:
            if figure.when != pool["when"] or figure.kind not in ("share", "mean") or figure.key[1:] in taken:
                continue
            for part in (scores, {q: s for q, s in scores.items() if sources.get(q) == figure.split}):
                if part and figure.n == len(part) and abs(sum(part.values()) / len(part) - figure.value) < 1e-9:
                    found[figure.key] = part
                    taken.add(figure.key[1:])
                    break
    return found


def table_of(comparison: Comparison) -> Table:
    """The comparison for the terminal; parts of splits and kinds of verdicts are on the page."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), title_justify="left")
    for name in ("", "B less A", "A", "B", "interval"):
        table.add_column(name)
    whole = [row for row in comparison.rows if "/" not in row.key[0] + row.key[1]]
    for row in whole or comparison.rows:
        cells = [_cell(row.difference) if row.difference else "", _cell(row.a), _cell(row.b)]
        table.add_row(*map(Text, (row.label, *cells, row.how)))
    return table


def difference_drawing(comparison: Comparison) -> charts.Drawing | None:
    """The differences of shares as bars with their intervals; the table holds the others, which have other units."""
    rows = [row for row in comparison.rows if row.difference and row.difference.kind == "share_difference"][:24]
    if not rows:
        return None
    found = [(row.difference.value, *(row.difference.ci95 or (0.0, 0.0))) for row in rows if row.difference]
    values, low, high = zip(*([100 * x for x in each] for each in found), strict=True)
    series = Series("B less A", [row.label for row in rows], values, low, high)
    return charts.drawn(Chart("bars", "Differences", "figure", "percentage points", [series]))


def _row(key: FigureKey, a: Figure, b: Figure, scores_a: Scores | None, scores_b: Scores | None) -> Row:
    questions = [question for question in scores_a or {} if question in (scores_b or {})]
    if scores_a and scores_b and questions:
        before, after = ([scores[q] for q in questions] for scores in (scores_a, scores_b))
        value, interval = paired_bootstrap_difference(before, after, seed=0)
        n = len(questions)
        how = f"paired over {n:,} questions"
        if n < max(len(scores_a), len(scores_b)):
            how += f" of {len(scores_a):,} and {len(scores_b):,}"
        return Row(key, a, b, _difference(a, b, value, interval, n, "paired bootstrap"), how)
    if a.ci95 is None or b.ci95 is None:
        return Row(key, a, b, None, "no interval")
    interval = independent_difference(a.value, a.ci95, b.value, b.ci95)
    difference = _difference(a, b, b.value - a.value, interval, min(a.n or 1, b.n or 1), "unpaired")
    return Row(key, a, b, difference, "unpaired")


def _difference(a: Figure, b: Figure, value: float, interval: tuple[float, float], n: int, method: str) -> Figure:
    shares = {a.kind, b.kind} <= {"share", "share_difference"}
    kind: Kind = "share_difference" if shares else "mean_difference"
    return Figure(a.name, a.split, a.when, value, n, interval, method, sorted({*a.seeds, *b.seeds}), kind)


def _pool_rows(a: Path, b: Path) -> list[Row]:
    """The share of right answers in pools of the same moment and kind, over the questions that both asked."""
    rows = []
    others = {(pool["when"], pool["answers"]): pool for pool in read_pools(b)}
    for pool in read_pools(a):
        kind = (pool["when"], pool["answers"])
        if kind not in others:
            continue
        scores_a, scores_b = _pool_scores(a, pool)[0], _pool_scores(b, others[kind])[0]
        if scores_a.keys() & scores_b.keys():
            key = (IN_POOL, pool["answers"], pool["when"])
            rows.append(_row(key, _of(key, scores_a), _of(key, scores_b), scores_a, scores_b))
    return rows


def _of(key: FigureKey, scores: Scores) -> Figure:
    values = list(scores.values())
    return share(*key, int(sum(values)), len(values)) if {*values} <= {0.0, 1.0} else mean(*key, values)


def _pool_scores(run_dir: Path, pool: Mapping[str, Any]) -> tuple[Scores, dict[str, str]]:
    """The share of right answers of each question, and each question's source; nothing where the pool is gone."""
    folder = run_dir / pool["folder"]
    if not (folder / "manifest.json").exists():
        return {}, {}
    found = SamplePool(folder)
    right: dict[str, list[bool]] = {}
    for grade in found.grades(pool["grader"]):
        right.setdefault(grade.question_id, []).append(grade.status == "right")
    sources = {question.id: str(question.meta.get("source", "")) for question in found.questions()}
    return {question: sum(verdicts) / len(verdicts) for question, verdicts in right.items()}, sources


def _results(run_dir: Path) -> Results:
    if not (run_dir / "results.json").exists():
        raise PlainError(f"{display_path(run_dir)}: no run that has results (there is no results.json)")
    try:
        return Results.load(run_dir)
    except ValueError as error:
        hint = "; a study's runs are in folders below it" if (run_dir / "study.yaml").exists() else ""
        raise PlainError(f"{error}{hint}") from None


def _label(key: FigureKey) -> str:
    return ", ".join(part.replace("_", " ") for part in key if part)


def _listed(results: Results) -> str:
    names = list(dict.fromkeys(_label(figure.key) for figure in results.figures))
    return "; ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "no figures"


def _cell(figure: Figure) -> str:
    return f"{figure.text()} {figure.interval_text()}".rstrip()
