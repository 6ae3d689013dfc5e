"""Supervised tuning on a user's own rows, in any of the usual files and shapes, however many."""

from __future__ import annotations

import difflib
import logging
from typing import Any, Literal

import numpy as np
from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt

from datamodules.token_data import Loading, TokenDataModule
from lit_reason.conversations import COLUMNS
from lit_reason.documents import Documents
from lit_reason.rows import RowsError, source_problem
from lit_reason.shards import Shard, shard_problem
from lit_reason.token_store import TokenStore
from lit_reason.tokenising import Recipe, build, build_part

logger = logging.getLogger(__name__)


class InstructionDataModule(TokenDataModule):
    """Your own rows, with the loss on what the assistant says. Rows that cannot be used are named, counted, left out.

    The rows are tokenised once, into the cache, and read from there: a set may be far larger than the memory. A source
    that changes is tokenised anew.

    Args:
        path: a file (.jsonl, .jsonl.gz, .json, .csv, .tsv, .parquet), a folder of such files, or `owner/name[:split]`
            of a data set on the hub. Columns: `messages`, ShareGPT's `conversations`, `prompt` and `completion`, or
            `instruction`, `input` and `output`; each row may be of another shape.
        validation_path: where validation rows come from; null splits them off `path`.
        validation_share: share of `path` held out. Rows that ask the same stay on one side.
        columns: our column names to yours, such as `{prompt: question, completion: answer}`.
        system: system message for every row instead of its own; an empty text removes it, null leaves rows as they are.
        subset: configuration of a data set that has several.
        split_seed: seed of the split; the run's own seed moves no row between the sides.
        loading: rows, batches and workers.
        shard: with `prepare`, build only part `i/n` of the data, i from 0; when all n parts are done, prepare without.
    """

    def __init__(
        self,
        path: str,
        validation_path: str | None = None,
        validation_share: ClosedUnitInterval = 0.05,
        columns: dict[str, str] | None = None,
        system: str | None = None,
        subset: str | None = None,
        split_seed: NonNegativeInt = 0,
        loading: Loading = Loading(),
        shard: str | None = None,
    ) -> None:
        super().__init__(loading)
        self.path = path
        self.validation_path = validation_path
        self.validation_share = validation_share
        self.columns = columns
        self.system = system
        self.subset = subset
        self.split_seed = split_seed
        self.shard = Shard.parse(shard) if shard else None
        self._stores: dict[str, TokenStore] = {}

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for a missing or unreadable source and for column names that are not ours."""
        problems = []
        for key in ("path", "validation_path"):
            problem = source_problem(init_args[key]) if init_args.get(key) else None
            if problem:
                problems.append((key, problem))
        for name in init_args.get("columns") or {}:
            if name not in COLUMNS:
                near = difflib.get_close_matches(name, COLUMNS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(COLUMNS)}"
                problems.append((f"columns.{name}", f"no such column; {hint}"))
        problem = shard_problem(init_args.get("shard"))
        return [*problems, ("shard", problem)] if problem else problems

    def prepare_data(self) -> None:
        """Tokenise the rows into the cache, unless they are there."""
        for source in filter(None, (self.path, self.validation_path)):
            build(self._recipe(source))

    def prepare_part(self, shard: Shard) -> list[str]:
        """Tokenise one part of the rows."""
        lines = []
        for source in filter(None, (self.path, self.validation_path)):
            counts = build_part(self._recipe(source), shard)
            lines += _part_lines(f"{source}, part {shard}", counts)
        return lines

    def documents(self, split: Literal["train", "val"]) -> Documents:
        """The rows of `train` or `val` as tokens, read from disk one by one.

        Raises:
            RowsError: a source cannot be read, or holds no row that can be used.
            ChatError: a row has no target token, or the template rewrites earlier turns; the row is named.
        """
        if self.validation_path:
            return self._store(self.path if split == "train" else self.validation_path).documents()
        store = self._store(self.path)
        is_held_out = held_out(store.requests, self.validation_share)
        if is_held_out.all():
            raise RowsError(
                f"{self.path}: no row is left to train on, because rows that ask the same stay together; "
                "set validation_share to 0 or name a validation_path"
            )
        return store.documents().at(is_held_out if split == "val" else ~is_held_out)

    def _store(self, source: str) -> TokenStore:
        """A source's documents; what was left out is said and counted when it is opened."""
        if source not in self._stores:
            store = build(self._recipe(source))
            self._report(source, store)
            self._stores[source] = store
        return self._stores[source]

    def _recipe(self, source: str) -> Recipe:
        return Recipe(source, self.chat, self.columns, self.system, self.subset, self.split_seed)

    def _report(self, source: str, store: TokenStore) -> None:
        counts = ", ".join(f"{reason} ({count})" for reason, count in store.dropped.most_common())
        shown = [": ".join(row) for row in store.summary["shown"]]
        if not len(store):
            raise RowsError(
                f"{source}: no row can be used: {f'{counts}; first {shown[0]}' if shown else 'it is empty'}"
            )
        self.dropped.update(store.dropped)
        if not shown:
            return
        for place, reason in store.summary["shown"]:
            logger.warning("%s: row left out: %s", place, reason)
        logger.warning("%s: %d rows used, %d left out: %s", source, len(store), store.dropped.total(), counts)


def _part_lines(name: str, counts: dict[str, Any] | None) -> list[str]:
    if counts is None:
        return [f"{name}: everything is prepared already"]
    told = f"{counts['documents']:,} documents, {counts['tokens']:,} tokens, {counts['targets']:,} of them targets"
    return [f"{name}: {told}", *(f"dropped: {n:,} {reason}" for reason, n in counts["dropped"].items())]


def held_out(requests: np.ndarray, share: float) -> np.ndarray:
    """Which documents are for validation, bool [documents]. Those with equal requests stay on one side, or the
    validation loss would praise memory. A side depends on the requests alone, not on order or number of files.

    Args:
        requests: hashes of what documents ask, with the split's seed in them, uint64 [documents].
        share: share of documents to hold out, at least one unless 0; whole groups only, so it is met from above.
    """
    if share == 0:
        return np.zeros(len(requests), bool)
    _, group, sizes = np.unique(requests, return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes
    return (before < share * len(requests))[group]
