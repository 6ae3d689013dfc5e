"""Rows of a user's own data, each with the place it came from, so that a bad one can be named.

A source is a file (`.jsonl`, `.jsonl.gz`, `.ndjson`, `.json`, `.csv`, `.tsv`, `.parquet`), a folder of such files, or a
data set that the `datasets` library finds in its cache or on the hub, written `owner/name` or `owner/name:split` (split
as that library writes it, `train[:1000]` included; `train` when left out). A place reads `file:line`; Parquet files and
data sets have no lines, there it counts rows from 1.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lit_reason.errors import PlainError
from lit_reason.files import read_jsonl

Row = dict[str, Any]
OnBad = Callable[[str, str], None]
"""Called as `on_bad(place, reason)` for what cannot be read as a row."""

Wanted = Callable[[str, int], bool]
"""Asked as `wanted(file, number)` of the place `file:number`, before its row is parsed."""

_BATCH = 512
"""Rows of a Parquet file that are in memory at once."""

_DATA_SET = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[\w.+%\[\]:-]+)?")


class RowsError(PlainError, ValueError):
    """A source that cannot be read at all; the message is one readable line."""


def source_problem(source: str) -> str | None:
    """Why `source` cannot be read, in one line, or None; looks at names only, opens nothing."""
    path = Path(source)
    if path.is_dir():
        return None if _files(path) else f"no {_known()} file in the folder {source}"
    if path.is_file():
        return None if _suffix(path) in _READERS else _unknown_format(path)
    if _suffix(path) in _READERS or not _DATA_SET.fullmatch(source):
        return f"no such file: {source}{_nearest(path)}"
    return None


def source_state(source: str, subset: str | None = None) -> list[Any]:
    """What changes when the source's content does, for caches: path, size and time of every file. Of a data set, what
    the `datasets` library identifies it by.

    Raises:
        RowsError: there is no such source.
    """
    path = Path(source)
    if not path.exists():
        return [source, subset, _load(source, subset)._fingerprint]
    files = [(file, file.stat()) for file in (_files(path) if path.is_dir() else [path])]
    return [[file.resolve().as_posix(), stat.st_size, stat.st_mtime_ns] for file, stat in files]


def read_rows(
    source: str, on_bad: OnBad, subset: str | None = None, wanted: Wanted = lambda file, number: True
) -> Iterator[tuple[str, Row]]:
    """Yield `(place, row)` in the order of the files' names and lines. Lines, CSV and Parquet are read as they come:
    of these a source may be larger than the memory.

    Args:
        source: a file, a folder, or `owner/name[:split]`.
        on_bad: told about every line that is no row; reading goes on after it.
        subset: configuration of the data set, where it has several; files have none.
        wanted: which places are read at all; asked of every one in order.

    Raises:
        RowsError: there is no such file or data set, or its format is unknown.
    """
    problem = source_problem(source)
    if problem:
        raise RowsError(problem)
    path = Path(source)
    if not path.exists():
        yield from _data_set(source, subset, wanted)
        return
    for file in _files(path) if path.is_dir() else [path]:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        yield from _READERS[_suffix(file)](file, name, on_bad, wanted)


def _json_lines(path: Path, name: str, on_bad: OnBad, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    def bad_line(_: Path, line: int, why: str) -> None:
        on_bad(f"{name}:{line}", f"not JSON: {why}")

    try:
        for number, row in read_jsonl(path, bad_line, lambda line: wanted(name, line)):
            yield f"{name}:{number}", row
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RowsError(f"{path} cannot be unpacked: {error}") from None


def _json(path: Path, name: str, on_bad: OnBad, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    """A list of objects, an object that holds one such list, or JSON lines under the wrong suffix, which are common."""
    if _begins_as_lines(path):
        yield from _json_lines(path, name, on_bad, wanted)
        return
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except json.JSONDecodeError as error:
        if path.read_bytes().lstrip()[:1] == b"[":
            why = f"{error.msg}; a JSON file is read whole or not at all"
            raise RowsError(f"{path}, line {error.lineno}: {why}") from None
        yield from _json_lines(path, name, on_bad, wanted)
        return
    if isinstance(document, dict):
        lists = [cell for cell in document.values() if isinstance(cell, list) and cell and isinstance(cell[0], dict)]
        is_row = len(lists) != 1 or {"messages", "conversations"} & document.keys()
        document = [document] if is_row else lists[0]
    if not isinstance(document, list):
        raise RowsError(f"{path}: expected a list of objects, found {type(document).__name__}")
    for number, row in enumerate(document, 1):
        if not wanted(name, number):
            continue
        if isinstance(row, dict):
            yield f"{name}:{number}", row
        else:
            on_bad(f"{name}:{number}", f"expected an object, found {type(row).__name__}")


def _begins_as_lines(path: Path) -> bool:
    """Whether the first line is an object of its own and another follows: such a file need not be read whole."""
    with path.open("rb") as stream:
        lines = (line for line in stream if line.strip())
        try:
            return isinstance(json.loads(next(lines, b"")), dict) and next(lines, None) is not None
        except ValueError:
            return False


def _separated(path: Path, name: str, on_bad: OnBad, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(2**31 - 1)  # the default refuses fields over 128 KiB, and with them the file
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        header = next(reader, [])
        end_of_last = reader.line_num  # a quoted field may hold line breaks: a row starts where the last one ended
        for fields in reader:
            number, end_of_last = end_of_last + 1, reader.line_num
            if not (wanted(name, number) and fields):
                continue
            place = f"{name}:{number}"
            if len(fields) == len(header):
                yield place, dict(zip(header, fields, strict=True))
            else:
                on_bad(place, f"{len(fields)} fields under a header of {len(header)}")


def _parquet(path: Path, name: str, on_bad: OnBad, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        # Through a buffer, or a row group's columns would be read whole, and many files are one row group.
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                end = number + file.metadata.row_group(group).num_rows
                if not any(wanted(name, place) for place in range(number + 1, end + 1)):
                    number = end
                    continue
                for batch in file.iter_batches(_BATCH, row_groups=[group]):
                    for row in batch.to_pylist():
                        number += 1
                        if wanted(name, number):
                            yield f"{name}:{number}", row
    except pa.ArrowException as error:
        raise RowsError(f"{path}: {str(error).splitlines()[0]}") from None


_READERS: dict[str, Callable[[Path, str, OnBad, Wanted], Iterator[tuple[str, Row]]]] = {
    ".jsonl": _json_lines, ".jsonl.gz": _json_lines, ".ndjson": _json_lines, ".json": _json, ".csv": _separated,
    ".tsv": _separated, ".parquet": _parquet,
}


def _data_set(source: str, subset: str | None, wanted: Wanted) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(_load(source, subset), 1):
        if wanted(source, number):
            yield f"{source}:{number}", row


def _load(source: str, subset: str | None) -> Any:
    import datasets

    name, _, split = source.partition(":")
    try:
        return datasets.load_dataset(name, subset, split=split or "train")
    except ConnectionError:
        raise RowsError(
            f"data set {name} is not in the local cache and the hub is out of reach: run "
            "`python train.py prepare ...` where there is a network, or name a local file"
        ) from None
    except (OSError, ValueError) as error:  # no such data set, subset or split; files that do not parse
        raise RowsError(f"data set {source}: {str(error).splitlines()[0]}") from None


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and _suffix(path) in _READERS)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _suffix(path: Path) -> str:
    """The part of the name that tells the format: `.jsonl`, `.jsonl.gz`."""
    return "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]).lower()


def _unknown_format(path: Path) -> str:
    return f"unknown format {path.suffix or '(no suffix)'} of {path}; known: {_known()}"


def _known() -> str:
    return ", ".join(_READERS)


def _nearest(path: Path) -> str:
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
