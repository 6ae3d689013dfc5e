"""The rows of one kind in one folder: loose part files, one a flush, and compacted ones under a manifest.

    part-<time>-<writer>.parquet   loose: live unless the manifest says that it was replaced
    rows-<time>-<writer>.parquet   compacted: live only if the manifest names it
    parts.json                     {"parts": [compacted files], "replaced": [loose files that they stand for]}

Every file appears whole. Compaction writes the new files, then swaps the manifest, then deletes what it replaced: a
kill in between leaves files that no reader looks at. Readers list the loose files first and read the manifest after
them, so that a swap in between can never hide rows. Where two processes wrote the same row, compacted ones win over
loose ones, and the first written over later ones: what one reader saw is what all will see.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lit_reason.errors import PlainError
from lit_reason.files import atomic_stream, write_json_atomic
from lit_reason.records import schema

if TYPE_CHECKING:
    import pyarrow as pa

KEY = ("question_id", "sample_index")
"""The columns that name a row."""

MANIFEST = "parts.json"
LOCK = ".compact.lock"
ROWS_A_PART = 50_000
"""Rows of a compacted file, about."""

ORPHAN_SECONDS = 3600.0
"""How old a compacted file that no manifest names must be to count as left by a kill."""

OFFSETS_REACH = 2**31 - 1
"""Bytes that the offsets of Arrow's ordinary texts and lists can address."""

REREADS = 100
"""How often a reader starts again because compaction deleted a file that it was about to read."""


class PoolError(PlainError, ValueError):
    """A pool that is missing, damaged or misused; the message is one readable line."""


