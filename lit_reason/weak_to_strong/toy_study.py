"""The tables of `configs/studies/weak_to_strong_toy.yaml`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from lit_reason.results import Figure, share
from lit_reason.study_results import (
    Cell,
    Claim,
    FinishedRun,
    FinishedRuns,
    StudyResults,
    Table,
    Verdict,
    judged,
    not_testable,
    over_seeds,
)
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.metrics import gap_note, performance_gap_recovered
from lit_reason.weak_to_strong.toy import STANDARD_ERROR, overfitting_chart

SOURCE = "2503.04249, rebuilt as a toy"
MODELS = {
    "weak": "weak supervisor",
    "naive": "naive, last epoch",
    "naive, best epoch": "naive, best epoch (chosen by gold labels)",
    "stage1": "Stage I",
    "stage2": "Stage II",
    "ceiling": "ceiling",
}
"""Figures' names to what the table calls them."""

REFERENCE = {"weak": ".82", "naive": ".85", "naive, best epoch": ".88", "stage1": ".89", "stage2": "", "ceiling": ".96"}
"""An independent NumPy run of the same toy over five seeds; no published result."""

NEEDED = 0.8
"""Share of the seeds that must show an order."""


def tables(runs: FinishedRuns) -> StudyResults:
    """Accuracies and PGR, labels, overfitting curves, and in how many seeds the required orders hold."""
    toys = runs.of("toy")
    gaps = {name: _over(toys, f"PGR, {name}", partial(_gap, name)) for name in list(MODELS)[1:-1]}
    rows: list[list[Cell]] = [
        [label, _share(toys, f"accuracy, {name}", "test"), gaps.get(name), REFERENCE[name]]
        for name, label in MODELS.items()
    ]
    shown = {MODELS[name]: figure for name, figure in gaps.items() if figure is not None}
    curves: dict[str, list[dict[str, list[float]]]] = {}
    for run in toys:
        for name, curve in json.loads((run.path / "curves.json").read_bytes()).items():
            curves.setdefault(name, []).append(curve)
    doubts = [f"Seed {run.variables['seed']}: {doubt}." for run in toys if (doubt := _gap_note(run))]
    note = " ".join([f"Means over {len(toys)} seeds; intervals are Student's t over seeds.", *doubts])
    return StudyResults(
        [Table("Accuracy and performance gap recovered", ["", "test accuracy", "PGR", "reference run"], rows, note),
         _labels(toys)],
        [overfitting_chart(curves), *([gap_chart(shown)] if shown else [])],
        _claims(toys),
    )  # fmt: skip


def _labels(toys: Sequence[FinishedRun]) -> Table:
    rows: list[list[Cell]] = [
        ["items kept by Stage I", _share(toys, "kept", "H2")],
        ["hard items among all", _share(toys, "hard share", "H2")],
        ["hard items after Stage I", _share(toys, "hard share", "A")],
        ["hard items after Stage II", _share(toys, "hard share", "A and B")],
        ["kept labels that are right", _share(toys, "label accuracy", "A")],
        ["discarded items, the weak label is right", _share(toys, "label accuracy, weak", "discarded")],
        ["discarded items, S1's label is right", _share(toys, "label accuracy, S1", "discarded")],
        ["discarded items that Stage II keeps, S1's label is right",
         _share(toys, "label accuracy, S1 filtered", "discarded")],
        ["weak labels that naive training reproduces", _share(toys, "fit to weak labels, naive", "H2")],
    ]  # fmt: skip
    return Table("Labels", ["share of", ""], rows, " ".join(filter(None, map(_empty_note, toys))))


def _empty_note(run: FinishedRun) -> str:
    """Where Stage II has nothing to add."""
    if run.figure("kept", "H2").value == 1:
        return f"Seed {run.variables['seed']}: D is empty, S2 = S1."
    return "" if run.figure("kept in Stage II", "discarded").value else (
        f"Seed {run.variables['seed']}: B is empty, S2 = S1."
    )  # fmt: skip


