"""The tables of `configs/studies/aor.yaml`: judges of known quality, and a real model that is too small to judge."""

from __future__ import annotations

from lit_reason.charts import Chart, Series
from lit_reason.results import Figure
from lit_reason.study_results import (
    Cell,
    FinishedRuns,
    StudyResults,
    Table,
    judged,
    not_testable,
    over_seeds,
)

PAPER = "2405.12939, tables of mathematics as published"
ACCURACIES = ("AoR accuracy", "SC(20) accuracy", "SC(40) accuracy")
COSTS = ("n used", "local calls", "global calls")

REAL = (
    "AoR accuracy", "SC(6) accuracy", "SC(9) accuracy", "minority rescue against SC(6)",
    "majority loss against SC(6)", "degraded questions", "tokens a question",
)  # fmt: skip


def tables(runs: FinishedRuns) -> StudyResults:
    """AoR by the quality of its judge, its cost, and what the real model did."""
    qualities = list(dict.fromkeys(run.variables["d"] for run in runs.of("simulated")))
    rows: list[list[Cell]] = [
        [d, "fixed" if fixed else "fresh", *(_figure(runs, name, d, fixed) for name in (*ACCURACIES, *COSTS))]
        for fixed in (False, True)
        for d in qualities
    ]
    note = (
        "Simulated: half of all chains are right. d = 0 is a judge that knows nothing. Fresh noise is drawn in every "
        "call; fixed noise belongs to the chain. AoR with its published settings: k = 3, n = 20, n_max = 40."
    )
    columns = ["judge's quality d", "noise", "AoR", "SC(20)", "SC(40)", "chains", "local calls", "global calls"]
    return StudyResults(
        [Table("AoR by the quality of its judge, simulated", columns, rows, note), _real(runs)],
        [_chart(runs, qualities)],
        [
            judged(
                "AoR with 20 to 40 chains beats the majority of 40 (here: a simulated judge of quality d = 1)", PAPER,
                "90.6 % against 87.5 %",
                _difference(runs, max(qualities), False), above=0.0,
            ),
            judged(
                "With a judge that knows nothing AoR is worse than the majority of 40", "our simulation",
                "not published; 29 % against 67 % expected", _difference(runs, min(qualities), False), below=0.0,
            ),
            not_testable(
                "AoR gains on GSM8K and five other sets with gpt-3.5-turbo", PAPER, "+3.1 points over SC(40)",
                "no such model is at hand offline: set configs/aor/endpoint.yaml to one",
            ),
        ],
    )  # fmt: skip


def _figure(runs: FinishedRuns, name: str, d: float, fixed: bool) -> Figure:
    split = f"d = {d}, {'fixed' if fixed else 'fresh'}"
    return over_seeds(name, split, "", [run.figure(name, "") for run in runs.of("simulated", d=d, fixed=fixed)])


def _difference(runs: FinishedRuns, d: float, fixed: bool) -> Figure:
    return _figure(runs, "AoR - SC(40)", d, fixed)


def _chart(runs: FinishedRuns, qualities: list[float]) -> Chart:
    order = sorted(qualities)
    series = [
        Series.of_figures(f"AoR, {'fixed' if fixed else 'fresh'} noise", order,
                          [_figure(runs, "AoR accuracy", d, fixed) for d in order])
        for fixed in (False, True)
    ] + [Series.of_figures("SC(40)", order, [_figure(runs, "SC(40) accuracy", d, False) for d in order])]  # fmt: skip
    note = "With a weak judge AoR is worse than the majority. Intervals are over seeds."
    title = "Accuracy by the quality of the judge, simulated"
    return Chart("lines", title, "d", "accuracy", series, "share", note=note)


def _real(runs: FinishedRuns) -> Table:
    run = runs.one("real")
    found = [run.results.get(name, "", "validate") for name in REAL]
    rows: list[list[Cell]] = [[figure.name, figure] for figure in found if figure is not None]
    unreadable = [figure for figure in run.results.figures if figure.name == "unreadable judge replies"]
    rows += [[f"unreadable judge replies, {figure.split}", figure] for figure in unreadable]
    note = "The embedded model of 135 million weights judges its own chains. No gain is expected of it."
    return Table("A real model as sampler and judge", ["", "value"], rows, note)
