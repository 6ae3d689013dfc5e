"""What a selection of labels is like, as figures of a run: how many, how right, how hard, and how far from H2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lit_reason.results import Figure, count, mean, share, value
from lit_reason.weak_to_strong.analyses import Known, describe
from lit_reason.weak_to_strong.votes import VoteRecord

Labels = Mapping[str, str | None]


def label_figures(
    rows: Sequence[dict[str, Any]], kept: Labels, votes: Sequence[VoteRecord], known: Mapping[str, Known]
) -> list[Figure]:
    """Of all rows for training (`rows`), of the labels added now (`kept now`), of what was left (`discarded`), and of
    all that was voted on (`voted on`). Parts by difficulty and topic stand below a split: `rows/difficulty 3`."""
    parts: dict[str, Labels] = {
        "rows": {row["id"]: row.get("answer") for row in rows},
        "kept now": kept,
        "voted on": {vote.id: vote.answer for vote in votes},
        "discarded": {vote.id: vote.answer for vote in votes if vote.id not in kept},
    }
    found = [count("rows", "H2", "", len(rows))]
    for split, labels in parts.items():
        found += [share("kept share", split, "", len(labels), len(known)), *_right(split, labels, known)]
        found += _questions(split, labels, known)
    return found


def _right(split: str, labels: Labels, known: Mapping[str, Known]) -> list[Figure]:
    """How many labels are right, together and in each part: a clean whole can hide a part that is all wrong."""
    graded: dict[str, list[bool]] = {split: []}
    for id, label in labels.items():
        if known[id].gold is not None:
            for part in (split, *(f"{split}/{part}" for part in known[id].parts)):
                graded.setdefault(part, []).append(label == known[id].gold)
    there = {part: right for part, right in sorted(graded.items()) if right}
    return [share("label accuracy", part, "", sum(right), len(right)) for part, right in there.items()]


def _questions(split: str, labels: Labels, known: Mapping[str, Known]) -> list[Figure]:
    """Mean difficulty, histograms, and their distances from those of all questions."""
    about = describe(labels, known)
    levels = [float(level) for id in labels if (level := known[id].difficulty) is not None]
    found = [mean("difficulty", split, "", levels)] if levels else []
    for name, distance in (("difficulty", about.difficulty_distance), ("topic", about.topic_distance)):
        if distance is not None:
            found.append(value(f"{name} distance from H2", split, "", distance))
    for name, shares in (("difficulty", about.difficulty_shares), ("topic", about.topic_shares)):
        n = sum(getattr(known[id], name) is not None for id in labels)
        found += [share("share", f"{split}/{name} {key}", "", round(part * n), n) for key, part in shares.items()]
    return found
