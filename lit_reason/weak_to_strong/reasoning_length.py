"""How long the students of a two-stage study trained: for as many steps as the others, or for as many epochs."""

from __future__ import annotations

import json
from typing import Any

from lit_reason.study_results import Cell, FinishedRun, FinishedRuns, Table, over_seeds
from lit_reason.weak_to_strong.reasoning_runs import NAIVE, Runs, stage1, stage2

STUDENTS = "naive", "stage1", "stage2", "iterated", "oracle", "ceiling"
"""Fits that start from S0; `continued` starts from S1."""

BY_EPOCHS = "_by_epochs"


def weights(run: FinishedRun) -> dict[str, Any]:
    """What a fit recorded: hashes of its weights at its start and end, and its optimizer steps."""
    found: dict[str, Any] = json.loads((run.path / "weights.json").read_bytes())
    return found


def span(runs: Runs) -> str:
    """The optimizer steps of some fits: `100`, or `41 to 62`."""
    steps = sorted({weights(run)["steps"] for run in runs})
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"


def length_note(runs: FinishedRuns) -> str:
    """Whether fewer rows also meant fewer steps, for a reader who compares students."""
    steps = span([run for name in STUDENTS for run in runs.of(name)])
    if "to" in steps:
        return f"All saw each of their rows equally often: {steps} optimizer steps."
    return f"All took {steps} optimizer steps, so that fewer rows are not less training; equal epochs are usual."


def length_tables(runs: FinishedRuns) -> list[Table]:
    """The students that were trained both ways, on the same rows; none where no run was."""
    rows: list[list[Cell]] = []
    for name in STUDENTS:
        for tau in dict.fromkeys(run.variables.get("tau") for run in runs.of(name + BY_EPOCHS)):
            rows.append([_label(name, tau), *_cells(runs, name, "", tau), *_cells(runs, name, BY_EPOCHS, tau)])
    columns = ["variant", "accuracy", "optimizer steps", "accuracy, equal epochs", "optimizer steps, equal epochs"]
    note = "The same training rows. The first two columns are those of the study above."
    return [Table("Equal epochs instead of equal steps", columns, rows, note)] if rows else []


def _cells(runs: FinishedRuns, name: str, kind: str, tau: float | None) -> list[Cell]:
    about: dict[str, Any] = {} if tau is None else {"tau": tau}
    if name == "stage2":
        about["stage2"] = "filtered"
    figures = [run.figure("accuracy", "test") for run in runs.of(f"{name}{kind}_answers", **about)]
    label = f"accuracy, {_label(name, tau)}{', equal epochs' if kind else ''}"
    return [over_seeds(label, "test", "", figures), span(runs.of(f"{name}{kind}", **about))]


def _label(name: str, tau: float | None) -> str:
    return NAIVE if tau is None else {"stage1": stage1, "stage2": stage2}[name](tau)
