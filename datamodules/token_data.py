"""What every DataModule of token documents shares: batches by the window planner, exact step counts, resumable
order."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from lit_reason.batches import (
    DocumentRows,
    Loading,
    MicroBatch,
    ResumableOrder,
    TokenBatch,
    TokenDocument,
    WindowPlanner,
)
from lit_reason.chat import Chat
from lit_reason.documents import Documents
from lit_reason.errors import PlainError
from lit_reason.records import Question
from lit_reason.shards import Shard

logger = logging.getLogger(__name__)


class NothingToTrainOn(PlainError, ValueError):
    """No training document is left; the message says what happened to them."""


class DataChanged(PlainError, ValueError):
    """A run stands within an epoch of other data than there is now."""


class TokenDataModule(LightningDataModule):
    """Base of DataModules that yield token documents; a subclass writes `prepare_data`, `documents` and perhaps
    `questions`.

    Args:
        loading: how documents become batches.
    """

    shard: Shard | None = None
    """The part of the data that `prepare` builds; None is everything."""

    def __init__(self, loading: Loading = Loading()) -> None:
        super().__init__()
        self.loading = loading
        self.dropped: Counter[str] = Counter()
        self._documents: dict[str, Documents] = {}
        self._resume_at: tuple[int, int] | None = None

    def documents(self, split: Literal["train", "val"]) -> Sequence[TokenDocument]:
        """The documents of a split, tokenised with `self.chat`; any length, the base drops what does not fit a row.

        A list, or `Documents` of a store on disk where there may be too many for the memory.
        """
        raise NotImplementedError

    def prepare_part(self, shard: Shard) -> list[str]:
        """Build one part of what `prepare_data` builds; returns what there is to say of it, line by line."""
        raise NotImplementedError

    def questions(self, split: Literal["val", "test"]) -> list[Question]:
        """The questions that evaluation callbacks ask; none by default."""
        return []

    @property
    def tokenised(self) -> Mapping[str, Documents]:
        """What `setup` made of each split and kept."""
        return self._documents

    @property
    def longest(self) -> int:
        """Tokens of the longest document that is kept."""
        return self.loading.row_tokens

    @property
    def chat(self) -> Chat:
        """The template of the model that trains, so that data and model cannot disagree."""
        return self.trainer.lightning_module.chat

    def setup(self, stage: str) -> None:
        """Tokenise once per process; called for every stage."""
        for split in ("train", "val") if stage == "fit" else ("val",) if stage == "validate" else ():
            if split not in self._documents:
                self._documents[split] = self._fitting(self.documents(split))
        if stage == "fit" and not self._documents["train"]:
            reasons = ", ".join(f"{n} {why}" for why, n in self.dropped.items()) or "none was found"
            raise NothingToTrainOn(f"{type(self).__name__}: no training document is left ({reasons})")

    def train_dataloader(self) -> DataLoader[TokenBatch]:
        """One epoch's micro-batches of this rank, from where a resumed run stopped."""
        epoch, start = self.trainer.current_epoch, 0
        if self._resume_at is not None and self._resume_at[0] == epoch:
            start = self._resume_at[1]
        self._resume_at = None
        return self._loader("train", self.planner.micro_batches(epoch, self.trainer.global_rank), start)

    def val_dataloader(self) -> DataLoader[TokenBatch]:
        """Every validation document once over all ranks, in a fixed order."""
        loading = Loading(self.loading.row_tokens, self.loading.rows, self.loading.pack, shuffle=False)
        planner = self._plan("val", loading, accumulate=1)
        return self._loader("val", planner.micro_batches(0, self.trainer.global_rank), 0)

    def test_dataloader(self) -> DataLoader[str]:
        """The ids of the questions held out for the test, one batch each: without a batch, no callback would be
        asked."""
        ids: Any = [question.id for question in self.questions("test")]
        return DataLoader(ids, batch_size=None, generator=torch.Generator())

    @cached_property
    def planner(self) -> WindowPlanner:
        """The plan of all training windows."""
        return self._plan("train", self.loading, self.trainer.accumulate_grad_batches)

    def planned_steps(self, max_epochs: int | None, max_steps: int) -> int:
        """Optimizer steps of a run of so many epochs, or of `max_steps` where that is fewer."""
        if max_epochs is None or max_epochs < 0:
            return max_steps
        steps = self.planner.n_steps(max_epochs)
        return min(steps, max_steps) if max_steps > 0 else steps

    def state_dict(self) -> dict[str, Any]:
        """Where in the data the run stands: epoch, and optimizer windows consumed in it; and in which data."""
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed
        epoch, windows = self.trainer.current_epoch, batches // self.trainer.accumulate_grad_batches
        at_the_end = windows == len(self.planner.windows(epoch))
        digest = self._documents["train"].digest
        return {"epoch": epoch, "windows": windows, "at_the_end": at_the_end, "digest": digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the first window that was not consumed.

        Raises:
            DataChanged: the documents on disk are others than those of which a part was consumed.
        """
        digest, train = state_dict.get("digest"), self._documents.get("train")
        within = state_dict["windows"] and not state_dict.get("at_the_end")
        if within and digest and train is not None and train.digest not in (None, digest):
            raise DataChanged(
                "data: the rows are not those that the checkpoint's run was reading, so its place in the epoch means "
                "nothing: put them back, or start a new run"
            )
        self._resume_at = state_dict["epoch"], state_dict["windows"] * self.trainer.accumulate_grad_batches

    def _fitting(self, documents: Sequence[TokenDocument]) -> Documents:
        measured = Documents.of(documents)
        kept = measured.at(measured.lengths <= self.longest)
        left_out = len(measured) - len(kept)
        if left_out:
            self.dropped[f"longer than {self.longest} tokens"] += left_out
            name = type(self).__name__
            logger.warning("%s: %d of %d documents are longer than %d tokens, so they are left out",
                           name, left_out, len(measured), self.longest)  # fmt: skip
        return kept

    def _plan(self, split: str, loading: Loading, accumulate: int) -> WindowPlanner:
        documents = self._documents[split]
        return WindowPlanner(
            documents.lengths,
            documents.targets,
            loading,
            accumulate,
            self.trainer.world_size,
            seed=torch.initial_seed() % 2**31,
        )

    def _loader(self, split: str, micro_batches: Sequence[MicroBatch], start: int) -> DataLoader[TokenBatch]:
        tokenizer = self.chat.tokenizer
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        # An iterator draws a seed for its workers; from the global generator, a resumed run would draw once more than
        # another.
        return DataLoader(
            DocumentRows(self._documents[split], self.loading, pad_id),
            sampler=ResumableOrder(micro_batches, start),
            batch_size=None,
            num_workers=self.loading.num_workers if split == "train" else 0,
            generator=torch.Generator(),
        )
