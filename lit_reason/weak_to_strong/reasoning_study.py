"""The tables of `configs/studies/weak_to_strong_reasoning.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lit_reason.charts import Chart, Series
from lit_reason.files import read_jsonl
from lit_reason.results import Figure, share
from lit_reason.study_results import Cell, FinishedRun, FinishedRuns, StudyResults, Table, over_seeds
from lit_reason.weak_to_strong.analyses import Known
from lit_reason.weak_to_strong.ceiling import ceiling_note
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.metrics import AGREEMENT, GapRecovered, gap_recovered, median_gap_recovered
from lit_reason.weak_to_strong.reasoning_claims import claims, published_tables
from lit_reason.weak_to_strong.reasoning_labels import label_charts, label_tables
from lit_reason.weak_to_strong.reasoning_length import STUDENTS, length_note, length_tables, span, weights
from lit_reason.weak_to_strong.reasoning_runs import (
    CEILING,
    NAIVE,
    WEAK,
    Runs,
    Variants,
    answers,
    labels_of,
    lines,
    right,
    stage1,
    stage2,
)

LABELS = (
    "The supervisor's labels of H2 are its greedy answers for naive training, which learns them, else its majorities."
)


def tables(runs: FinishedRuns) -> StudyResults:
    """Accuracy, PGR and agreement of every variant, what each threshold kept, the overfitting curve, where every fit
    started, and the paper's figures beside ours."""
    variants = Variants(runs)
    gaps = {label: _gap(label, variants.weak, found, variants.ceiling) for label, found in variants.students.items()}
    figures = {label: figure for label, (figure, _) in gaps.items()}
    everyone = {WEAK: variants.weak, **variants.students, CEILING: variants.ceiling}
    accuracy = {label: _accuracy(label, found) for label, found in everyone.items()}
    shown = {label: figure for label, figure in figures.items() if figure is not None}
    charts = [*label_charts(runs), _threshold_chart(variants, accuracy), *_epoch_charts(runs, variants)]
    shared = [_variant_table(variants, gaps, accuracy), *_part_tables(variants, everyone), _agreement_table(variants)]
    return StudyResults(
        [*shared, *published_tables(figures, accuracy), *length_tables(runs), *label_tables(runs),
         *_epoch_tables(runs, variants), _start_table(runs)],
        [*([gap_chart(shown)] if shown else []), *charts],
        claims(runs, figures),
    )  # fmt: skip


def _variant_table(
    variants: Variants, gaps: Mapping[str, tuple[Figure | None, str]], accuracy: Mapping[str, Figure]
) -> Table:
    rows: list[list[Cell]] = [[WEAK, accuracy[WEAK], *[None] * 3]]
    rows += [[label, accuracy[label], gap, _median(variants, label), note] for label, (gap, note) in gaps.items()]
    rows.append([CEILING, accuracy[CEILING], *[None] * 3])
    columns = ["variant", "test accuracy", "PGR", "median PGR", ""]
    n = len(variants.weak)
    note = f"Greedy answers. Intervals are Student's t over {n} seeds." if n > 1 else (
        "Greedy answers. One seed: intervals resample test questions and leave out what another seed would change."
    )  # fmt: skip
    note = " ".join([note, length_note(variants.runs), ceiling_note(variants.runs.of("ceiling"))])
    return Table("Every variant", columns, rows, note.strip())


def _part_tables(variants: Variants, everyone: Mapping[str, Runs]) -> list[Table]:
    """Test accuracy at each level and topic; none where questions have neither."""
    parts = sorted({part for questions in variants.test for known in questions.values() for part in known.parts})
    rows: list[list[Cell]] = []
    for label, found in everyone.items():
        seeds = [_part_accuracies(label, *pair) for pair in zip(found, variants.test, strict=True)]
        there = {part: [seed[part] for seed in seeds if part in seed] for part in parts}
        rows.append([label, *(
            over_seeds(f"accuracy, {label}", f"test/{part}", "", figures) if figures else None
            for part, figures in there.items()
        )])  # fmt: skip
    return [Table("Test accuracy in parts", ["variant", *parts], rows)] if parts else []


def _part_accuracies(label: str, run: FinishedRun, questions: Mapping[str, Known]) -> dict[str, Figure]:
    graded: dict[str, list[bool]] = {}
    for _, row in read_jsonl(run.path / "answers.jsonl"):
        for part in questions[row["id"]].parts:
            graded.setdefault(part, []).append(bool(row["right"]))
    name, seeds = f"accuracy, {label}", [run.variables["seed"]]
    return {part: share(name, f"test/{part}", "", sum(each), len(each), seeds) for part, each in graded.items()}


def _agreement_table(variants: Variants) -> Table:
    """How often each student gives the supervisor's answer."""
    rows: list[list[Cell]] = []
    for label in variants.students:
        same: dict[str, list[dict[str, Figure]]] = {
            "test": variants.same_as_weak(label, "test"), "H2": variants.same_as_weak(label, "H2"),
        }  # fmt: skip
        found = [[seed[part] for seed in same[split] if part in seed] for split, part in AGREEMENT.values()]
        rows.append([label, *(
            over_seeds(f"supervisor's answers repeated, {label}", f"{split}/{part}", "", figures) if figures else None
            for (split, part), figures in zip(AGREEMENT.values(), found, strict=True)
        )])  # fmt: skip
    return Table("The supervisor's answers repeated", ["variant", *AGREEMENT], rows, LABELS)


