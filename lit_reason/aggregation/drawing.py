"""What a pool of graded samples looks like: accuracy against samples and tokens, lengths, revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lit_reason.aggregation.lengths import Rank
from lit_reason.aggregation.subsets import AtK
from lit_reason.aggregation.table import VoteTable
from lit_reason.charts import Chart, Series, histogram
from lit_reason.statistics import bootstrap_interval, wilson_interval

FIRST_DRAWN = ("majority", "shortest majority", "shortest", "short-3", "coverage", "random")
"""At most six lines can be told apart; these come first where they are there."""

MOST_REVISIONS = 5
"""Samples with so many revisions or more share one bar."""


def accuracy_charts(curves: Mapping[str, Sequence[AtK]], part: str) -> list[Chart]:
    """Accuracy as samples and as tokens grow; `part` says of what, and makes the titles unique in a run."""
    names = [name for name in FIRST_DRAWN if name in curves]
    names = [*names, *(name for name in curves if name not in names)][:6]
    if len(next(iter(curves.values()), ())) < 2:
        return []
    note = (
        "Each point is the expectation over all subsets of k samples, or over 2,000 random ones; ties are broken at "
        "random. Bands are 95 % bootstrap intervals over questions."
    )
    by_samples = [_line(name, [at.k for at in curves[name]], curves[name]) for name in names]
    by_tokens = [_line(name, [float(at.tokens.mean()) for at in curves[name]], curves[name]) for name in names]
    return [
        Chart("lines", f"Accuracy against samples, {part}", "samples a question", "accuracy", by_samples, "share",
              log_x=True, note=note),
        Chart("lines", f"Accuracy against tokens, {part}", "generated tokens a question", "accuracy", by_tokens,
              "share", log_x=True, note=note),
    ]  # fmt: skip


def length_chart(table: VoteTable, part: str) -> Chart | None:
    """Histograms of the lengths of right and of wrong samples; None without a sample that holds anything."""
    chains = table.present & (table.lengths > 0)
    lengths = {"right": table.lengths[chains & table.right], "wrong": table.lengths[chains & ~table.right]}
    if not chains.any():
        return None
    note = "All questions together: hard ones are longer and more often wrong, so this alone says nothing about length."
    return histogram(f"Lengths of samples, {part}", "tokens", lengths, note=note)


def rank_chart(ranks: Sequence[Rank], part: str) -> Chart | None:
    """Accuracy of the shortest, the second shortest sample of each question, and so on; None with one sample each."""
    if len(ranks) < 2:
        return None
    own = [rank.accuracy for rank in ranks]
    places = [int(rank.rank) + 1 for rank in ranks]
    low, high = [mean.ci95[0] for mean in own], [mean.ci95[1] for mean in own]
    series = Series("samples of this rank", places, [mean.value for mean in own], low, high)
    note = "Within each question, so difficulty plays no part. Bands are 95 % bootstrap intervals over questions."
    title = f"Accuracy by length within the question, {part}"
    return Chart("lines", title, "rank by length, 1 is the shortest", "accuracy", [series], "share", note=note)


def revision_chart(revisions: Sequence[int], right: Sequence[bool], part: str) -> Chart | None:
    """Accuracy of samples by how often they turn on themselves; None where none does."""
    counted, verdict = np.minimum(revisions, MOST_REVISIONS), np.asarray(right, dtype=bool)
    groups = [(int(i), verdict[counted == i]) for i in np.unique(counted)]
    if not counted.any():
        return None
    names = [f"{i}{'+' if i == MOST_REVISIONS else ''} (n = {len(group):,})" for i, group in groups]
    ends = [wilson_interval(int(group.sum()), len(group)) for _, group in groups]
    values = [float(group.mean()) for _, group in groups]
    series = Series("samples", names, values, [low for low, _ in ends], [high for _, high in ends])
    note = "Wilson intervals over samples, those of one question counted as independent."
    title = f"Revisions and accuracy, {part}"
    return Chart("bars", title, "cues in a sample", "accuracy", [series], "share", note=note)


def _line(name: str, x: Sequence[float], curve: Sequence[AtK]) -> Series:
    ends = [bootstrap_interval(at.values, seed=0) for at in curve]
    return Series(name, x, [at.accuracy for at in curve], [low for low, _ in ends], [high for _, high in ends])
