"""From rows to a token store, once: in pieces that are kept, so that a kill loses little and several processes share
the work. However the work was cut or interrupted, the store is the same, byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lit_reason import shards
from lit_reason.chat import Chat, Span
from lit_reason.conversations import NO_COLUMNS, BadRow, conversation, with_system
from lit_reason.files import cache_dir, stable_hash
from lit_reason.progress import track
from lit_reason.records import Message
from lit_reason.rows import RowsError, read_rows, source_state
from lit_reason.shards import Shard
from lit_reason.token_store import SUMMARY, Part, TokenStore, counts_of, join

VERSION = 1
"""Part of a store's name; raise it when the same rows would give other tokens than before."""

PIECE = 2048
"""Lines of a file that are done together: what a kill can lose."""

_TOGETHER = 256
"""Documents that are tokenised in one call."""

Piece = tuple[str, int]
"""A file, and which piece of it."""


@dataclass(frozen=True)
class Recipe:
    """What a store is made of.

    Args:
        source: as `read_rows` takes it.
        chat: tokenizer and template.
        columns: our column names to the source's.
        system: system message for every row instead of its own; None leaves rows as they are.
        subset: configuration of a data set that has several.
        seed: of the hash of what a document asks, by which a split is drawn.
    """

    source: str
    chat: Chat
    columns: Mapping[str, str] | None = None
    system: str | None = None
    subset: str | None = None
    seed: int = 0

    def key(self) -> str:
        """The hash of everything that decides on the store, the state of the source's files included."""
        state = source_state(self.source, self.subset)
        rows = [state, dict(self.columns or {}), self.system, self.seed]
        return stable_hash([VERSION, PIECE, rows, self.chat.identity])


def build(recipe: Recipe) -> TokenStore:
    """The store of a recipe, from the cache where it is complete.

    Raises:
        RowsError: the source cannot be read, or changed meanwhile.
        MissingShards: the work was begun in parts that are not all done.
        ChatError: a row has no target token, or the template rewrites earlier turns; the row is named.
    """
    key = recipe.key()
    folder, parts = _folders(key)
    if parts.exists() or not (folder / SUMMARY).exists():
        with FileLock(folder.with_name(f".{key}.whole.lock")):
            if not (folder / SUMMARY).exists():
                shards.complete(parts)
                join(_pass(recipe, key, parts), folder)
            _clean(folder, parts)
    return TokenStore(folder)


def build_part(recipe: Recipe, shard: Shard) -> dict[str, Any] | None:
    """Only this part of the work; returns what it counted (`counts_of`), or None where the store is complete already.

    Raises:
        RowsError, ChatError: as `build` does.
    """
    key = recipe.key()
    folder, parts = _folders(key)
    with FileLock(folder.with_name(f".{key}.{shard.word}.lock")):
        if (folder / SUMMARY).exists():
            return None
        shards.begin(parts, shard)
        counts = counts_of(_pass(recipe, key, parts, shard))
        shards.finish(parts, shard)
    return counts


def _folders(key: str) -> tuple[Path, Path]:
    """Where the store is, and where its parts are until then."""
    folder = cache_dir() / "tokens" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder, folder.with_name(f"{key}.parts")


def _pass(recipe: Recipe, key: str, parts: Path, shard: Shard | None = None) -> list[Path]:
    """Tokenise what is left to do; returns all parts, or all of the shard's, in the order of the rows."""
    work = _Work(recipe, parts, shard)
    work.run()
    if recipe.key() != key:
        shutil.rmtree(parts, ignore_errors=True)  # nobody knows which rows of them are the old ones
        raise RowsError(f"{recipe.source} changed while it was read: run the command again")
    return work.own


def _clean(folder: Path, parts: Path) -> None:
    """Remove what was made on the way, also by a process that was killed just before it could."""
    unfinished = [path for path in folder.parent.glob(f".{folder.name}.*") if path.is_dir()]
    for path in (parts, *unfinished):
        shutil.rmtree(path, ignore_errors=True)


