"""The tables of `configs/studies/case2code.yaml`: controls, number of shown cases, names, layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lit_reason.answers import read_pools
from lit_reason.charts import Chart, Series
from lit_reason.pool import SamplePool
from lit_reason.results import Figure, difference
from lit_reason.study_results import (
    Cell,
    Claim,
    FinishedRun,
    FinishedRuns,
    StudyResults,
    Table,
    judged,
    not_testable,
    over_seeds,
)

PAPER = "2407.12504, as summarised; its tables could not be read"
SPLIT = "planted"

KNOWN, HELD_OUT = "input_output", "arrow"
"""The layout that every model was trained on, and the one that none was."""

Rows = list[list[Cell]]
Runs = tuple[str, dict[str, Any]]
"""A run's name in the study, and the variables that choose among its runs."""


def tables(runs: FinishedRuns) -> StudyResults:
    """What every ablation gave, and the qualitative claims of the paper that they can test."""
    ks = list(dict.fromkeys(run.variables["k"] for run in runs.of("shown")))
    by_k = [_strict(f"strict_pass, {k} shown", runs.of("shown", k=k)) for k in ks]
    chart = Chart(
        "lines", "Strict pass by number of shown cases", "cases shown", "functions found",
        [Series.of_figures("trained on 1 to 8 cases", ks, by_k)], y_unit="share",
    )  # fmt: skip
    rows: Rows = [[k, found] for k, found in zip(ks, by_k, strict=True)]
    shown = Table("Number of shown cases", ["cases shown", "strict pass"], rows)
    return StudyResults([_controls(runs), shown, _names(runs), _layouts(runs)], [chart], _claims(runs, ks))


def _controls(runs: FinishedRuns) -> Table:
    labels = {
        "induction": "trained on cases and programs",
        "shuffled": "trained on cases and other programs",
        "untrained": "not trained",
        "deduction": "trained to predict outputs, asked for outputs",
    }
    rows: Rows = [[label, _strict(f"strict_pass, {name}", runs.of(name))] for name, label in labels.items()]
    return Table("Training and its controls", ["", "strict pass"], rows, "Held-out functions, greedy answers.")


def _names(runs: FinishedRuns) -> Table:
    shares = {1.0: "given", 0.0: "not given"}
    rows: Rows = [
        [label, _strict(f"strict_pass, name {label}", runs.of("named", name_share=share))]
        for share, label in shares.items()
    ]
    return Table("Names that tell the family, at the test", ["name", "strict pass"], rows)


def _layouts(runs: FinishedRuns) -> Table:
    labels = {"many_layouts": "twelve layouts", "one_layout": "one layout"}
    rows: Rows = []
    for trained_on, label in labels.items():
        found = [
            _strict(f"strict_pass, {label}, {layout}", runs.of("tested", trained_on=trained_on, layout=layout))
            for layout in (KNOWN, HELD_OUT)
        ]
        name = f"lost to the held-out layout, {label}"
        lost = _gain(name, runs, _tested(trained_on, HELD_OUT), _tested(trained_on, KNOWN))
        rows.append([label, *found, lost])
    return Table("Format robustness", ["trained on", "a layout of training", "the held-out layout", "lost to it"], rows)


def _claims(runs: FinishedRuns, ks: Sequence[Any]) -> list[Claim]:
    return [
        judged(
            "Training on cases teaches induction: more than ten points over a control without information", PAPER,
            "accuracy rises strongly", _gain("trained over control", runs, ("shuffled", {}), ("induction", {})),
            above=0.10,
        ),
        judged(
            "More shown cases help", "acceptance H", "no figure",
            _gain(f"{ks[-1]} cases over {ks[0]}", runs, ("shown", {"k": ks[0]}), ("shown", {"k": ks[-1]})), above=0.0,
        ),
        judged(
            "A model trained with telling names relies on them", "acceptance I", "no figure",
            _gain("name over no name", runs, ("named", {"name_share": 0.0}), ("named", {"name_share": 1.0})), above=0.0,
        ),
        judged(
            "A layout held out of training costs less after many layouts than after one", "acceptance J", "no figure",
            _lost_less(runs), above=0.0,
        ),
        judged(
            "On a layout held out of training, many layouts do better than one", "acceptance J", "no figure",
            _gain(
                "twelve layouts over one, held out", runs,
                _tested("one_layout", HELD_OUT), _tested("many_layouts", HELD_OUT),
            ),
            above=0.0,
        ),
        not_testable(
            "Direct training raises HumanEval and MBPP", PAPER, "rises",
            "a model from random weights cannot write ordinary functions; see configs/case2code/human_eval.yaml",
        ),
    ]  # fmt: skip


def _strict(name: str, runs: Sequence[FinishedRun]) -> Figure:
    return over_seeds(name, SPLIT, "", [_strict_of(run) for run in runs])


def _strict_of(run: FinishedRun) -> Figure:
    """A fit measures after training, a validation once."""
    when = "after" if run.results.get("strict_pass", SPLIT, "after") else "validate"
    return run.figure("strict_pass", SPLIT, when)


def _tested(trained_on: str, layout: str) -> Runs:
    return "tested", {"trained_on": trained_on, "layout": layout}


def _gain(name: str, runs: FinishedRuns, low: Runs, high: Runs) -> Figure:
    """How many points the runs `high` lie above `low`: function by function, then over the seeds."""
    pairs = zip(runs.of(low[0], **low[1]), runs.of(high[0], **high[1]), strict=True)
    return over_seeds(name, SPLIT, "", [difference(name, SPLIT, _right(a), _right(b), _seeds(a)) for a, b in pairs])


def _lost_less(runs: FinishedRuns) -> Figure:
    """How many points fewer the held-out layout costs after many layouts than after one. Both differences are taken
    function by function, so that a model which is better in both layouts does not count as losing less."""
    name = "lost less with twelve layouts than with one"
    four = [_tested(trained_on, at) for trained_on in ("many_layouts", "one_layout") for at in (KNOWN, HELD_OUT)]
    less = []
    for group in zip(*(runs.of(run, **variables) for run, variables in four), strict=True):
        many_known, many_new, one_known, one_new = map(_right, group)
        found = difference(name, SPLIT, _costs(many_known, many_new), _costs(one_known, one_new), _seeds(group[0]))
        less.append(replace(found, kind="share_difference"))  # of shares, although single functions cost -1, 0 or 1
    return over_seeds(name, SPLIT, "", less)


def _costs(known: Sequence[bool], new: Sequence[bool]) -> list[int]:
    return [int(before) - int(after) for before, after in zip(known, new, strict=True)]


def _seeds(run: FinishedRun) -> list[int]:
    return [int(run.variables["seed"])] if "seed" in run.variables else []


def _right(run: FinishedRun) -> list[bool]:
    """For every function, in one order, whether the run's last greedy answer was right."""
    entry = [entry for entry in read_pools(run.path) if entry["answers"] == "greedy"][-1]
    grades = SamplePool(run.path / entry["folder"]).grades(entry["grader"])
    return [grade.status == "right" for grade in sorted(grades, key=lambda grade: grade.question_id)]
