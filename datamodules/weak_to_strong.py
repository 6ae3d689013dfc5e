"""Labelled texts for weak-to-strong classification: whole windows, one target position a text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from jsonargparse.typing import NonNegativeInt, PositiveInt
from torch.utils.data import DataLoader

from datamodules.token_data import Loading, TokenDataModule
from lit_reason.batches import DocumentRows, MicroBatch, ResumableOrder, Row, TokenBatch, TokenDocument, WindowPlanner
from lit_reason.rows import read_rows, source_problem
from lit_reason.weak_to_strong.classifier import LabelledBatch, text_documents
from lit_reason.weak_to_strong.items import Item, disjoint_splits, single_class
from lit_reason.weak_to_strong.published import FormatName, read_items
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

SMALL_TEST = 500
"""Test texts below which an accuracy's standard error is above two points."""

TRAINING, TEST = "training", "the test"

logger = logging.getLogger(__name__)


class WeakLabelDataModule(TokenDataModule):
    """Texts with soft or hard labels: `text`, and `soft_label` or `hard_label`; `id` and `gold_label` where there are.
    Or a public set in its own columns, whose texts are written as Burns et al. do: SciQ, BoolQ, Cosmos QA, Amazon
    polarity, any with `text` and `label`, and pairs of `chosen` and `rejected`.

    Args:
        path: training rows: a file, a folder, or `owner/name[:split]` of a data set.
        test_path: rows to measure accuracy on, by their gold labels.
        format: the columns of both; null recognises them.
        subset: configuration of a data set that has several.
        coin_seed: of the coins that show the right answer of a multiple-choice question, or a wrong one.
        keep_overlap: train on texts that are in the test, too.
        batch_size: texts in an optimizer step, if it is to be checked: rows x accumulation x processes.
        loading: rows, batches and workers; a text has a row of its own.
    """

    def __init__(
        self,
        path: str,
        test_path: str | None = None,
        format: FormatName | None = None,
        subset: str | None = None,
        coin_seed: NonNegativeInt = 0,
        keep_overlap: bool = False,
        batch_size: PositiveInt | None = None,
        loading: Loading = Loading(pack=False),
    ) -> None:
        super().__init__(loading)
        self.path, self.test_path, self.keep_overlap, self.batch_size = path, test_path, keep_overlap, batch_size
        self.format, self.subset, self.coin_seed = format, subset, coin_seed
        self._items: dict[str, list[Item]] = {}

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for missing sources, and a batch that is no whole number of micro-batches."""
        sources = [(key, source_problem(init_args[key])) for key in ("path", "test_path") if init_args.get(key)]
        found = [(key, problem) for key, problem in sources if problem]
        loading, batch = init_args.get("loading") or Loading(pack=False), init_args.get("batch_size")
        rows = loading.get("rows", Loading().rows) if isinstance(loading, dict) else loading.rows
        if batch and batch % rows:
            found.append(("batch_size", f"is not divisible by the micro-batch, loading.rows = {rows}"))
        return found

    def prepare_data(self) -> None:
        """Fetch data sets into the cache of `datasets`, once a node; files are only looked at."""
        for source in filter(None, (self.path, self.test_path)):
            next(read_rows(source, lambda place, reason: None, self.subset), None)

    def items(self, split: Literal["train", "val"]) -> list[Item]:
        """The labelled texts; read once. Texts of the training that are in the test are dropped and counted.

        Raises:
            WeakToStrongError: a row cannot be used, has not as many classes as the model, or has an id of another row.
        """
        if not self._items:
            read = {TEST: self._read("val", self.test_path), TRAINING: self._read("train", self.path)}
            files = {TEST: str(self.test_path), TRAINING: self.path}
            kept, dropped = disjoint_splits(read, self.keep_overlap, files)
            self.dropped.update(dropped)
            for why, n in dropped.items():
                logger.warning("%s: %d times a %s", self.path, n, why)
            self._items = {"train": kept[TRAINING], "val": [_by_gold(item) for item in kept[TEST]]}
            self._warn()
        return self._items[split]

    @property
    def longest(self) -> int:
        """A text has to fit into a row, and into the model's context."""
        context = getattr(self.trainer.lightning_module, "context", None)
        return min(self.loading.row_tokens, context or self.loading.row_tokens)

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """Texts as tokens, ended by the end token, which is where the head reads."""
        items = self.items(split)
        return text_documents([item.id for item in items], [item.text for item in items], self.chat.tokenizer)

    def setup(self, stage: str) -> None:
        """Tokenise, and check the batch before anything trains."""
        planned = self.loading.rows * self.trainer.accumulate_grad_batches * self.trainer.world_size
        if self.batch_size and self.batch_size != planned:
            raise WeakToStrongError(
                f"data.batch_size is {self.batch_size}, but rows x accumulation x processes = {planned}"
            )
        super().setup(stage)

    def _plan(self, split: str, loading: Loading, accumulate: int) -> WindowPlanner:
        planner = super()._plan(split, loading, accumulate)
        given = planner.lengths, planner.targets, loading, accumulate, planner.world_size, planner.seed
        return WholeWindowPlanner(*given)

    def _loader(self, split: str, micro_batches: Sequence[MicroBatch], start: int) -> DataLoader[TokenBatch]:
        tokenizer = self.chat.tokenizer
        labels = {item.id: item.soft_label for item in self.items(cast(Literal["train", "val"], split))}
        return DataLoader(
            LabelledRows(self._documents[split], self.loading, tokenizer.pad_token_id or 0, labels),
            sampler=ResumableOrder(micro_batches, start),
            batch_size=None,
            num_workers=self.loading.num_workers if split == "train" else 0,
            generator=torch.Generator(),
        )

    def _read(self, split: str, source: str | None) -> list[Item]:
        n_classes = getattr(self.trainer.lightning_module, "n_classes", None)
        if source is None:
            return []
        return read_items(source, split, self.format, self.coin_seed, self.subset, n_classes)

    def _warn(self) -> None:
        if single_class(self._items["train"]):
            logger.warning("%s: all labels name one class, so nothing can be learned of the other", self.path)
        if 0 < len(self._items["val"]) < SMALL_TEST:
            error = 50 / len(self._items["val"]) ** 0.5
            logger.warning("%d test texts: accuracies have standard errors up to %.1f points",
                           len(self._items["val"]), error)  # fmt: skip


