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
    over_seeds,
)
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.metrics import performance_gap_recovered
from lit_reason.weak_to_strong.toy import overfitting_chart

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
    curves: dict[str, list[dict[str, list[float]]]] = {}
    for run in toys:
        for name, curve in json.loads((run.path / "curves.json").read_bytes()).items():
            curves.setdefault(name, []).append(curve)
    note = f"Means over {len(toys)} seeds; intervals are Student's t over seeds."
    return StudyResults(
        [Table("Accuracy and performance gap recovered", ["", "test accuracy", "PGR", "reference run"], rows, note),
         _labels(toys)],
        [overfitting_chart(curves), gap_chart({MODELS[name]: figure for name, figure in gaps.items()})],
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
    return Table("Labels", ["share of", ""], rows)


def _claims(toys: Sequence[FinishedRun]) -> list[Claim]:
    values = [_values(run) for run in toys]
    return [
        _in_most("weak < naive last epoch < Stage I < ceiling", values, ["weak", "naive", "stage1", "ceiling"]),
        _in_most("naive training is worse at its end than at its best", values, ["naive", "naive, best epoch"]),
        _in_most("labels of discarded items: weak < S1 < S1 filtered", values,
                 ["labels, weak", "labels, S1", "labels, S1 filtered"]),
        judged("Stage I is better than the best epoch of naive training", SOURCE, "naive .88, Stage I .89",
               _over(toys, "Stage I over naive best", lambda run: _values(run)["stage1"]
                     - _values(run)["naive, best epoch"]), above=0.0),
        judged("Stage II is within a point of Stage I", SOURCE, "no gain needed at this size",
               _over(toys, "Stage II over Stage I", lambda run: _values(run)["stage2"] - _values(run)["stage1"]),
               above=-0.01),
    ]  # fmt: skip


def _in_most(text: str, values: Sequence[Mapping[str, float]], order: Sequence[str]) -> Claim:
    """Holds where at least `NEEDED` of the seeds have the order; with few seeds no interval could say so."""
    holds = sum(all(v[a] < v[b] for a, b in pairwise(order)) for v in values)
    measured = share(text, "seeds", "", holds, len(values))
    verdict: Verdict = "replicated" if holds >= NEEDED * len(values) else "not replicated"
    reason = f"The order holds in {holds} of {len(values)} seeds; at least {NEEDED:.0%} are asked for."
    return Claim(text, SOURCE, "4 of 5 seeds", measured, verdict, reason)


def _values(run: FinishedRun) -> dict[str, float]:
    found = {name: run.figure(f"accuracy, {name}", "test", "").value for name in MODELS}
    labels = {f"labels, {who}": run.figure(f"label accuracy, {who}", "discarded", "").value
              for who in ("weak", "S1", "S1 filtered")}  # fmt: skip
    return {**found, **labels}


def _gap(name: str, run: FinishedRun) -> float:
    values = _values(run)
    gap = performance_gap_recovered(values["weak"], values[name], values["ceiling"])
    if gap is None:
        raise ValueError(f"{run.path}: the ceiling is not above the weak supervisor")
    return gap


def _over(toys: Sequence[FinishedRun], name: str, of: Callable[[FinishedRun], float]) -> Figure:
    figures = [Figure(name, "test", "", of(run), seeds=[run.variables["seed"]], kind="value") for run in toys]
    return over_seeds(name, "test", "", figures)


def _share(toys: Sequence[FinishedRun], name: str, split: str) -> Figure:
    return over_seeds(name, split, "", [run.figure(name, split, "") for run in toys])
