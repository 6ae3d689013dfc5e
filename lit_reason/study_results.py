"""What a study says at its end: tables, charts, and each published claim beside what was measured here.

A method's room has one function `tables(runs: FinishedRuns) -> StudyResults`, which its study names. It gets every
finished run and gives back data; the study writes `results.json` and draws the page.

    def tables(runs: FinishedRuns) -> StudyResults:
        gains = over_seeds("PGR", "test", "", [recovered(runs, seed) for seed in runs.values_of("seed")])
        claim = judged("Filtering helps", "2503.04249, table 2", "+4 points", gains, above=0.0)
        return StudyResults(tables=[...], charts=[...], claims=[claim])
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lit_reason.charts import Chart, load_charts, parse_chart
from lit_reason.errors import PlainError
from lit_reason.files import write_json_atomic
from lit_reason.results import FILE_NAME, Figure, Results
from lit_reason.statistics import seed_interval

SCHEMA_VERSION = 1

Verdict = Literal["replicated", "not replicated", "not testable here"]
Cell = str | int | float | Figure | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns. A `Figure` as a cell is shown with its interval; None is an empty cell.

    Raises:
        ValueError: a row has another number of cells than there are columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r}: row {number} has {len(row)} cells, not {len(self.columns)}")


@dataclass(frozen=True)
class Claim:
    """A published statement, and what this study found.

    Args:
        text: the claim, in one sentence of our own.
        source: where it is published: paper and table, figure or section.
        published: the published figure, as words ("52.8 % against 48.9 %").
        measured: the figure that tests it, None where nothing here can.
        verdict: see `judged`.
        reason: one sentence: what decided, or why it cannot be tested here.
    """

    text: str
    source: str
    published: str
    measured: Figure | None
    verdict: Verdict
    reason: str = ""

    def __post_init__(self) -> None:
        decided = self.measured is not None and self.measured.ci95 is not None
        if self.verdict != "not testable here" and not decided:
            raise ValueError(f"claim {self.text!r}: only a figure with an interval decides it")


def judged(
    text: str, source: str, published: str, measured: Figure, *, above: float | None = None, below: float | None = None
) -> Claim:
    """The claim that a figure lies above (or below, or between) these bounds. It is replicated only where the whole
    95 % interval does: a point estimate on the right side is not enough, and a figure without an interval, as one
    seed of a plain value gives, decides nothing.

    Raises:
        ValueError: no bound.
    """
    if above is None and below is None:
        raise ValueError(f"claim {text!r}: judged against no bound")
    if measured.ci95 is None:
        why = "The figure has no interval; more seeds give it one."
        return Claim(text, source, published, measured, "not testable here", why)
    low, high = measured.ci95
    holds = (above is None or low > above) and (below is None or high < below)
    fails = (above is not None and high <= above) or (below is not None and low >= below)
    bounds = {"above": above, "below": below}
    texts = [f"{side} {replace(measured, value=x).text()}" for side, x in bounds.items() if x is not None]
    wanted = " and ".join(texts)
    where = "lies" if holds else "does not lie" if fails else "does not lie wholly"
    verdict: Verdict = "replicated" if holds else "not replicated"
    return Claim(text, source, published, measured, verdict, f"The 95 % interval {where} {wanted}.")


def not_testable(text: str, source: str, published: str, reason: str) -> Claim:
    """A claim that nothing in this study can decide, and why."""
    return Claim(text, source, published, None, "not testable here", reason)


def over_seeds(name: str, split: str, when: str, figures: Sequence[Figure]) -> Figure:
    """The mean of one figure over runs of different seeds. Its interval is Student's t over the seeds: it covers what
    a new seed would change, which the items' own intervals do not. With one seed the figure keeps its own interval.

    Raises:
        ValueError: there are no figures.
    """
    if not figures:
        raise ValueError(f"figure {name!r}: no seeds to average over")
    if len(figures) == 1:
        return replace(figures[0], name=name, split=split, when=when)
    values = [figure.value for figure in figures]
    n = sum(figure.n or 0 for figure in figures) or len(figures)
    seeds = sorted({seed for figure in figures for seed in figure.seeds})
    kind = figures[0].kind if figures[0].kind not in ("count", "value") else "mean"
    centre, (low, high) = sum(values) / len(values), seed_interval(values)
    inside = (max(low, 0.0), min(high, 1.0)) if kind == "share" else (low, high)  # Student's t knows of no bounds
    return Figure(name, split, when, centre, n, inside, f"t over {len(values)} seeds", seeds, kind)


@dataclass(frozen=True)
class FinishedRun:
    """One run of a study that ended well.

    Args:
        name: the run's name in the study.
        variables: `seed` and what the run's `each` gives, as {"seed": 0, "tau": 0.5}.
        path: its directory.
        seconds: how long it took.
    """

    name: str
    variables: Mapping[str, Any]
    path: Path
    seconds: float = 0.0

    @cached_property
    def results(self) -> Results:
        """The run's figures, cost and drops."""
        return Results.load(self.path)

    @cached_property
    def charts(self) -> list[Chart]:
        """The run's own charts."""
        return load_charts(self.path)

    def figure(self, name: str, split: str, when: str = "") -> Figure:
        """One figure of the run, marked with the run's seed.

        Raises:
            PlainError: naming the run, the figure, and those that there are.
        """
        found = self.results.get(name, split, when)
        if found is None:
            there = "; ".join(" | ".join(filter(None, figure.key)) for figure in self.results.figures) or "none"
            wanted = " | ".join(filter(None, (name, split, when)))
            raise PlainError(f"{self.path}: no figure {wanted!r}; there are: {there}")
        seed = self.variables.get("seed")
        return found if seed is None else replace(found, seeds=sorted({*found.seeds, int(seed)}))


    def curve(self, column: str) -> list[tuple[int, float]]:
        """One column of the run's metrics.csv as (step, value), such as `train/loss`.

        Raises:
            PlainError: there is no such column, or no value in it.
        """
        path = self.path / "metrics.csv"
        rows = list(csv.DictReader(path.open(newline="", encoding="utf-8"))) if path.exists() else []
        found = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
        if not found:
            there = ", ".join(name for name in rows[0] if name not in ("step", "epoch")) if rows else "nothing"
            raise PlainError(f"{path}: no values of {column!r}; there is {there}")
        return found