@dataclass(frozen=True)
class WindowMicroBatch(MicroBatch):
    """A micro-batch with what the whole window holds for this rank, if it is the window's first."""

    window: tuple[tuple[Row, ...], ...] = ()


class WholeWindowPlanner(WindowPlanner):
    """Attaches a window's rows to its first micro-batch, on every rank its own: losses of the whole batch read them."""

    def cut(self, window: list[Row], rank: int) -> list[MicroBatch]:
        """One rank's micro-batches of a window, and the window with the first."""
        parts = super().cut(window, rank)
        whole = tuple(part.rows for part in parts)
        return [WindowMicroBatch(p.rows, p.window_targets, whole if i == 0 else ()) for i, p in enumerate(parts)]


class LabelledRows(DocumentRows):
    """Micro-batches with the soft labels of their texts, and with their window where the planner attached it."""

    def __init__(
        self, documents: Sequence[TokenDocument], loading: Loading, pad_id: int, labels: dict[str, tuple[float, ...]]
    ) -> None:
        super().__init__(documents, loading, pad_id)
        self.labels = labels
        self.n_classes = len(next(iter(labels.values()), (0, 0)))

    def __getitem__(self, micro: MicroBatch) -> TokenBatch:
        batch = cast(LabelledBatch, super().__getitem__(MicroBatch(micro.rows, micro.window_targets)))
        labels = [self.labels[id] for row in batch["row_ids"] for id in row]
        batch["soft_labels"] = torch.tensor(labels, dtype=torch.float64).reshape(-1, self.n_classes).float()
        window = micro.window if isinstance(micro, WindowMicroBatch) else ()
        # One micro-batch is its own window: without the copy a window would hold itself.
        parts = [self[MicroBatch(rows, micro.window_targets)] for rows in window]
        batch["window"] = cast(list[LabelledBatch], parts)
        return batch


def _by_gold(item: Item) -> Item:
    if item.gold_label is None:
        return item
    k = len(item.soft_label)
    if item.gold_label not in range(k):
        raise WeakToStrongError(f"test, id {item.id!r}: gold_label is {item.gold_label!r}, not one of 0 to {k - 1}")
    return replace(item, soft_label=tuple(float(i == item.gold_label) for i in range(k)))
