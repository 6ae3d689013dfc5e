"""The tables of `configs/studies/test_time_scaling.yaml`: planted revisions that harm or help, and a real model."""

from __future__ import annotations

from typing import Any

from lit_reason.aggregation.findings import RATIO
from lit_reason.charts import Chart, Series
from lit_reason.results import Figure
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

PAPER = "2502.12215, as summarised; its tables could not be read"
RULES = ("random", "majority", "shortest majority", "shortest", "longest", "coverage")
GAIN = "accuracy minus the majority's"
PLANTED = "small model, planted revisions"
REAL = "real model of 135 million weights"


def tables(runs: FinishedRuns) -> StudyResults:
    """Both regimes of planted revisions over seeds, then what the real model showed, labelled as such."""
    shares = list(dict.fromkeys(run.variables["revision_right"] for run in runs.of("tested")))
    return StudyResults(
        [_planted(runs, shares), _real(runs.one("real")), _revised(runs.one("revised"))],
        [_chart(runs, shares), *runs.one("revised").charts[-3:]],
        _claims(runs, shares),
    )


def _planted(runs: FinishedRuns, shares: list[Any]) -> Table:
    columns = ["revisions that are right", "length, wrong / right", *RULES, "shortest majority - majority"]
    rows: list[list[Cell]] = []
    for share in shares:
        accuracies = [_over(runs, "accuracy", rule, share) for rule in RULES]
        gain = _over(runs, GAIN, "shortest majority", share)
        rows.append([share, _ratio(runs, share), *accuracies, gain])
    note = (
        f"{PLANTED.capitalize()}: a first attempt is right in 6 of 10 solutions, and half of the attempts are followed "
        "by another. Votes over 16 samples; intervals over seeds."
    )
    return Table("Revisions that harm and revisions that help", columns, rows, note)


def _real(run: FinishedRun) -> Table:
    rows: list[list[Cell]] = []
    for rule in RULES:
        gain = run.results.get(GAIN, rule, "validate")
        rows.append([rule, run.figure("accuracy", rule, "validate"), gain])
    ratio = run.results.get(RATIO, "", "validate")
    seen = f"Wrong / right length of one question: {ratio.text()} {ratio.interval_text()}." if ratio else ""
    return Table(f"Votes on short sums, {REAL}", ["", "accuracy", "minus the majority"], rows, seen)


def _revised(run: FinishedRun) -> Table:
    names = ("accuracy", "ever right", "wrong to right", "right to wrong")
    rounds = [f.split for f in run.results.figures if f.name == "revisions: accuracy"]
    rows: list[list[Cell]] = [
        [split, *(run.results.get(f"revisions: {name}", split, "validate") for name in names)] for split in rounds
    ]
    return Table(f"Revising one answer, {REAL}", ["", *names], rows, "Wilson intervals over chains.")


def _claims(runs: FinishedRuns, shares: list[Any]) -> list[Claim]:
    low, high = min(shares), max(shares)
    shorter = "Right solutions are shorter than wrong ones of the same question (here: where revisions harm)"
    gain = _over(runs, GAIN, "shortest majority", low)
    return [
        _contrast(shorter, PAPER, "shorter for QwQ, R1 and LIMO", _ratio(runs, low), above=1.0),
        judged(
            "The shortest majority beats the majority (here: where revisions harm)", PAPER, "beats", gain, above=0.0,
        ),
        _contrast(
            "Where revisions help, right solutions are the longer ones", "our simulation", "not published",
            _ratio(runs, high), below=1.0,
        ),
        not_testable(
            "Parallel sampling beats revising for QwQ, R1 and LIMO", PAPER, "beats in coverage and scalability",
            "no model that reasons at length runs offline here: set configs/test_time_scaling/endpoint.yaml to one",
        ),
    ]  # fmt: skip


def _contrast(text: str, source: str, published: str, ratio: Figure | None, **bounds: float) -> Claim:
    if ratio is None:
        return not_testable(text, source, published, "too few questions have both right and wrong samples")
    return judged(text, source, published, ratio, **bounds)


def _ratio(runs: FinishedRuns, share: Any) -> Figure | None:
    """The length contrast over seeds; None where a run has none."""
    all_there = all(run.results.get(RATIO, "", "test") for run in runs.of("tested", revision_right=share))
    return _over(runs, RATIO, "", share) if all_there else None


def _over(runs: FinishedRuns, name: str, split: str, share: Any) -> Figure:
    """A figure of one regime over its seeds, marked with the regime."""
    figures = [run.figure(name, split, "test") for run in runs.of("tested", revision_right=share)]
    regime = f"{split}, {share} right".removeprefix(", ")
    return over_seeds(name, regime, "test", figures)


def _chart(runs: FinishedRuns, shares: list[Any]) -> Chart:
    series = [
        Series.of_figures(rule, [str(share) for share in shares], [_over(runs, "accuracy", rule, s) for s in shares])
        for rule in ("majority", "shortest majority", "shortest", "longest")
    ]
    title = f"Votes by how often a revision is right, {PLANTED}"
    return Chart("bars", title, "share of revisions that are right", "accuracy", series, "share")