@dataclass(frozen=True)
class FinishedRuns:
    """All runs of a study, in its order."""

    runs: Sequence[FinishedRun]

    def __iter__(self) -> Iterator[FinishedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def of(self, name: str, **variables: Any) -> list[FinishedRun]:
        """The runs of a name whose variables have these values; `of("strong")` has one a seed."""
        return [run for run in self.runs if run.name == name and variables.items() <= dict(run.variables).items()]

    def one(self, name: str, **variables: Any) -> FinishedRun:
        """The only such run.

        Raises:
            PlainError: there is none, or several.
        """
        found = self.of(name, **variables)
        if len(found) != 1:
            raise PlainError(f"{len(found)} finished runs are {name!r} with {variables or 'any variables'}, not one")
        return found[0]

    def values_of(self, variable: str) -> list[Any]:
        """The values that a variable takes, in order of appearance."""
        return list(dict.fromkeys(run.variables[variable] for run in self.runs if variable in run.variables))


@dataclass(frozen=True)
class StudyResults:
    """What a method's tables function returns: tables and charts in the order of the page, and the claims."""

    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    claims: Sequence[Claim] = ()

    def figures(self) -> list[Figure]:
        """Every figure of the claims and tables, each key once."""
        cells = [cell for table in self.tables for row in table.rows for cell in row if isinstance(cell, Figure)]
        claimed = [claim.measured for claim in self.claims if claim.measured is not None]
        return list({figure.key: figure for figure in [*cells, *claimed]}.values())


@dataclass(frozen=True)
class StudyRecord:
    """A study's `results.json`.

    Args:
        study: its name.
        title: its title.
        paper: what it repeats.
        results: tables, charts and claims.
        runs: one mapping a run: name, variables, path from the study's directory, seconds.
    """

    study: str
    title: str
    paper: str
    results: StudyResults
    runs: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def save(self, folder: Path) -> Path:
        """Write `results.json` into the study's directory, in one piece."""
        figures = [asdict(figure) for figure in self.results.figures()]
        head = {"schema": SCHEMA_VERSION, "study": self.study, "title": self.title, "paper": self.paper}
        document = {**head, "figures": figures, **asdict(self.results), "runs": list(self.runs)}
        write_json_atomic(folder / FILE_NAME, document)
        return folder / FILE_NAME

    @classmethod
    def load(cls, folder: Path) -> StudyRecord:
        """Read what `save` wrote.

        Raises:
            ValueError: the file is absent or something else; the message names it.
        """
        path = folder / FILE_NAME
        try:
            document = json.loads(path.read_bytes())
            if document["schema"] != SCHEMA_VERSION:
                raise ValueError(f"schema {document['schema']} is not the one this version reads ({SCHEMA_VERSION})")
            head = {key: document[key] for key in ("study", "title", "paper", "runs")}
            return cls(**head, results=_parsed_results(document))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a study's results ({type(error).__name__}: {error})") from None


def _parsed_results(document: Mapping[str, Any]) -> StudyResults:
    tables = [
        Table(**{**table, "rows": [[_cell(cell) for cell in row] for row in table["rows"]]})
        for table in document["tables"]
    ]
    charts = [parse_chart(row) for row in document["charts"]]
    claims = [Claim(**{**claim, "measured": _cell(claim["measured"])}) for claim in document["claims"]]
    return StudyResults(tables, charts, claims)


def _cell(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return Figure(**{**value, "ci95": tuple(value["ci95"]) if value["ci95"] else None})
