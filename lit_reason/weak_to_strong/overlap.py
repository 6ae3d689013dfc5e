"""Texts that occur in two splits: what is tested must not be trained on, nor what is labelled be known beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def without_overlap(
    splits: Mapping[str, Sequence[T]], text: Callable[[T], Hashable], keep: bool = False
) -> tuple[dict[str, list[T]], Counter[str]]:
    """The splits without what an earlier one has, the last one without what it has twice, and how many those were.

    Args:
        splits: in order of precedence: the test, H1, H2.
        text: what makes two items the same.
        keep: leave everything where it is, and count only.
    """
    seen: dict[Hashable, str] = {}
    dropped: Counter[str] = Counter()
    kept: dict[str, list[T]] = {}
    last = list(splits)[-1]
    for name, items in splits.items():
        kept[name] = []
        for item in items:
            first = seen.get(text(item))
            again = first is not None and (first != name or name == last)
            if again:
                where = "there twice" if first == name else f"also in {first}"
                dropped[f"{name} text that is {where}{', kept' if keep else ''}"] += 1
            if keep or not again:
                seen.setdefault(text(item), name)
                kept[name].append(item)
    return kept, dropped
