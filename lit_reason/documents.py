"""Many documents with their sizes at hand, so that splitting, dropping and planning never open one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lit_reason.batches import TokenDocument


class Documents(Sequence[TokenDocument]):
    """Some of a sequence's documents, in an order of one's own; each is fetched when it is asked for.

    Args:
        items: where documents come from: a list, or a store on disk.
        lengths: tokens of every item, int32 [items].
        targets: target tokens of every item, int32 [items].
        chosen: which items these are, and in which order, int64 [documents]; None takes all.
    """

    def __init__(
        self, items: Sequence[TokenDocument], lengths: np.ndarray, targets: np.ndarray, chosen: np.ndarray | None = None
    ) -> None:
        self.items, self._lengths, self._targets = items, lengths, targets
        self.chosen = np.arange(len(items)) if chosen is None else chosen

    @classmethod
    def of(cls, documents: Sequence[TokenDocument]) -> Documents:
        """Any sequence; one that is listed is measured."""
        if isinstance(documents, Documents):
            return documents
        lengths = np.array([len(d.input_ids) for d in documents], np.int32)
        return cls(documents, lengths, np.array([d.n_targets for d in documents], np.int32))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int32 [documents]."""
        return self._lengths[self.chosen]

    @property
    def targets(self) -> np.ndarray:
        """Target tokens of each document, int32 [documents]."""
        return self._targets[self.chosen]

    @property
    def digest(self) -> str | None:
        """What identifies the content of a store on disk; None for documents in memory."""
        return getattr(self.items, "digest", None)

    def at(self, which: np.ndarray) -> Documents:
        """Those at these places, or those where a mask is true."""
        return Documents(self.items, self._lengths, self._targets, self.chosen[which])

    def __add__(self, other: Documents) -> Documents:
        items = _Chained(self.items, other.items)
        lengths = np.concatenate([self._lengths, other._lengths])
        targets = np.concatenate([self._targets, other._targets])
        return Documents(items, lengths, targets, np.concatenate([self.chosen, other.chosen + len(self.items)]))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.items[i] for i in self.chosen[index].tolist()]
        return self.items[int(self.chosen[index])]


class _Chained(Sequence[TokenDocument]):
    """One sequence behind another."""

    def __init__(self, first: Sequence[TokenDocument], second: Sequence[TokenDocument]) -> None:
        self.first, self.second = first, second

    @property
    def digest(self) -> str | None:
        """That of both, where either is on disk."""
        digests = [getattr(part, "digest", None) for part in (self.first, self.second)]
        return "+".join(map(str, digests)) if any(digests) else None

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index: Any) -> Any:
        return self.first[index] if index < len(self.first) else self.second[index - len(self.first)]