def _claims(toys: Sequence[FinishedRun]) -> list[Claim]:
    values = [_values(run) for run in toys]
    return [
        _in_most("weak < naive last epoch < Stage I < ceiling", values, ["weak", "naive", "stage1", "ceiling"]),
        _in_most("naive training is worse at its end than at its best", values, ["naive", "naive, best epoch"]),
        _in_most("labels of discarded items: weak < S1 < S1 filtered", values,
                 ["labels, weak", "labels, S1", "labels, S1 filtered"]),
        judged("Stage I is better than the best epoch of naive training", SOURCE, "naive .88, Stage I .89",
               _gain(toys, "Stage I over naive best", "naive, best epoch", "stage1"), above=0.0),
        judged("Stage II is within a point of Stage I", SOURCE, "no gain needed at this size",
               _gain(toys, "Stage II over Stage I", "stage1", "stage2"), above=-0.01),
    ]  # fmt: skip


def _in_most(text: str, values: Sequence[Mapping[str, float]], order: Sequence[str]) -> Claim:
    """Holds where at least `NEEDED` of the seeds have the order; with few seeds no interval could say so. A seed that
    lacks a figure, for a set of labels is empty there, decides nothing."""
    able = [v for v in values if v.keys() >= {*order}]
    if not able:
        return not_testable(text, SOURCE, "4 of 5 seeds", "A set of labels that it speaks of is empty in every seed.")
    holds = sum(all(v[a] < v[b] for a, b in pairwise(order)) for v in able)
    measured = share(text, "seeds", "", holds, len(able))
    verdict: Verdict = "replicated" if holds >= NEEDED * len(able) else "not replicated"
    reason = f"The order holds in {holds} of {len(able)} seeds; at least {NEEDED:.0%} are asked for."
    return Claim(text, SOURCE, "4 of 5 seeds", measured, verdict, reason)


def _values(run: FinishedRun) -> dict[str, float]:
    """Accuracies, and those of labels of discarded items where there are any."""
    found = {name: run.figure(f"accuracy, {name}", "test", "").value for name in MODELS}
    labels = {who: run.results.get(f"label accuracy, {who}", "discarded", "") for who in ("weak", "S1", "S1 filtered")}
    return {**found, **{f"labels, {who}": figure.value for who, figure in labels.items() if figure is not None}}


def _gap(name: str, run: FinishedRun) -> float | None:
    values = _values(run)
    return performance_gap_recovered(values["weak"], values[name], values["ceiling"])


def _gap_note(run: FinishedRun) -> str:
    """What to know of the seed's PGR; runs of one test item, or of before this figure, have no standard error."""
    values, error = _values(run), run.results.get(STANDARD_ERROR, "test", "")
    return gap_note(values["ceiling"] - values["weak"], error.value if error is not None else 0.0)


def _over(toys: Sequence[FinishedRun], name: str, of: Callable[[FinishedRun], float | None]) -> Figure | None:
    """Over the seeds where it is defined; None where it is so in none."""
    found = [(run.variables["seed"], value) for run in toys if (value := of(run)) is not None]
    figures = [Figure(name, "test", "", value, seeds=[seed], kind="value") for seed, value in found]
    return over_seeds(name, "test", "", figures) if figures else None


def _gain(toys: Sequence[FinishedRun], name: str, before: str, after: str) -> Figure:
    changes = [(run.variables["seed"], _values(run)[after] - _values(run)[before]) for run in toys]
    return over_seeds(name, "test", "", [Figure(name, "test", "", x, seeds=[s], kind="value") for s, x in changes])


def _share(toys: Sequence[FinishedRun], name: str, split: str) -> Figure | None:
    figures = [run.figure(name, split, "") for run in toys if run.results.get(name, split, "") is not None]
    return over_seeds(name, split, "", figures) if figures else None
