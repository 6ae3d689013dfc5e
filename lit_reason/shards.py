"""A preparation in parts: each of n processes builds one, in any order, and a last one joins them.

A folder of parts holds a file for every part that was begun, which says whether it is done.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from lit_reason.errors import PlainError
from lit_reason.files import write_json_atomic


class MissingShards(PlainError, ValueError):
    """Some parts of a preparation are not done; the message names them."""


@dataclass(frozen=True, order=True)
class Shard:
    """Part `index` of `count`, counted from 0; written `index/count`."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`0/4` and the like.

        Raises:
            ValueError: what is wrong with the text.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None:
            raise ValueError("expected i/n, part i of n counted from 0, as in 0/4")
        index, count = int(match[1]), int(match[2])
        if index >= count:
            raise ValueError(f"of {count} parts the last is {count - 1}/{count}" if count else "there are no 0 parts")
        return cls(index, count)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def word(self) -> str:
        """The same for names of files."""
        return f"{self.index}-of-{self.count}"

    def takes(self, number: int) -> bool:
        """Whether the work of this number, counted from 0, is this part's."""
        return number % self.count == self.index


def shard_problem(text: str | None) -> str | None:
    """What is wrong with a setting `shard`, or None."""
    try:
        Shard.parse(text) if text is not None else None
    except ValueError as error:
        return str(error)
    return None


def begin(folder: Path, shard: Shard) -> None:
    """Note that a part is being built, so that nobody takes what is there for everything."""
    if not _mark(folder, shard).exists():
        write_json_atomic(_mark(folder, shard), {"done": False})


def finish(folder: Path, shard: Shard) -> None:
    """Note that a part is done."""
    write_json_atomic(_mark(folder, shard), {"done": True})


def complete(folder: Path) -> int:
    """Into how many parts the finished preparation was cut; 0 where it was not begun in parts.

    Raises:
        MissingShards: parts were begun, but not all are done.
    """
    begun = {_shard_of(path): json.loads(path.read_text("utf-8"))["done"] for path in folder.glob("shard-*-of-*.json")}
    missing = {
        count: [shard for i in range(count) if not begun.get(shard := Shard(i, count))]
        for count in sorted({shard.count for shard in begun})
    }
    for count, shards in missing.items():
        if not shards:
            return count
    if not missing:
        return 0
    count, shards = min(missing.items(), key=lambda item: len(item[1]))
    named = ", ".join(map(str, shards[:20])) + (" ..." if len(shards) > 20 else "")
    raise MissingShards(
        f"the data was begun in {count} parts, not done are {named}: run prepare with "
        f"--data.shard {shards[0]}, or with --data.shard 0/1 for all that is left"
    )


def _mark(folder: Path, shard: Shard) -> Path:
    return folder / f"shard-{shard.word}.json"


def _shard_of(path: Path) -> Shard:
    index, _, count = path.stem.removeprefix("shard-").partition("-of-")
    return Shard(int(index), int(count))
