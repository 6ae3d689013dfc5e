"""Two sources of training documents as one stream, such as Case2Code mixed into other instruction data (section 2,
step 6)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from random import Random
from typing import Any, Literal

import numpy as np
from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt

from datamodules.token_data import NothingToTrainOn, TokenDataModule
from lit_reason.batches import Loading
from lit_reason.documents import Documents
from lit_reason.records import Question
from lit_reason.shards import Shard


class MixtureDataModule(TokenDataModule):
    """Every training document of `base`, with so many of `extra` among them that these are a share of the tokens.

    At weight 0 the stream is that of `base` exactly, batch by batch. Where the extra documents do not suffice they are
    used again, each as often as the others. Validation loss is measured on the documents of `base`, so that runs of
    different weights compare; questions come from both. The loading of the two is not used.

    Args:
        base: the DataModule that decides how long an epoch is.
        extra: the DataModule that is mixed in.
        weight: share of the training tokens that come from `extra`.
        mix_seed: seed of which extra documents are taken, and where.
        loading: rows, batches and workers of the mixture.
    """

    def __init__(
        self,
        base: TokenDataModule,
        extra: TokenDataModule,
        weight: ClosedUnitInterval = 0.5,
        mix_seed: NonNegativeInt = 0,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(loading)
        self.base, self.extra = base, extra
        self.weight, self.mix_seed = weight, mix_seed

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for a weight that leaves nothing of the base."""
        return [("weight", "must be below 1: train on `extra` alone instead")] if init_args.get("weight") == 1 else []

    @property
    def shard(self) -> Shard | None:
        """The part that is prepared, where either of the two is prepared in parts."""
        return self.base.shard or self.extra.shard

    def prepare_data(self) -> None:
        """Prepare both."""
        for part in (self.base, self.extra):
            part.trainer = self.trainer
            part.prepare_data()

    def prepare_part(self, shard: Shard) -> list[str]:
        """That of each which has a part to prepare, and the whole of the other."""
        lines = []
        for part in (self.base, self.extra):
            part.trainer = self.trainer
            lines += part.prepare_part(part.shard) if part.shard else []
            if not part.shard:
                part.prepare_data()
        return lines

    def setup(self, stage: str) -> None:
        """Tokenise both, on every process."""
        for part in (self.base, self.extra):
            part.trainer = self.trainer
        super().setup(stage)

    def documents(self, split: Literal["train", "val"]) -> Documents:
        """The mixed training documents, or the validation documents of `base`."""
        base = self._of(self.base, split)
        if split == "val" or self.weight == 0:
            return base
        return mix(base, self._of(self.extra, split), self.weight, self.mix_seed)

    def questions(self, split: Literal["val", "test"]) -> list[Question]:
        """Those of both, the base's first."""
        return [*self.base.questions(split), *self.extra.questions(split)]

    def _of(self, part: TokenDataModule, split: Literal["train", "val"]) -> Documents:
        """A part's documents that fit a row, or the share would be that of documents which are dropped later."""
        fitting = self._fitting(part.documents(split))
        self.dropped.update(part.dropped)
        part.dropped.clear()
        return fitting


def mix(base: Documents, extra: Documents, weight: float, seed: int = 0) -> Documents:
    """All of `base` in order, with documents of `extra` wherever the share of their tokens lags behind `weight`.

    The share so holds in every stretch of the stream to within a document, whether it is shuffled later or not.

    Raises:
        NothingToTrainOn: there is nothing to mix in.
    """
    if weight == 0:
        return base
    if not len(extra):
        raise NothingToTrainOn(f"a share of {weight} is to be mixed in, but no document of `extra` is left")
    coming, n_extra_tokens = _in_rounds(len(extra), Random(seed)), extra.lengths
    order = array("q")
    lacking = 0.0
    for i, n_tokens in enumerate(base.lengths):
        order.append(i)
        lacking += float(n_tokens) * weight / (1 - weight)
        while lacking > 0:
            taken = next(coming)
            order.append(len(base) + taken)
            lacking -= int(n_extra_tokens[taken])
    return (base + extra).at(np.frombuffer(order, np.int64) if order else np.zeros(0, np.int64))


def _in_rounds(n: int, rng: Random) -> Iterator[int]:
    """All of `n` in random order, again and again."""
    while True:
        yield from rng.sample(range(n), n)
