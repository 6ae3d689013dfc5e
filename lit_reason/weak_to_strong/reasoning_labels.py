"""What the thresholds of a two-stage study did to labels and questions: its tables and curves."""

from __future__ import annotations

from collections.abc import Sequence

from lit_reason.charts import Chart, Series
from lit_reason.results import Figure, share
from lit_reason.study_results import Cell, FinishedRuns, Table, over_seeds
from lit_reason.weak_to_strong.question_files import read_votes
from lit_reason.weak_to_strong.reasoning_runs import TAU, Runs, Variants, lines, over, part_share, parts_of

TRAINING_SETS = {
    "naive_rows": "naive", "stage1_rows": "A", "stage2_rows": "A and B", "iterated_rows": "A, B and C",
    "oracle_rows": "oracle",
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


def label_tables(runs: FinishedRuns) -> list[Table]:
    """Of every training set: how many labels, how right, how hard; and its histograms of difficulty and topic."""
    rows: list[list[Cell]] = []
    shares: list[list[Cell]] = []
    parts = _parts(runs)
    for label, found in _training_sets(runs).items():
        rows.append([label, *[over(found, *figure, label) for figure in ABOUT_LABELS.values()]])
        shares.append([label, *[over(found, "share", f"rows/{part}", label) for part in parts]])
        shares[-1] += [over(found, "label accuracy", f"rows/{part}", label) for part in parts]
    right = [f"labels right, {part}" for part in parts]
    return [
        Table("Labels", ["training set", *ABOUT_LABELS], rows, "Distances are total variation."),
        Table("Questions", ["training set", *parts, *right], shares,
              "Shares of a training set's questions, and how many labels are right in each part: a filter that cleans "
              "easy labels only, or takes a topic away instead of its errors, does not show in a mean."),
    ]  # fmt: skip


def label_charts(runs: FinishedRuns) -> list[Chart]:
    """Filter curves, mean difficulty against tau, histograms, and whether confidence says anything. Questions may lack
    difficulty or topic, and then so does the page."""
    taus = sorted({run.variables["tau"] for run in runs.of("stage1_rows")})
    charts = [
        _filter_chart(runs, taus), _difficulty_chart(runs, taus), _histogram(runs, "difficulty"),
        _histogram(runs, "topic"), calibration_chart(Variants(runs)),
    ]  # fmt: skip
    return [chart for chart in charts if chart is not None]


def calibration_chart(variants: Variants) -> Chart:
    """How often the supervisor's majority is right at each share of its votes, all seeds together."""
    graded: dict[float, list[bool]] = {}
    for run, known in zip(variants.weak, variants.h2, strict=True):
        for vote in read_votes(run.path / "votes.jsonl"):
            graded.setdefault(vote.confidence, []).append(vote.answer == known[vote.id].gold)
    found = {c: share("right", f"confidence {c:g}", "", sum(r), len(r)) for c, r in sorted(graded.items())}
    series = Series.of_figures("majority labels that are right", list(found), list(found.values()))
    note = "Questions of H2. A filter can work where this rises, and is blind where a high share is often wrong."
    return Chart("lines", "What the supervisor's confidence is worth", "share of votes", "labels right", [series],
                 "share", note=note)  # fmt: skip


def _training_sets(runs: FinishedRuns) -> dict[str, Runs]:
    found: dict[str, Runs] = {}
    for name, stage in TRAINING_SETS.items():
        for run in runs.of(name):
            about = {k: v for k, v in run.variables.items() if k != "seed"}
            texts = [f"tau {v:g}" if k == "tau" else str(v) for k, v in about.items()]
            found.setdefault(", ".join([stage, *texts]), []).append(run)
    return found


def _parts(runs: FinishedRuns) -> list[str]:
    """The levels and topics of H2, as parts of a split."""
    return sorted({part for run in runs.of("stage1_rows") for part in parts_of(run)})


def _filter_chart(runs: FinishedRuns, taus: Sequence[float]) -> Chart:
    hardest = max((part for part in _parts(runs) if part.startswith("difficulty")), default="")
    shown = {
        "kept": ("kept share", "rows"),
        "labels right": ("label accuracy", "rows"),
        f"labels right, {hardest}": ("label accuracy", f"rows/{hardest}"),
    }
    points = {
        name: {tau: over(runs.of("stage1_rows", tau=tau), *figure, f"{name}, tau {tau:g}") for tau in taus}
        for name, figure in shown.items()
    }
    return Chart("lines", "What each threshold keeps", "tau", "share", lines(points), "share")


def _difficulty_chart(runs: FinishedRuns, taus: Sequence[float]) -> Chart | None:
    stage2 = {"stage2": "filtered"}
    both = [tau for tau in taus if runs.of("stage2_rows", tau=tau, **stage2)]
    points: dict[str, dict[float, Figure | None]] = {
        "H2": {tau: over(runs.of("stage1_rows", tau=taus[0]), "difficulty", "voted on", f"H2 {tau:g}") for tau in taus},
        "A": {tau: over(runs.of("stage1_rows", tau=tau), "difficulty", "rows", f"A {tau:g}") for tau in taus},
        "A and B": {tau: over(runs.of("stage2_rows", tau=tau, **stage2), "difficulty", "rows", f"AB {tau:g}")
                    for tau in both},
    }  # fmt: skip
    drawn = lines(points)
    return Chart("lines", "Question degeneration", "tau", "mean difficulty", drawn) if drawn else None


def _histogram(runs: FinishedRuns, of: str) -> Chart | None:
    """Shares of H2, A and A and B at the threshold of the claims; at the first one where that was not run."""
    tau = TAU if runs.of("stage2_rows", tau=TAU) else runs.of("stage2_rows")[0].variables["tau"]
    parts = [part for part in _parts(runs) if part.startswith(of)]
    if not parts:
        return None
    groups = {
        "H2": (runs.of("stage1_rows", tau=tau), "voted on"),
        f"A, tau {tau:g}": (runs.of("stage1_rows", tau=tau), "rows"),
        f"A and B, tau {tau:g}": (runs.of("stage2_rows", tau=tau, stage2="filtered"), "rows"),
    }
    series = [
        Series.of_figures(
            name,
            parts,
            [over_seeds(part, split, "", [part_share(run, split, part) for run in found]) for part in parts],
        )
        for name, (found, split) in groups.items()
    ]
    return Chart("bars", f"Questions by {of}", "", "share of the set", series, "share")
