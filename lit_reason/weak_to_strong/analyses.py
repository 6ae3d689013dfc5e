"""What filtering does to labels and questions, by threshold: the tables and curves of 2503.04249."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lit_reason.charts import Chart, Series
from lit_reason.weak_to_strong.metrics import shares, total_variation
from lit_reason.weak_to_strong.votes import VoteRecord, split_by_confidence


@dataclass(frozen=True)
class Known:
    """What is known of a question for reporting only; nothing of it may decide what trains."""

    gold: str | None = None
    difficulty: int | None = None
    topic: str | None = None

    @property
    def parts(self) -> list[str]:
        """The parts of a split that the question belongs to, as figures name them: `difficulty 3`, `topic add`."""
        named = {"difficulty": self.difficulty, "topic": self.topic}
        return [f"{name} {given}" for name, given in named.items() if given is not None]


@dataclass(frozen=True)
class Selected:
    """Some labelled questions beside all of them.

    Args:
        n: how many.
        share: of all.
        label_accuracy: share of right labels; None where no gold answer is known, or nothing selected.
        by_difficulty: label accuracy at each difficulty: a clean mean can hide a level where all labels are wrong.
        difficulty: mean difficulty.
        difficulty_shares: histogram of difficulty.
        topic_shares: shares of the topics.
        difficulty_distance: total variation of the difficulties from those of all questions.
        topic_distance: likewise of topics.
    """

    n: int
    share: float
    label_accuracy: float | None
    by_difficulty: dict[int | None, float] = field(default_factory=dict)
    difficulty: float | None = None
    difficulty_shares: dict[Hashable, float] = field(default_factory=dict)
    topic_shares: dict[Hashable, float] = field(default_factory=dict)
    difficulty_distance: float | None = None
    topic_distance: float | None = None


def describe(labels: Mapping[str, str | None], known: Mapping[str, Known]) -> Selected:
    """Describe labelled questions; `known` holds every question of H2."""
    levels, all_levels = _levels(labels, known), _levels(known, known)
    topics, all_topics = _topics(labels, known), _topics(known, known)
    right: dict[int | None, list[bool]] = {}
    for id, label in labels.items():
        if known[id].gold is not None:
            right.setdefault(known[id].difficulty, []).append(label == known[id].gold)
    together = [each for group in right.values() for each in group]
    return Selected(
        n=len(labels),
        share=len(labels) / len(known) if known else 0.0,
        label_accuracy=fmean(together) if together else None,
        by_difficulty={level: fmean(group) for level, group in right.items()},
        difficulty=fmean(levels) if levels else None,
        difficulty_shares=shares(levels),
        topic_shares=shares(topics),
        difficulty_distance=total_variation(levels, all_levels),
        topic_distance=total_variation(topics, all_topics),
    )


def by_threshold(
    votes: Sequence[VoteRecord], known: Mapping[str, Known], taus: Sequence[float]
) -> dict[float, Selected]:
    """What each threshold keeps."""
    found = {}
    for tau in taus:
        kept, _ = split_by_confidence(votes, tau)
        found[tau] = describe({vote.id: vote.answer for vote in kept}, known)
    return found


def filter_chart(curve: Mapping[float, Selected]) -> Chart:
    """Kept share and label accuracy against the threshold, and label accuracy of the hardest questions apart."""
    levels = {level for found in curve.values() for level in found.by_difficulty if level is not None}
    hardest = max(levels, default=None)
    lines: dict[str, dict[float, float | None]] = {
        "kept": {tau: found.share for tau, found in curve.items()},
        "label accuracy": {tau: found.label_accuracy for tau, found in curve.items()},
        "label accuracy, hardest": {tau: found.by_difficulty.get(hardest) for tau, found in curve.items()},
    }
    series = []
    for name, points in lines.items():
        drawn = {tau: y for tau, y in points.items() if y is not None}
        if drawn:
            series.append(Series(name, list(drawn), list(drawn.values())))
    return Chart("lines", "What each threshold keeps", "tau", "share of questions", series, "share")


def _levels(ids: Collection[str], known: Mapping[str, Known]) -> list[int]:
    return [level for id in ids if (level := known[id].difficulty) is not None]


def _topics(ids: Collection[str], known: Mapping[str, Known]) -> list[str]:
    return [topic for id in ids if (topic := known[id].topic) is not None]