class PartFiles:
    """The rows of `record`, `Sample` or `Grade`, below `folder`, which is made with the first row."""

    def __init__(self, folder: Path, record: type) -> None:
        self.folder, self.record = folder, record

    def append(self, table: pa.Table) -> None:
        """Write one loose part file. Which rows are new is the caller's affair."""
        write_rows(self.folder / _file_name("part"), table)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in the order of their keys; only `columns` are read from disk, None: all.

        More than 2 GB come as `large_string` and `large_list`.

        Raises:
            PoolError: a file is damaged or holds other rows.
        """
        for _ in range(REREADS):
            try:
                return self._table(list(columns) if columns is not None else schema(self.record).names)
            except FileNotFoundError:
                continue
        raise PoolError(f"{self.folder}: its files were replaced {REREADS} times while it was read")

    def stream(self) -> Iterator[pa.Table]:
        """All columns, file by file as they were written, each row once: for more text than fits in memory.

        Compaction waits meanwhile.
        """
        if not self.folder.is_dir():
            return
        with self._lock(wait=True):
            parts = self._live()
            for path, rows in zip(parts, self._winners(parts), strict=True):
                yield _only(self._read(path), rows)

    def n_files(self) -> int:
        """How many files are live."""
        return len(self._live())

    def compact(self, rows_a_part: int = ROWS_A_PART) -> None:
        """Put loose rows together into files of about `rows_a_part`; does nothing while another process does so."""
        if not self.folder.is_dir():
            return
        with self._lock(wait=False) as locked:
            if not locked:
                return
            self._sweep()
            before, live = self._manifest(), self._live()
            full = [path for path in live if not _is_loose(path) and _n_rows(path) >= rows_a_part]
            rest = [path for path in live if path not in full]
            loose = [path.name for path in rest if _is_loose(path)]
            if not loose:
                return
            parts = [path.name for path in [*full, *self._merge(full, rest, rows_a_part)]]
            if self._manifest() == before:  # some network file systems lock nothing: then the other one's work stands
                write_json_atomic(self.folder / MANIFEST, {"parts": parts, "replaced": loose})
                self._sweep([path for path in rest if not _is_loose(path)])

    def _table(self, columns: list[str]) -> pa.Table:
        import pyarrow as pa

        needed = list(dict.fromkeys([*KEY, *columns]))
        read = [self._read(path, needed) for path in self._live()]
        if not read:
            return schema(self.record).empty_table().select(columns)
        table = pa.concat_tables(read)
        order = _first_rows(table)
        return _only(_roomy(table) if table.nbytes > OFFSETS_REACH else table, order).select(columns)

    def _winners(self, parts: list[Path]) -> list[np.ndarray]:
        """For each file the positions of the rows that count, int64."""
        keys = [self._read(path, list(KEY)) for path in parts]
        if not keys:
            return []
        import pyarrow as pa

        together = pa.concat_tables(keys)
        chosen = np.sort(_first_rows(together))
        starts = np.cumsum([0, *(table.num_rows for table in keys)])
        bounds = np.searchsorted(chosen, starts)
        return [chosen[bounds[i] : bounds[i + 1]] - starts[i] for i in range(len(parts))]

    def _merge(self, full: list[Path], rest: list[Path], rows_a_part: int) -> Iterator[Path]:
        import pyarrow as pa

        winners = self._winners([*full, *rest])[len(full) :]
        waiting: list[pa.Table] = []
        for path, rows in zip(rest, winners, strict=True):
            waiting.append(_only(self._read(path), rows))
            if sum(table.num_rows for table in waiting) >= rows_a_part:
                yield self._write_compacted(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            yield self._write_compacted(pa.concat_tables(waiting))

    def _write_compacted(self, table: pa.Table) -> Path:
        path = self.folder / _file_name("rows")
        write_rows(path, table)
        return path

    def _sweep(self, merged: Sequence[Path] = ()) -> None:
        """Delete what compaction has replaced, and what one that was killed long ago left unnamed."""
        manifest = self._manifest()
        for path in [*merged, *(self.folder / name for name in manifest["replaced"])]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob("rows-*.parquet"):
            if path.name not in manifest["parts"] and time.time() - path.stat().st_mtime > ORPHAN_SECONDS:
                path.unlink(missing_ok=True)

    def _manifest(self) -> dict[str, list[str]]:
        try:
            return json.loads((self.folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return {"parts": [], "replaced": []}

    def _live(self) -> list[Path]:
        loose = sorted(self.folder.glob("part-*.parquet"))  # what a kill left unfinished begins with a dot
        manifest = self._manifest()  # after the loose files: a swap in between must not hide any
        replaced = set(manifest["replaced"])
        return [self.folder / name for name in manifest["parts"]] + [p for p in loose if p.name not in replaced]

    def _read(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        return read_rows(path, self.record, columns)

    @contextmanager
    def _lock(self, wait: bool) -> Iterator[bool]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        except OSError:  # a folder that can only be read: from here nobody compacts it
            yield wait
            return
        try:
            yield True
        finally:
            lock.release()


def write_rows(path: Path, table: pa.Table) -> None:
    """Write a table as one Parquet file that appears whole."""
    import pyarrow.parquet

    with atomic_stream(path) as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")


def read_rows(path: Path, record: type, columns: list[str] | None = None) -> pa.Table:
    """The rows of `record` in one file, of which only `columns` are read; None: all.

    Raises:
        FileNotFoundError: there is no such file.
        PoolError: it is damaged or holds other rows.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            found = (file.schema_arrow.metadata or {}).get(b"lit_reason", b"unknown rows")
            table = file.read(columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise PoolError(f"{path}: unreadable ({error}); move the file away, and its rows are made again") from None
    expected = schema(record).metadata[b"lit_reason"]
    if found != expected:
        raise PoolError(f"{path}: holds {found.decode()}, where {expected.decode()} is expected")
    return table


def key_codes(table: pa.Table) -> np.ndarray:
    """One whole number a row that sorts as its (question id, sample index) does; int64 [rows]."""
    import pyarrow.compute as pc

    ids = table["question_id"].combine_chunks().dictionary_encode()
    order = pc.sort_indices(ids.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    index = table["sample_index"].to_numpy().astype(np.int64)
    return rank[ids.indices.to_numpy()] * (index.max(initial=0) + 1) + index


def _first_rows(table: pa.Table) -> np.ndarray:
    """The first row of each distinct key, in the order of the keys; int64 row numbers."""
    return np.unique(key_codes(table), return_index=True)[1]


def _roomy(table: pa.Table) -> pa.Table:
    """The table with 64-bit offsets: Arrow joins a column's chunks to reorder it, and 32 bits end at 2 GB."""
    import pyarrow as pa

    def roomy(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_list(kind):
            return pa.large_list(kind.value_type)
        return pa.large_string() if pa.types.is_string(kind) else kind

    return table.cast(pa.schema([field.with_type(roomy(field.type)) for field in table.schema]))


def _only(table: pa.Table, rows: np.ndarray) -> pa.Table:
    if len(rows) == table.num_rows and (np.diff(rows) == 1).all():
        return table
    return table.take(rows)


def _file_name(kind: str) -> str:
    # Names sort by the time of writing; the random end tells apart what two processes write at once.
    return f"{kind}-{time.time_ns():016x}-{os.urandom(4).hex()}.parquet"


def _is_loose(path: Path) -> bool:
    return path.name.startswith("part-")


def _n_rows(path: Path) -> int:
    import pyarrow.parquet

    return pyarrow.parquet.read_metadata(path).num_rows