def _gap(label: str, weak: Runs, student: Runs, ceiling: Runs) -> tuple[Figure | None, str]:
    gaps = [gap_recovered(*map(right, three)) for three in zip(weak, student, ceiling, strict=True)]
    figures = [_gap_figure(label, gap, run) for gap, run in zip(gaps, student, strict=True) if gap.value is not None]
    notes = [f"seed {run.variables['seed']}: {gap.note}" for gap, run in zip(gaps, student, strict=True) if gap.note]
    return (over_seeds(f"PGR, {label}", "test", "", figures) if figures else None), "; ".join(notes)


def _gap_figure(label: str, gap: GapRecovered, run: FinishedRun) -> Figure:
    seeds = [run.variables["seed"]]
    method = "paired bootstrap" if gap.ci95 else None
    kind: Any = "mean" if gap.ci95 else "value"
    return Figure(f"PGR, {label}", "test", "", float(gap.value or 0.0), len(right(run)), gap.ci95, method, seeds, kind)


def _median(variants: Variants, label: str) -> float | None:
    three = zip(variants.weak, variants.students[label], variants.ceiling, strict=True)
    rows = [tuple(run.figure("accuracy", "test").value for run in runs) for runs in three]
    found = median_gap_recovered((weak, student, ceiling) for weak, student, ceiling in rows)
    return None if found is None else round(found, 3)


def _accuracy(label: str, found: Sequence[FinishedRun]) -> Figure:
    return over_seeds(f"accuracy, {label}", "test", "", [run.figure("accuracy", "test", "") for run in found])


def _threshold_chart(variants: Variants, accuracy: Mapping[str, Figure]) -> Chart:
    taus = sorted({run.variables["tau"] for run in variants.runs.of("stage1_answers")})
    names = {"Stage I": stage1, "Stage II": stage2, "Stage II, unfiltered": lambda tau: stage2(tau, unfiltered=True)}
    points = {name: {tau: accuracy.get(label(tau)) for tau in taus} for name, label in names.items()}
    for name in (WEAK, CEILING):
        points[name] = dict.fromkeys(taus, accuracy[name])
    return Chart("lines", "Test accuracy by threshold", "tau", "accuracy", lines(points), "share")


def _epoch_charts(runs: FinishedRuns, variants: Variants) -> list[Chart]:
    curves = [_curve(run, weak, h2) for run, weak, h2 in
              zip(runs.of("naive"), variants.weak, variants.h2, strict=False)]  # fmt: skip
    if not curves or not all(curves):
        return []
    epochs = list(range(1, min(len(curve["accuracy"]) for curve in curves) + 1))
    series = []
    for name in curves[0]:
        values = [[curve[name][epoch - 1] for curve in curves] for epoch in epochs]
        means = [sum(several) / len(several) for several in values]
        series.append(Series(name, epochs, means, [min(v) for v in values], [max(v) for v in values]))
    note = f"Naive training, means over seeds with their range. {LABELS}"
    return [Chart("lines", "Overfitting curve", "epochs", "share", series, "share", note=note)]


def _epoch_tables(runs: FinishedRuns, variants: Variants) -> list[Table]:
    rows: list[list[Cell]] = []
    for run, weak, h2 in zip(runs.of("naive"), variants.weak, variants.h2, strict=False):
        curve = _curve(run, weak, h2)
        if curve:
            found = curve["accuracy"]
            best = max(range(len(found)), key=found.__getitem__)
            rows.append([run.variables["seed"], best + 1, found[best], len(found), found[-1]])
    columns = ["seed", "best epoch", "its accuracy", "last epoch", "its accuracy"]
    note = "The best epoch is chosen by gold test labels: what early stopping could give at most, and no method."
    return [Table("Naive training, best and last epoch", columns, rows, note)] if rows else []


def _curve(run: FinishedRun, weak: FinishedRun, h2: Mapping[str, Any]) -> dict[str, list[float]]:
    """Of a naive fit by epoch: the accuracy on the test, and how many of the supervisor's right and wrong labels are
    reproduced."""
    labels, found = answers(weak, labels_of(NAIVE)), dict[str, list[float]]()
    for test in sorted((run.path / "epochs").glob("test-*.jsonl")):
        graded = [bool(row["right"]) for _, row in read_jsonl(test)]
        given = answers(run, f"epochs/{test.name.replace('test', 'h2')}")
        found.setdefault("accuracy", []).append(sum(graded) / len(graded))
        for name, is_right in (("right labels reproduced", True), ("wrong labels reproduced", False)):
            same = [given[id] == labels[id] for id in h2 if labels[id] and (labels[id] == h2[id].gold) == is_right]
            found.setdefault(name, []).append(sum(same) / max(1, len(same)))
    return found


def _start_table(runs: FinishedRuns) -> Table:
    """Whether each fit began with exactly the weights that S0 ended with, by hash, and how long it trained."""
    initial = {weights(run)["end"] for run in runs.of("initial")}
    initial = initial or {weights(run)["start"] for run in runs.of("ceiling")}  # a model that was not trained here
    rows: list[list[Cell]] = []
    for name in (*STUDENTS, "continued"):
        found = runs.of(name)
        if found:
            rows.append([name, len(found), sum(weights(run)["start"] in initial for run in found), span(found)])
    note = "Hashes of all weights, at a fit's start and at the end of S0's; the ceiling's start stands for a given S0."
    return Table("Restarts", ["fit", "fits", "start from S0, to the bit", "optimizer steps"], rows, note)
