"""Documents by place and by mask, chained, with their sizes."""

from __future__ import annotations

import numpy as np

from lit_reason.batches import TokenDocument
from lit_reason.documents import Documents


def listed(name: str, lengths: list[int]) -> Documents:
    return Documents.of([TokenDocument(f"{name}{n}", np.zeros(n, np.int32), np.arange(n) > 1) for n in lengths])


def ids(documents: Documents) -> list[str]:
    return [document.id for document in documents]


def test_sizes_follow_what_is_chosen() -> None:
    some = listed("a", [3, 9, 4, 7]).at(np.array([3, 0, 2]))
    assert (ids(some), some.lengths.tolist(), some.targets.tolist()) == (["a7", "a3", "a4"], [7, 3, 4], [5, 1, 2])
    short = some.at(some.lengths < 5)
    assert (ids(short), len(short), short[-1].id, [d.id for d in short[:1]]) == (["a3", "a4"], 2, "a4", ["a3"])
    assert Documents.of(short) is short and not len(short.at(np.zeros(2, bool)))


def test_chained_documents_keep_their_choice_and_may_repeat() -> None:
    both = listed("a", [3, 4]).at(np.array([1])) + listed("b", [5, 6]).at(np.array([1, 0]))
    assert (ids(both), both.lengths.tolist()) == (["a4", "b6", "b5"], [4, 6, 5])
    again = (both.at(np.array([2, 2, 0])) + listed("c", [8])).at(np.array([3, 0, 1, 2]))
    assert (ids(again), again.targets.tolist()) == (["c8", "b5", "b5", "a4"], [6, 3, 3, 2])
    assert again.digest is None
