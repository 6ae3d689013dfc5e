"""The token batch and the one planner of optimizer windows: packing, exact target counts, resumable order.

Shapes: R rows of T tokens in a micro-batch; a window is what one optimizer step sees, N micro-batches on each of W
ranks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypedDict

import numpy as np
import torch
from jsonargparse.typing import NonNegativeInt, PositiveInt
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset, Sampler

IGNORED = -100
"""The label of a token that carries no loss."""

PADDING_DOCUMENT = -1
"""The document id of padding."""

_BLOCK = 4096
"""Documents of an order that are Python numbers at a time: there may be millions."""


@dataclass(frozen=True)
class TokenDocument:
    """One conversation or text as tokens. `input_ids`: int32 [tokens]; `is_target`: bool [tokens], True where loss
    falls."""

    id: str
    input_ids: np.ndarray
    is_target: np.ndarray

    @property
    def n_targets(self) -> int:
        """Tokens that carry loss: the first token of a document is never predicted."""
        return int(self.is_target[1:].sum())


class TokenBatch(TypedDict):
    """A micro-batch; the tensors are int64 [R, T]."""

    input_ids: Tensor
    labels: Tensor
    """Unshifted; -100 outside targets and at every document's first token."""
    position_ids: Tensor
    """Restart at 0 with every document."""
    document_ids: Tensor
    """Which document of its row a token belongs to; -1 is padding."""
    row_ids: list[list[str]]
    """The ids of the documents in each row."""
    window_targets: int
    """Target tokens of the whole optimizer window, over all its micro-batches and ranks."""
    n_targets: int
    """Target tokens of this micro-batch."""
    n_tokens: int
    """Tokens of this micro-batch, padding left out."""


@dataclass(frozen=True)
class Loading:
    """How documents become batches.

    Args:
        row_tokens: capacity of a row; longer documents are dropped and counted, never cut.
        rows: rows in a micro-batch.
        pack: put several documents into a row, where they cannot see each other; otherwise a row holds one, rows of
            a window are sorted by length, and a micro-batch is as wide as its longest row.
        shuffle: a new order every epoch, a function of seed and epoch.
        num_workers: processes that build batches.
    """

    row_tokens: PositiveInt = 512
    rows: PositiveInt = 8
    pack: bool = True
    shuffle: bool = True
    num_workers: NonNegativeInt = 0


Row = tuple[int, ...]
"""Indices of the documents that share a row."""


@dataclass(frozen=True)
class MicroBatch:
    """What one rank computes in one forward and backward pass. No rows at all: padding that keeps a window full."""

    rows: tuple[Row, ...]
    window_targets: int


class EpochPlan(Sequence[list[Row]]):
    """The windows of an epoch, each a list of rows; kept as flat arrays, because an epoch may hold millions of
    documents. The last window may hold fewer rows than the others."""

    def __init__(self, windows: Iterable[Sequence[Sequence[int]]]) -> None:
        documents, row_ends, window_ends = array("q"), array("q", [0]), array("q", [0])
        for window in windows:
            for row in window:
                documents.extend(row)
                row_ends.append(len(documents))
            window_ends.append(len(row_ends) - 1)
        self._documents, self._row_ends, self._window_ends = documents, row_ends, window_ends

    def __len__(self) -> int:
        return len(self._window_ends) - 1

    def __getitem__(self, window: Any) -> Any:
        if isinstance(window, slice):
            return [self[i] for i in range(*window.indices(len(self)))]
        if not -len(self) <= window < len(self):
            raise IndexError(window)
        first, end = self._window_ends[window % len(self)], self._window_ends[window % len(self) + 1]
        return [tuple(self._documents[self._row_ends[r] : self._row_ends[r + 1]]) for r in range(first, end)]


