"""What 2503.04249 says of two stages, each statement beside what was measured here at one threshold set beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lit_reason.results import Figure
from lit_reason.study_results import Cell, Claim, FinishedRuns, Table, judged, not_testable
from lit_reason.weak_to_strong.metrics import in_percent
from lit_reason.weak_to_strong.reasoning_runs import (
    CEILING,
    NAIVE,
    OTHERS,
    TAU,
    WEAK,
    Runs,
    Variants,
    change,
    figures,
    part_share,
    parts_of,
    stage1,
    stage2,
)

PAPER = "2503.04249, as summarised"
PUBLISHED = {
    "Llama-3 8B to 70B, GSM8K": ((74.8, 75.20, 80.28, 81.50, 80.4), (7.19, 98.56, 120.50)),
    "Llama-3 8B to 70B, MATH": ((18.1, 23.2, 34.0, 35.2, 32.2), (36.17, 112.77, 121.28)),
    "Deepseek 7B to 67B, GSM8K": ((48.36, 62.39, 71.11, 72.94, 75.66), (51.39, 83.33, 90.04)),
    "Deepseek 7B to 67B, MATH": ((11.4, 16.8, 21.2, 21.8, 19.6), (65.85, 119.51, 126.83)),
}
"""Accuracies of weak model, naive, Stage I, Stage II and ceiling, and PGR of the three students, in per cent. Weak and
ceiling, and the naive accuracy of Llama-3 on MATH, are what the printed PGRs leave for them."""

ABLATION = {0.5: ("78.99", "80.89", "78.31"), 0.6: ("80.07", "81.50", "78.84"), 0.7: ("80.28", "81.19", "80.28"),
            0.8: ("80.06", "80.74", "79.59")}  # fmt: skip
"""Llama-3, GSM8K accuracy by tau: Stage I, Stage II filtered and unfiltered."""


def published_tables(gaps: dict[str, Figure | None], accuracy: Mapping[str, Figure]) -> list[Table]:
    """The paper's two tables, each with ours in it; all in per cent."""
    students = NAIVE, stage1(TAU), stage2(TAU)
    ours: list[Cell] = [accuracy.get(name) for name in (WEAK, *students, CEILING)]
    main: list[list[Cell]] = [
        [name, *_main_row([f"{x:g} %" for x in paper], [f"{x:.2f} %" for x in pgr])]
        for name, (paper, pgr) in PUBLISHED.items()
    ]
    main.append([f"here, tau {TAU:g}", *_main_row(ours, [in_percent(gaps.get(name)) for name in students])])
    rows: list[list[Cell]] = []
    for tau, paper in ABLATION.items():
        mine = [accuracy.get(name) for name in (stage1(tau), stage2(tau), stage2(tau, unfiltered=True))]
        rows.append([tau, *(f"{x} %" for x in paper), *mine])
    heads = ["", "weak", "naive", "naive, PGR", "Stage I", "Stage I, PGR", "Stage II", "Stage II, PGR", "ceiling"]
    columns = ["tau", "paper, Stage I", "filtered", "unfiltered", "here, Stage I", "filtered", "unfiltered"]
    return [
        Table("Accuracy and PGR in the paper and here", heads, main,
              f"{PAPER}. Weak and ceiling, and the naive accuracy of Llama-3 on MATH, follow from its PGRs."),
        Table("The filter of Stage II, in the paper and here", columns, rows,
              f"{PAPER}: Llama-3 on GSM8K, accuracy. A cell is empty where this study leaves a threshold out."),
    ]  # fmt: skip


def _main_row(accuracies: Sequence[Cell], gaps: Sequence[Cell]) -> list[Cell]:
    """Of weak, three students and ceiling; each student's PGR stands after its accuracy."""
    weak, *students, ceiling = accuracies
    return [weak, *(cell for pair in zip(students, gaps, strict=True) for cell in pair), ceiling]


