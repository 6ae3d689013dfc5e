"""The plain reference of `InstructionDataModule`: every row in a list, tokenised there, split group by group."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from datamodules.token_data import Loading, TokenDataModule
from lit_reason.batches import TokenDocument
from lit_reason.conversations import BadRow, conversation
from lit_reason.rows import read_rows
from lit_reason.tokenising import request_hash


class InMemoryRows(TokenDataModule):
    """The rows of `path`, of which `share` is held out."""

    def __init__(self, path: str, share: float = 0.05, loading: Loading = Loading()) -> None:
        super().__init__(loading)
        self.path, self.share = path, share

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """Everything at once."""
        documents, keys = [], []
        for place, row in read_rows(self.path, lambda place, reason: None):
            try:
                messages = conversation(row)
            except BadRow:
                continue
            documents.append(self.chat.document(place, messages))
            keys.append(request_hash(messages, 0))
        groups, held = Counter(keys), set()
        for key in sorted(groups):
            if sum(groups[k] for k in held) >= self.share * len(keys):
                break
            held.add(key)
        return [d for d, key in zip(documents, keys, strict=True) if (key in held) is (split == "val")]