class WindowPlanner:
    """Plans every optimizer window of an epoch ahead, as a pure function of (seed, epoch, lengths).

    Because a window is planned over all micro-batches and ranks before it is cut, 8 x 1, 4 x 2 and 1 x 8 accumulation,
    and one rank or two, see the same documents in the same step and know the same `window_targets`.

    Args:
        lengths: tokens of each document, all at most `row_tokens`.
        targets: target tokens of each document.
        loading: capacity, rows, packing, shuffling.
        accumulate: micro-batches in a window (N).
        world_size: ranks (W).
        seed: seed of the order.
    """

    def __init__(
        self,
        lengths: ArrayLike,
        targets: ArrayLike,
        loading: Loading,
        accumulate: int = 1,
        world_size: int = 1,
        seed: int = 0,
    ) -> None:
        self.lengths, self.targets, self.loading = np.asarray(lengths, np.int32), np.asarray(targets, np.int32), loading
        longest = self.lengths.max(initial=0)
        if longest > loading.row_tokens:
            raise ValueError(f"a document of {longest} tokens does not fit a row of {loading.row_tokens}")
        self.accumulate, self.world_size, self.seed = accumulate, world_size, seed
        self._planned: tuple[int, EpochPlan] | None = None

    @property
    def rows_per_window(self) -> int:
        """Rows that one optimizer step sees: R x N x W."""
        return self.loading.rows * self.accumulate * self.world_size

    def windows(self, epoch: int) -> EpochPlan:
        """The rows of every window of an epoch."""
        if self._planned is None or self._planned[0] != epoch:
            self._planned = epoch, EpochPlan(self._plan(self._order(epoch)))
        return self._planned[1]

    def micro_batches(self, epoch: int, rank: int = 0) -> MicroBatches:
        """One rank's micro-batches of an epoch, always N per window."""
        return MicroBatches(self, self.windows(epoch), rank)

    def n_steps(self, epochs: int) -> int:
        """Optimizer steps of the first so many epochs, exactly; schedules need it."""
        return sum(len(self.windows(epoch)) for epoch in range(epochs))

    def cut(self, window: list[Row], rank: int) -> list[MicroBatch]:
        """One rank's micro-batches of a window. Sorted by length, so that rows of a micro-batch are alike; dealt so
        that ranks carry equal numbers of rows."""
        targets = sum(int(self.targets[i]) for row in window for i in row)
        longest_first = sorted(window, key=lambda row: -sum(int(self.lengths[i]) for i in row))
        per_pass = self.loading.rows * self.world_size
        groups = [longest_first[n * per_pass : (n + 1) * per_pass] for n in range(self.accumulate)]
        return [MicroBatch(tuple(group[rank :: self.world_size]), targets) for group in groups]

    def _order(self, epoch: int) -> Iterator[int]:
        n = len(self.lengths)
        if not self.loading.shuffle:
            yield from range(n)
            return
        order = np.random.default_rng([self.seed, epoch]).permutation(n)
        for start in range(0, n, _BLOCK):
            yield from order[start : start + _BLOCK].tolist()

    def _plan(self, order: Iterator[int]) -> Iterator[list[list[int]]]:
        if self.loading.pack:
            yield from self._pack(order)
            return
        while window := [[i] for i in islice(order, self.rows_per_window)]:
            yield window

    def _pack(self, order: Iterator[int]) -> Iterator[list[list[int]]]:
        """Fill the rows of a window in order, each document into the fullest row that still takes it. What fits nowhere
        opens the next window; a window closes when as many documents wait as it has rows."""
        ahead: deque[int] = deque()
        while True:
            waiting: list[int] = []
            rows: list[list[int]] = [[] for _ in range(self.rows_per_window)]
            free = [(self.loading.row_tokens, i) for i in range(self.rows_per_window)]  # sorted: room, row
            while len(waiting) < self.rows_per_window:
                document = ahead.popleft() if ahead else next(order, None)
                if document is None:
                    break
                length = int(self.lengths[document])
                fullest = bisect_left(free, (length, -1))
                if fullest == len(free):
                    waiting.append(document)
                    continue
                room, row = free.pop(fullest)
                rows[row].append(document)
                insort(free, (room - length, row))
            if not rows[0]:
                return
            yield [row for row in rows if row]
            ahead.extendleft(reversed(waiting))


