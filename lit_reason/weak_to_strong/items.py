"""Labelled texts for classification: records, soft labels that are checked, splits, and yes/no items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Any

from lit_reason.weak_to_strong.overlap import without_overlap
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

TOLERANCE = 1e-3
"""How far a soft label's sum may be from 1, as float16 and rounded files leave it."""


@dataclass(frozen=True)
class Item:
    """A text with labels. `gold_label` is for reports only: training reads `soft_label`."""

    id: str
    text: str
    soft_label: tuple[float, ...]
    gold_label: int | None = None

    @property
    def hard_label(self) -> int:
        """The class of the largest soft label, the first of equal ones."""
        return max(range(len(self.soft_label)), key=self.soft_label.__getitem__)


def read_item(place: str, row: Mapping[str, Any]) -> Item:
    """A row with `text` and `soft_label`, or `hard_label` (0 or 1), from which follows a one-hot soft label.

    Raises:
        WeakToStrongError: naming the row and the field.
    """
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise WeakToStrongError(f"{place}: text is {'missing' if text is None else 'empty or no text'}")
    gold = row.get("gold_label", row.get("hard_label"))
    soft = row.get("soft_label")
    if soft is None:
        hard = row.get("hard_label")
        if hard not in (0, 1):
            raise WeakToStrongError(f"{place}: hard_label is {hard!r}, not 0 or 1, and there is no soft_label")
        soft = one_hot(hard)
    return Item(str(row.get("id", place)), text, check_soft_label(place, soft), gold)


def check_soft_label(place: str, label: Any) -> tuple[float, ...]:
    """The label as a tuple that sums to 1.

    Raises:
        WeakToStrongError: it is no list of shares, is negative or NaN, or does not sum to 1.
    """
    is_list = isinstance(label, Sequence) and not isinstance(label, str) and len(label) > 1
    if not is_list or not all(isinstance(p, int | float) for p in label):
        raise WeakToStrongError(f"{place}: soft_label is {label!r}, not a list of probabilities")
    if not all(math.isfinite(p) for p in label):
        raise WeakToStrongError(f"{place}: soft_label {label} holds NaN or an infinity")
    if min(label) < 0:
        raise WeakToStrongError(f"{place}: soft_label {label} has a negative entry")
    total = math.fsum(label)
    if abs(total - 1) > TOLERANCE:
        raise WeakToStrongError(f"{place}: soft_label {label} sums to {total:g}, not to 1")
    return tuple(p / total for p in label)


def split_in_half(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """H1 and H2: a random half each, as a function of the seed."""
    order = list(range(len(items)))
    Random(seed).shuffle(order)
    half = len(items) // 2
    return [items[i] for i in order[:half]], [items[i] for i in order[half:]]


def disjoint_splits(
    splits: Mapping[str, Sequence[Item]], keep_overlap: bool = False, files: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, list[Item]], Counter[str]]:
    """The splits without texts that an earlier one has, and how many were dropped (`overlap.without_overlap`).

    Args:
        splits: the test first, last what is labelled or trained on.
        keep_overlap: count only.
        files: where splits come from, for messages; by their names otherwise.

    Raises:
        WeakToStrongError: an id occurs twice, in one split or in two, or the last split is empty.
    """
    owner: dict[str, str] = {}
    for name, items in splits.items():
        place = files.get(name, name)
        for row, item in enumerate(items, 1):
            if item.id in owner:
                raise WeakToStrongError(f"{place}, row {row}: id {item.id!r} is already in {owner[item.id]}")
            owner[item.id] = place
    kept, dropped = without_overlap(splits, lambda item: text_key(item.text), keep_overlap)
    last = list(splits)[-1]
    if not kept[last]:
        raise WeakToStrongError(f"{files.get(last, last)} is empty: no text is left")
    return kept, dropped


def text_key(text: str) -> str:
    """What makes two texts the same: no regard to case and white space."""
    return " ".join(text.casefold().split())


def yes_no(
    id: str,
    question: str,
    right: str | None,
    wrong: Sequence[str],
    seed: int,
    layout: tuple[str, str] = ("Q: ", " A: "),
) -> Item:
    """A multiple-choice question as a yes/no item: a seeded coin shows the right answer (class 1) or a random wrong
    one (class 0); without a right answer to show, always a wrong one. `layout`: what stands before the question and
    before the answer.

    Raises:
        WeakToStrongError: there is no wrong answer.
    """
    if not wrong:
        raise WeakToStrongError(f"{id}: no wrong answer to show")
    label = 0 if right is None else coin(id, seed)
    shown = right if label and right is not None else Random(f"{seed} {id} wrong").choice(list(wrong))
    return Item(id, f"{layout[0]}{question}{layout[1]}{shown}", one_hot(label), label)


def coin(id: str, seed: int) -> int:
    """0 or 1, a function of seed and id alone: the order of rows and other rows change nothing."""
    return Random(f"{seed} {id}").randrange(2)


def one_hot(label: int) -> tuple[float, float]:
    """The soft label of a certain class 0 or 1."""
    return 1.0 - label, float(label)


def relabelled(items: Sequence[Item], labels: Mapping[str, Sequence[float]]) -> list[Item]:
    """The items with a supervisor's labels instead of their own.

    Raises:
        WeakToStrongError: an item has none.
    """
    for row, item in enumerate(items, 1):
        if item.id not in labels:
            raise WeakToStrongError(f"row {row}: the item {item.id!r} has no weak label")
    return [replace(item, soft_label=check_soft_label(item.id, labels[item.id])) for item in items]


def single_class(items: Sequence[Item]) -> bool:
    """Whether all labels name one class: nothing can be learned of the other."""
    return len({item.hard_label for item in items}) == 1
