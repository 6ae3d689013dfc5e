"""The tables of `configs/studies/weak_to_strong_classification.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean

from lit_reason.charts import Chart
from lit_reason.results import Figure
from lit_reason.study_results import Cell, Claim, FinishedRuns, StudyResults, Table, judged, not_testable
from lit_reason.weak_to_strong.ceiling import ceiling_note
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.classification_runs import (
    LOGCONF,
    SMALL,
    SMALL_LOGCONF,
    SMALL_XENT,
    XENT,
    Transfer,
    best_gap,
    curve_series,
    gap_rows,
    over,
    transfers,
)
from lit_reason.weak_to_strong.metrics import AGREEMENT, median_gap_recovered

PAPER = "Burns et al., 2312.09390"
RELEASE = "openai/weak-to-strong, shipped plots"
RELEASED = {"SciQ": (0.332, 0.310), "Amazon polarity": (0.576, 0.521), "Cosmos QA": (0.352, 0.369),
            "BoolQ": (0.048, -0.355)}  # fmt: skip
"""Median PGR of cross-entropy and of the confidence loss; anthropic_hh is left out, for its accuracies are chance."""

CURVES = {XENT, "product", LOGCONF}
"""Students whose curves are drawn: the others lie on these."""


def tables(runs: FinishedRuns) -> StudyResults:
    """Accuracy, PGR and agreement of every loss, best and last epochs, and the published figures beside ours."""
    several = transfers(runs)
    students = [name for name in several[0].students if all(name in transfer.students for transfer in several)]
    gaps = {name: over(several, partial(_gap, student=name)) for name in students}
    shown = {name: figure for name, figure in gaps.items() if figure is not None}
    return StudyResults(
        [
            _loss_table(several, gaps),
            _agreement_table(several, students),
            _released_table(several, students),
            _epoch_table(several, students),
        ],
        [*([gap_chart(shown)] if shown else []), *_curve_charts(several, students)],
        _claims(several, gaps),
    )


def _loss_table(several: Sequence[Transfer], gaps: dict[str, Figure | None]) -> Table:
    weak = over(several, lambda t: t.accuracy("weak supervisor", t.weak))
    rows: list[list[Cell]] = [["weak supervisor", weak, *[None] * 3]]
    for name, gap in gaps.items():
        notes = "; ".join(f"seed {t.seed}: {note}" for t in several if (note := t.gap(name).note))
        rows.append([name, over(several, partial(_accuracy, student=name)), gap, _median(several, name), notes])
    rows.append(["ceiling, gold labels", over(several, lambda t: t.accuracy("ceiling", t.ceiling)), *[None] * 3])
    small = over(several, lambda t: t.accuracy("small ceiling", t.small_ceiling) if t.small_ceiling else None)
    rows += [["small ceiling, gold labels", small, *[None] * 3]] if small else []
    columns = ["trained with", "test accuracy", "PGR", "median PGR", ""]
    labels = over(several, Transfer.label_accuracy)
    note = f"Of the weak labels {labels.text()} are right. " if labels else ""
    note += f"{ceiling_note([t.ceiling for t in several])} PGR is against the ceiling of a student's own size. "
    n = len(several)
    note += f"Last epoch. Intervals are Student's t over {n} seeds." if n > 1 else (
        "Last epoch. One seed: intervals resample test texts and leave out what another seed would change."
    )  # fmt: skip
    return Table("Every loss", columns, rows, note)


def _agreement_table(several: Sequence[Transfer], students: Sequence[str]) -> Table:
    """How often each student says what its supervisor does."""
    rows: list[list[Cell]] = [
        [name, *(over(several, partial(_repeated, student=name, split=split, part=part))
                 for split, part in AGREEMENT.values())]
        for name in students
    ]  # fmt: skip
    return Table("The supervisor's answers repeated", ["trained with", *AGREEMENT], rows, "Last epoch.")


def _released_table(several: Sequence[Transfer], students: Sequence[str]) -> Table:
    rows: list[list[Cell]] = [[name, *pair] for name, pair in RELEASED.items()]
    ours = [_median(several, name) if name in students else None for name in (XENT, LOGCONF)]
    rows.append(["here", *ours])
    note = "Median over all (weak, strong, seed) of different models whose ceiling is above the weak model."
    return Table("Median PGR, released plots and here", ["data", XENT, LOGCONF], rows, note)


def _epoch_table(several: Sequence[Transfer], students: Sequence[str]) -> Table:
    rows: list[list[Cell]] = []
    for name in students:
        curves = [t.curves[name] for t in several]
        best = [max(range(len(c.accuracy)), key=c.accuracy.__getitem__) for c in curves]
        found = [best_gap(t, name) for t in several]
        gaps = [gap for gap in found if gap is not None]
        rows.append([
            name, fmean(epoch + 1 for epoch in best), fmean(max(c.accuracy) for c in curves),
            fmean(c.accuracy[-1] for c in curves), fmean(gaps) if gaps else None,
            fmean(c.mistakes[0] for c in curves), fmean(c.mistakes[-1] for c in curves),
        ])  # fmt: skip
    columns = ["trained with", "best epoch", "its accuracy", "accuracy of the last", "PGR of the best",
               "wrong labels repeated, first epoch", "last epoch"]  # fmt: skip
    note = "Means over seeds. The best epoch is chosen by gold test labels: a bound of early stopping, no method."
    return Table("Best and last epoch", columns, rows, note)


def _curve_charts(several: Sequence[Transfer], students: Sequence[str]) -> list[Chart]:
    drawn = {name: [t.curves[name] for t in several] for name in students if name in CURVES}
    accuracy = {name: [curve.accuracy for curve in curves] for name, curves in drawn.items()}
    accuracy["ceiling"] = [t.curve(t.ceiling).accuracy for t in several]
    epochs = len(accuracy["ceiling"][0])
    accuracy["weak supervisor, its end"] = [[fmean(t.right(t.weak))] * epochs for t in several]
    mistakes = {name: [curve.mistakes for curve in curves] for name, curves in drawn.items()}
    note = "Means over seeds with their range."
    return [
        Chart("lines", title, "epochs", label, [curve_series(name, curves) for name, curves in lines.items()],
              "share", note=note)
        for title, label, lines in (
            ("Test accuracy by epoch", "accuracy", accuracy),
            ("The supervisor's wrong labels repeated", "share of the wrong labels of H2", mistakes),
        ) if lines
    ]  # fmt: skip


def _claims(several: Sequence[Transfer], gaps: dict[str, Figure | None]) -> list[Claim]:
    def change(text: str, before: str, after: str) -> Figure | None:
        there = all({before, after} <= t.students.keys() for t in several)
        return over(several, lambda t: t.change(text, before, after)) if there else None

    naive = gaps.get(XENT)
    more = change("confidence loss over cross-entropy", XENT, LOGCONF)
    small = change("confidence loss over cross-entropy, small student", SMALL_XENT, SMALL_LOGCONF)
    same = change("KL over cross-entropy", XENT, "KL divergence")
    return [
        _judged("A student is better than its supervisor", PAPER, "in all NLP settings", naive, above=0),
        _judged("Naive training recovers 20 to 50 % of the gap", PAPER, "20 to 50 % (NLP)", naive, above=0.2,
                below=0.5),
        _judged("The confidence loss helps a much stronger student", PAPER, "to about 80 % at the largest gap", more,
                above=0),
        _judged("The confidence loss hurts a student as small as its supervisor", RELEASE, "SciQ .332 to .310, BoolQ "
                ".048 to -.355", small, below=0),
        _judged("A student repeats its supervisor's mistakes less often than its right answers", PAPER,
                "agreement where the supervisor is wrong is lower", over(several, _selective), above=0),
        _judged("Training on repeats more of the supervisor's mistakes", PAPER, "overfitting to weak errors",
                over(several, _more_mistakes), above=0),
        _judged("KL trains as cross-entropy does", "EleutherAI/weak-to-strong, loss.py", "the same gradient", same,
                above=-0.005, below=0.005),
    ]  # fmt: skip


def _judged(
    text: str,
    source: str,
    published: str,
    figure: Figure | None,
    above: float | None = None,
    below: float | None = None,
) -> Claim:
    if figure is None:
        why = "The ceiling is not above the weak supervisor, or the study was cut to fewer runs."
        return not_testable(text, source, published, why)
    return judged(text, source, published, figure, above=above, below=below)


def _selective(transfer: Transfer) -> Figure | None:
    same = transfer.repeated(XENT, "test")
    if not {"supervisor right", "supervisor wrong"} <= same.keys():
        return None
    change = same["supervisor right"].value - same["supervisor wrong"].value
    return Figure("right answers repeated over wrong ones", "test", "", change, seeds=[transfer.seed], kind="value")


def _more_mistakes(transfer: Transfer) -> Figure:
    mistakes = transfer.curves[XENT].mistakes
    name = "wrong labels repeated, last epoch over first"
    return Figure(name, "H2", "", mistakes[-1] - mistakes[0], seeds=[transfer.seed], kind="value")


def _gap(transfer: Transfer, student: str) -> Figure | None:
    return transfer.gap(student).figure(f"PGR, {student}", len(transfer.test), transfer.seed)


def _accuracy(transfer: Transfer, student: str) -> Figure:
    return transfer.accuracy(student, transfer.students[student])


def _repeated(transfer: Transfer, student: str, split: str, part: str) -> Figure | None:
    found = transfer.repeated(student, split).get(part)
    name = f"supervisor's answers repeated, {student}"
    return None if found is None else replace(found, name=name, seeds=[transfer.seed])


def _median(several: Sequence[Transfer], student: str) -> float | None:
    """As released, without pairs of one and the same model."""
    found = None if student in SMALL else median_gap_recovered(gap_rows(several, student))
    return None if found is None else round(found, 3)