class _Work:
    """One pass over the rows. A row belongs to a piece, its file's lines 1 to 2048 and so on; of pieces that an earlier
    pass has left, and of those of other shards, the rows are not even parsed."""

    def __init__(self, recipe: Recipe, folder: Path, shard: Shard | None) -> None:
        self.recipe, self.folder, self.shard = recipe, folder, shard
        self.own: list[Path] = []
        """The parts that are this pass's to see to, in the order of the rows."""
        self._met: set[Piece] = set()
        self._todo: dict[Piece, Path] = {}
        self._part = Part("")
        self._piece: Piece | None = None
        self._rendered: list[tuple[str, list[Span]]] = []
        self._requests: list[int] = []

    def run(self) -> None:
        """Leave a part for every piece."""
        markers = self.recipe.chat.tokenizer.all_special_tokens
        rows = read_rows(self.recipe.source, self._drop, self.recipe.subset, self._wanted)
        for place, row in track(rows, "tokenising", unit="documents"):
            self._take(place, row, markers)
        self._save()
        for file, number in list(self._todo):  # of blank lines alone
            self._begin((file, number))
            self._save()

    def _wanted(self, file: str, line: int) -> bool:
        piece = file, (line - 1) // PIECE
        if piece not in self._met:
            if self.shard is None or self.shard.takes(len(self._met)):
                path = self.folder / f"{stable_hash(file)}-{piece[1]:07d}.safetensors"
                self.own.append(path)
                if not path.exists():
                    self._todo[piece] = path
            self._met.add(piece)
        return piece in self._todo

    def _take(self, place: str, row: Mapping[str, Any], markers: Sequence[str]) -> None:
        recipe = self.recipe
        try:
            messages = with_system(conversation(row, recipe.columns), recipe.system)
            spans = _spans(recipe.chat, place, messages, markers)
        except BadRow as error:
            columns = f": the row has {', '.join(list(row)[:8]) or 'none'}" if str(error) == NO_COLUMNS else ""
            self._drop(place, f"{error}{columns}")
            return
        self._at(place)
        self._rendered.append((place, spans))
        self._requests.append(request_hash(messages, recipe.seed))
        if len(self._rendered) == _TOGETHER:
            self._tokenise()

    def _drop(self, place: str, reason: str) -> None:
        self._at(place).drop(place, reason)

    def _at(self, place: str) -> Part:
        """The part that the place belongs to; the one before it is complete."""
        piece = place.rpartition(":")[0], (_line(place) - 1) // PIECE
        if piece != self._piece:
            self._save()
            self._begin(piece)
        return self._part

    def _begin(self, piece: Piece) -> None:
        self._piece, self._part = piece, Part(piece[0])

    def _tokenise(self) -> None:
        documents = self.recipe.chat.documents(self._rendered)
        for document, request in zip(documents, self._requests, strict=True):
            self._part.add(document, _line(document.id), request)
        self._rendered, self._requests = [], []

    def _save(self) -> None:
        if self._piece is not None:
            self._tokenise()
            self._part.save(self._todo.pop(self._piece))
            self._piece = None


def request_hash(messages: Sequence[Message], seed: int) -> int:
    """64 bits of what is asked before the first answer; of a row that asks nothing, of its whole text."""
    first_answer = next(i for i, message in enumerate(messages) if message["role"] == "assistant")
    asked = [message["content"] for message in messages[:first_answer] if message["role"] != "system"]
    return int(stable_hash([seed, asked if any(asked) else [message["content"] for message in messages]]), 16)


def _spans(chat: Chat, place: str, messages: list[Message], markers: Sequence[str]) -> list[Span]:
    from jinja2 import TemplateError

    marker = next((m for m in markers if any(m in message["content"] for message in messages)), None)
    if marker:  # would be read as the end of a turn, or as the start of another speaker's
        raise BadRow(f"holds a special token: {marker}")
    try:
        return chat.spans(place, messages)
    except TemplateError as error:
        raise BadRow(f"chat template refuses it: {error}") from None


def _line(place: str) -> int:
    return int(place.rpartition(":")[2])
