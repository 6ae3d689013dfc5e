"""The tables of `configs/studies/weak_to_strong_reasoning.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lit_reason.charts import Chart, Series
from lit_reason.files import read_jsonl
from lit_reason.results import Figure
from lit_reason.study_results import (
    Cell,
    Claim,
    FinishedRun,
    FinishedRuns,
    StudyResults,
    Table,
    not_testable,
    over_seeds,
)
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.metrics import GapRecovered, agreement, gap_recovered
from lit_reason.weak_to_strong.steps import read_known

PAPER = "2503.04249, main results and Stage II ablation, as summarised"
PUBLISHED = [
    ["Llama-3 8B to 70B, GSM8K", "7.19 %", "98.56 %", "120.50 %"],
    ["Llama-3 8B to 70B, MATH", "36.17 %", "112.77 %", "121.28 %"],
    ["Deepseek 7B to 67B, GSM8K", "51.39 %", "83.33 %", "90.04 %"],
    ["Deepseek 7B to 67B, MATH", "65.85 %", "119.51 %", "126.83 %"],
]

TRAINING_SETS = {
    "stage1_rows": "A", "stage2_rows": "A and B", "iterated_rows": "A, B and C", "oracle_rows": "oracle",
}  # fmt: skip
"""Runs that select labels, and what they select."""

ABOUT_LABELS = {
    "share of H2": ("kept share", "rows"),
    "labels right": ("label accuracy", "rows"),
    "of those added now": ("label accuracy", "kept now"),
    "of all voted on": ("label accuracy", "voted on"),
    "of those discarded": ("label accuracy", "discarded"),
    "mean difficulty": ("difficulty", "rows"),
    "difficulty distance from H2": ("difficulty distance from H2", "rows"),
    "topic distance from H2": ("topic distance from H2", "rows"),
}
"""Columns, and the name and split of the figure in each."""

OTHERS = {
    "continued": "Stage II, continued from S1",
    "iterated": "Stage II twice",
    "oracle": "oracle filter (uses gold)",
}

Runs = list[FinishedRun]


def tables(runs: FinishedRuns) -> StudyResults:
    """Accuracy, PGR and agreement of every variant, what each threshold kept, and the paper's PGRs."""
    variants = _variants(runs)
    weak, ceiling = runs.of("weak_answers"), runs.of("ceiling_answers")
    gaps = {label: _gap(label, weak, found, ceiling) for label, found in variants.items()}
    known = [read_known(run.path / "test.jsonl") for run in runs.of("questions")]
    rows: list[list[Cell]] = [["weak supervisor", _accuracy("weak", weak), None, "", None]]
    for label, found in variants.items():
        figure, note = gaps[label]
        same = [_agreement(a, b, k) for a, b, k in zip(found, weak, known, strict=True)]
        wrong = over_seeds(f"agreement with wrong answers, {label}", "test", "", same)
        rows.append([label, _accuracy(label, found), figure, note, wrong])
    rows.append(["ceiling, gold labels", _accuracy("ceiling", ceiling), None, "", None])
    shown = {label: figure for label, (figure, _) in gaps.items() if figure is not None}
    columns = ["variant", "test accuracy", "PGR", "", "repeats the supervisor's wrong answers"]
    return StudyResults(
        [Table("Every variant", columns, rows, "Greedy answers; PGR's interval resamples test questions."),
         _labels(runs), Table("PGR in the paper", ["", "naive", "Stage I", "Stage II"], PUBLISHED, PAPER)],
        [_filter_chart(runs), *([gap_chart(shown)] if shown else [])],
        _claims(gaps),
    )  # fmt: skip


def _variants(runs: FinishedRuns) -> dict[str, Runs]:
    found: dict[str, Runs] = {}
    for run in runs.of("stage1_answers"):
        tau = run.variables["tau"]
        found.setdefault("naive (tau 0)" if tau == 0 else f"Stage I, tau {tau:g}", []).append(run)
    for run in runs.of("stage2_answers"):
        kind = "" if run.variables["stage2"] == "filtered" else ", unfiltered"
        found.setdefault(f"Stage II, tau {run.variables['tau']:g}{kind}", []).append(run)
    for name, label in OTHERS.items():
        found[label] = runs.of(f"{name}_answers")
    return {label: several for label, several in found.items() if several}