class MicroBatches(Sequence[MicroBatch]):
    """One rank's micro-batches of an epoch, made when they are asked for."""

    def __init__(self, planner: WindowPlanner, windows: EpochPlan, rank: int) -> None:
        self._planner, self._windows, self._rank = planner, windows, rank
        self._cut: tuple[int, list[MicroBatch]] = -1, []

    def __len__(self) -> int:
        return len(self._windows) * self._planner.accumulate

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        window, place = divmod(index % len(self), self._planner.accumulate)
        if self._cut[0] != window:
            self._cut = window, self._planner.cut(self._windows[window], self._rank)
        return self._cut[1][place]


class DocumentRows(Dataset[TokenBatch]):
    """Documents addressed by the micro-batch that wants them: the planner is the sampler, this is the memory."""

    def __init__(self, documents: Sequence[TokenDocument], loading: Loading, pad_id: int) -> None:
        self.documents, self.loading, self.pad_id = documents, loading, pad_id

    def __getitem__(self, micro: MicroBatch) -> TokenBatch:
        rows = [[self.documents[i] for i in row] for row in micro.rows]
        return collate(rows, micro.window_targets, self.pad_id, self.loading.row_tokens if self.loading.pack else None)


class ResumableOrder(Sampler[MicroBatch]):
    """One rank's micro-batches of one epoch from a given one on. `len` stays that of the whole epoch: Lightning counts
    batches from where it stopped, and a shorter length would end the epoch early."""

    def __init__(self, micro_batches: Sequence[MicroBatch], start: int = 0) -> None:
        self.micro_batches, self.start = micro_batches, start

    def __iter__(self) -> Iterator[MicroBatch]:
        return (self.micro_batches[i] for i in range(self.start, len(self.micro_batches)))

    def __len__(self) -> int:
        return len(self.micro_batches)


def collate(
    rows: Sequence[Sequence[TokenDocument]], window_targets: int, pad_id: int, width: int | None = None
) -> TokenBatch:
    """Rows of documents as one batch, padded on the right to `width` or to the longest row.

    No rows give one row of padding without any target, so that every rank runs every pass of a window.
    """
    width = width or max((sum(len(d.input_ids) for d in row) for row in rows), default=1)
    shape = (max(1, len(rows)), width)
    input_ids = np.full(shape, pad_id, np.int64)
    labels = np.full(shape, IGNORED, np.int64)
    position_ids = np.zeros(shape, np.int64)
    document_ids = np.full(shape, PADDING_DOCUMENT, np.int64)
    for r, row in enumerate(rows):
        end = 0
        for d, document in enumerate(row):
            start, end = end, end + len(document.input_ids)
            input_ids[r, start:end] = document.input_ids
            labels[r, start:end] = np.where(document.is_target, document.input_ids, IGNORED)
            labels[r, start] = IGNORED  # or a document's first token would be predicted from its neighbour
            position_ids[r, start:end] = np.arange(end - start)
            document_ids[r, start:end] = d
        position_ids[r, end:] = np.arange(width - end)
    return TokenBatch(
        input_ids=torch.from_numpy(input_ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(position_ids),
        document_ids=torch.from_numpy(document_ids),
        row_ids=[[d.id for d in row] for row in rows],
        window_targets=window_targets,
        n_targets=sum(d.n_targets for row in rows for d in row),
        n_tokens=sum(len(d.input_ids) for row in rows for d in row),
    )


def document_mask(document_ids: Tensor) -> Tensor:
    """Who sees whom: causal, and within one document only.

    Args:
        document_ids: int64 [R, T].

    Returns:
        bool [R, 1, T, T], True where the query (third axis) may see the key (fourth axis).
    """
    same = document_ids.unsqueeze(2) == document_ids.unsqueeze(1)
    return same.tril().unsqueeze(1)
