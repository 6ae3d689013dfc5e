"""The judge log: every reply ever paid for, found again by what was asked (section 8).

A reply is stored under the hash of its prompt and seed, so a second run, with the same or other settings, pays only for
what was never asked. The log is the only state of a run: replaying it leads to the same results.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lit_reason.aggregation.aor.judge import Judge, Reply
from lit_reason.files import append_jsonl, read_jsonl, stable_hash, write_json_atomic
from lit_reason.records import Message


class JudgeLog:
    """Replies by key, in memory and, with a path, in a JSON-lines file that only grows.

    A line that a kill cut short is skipped, and its reply asked for again.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._rows: dict[str, dict[str, Any]] = {}
        self.n_damaged = 0
        if self.path is not None and self.path.exists():
            for _, row in read_jsonl(self.path, on_bad=self._count_damaged):
                self._rows.setdefault(row["call"], row)

    @classmethod
    def of(cls, folder: Path | str, judge: Judge) -> JudgeLog:
        """The log of this judge below a pool's `judge/` folder; another judge has another."""
        own = Path(folder) / stable_hash(judge.identity)
        if not (own / "judge.json").exists():
            write_json_atomic(own / "judge.json", judge.identity)
        return cls(own / "replies.jsonl")

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> Reply | None:
        """The stored reply, if there is one."""
        row = self._rows.get(key)
        return None if row is None else Reply(row["raw"], row["tokens_in"], row["tokens_out"])

    def put(self, rows: Iterable[dict[str, Any]]) -> None:
        """Store rows, each with `call`, `raw`, `tokens_in` and `tokens_out`; on disk when this returns."""
        rows = list(rows)
        if self.path is not None and rows:
            append_jsonl(self.path, rows)
        for row in rows:
            self._rows.setdefault(row["call"], row)

    def _count_damaged(self, path: Path, line: int, reason: str) -> None:
        self.n_damaged += 1


def call_key(prompt: list[Message], seed: int) -> str:
    """What names a call: all that the judge sees, and the seed it draws by."""
    return stable_hash([prompt, seed], length=32)
