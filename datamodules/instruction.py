"""Supervised tuning on a user's own rows, in any of the usual files and shapes."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from typing import Any, Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt

from datamodules.token_data import Loading, TokenDataModule
from lit_reason.batches import TokenDocument
from lit_reason.conversations import COLUMNS, NO_COLUMNS, BadRow, conversation, with_system
from lit_reason.files import stable_hash
from lit_reason.records import Message
from lit_reason.rows import RowsError, read_rows, source_problem

SHOWN_BAD_ROWS = 10

Conversation = tuple[str, list[Message]]
"""`(place, messages)`: the place, `file:line`, is the document's id, so that every later message names the row."""

logger = logging.getLogger(__name__)


class InstructionDataModule(TokenDataModule):
    """Your own rows, with the loss on what the assistant says. Rows that cannot be used are named, counted, left out.

    Args:
        path: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, or `owner/name[:split]` of a data
            set on the hub. Columns: `messages`, ShareGPT's `conversations`, `prompt` and `completion`, or
            `instruction`, `input` and `output`; each row may be of another shape.
        validation_path: where validation rows come from; null splits them off `path`.
        validation_share: share of `path` held out. Rows that ask the same stay on one side.
        columns: our column names to yours, such as `{prompt: question, completion: answer}`.
        system: system message for every row instead of its own; an empty text removes it, null leaves rows as they are.
        subset: configuration of a data set that has several.
        split_seed: seed of the split; the run's own seed moves no row between the sides.
        loading: rows, batches and workers.
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
    ) -> None:
        super().__init__(loading)
        self.path = path
        self.validation_path = validation_path
        self.validation_share = validation_share
        self.columns = columns
        self.system = system
        self.subset = subset
        self.split_seed = split_seed
        self._sides: dict[str, list[Conversation]] | None = None

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
        return problems

    def prepare_data(self) -> None:
        """Fetch a data set into the cache of `datasets`; files are only looked at."""
        for source in filter(None, (self.path, self.validation_path)):
            next(read_rows(source, lambda place, reason: None, self.subset), None)

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """The rows of `train` or `val` as tokens; what the chat template cannot render is named and left out.

        Raises:
            RowsError: a source cannot be read, or holds no row that can be used.
            ValueError: a row has no target token, or the template rewrites earlier turns; the row is named.
        """
        from jinja2 import TemplateError

        if self._sides is None:
            self._sides = self._read_sides()
        found: list[TokenDocument] = []
        bad: list[tuple[str, str]] = []
        markers = self.chat.tokenizer.all_special_tokens
        for place, messages in self._sides[split]:
            marker = next((m for m in markers if any(m in message["content"] for message in messages)), None)
            if marker:  # would be read as the end of a turn, or as the start of another speaker's
                bad.append((place, f"holds a special token: {marker}"))
                continue
            try:
                found.append(self.chat.document(place, messages))
            except TemplateError as error:
                bad.append((place, f"chat template refuses it: {error}"))
        if bad:
            self._report(f"{split} rows", bad, len(found))
        return found

    def _read_sides(self) -> dict[str, list[Conversation]]:
        rows = self._read(self.path)
        if self.validation_path:
            return {"train": rows, "val": self._read(self.validation_path)}
        train, val = split_conversations(rows, self.validation_share, self.split_seed)
        if not train:
            raise RowsError(
                f"{self.path}: no row is left to train on, because rows that ask the same stay together; "
                "set validation_share to 0 or name a validation_path"
            )
        return {"train": train, "val": val}

    def _read(self, source: str) -> list[Conversation]:
        found: list[Conversation] = []
        bad: list[tuple[str, str]] = []
        for place, row in read_rows(source, lambda place, reason: bad.append((place, reason)), self.subset):
            try:
                found.append((place, with_system(conversation(row, self.columns), self.system)))
            except BadRow as error:
                bad.append((place, f"{error}{_columns_of(row) if str(error) == NO_COLUMNS else ''}"))
        if not found and not bad:
            raise RowsError(f"{source}: no row can be used: it is empty")
        if bad:
            self._report(source, bad, len(found))
        return found

    def _report(self, source: str, bad: list[tuple[str, str]], n_used: int) -> None:
        """Count `(place, reason)` under what comes before the reason's colon, and name the first few."""
        reasons = Counter(reason.split(":")[0] for _, reason in bad)
        counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
        if not n_used:
            raise RowsError(f"{source}: no row can be used: {counts}; first {': '.join(bad[0])}")
        self.dropped.update(reasons)
        for place, reason in bad[:SHOWN_BAD_ROWS]:
            logger.warning("%s: row left out: %s", place, reason)
        logger.warning("%s: %d rows used, %d left out: %s", source, n_used, len(bad), counts)


def split_conversations(
    rows: list[Conversation], share: float, seed: int
) -> tuple[list[Conversation], list[Conversation]]:
    """Split into train and validation rows, both in their order. Rows with equal first requests stay on one side, or
    the validation loss would praise memory. A side depends on texts and seed, not on the order or number of files.

    Args:
        rows: conversations.
        share: share of rows to hold out, at least one row unless 0; whole groups only, so the share is met from above.
        seed: another seed, another split.
    """
    keys = [stable_hash([seed, _request(messages)]) for _, messages in rows]
    groups = Counter(keys)
    held_out: set[str] = set()
    n_held_out = 0
    for key in sorted(groups):
        if n_held_out >= share * len(rows):
            break
        held_out.add(key)
        n_held_out += groups[key]
    train = [row for row, key in zip(rows, keys, strict=True) if key not in held_out]
    return train, [row for row, key in zip(rows, keys, strict=True) if key in held_out]


def _request(messages: list[Message]) -> list[str]:
    """What is asked before the first answer; of a row that asks nothing, its whole text."""
    first_answer = next(i for i, message in enumerate(messages) if message["role"] == "assistant")
    asked = [message["content"] for message in messages[:first_answer] if message["role"] != "system"]
    return asked if any(asked) else [message["content"] for message in messages]


def _columns_of(row: dict[str, Any]) -> str:
    return f": the row has {', '.join(list(row)[:8]) or 'none'}"