def claims(runs: FinishedRuns, gaps: dict[str, Figure | None]) -> list[Claim]:
    """All of them, in the paper's order."""
    variants = Variants(runs)
    first, second, whole = stage1(TAU), stage2(TAU), gaps.get(stage2(TAU))
    gain = variants.gain
    found = [
        _judged("Stage I is better than naive training", "75.20 to 80.07 (Llama-3, GSM8K)",
                gain("Stage I over naive", NAIVE, first), 0),
        _judged("Stage II is better than Stage I", "80.07 to 81.50 (Llama-3, GSM8K)",
                gain("Stage II over Stage I", first, second), 0),
        _judged("Stage II needs its filter", "78.84 without, 81.50 with (Llama-3, GSM8K)",
                gain("Stage II filtered over unfiltered", stage2(TAU, unfiltered=True), second), 0),
        _judged("Another round of Stage II helps again", "PGR 126.83 to 134.15 % (Deepseek, MATH)",
                gain("another round", second, OTHERS["iterated"]), 0),
        _judged("Stage II recovers more than the whole gap", "PGR 120.50, 121.28, 126.83 %; 90.04 % in one series",
                whole, 1),
        *_label_claims(runs), _overfitting_claim(variants),
    ]  # fmt: skip
    return found


def _label_claims(runs: FinishedRuns) -> list[Claim]:
    strict, usual = runs.of("stage1_rows", tau=0.8), runs.of("stage1_rows", tau=TAU)
    union = runs.of("stage2_rows", tau=TAU, stage2="filtered")

    def changed(text: str, before: tuple[Runs, str, str], after: tuple[Runs, str, str]) -> Figure | None:
        return change(text, figures(*before), figures(*after)) if len(before[0]) == len(after[0]) else None

    return [
        _judged("A higher threshold leaves easier questions", "mean MATH level 3.48 to 2.66", changed(
            "difficulty of A, tau .8, against H2", (strict, "difficulty", "voted on"), (strict, "difficulty", "rows")),
            below=0),
        _judged("A higher threshold takes a topic away", "a topic's share 10.79 to 4.31 %",
                topic_change(strict), below=0),
        _judged("Stage II gives hard questions back", "histograms", changed(
            "difficulty distance from H2, A and B against A", (usual, "difficulty distance from H2", "rows"),
            (union, "difficulty distance from H2", "rows")), below=0),
        _judged("The strong model labels discarded questions better than the weak one", "Stage II's premise", changed(
            "labels right on discarded questions, S1 against W", (usual, "label accuracy", "discarded"),
            (union, "label accuracy", "voted on")), 0),
        _judged("Its confidence filters its labels", "Stage II's filter", changed(
            "labels right on discarded questions, kept against all of S1's", (union, "label accuracy", "voted on"),
            (union, "label accuracy", "kept now")), 0),
    ]  # fmt: skip


def topic_change(found: Runs) -> Figure | None:
    """By how much a topic's share of A differs from its share of H2. The topic of a seed is the one that loses most in
    the other seeds: chosen on the seed itself, one topic or another would always lose."""
    taken = [falling_topic([run for run in found if run is not this]) for this in found]
    pairs = [(run, topic) for run, topic in zip(found, taken, strict=True) if topic]
    before, after = ([part_share(run, split, topic) for run, topic in pairs] for split in ("voted on", "rows"))
    return change("share of the topic that loses most, A at tau .8 against H2", before, after)


def falling_topic(found: Runs) -> str | None:
    """The part `topic ...` whose share falls most from H2 to A, over these runs together; None without a run."""
    topics = sorted({part for run in found for part in parts_of(run) if part.startswith("topic ")})
    falls = {topic: sum(part_share(run, "rows", topic).value - part_share(run, "voted on", topic).value
                        for run in found) for topic in topics}  # fmt: skip
    return min(topics, key=falls.__getitem__, default=None)


def _overfitting_claim(variants: Variants) -> Claim:
    repeated = [[same.get("supervisor wrong") for same in variants.same_as_weak(name, "H2")]
                for name in (stage1(TAU), NAIVE)]  # fmt: skip
    figure = change("wrong labels repeated, naive against Stage I", *repeated) if all(repeated) else None
    return _judged("Naive training repeats more of the supervisor's mistakes", "the argument of both papers", figure, 0)


def _judged(
    text: str, published: str, figure: Figure | None, above: float | None = None, below: float | None = None
) -> Claim:
    if figure is None:
        return not_testable(text, PAPER, published, "The runs that it needs are not in this form of the study.")
    return judged(text, PAPER, published, figure, above=above, below=below)
