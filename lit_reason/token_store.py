"""Tokenised documents on disk: flat arrays that are mapped into memory, so that their text never has to fit there.

A store is a folder of `.npy` arrays: `tokens` int32, all documents end to end, where a token t that carries loss is
written as its complement ~t; `offsets` int64 [documents + 1]; `targets` int32, `file` int32, `line` int64 and `request`
uint64 [documents]. `summary.json` names the files and counts what was left out. A store is made of parts, each a
`.safetensors` file of the same arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lit_reason.batches import TokenDocument
from lit_reason.documents import Documents
from lit_reason.files import atomic_folder, write_bytes_atomic, write_json_atomic

SHOWN_BAD_ROWS = 10
"""How many of the rows that were left out are named."""

_REASONS = 50
"""How many reasons are told apart; some quote the row, and rows may be millions."""

SUMMARY = "summary.json"

_DTYPES = {"tokens": np.int32, "lengths": np.int32, "targets": np.int32, "line": np.int64, "request": np.uint64}


class TokenStore(Sequence[TokenDocument]):
    """A complete store; documents are copied out of the map one by one. Another process gets the folder alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text("utf-8"))

    def __reduce__(self) -> Any:
        return TokenStore, (self.folder,)

    @property
    def digest(self) -> str:
        """SHA-256 of the documents; equal texts give equal digests, whenever and wherever they were written."""
        return str(self.summary["digest"])

    @property
    def dropped(self) -> Counter[str]:
        """Rows that were left out, by reason."""
        return Counter(self.summary["dropped"])

    @property
    def requests(self) -> np.ndarray:
        """A hash of what each document asks, uint64 [documents]; equal requests have equal ones."""
        return np.load(self.folder / "request.npy", mmap_mode="r")

    def documents(self) -> Documents:
        """All of them."""
        return Documents(self, np.diff(self._offsets).astype(np.int32), np.load(self.folder / "targets.npy"))

    def __len__(self) -> int:
        return int(self.summary["documents"])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        written = self._tokens[self._offsets[index] : self._offsets[index + 1]]
        place = f"{self.summary['files'][self._file[index]]}:{self._line[index]}"
        return TokenDocument(place, written ^ (written >> 31), written < 0)

    @cached_property
    def _tokens(self) -> np.ndarray:
        return self._mapped("tokens")

    @cached_property
    def _offsets(self) -> np.ndarray:
        return self._mapped("offsets")

    @cached_property
    def _file(self) -> np.ndarray:
        return self._mapped("file")

    @cached_property
    def _line(self) -> np.ndarray:
        return self._mapped("line")

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)


@dataclass
class Part:
    """Documents of one file on their way to disk, a few thousand at most, and what was left out among them."""

    file: str
    documents: list[TokenDocument] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[str, str]] = field(default_factory=list)

    def add(self, document: TokenDocument, line: int, request: int) -> None:
        """Take in a document; `request` is the hash of what it asks."""
        self.documents.append(document)
        self.lines.append(line)
        self.requests.append(request)

    def drop(self, place: str, reason: str) -> None:
        """Count a row under what comes before the reason's colon, and name the first few."""
        _count(self.dropped, {reason.split(":")[0]: 1})
        if len(self.shown) < SHOWN_BAD_ROWS:
            self.shown.append((place, reason))

    def save(self, path: Path) -> None:
        """Write the part in one rename."""
        from safetensors.numpy import save

        signed = [d.input_ids ^ -d.is_target.astype(np.int32) for d in self.documents]  # x ^ -1 is ~x
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            "tokens": np.concatenate(signed) if signed else [],
            "lengths": [len(tokens) for tokens in signed], "targets": [d.n_targets for d in self.documents],
            "line": self.lines, "request": self.requests,
        }  # fmt: skip
        meta = {"file": self.file, "dropped": self.dropped, "shown": self.shown}
        arrays = {name: np.asarray(column, _DTYPES[name]) for name, column in columns.items()}
        counts = {"documents": len(signed), "tokens": arrays["tokens"].size, "targets": int(arrays["targets"].sum())}
        write_bytes_atomic(path, save(arrays, {"part": json.dumps({**meta, **counts})}))


def part_counts(path: Path) -> dict[str, Any]:
    """What a part says of itself: `file`, `documents`, `tokens`, `targets`, `dropped` by reason, and `shown`."""
    from safetensors import safe_open

    with safe_open(path, "np") as part:
        return dict(json.loads(part.metadata()["part"]))


def counts_of(parts: Sequence[Path]) -> dict[str, Any]:
    """The same over several parts, with `files` in order."""
    found = {"documents": 0, "tokens": 0, "targets": 0}
    files: dict[str, None] = {}
    dropped: Counter[str] = Counter()
    shown: list[list[str]] = []
    for part in map(part_counts, parts):
        for name in found:
            found[name] += part[name]
        files[part["file"]] = None
        _count(dropped, part["dropped"])
        shown = [*shown, *part["shown"]][:SHOWN_BAD_ROWS]
    return {**found, "files": list(files), "dropped": dict(dropped), "shown": shown}


def _count(counts: Counter[str], more: Mapping[str, int]) -> None:
    for reason, n in more.items():
        counts[reason if reason in counts or len(counts) < _REASONS else "other reasons"] += n


def join(parts: Sequence[Path], folder: Path) -> None:
    """Make a store of parts, in their order; what it holds depends on nothing else."""
    summary = counts_of(parts)
    n, files = summary["documents"], {name: i for i, name in enumerate(summary["files"])}
    with atomic_folder(folder) as new:
        shapes = {"tokens": summary["tokens"], "offsets": n + 1, "targets": n, "file": n, "line": n, "request": n}
        kinds = {**_DTYPES, "offsets": np.int64, "file": np.int32}
        arrays = {
            name: np.lib.format.open_memmap(new / f"{name}.npy", "w+", kinds[name], (size,))
            for name, size in shapes.items()
        }
        arrays["offsets"][0] = 0
        digest = hashlib.sha256()
        document = token = 0
        for path in parts:
            document, token = _copy(path, arrays, document, token, files, digest)
        for array in arrays.values():
            array.flush()
        write_json_atomic(new / SUMMARY, {**summary, "digest": digest.hexdigest()})


def _copy(
    path: Path, arrays: Mapping[str, np.ndarray], document: int, token: int, files: dict[str, int], digest: Any
) -> tuple[int, int]:
    """Copy a part behind `document` documents and `token` tokens; returns what there is then."""
    from safetensors.numpy import load_file

    part, file = load_file(path), part_counts(path)["file"]
    n, n_tokens = len(part["lengths"]), len(part["tokens"])
    here = slice(document, document + n)
    arrays["tokens"][token : token + n_tokens] = part["tokens"]
    arrays["offsets"][document + 1 : document + n + 1] = token + np.cumsum(part["lengths"], dtype=np.int64)
    arrays["file"][here] = files[file]
    for name in ("targets", "line", "request"):
        arrays[name][here] = part[name]
    for name in ("tokens", "lengths", "line"):
        digest.update(np.ascontiguousarray(part[name]))
    digest.update(file.encode())
    return document + n, token + n_tokens