def _labels(runs: FinishedRuns) -> Table:
    rows: list[list[Cell]] = []
    for name, stage in TRAINING_SETS.items():
        for variables in _different(runs.of(name)):
            found = runs.of(name, **variables)
            about = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in variables.values())
            label = f"{stage} {about}".strip()
            rows.append([label, *[_over(found, *figure, label) for figure in ABOUT_LABELS.values()]])
    return Table("Labels", ["training set", *ABOUT_LABELS], rows, "Distances are total variation.")


def _filter_chart(runs: FinishedRuns) -> Chart:
    series = []
    taus = sorted({run.variables["tau"] for run in runs.of("stage1_rows")})
    for figure, name in (("kept share", "kept"), ("label accuracy", "label accuracy")):
        figures = [_over(runs.of("stage1_rows", tau=tau), figure, "rows", f"tau {tau:g}") for tau in taus]
        series.append(Series.of_figures(name, taus, [f for f in figures if f is not None]))
    return Chart("lines", "What each threshold keeps", "tau", "share", series, "share")


def _claims(gaps: dict[str, tuple[Figure | None, str]]) -> list[Claim]:
    best = {
        stage: max((f.value for label, (f, _) in gaps.items() if f and label.startswith(stage)), default=None)
        for stage in ("naive", "Stage I,", "Stage II,")
    }
    found = ", ".join(f"{stage.strip(',')} {value:.0%}" for stage, value in best.items() if value is not None)
    reason = f"the best thresholds were chosen on the test, so no interval is honest; PGR here: {found or 'undefined'}"
    text = "Stage I recovers more than naive training, Stage II more than Stage I"
    return [not_testable(text, PAPER, "see table", reason)]


def _gap(label: str, weak: Runs, student: Runs, ceiling: Runs) -> tuple[Figure | None, str]:
    gaps = [gap_recovered(*map(_right, three)) for three in zip(weak, student, ceiling, strict=True)]
    figures = [_gap_figure(label, gap, run) for gap, run in zip(gaps, student, strict=True) if gap.value is not None]
    note = "; ".join(dict.fromkeys(gap.note for gap in gaps if gap.note))
    return (over_seeds(f"PGR, {label}", "test", "", figures) if figures else None), note


def _gap_figure(label: str, gap: GapRecovered, run: FinishedRun) -> Figure:
    n = len(_right(run))
    seeds = [run.variables["seed"]]
    method = "paired bootstrap" if gap.ci95 else None
    kind: Any = "mean" if gap.ci95 else "value"
    return Figure(f"PGR, {label}", "test", "", float(gap.value or 0.0), n, gap.ci95, method, seeds, kind)


def _accuracy(label: str, found: Runs) -> Figure:
    return over_seeds(f"accuracy, {label}", "test", "", [run.figure("accuracy", "test", "") for run in found])


def _agreement(student: FinishedRun, weak: FinishedRun, known: dict[str, Any]) -> Figure:
    gold = {id: each.gold for id, each in known.items()}
    return agreement(_given(student), _given(weak), gold, "test", "")[-1]


def _given(run: FinishedRun) -> dict[str, str | None]:
    return {row["id"]: row["answer"] for _, row in read_jsonl(run.path / "answers.jsonl")}


def _right(run: FinishedRun) -> list[bool]:
    rows = sorted((row["id"], row["right"]) for _, row in read_jsonl(run.path / "answers.jsonl"))
    return [right for _, right in rows]


def _over(found: Runs, name: str, split: str, label: str) -> Figure | None:
    figures = [figure for run in found if (figure := run.results.get(name, split, "")) is not None]
    return over_seeds(f"{name}, {label}", split, "", figures) if figures else None


def _different(found: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """The values of the variables but the seed, in order of appearance."""
    several = [{k: v for k, v in run.variables.items() if k != "seed"} for run in found]
    return [each for i, each in enumerate(several) if each not in several[:i]]
