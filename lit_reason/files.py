"""Files that appear whole: every write goes beside its target and is renamed, so that a kill leaves the old file or the
new."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lit_reason.disk import named

BadLine = Callable[[Path, int, str], None]
"""Called as `on_bad(path, line_number, reason)` for a line that is not one JSON object."""


@contextmanager
def atomic_stream(path: Path | str) -> Iterator[IO[bytes]]:
    """A binary stream whose content becomes `path` in one rename when the block ends, and nothing when it fails; the
    parent directory is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with named(path), os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder that becomes `path` when the block ends, in place of an older one, and nothing when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    os.chmod(temporary, 0o755)
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes_atomic(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` in one rename; the parent directory is made."""
    with atomic_stream(path) as stream:
        stream.write(data)


def write_text_atomic(path: Path | str, text: str) -> None:
    """`write_bytes_atomic` in UTF-8, whatever the locale; lone surrogates are escaped instead of losing the file."""
    write_bytes_atomic(path, text.encode("utf-8", "backslashreplace"))


def write_json_atomic(path: Path | str, value: Any) -> None:
    """One JSON document, indented, keys in the given order."""
    write_text_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl_atomic(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """A whole JSON-lines file at once."""
    write_text_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def append_jsonl(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows and flush them to disk. A line that an earlier kill cut short is ended first, so no row is glued to
    it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                text = "\n" + text
        stream.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
        os.fsync(stream.fileno())


def read_jsonl(
    path: Path | str, on_bad: BadLine | None = None, wanted: Callable[[int], bool] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line_number, row)`, lines counted from 1, of a file that may be compressed (`.gz`). A line that is no
    JSON object goes to `on_bad`, or raises; one whose number is not `wanted` is passed over unread.

    Raises:
        ValueError: naming file and line, when `on_bad` is None.
    """
    path = Path(path)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if (wanted is not None and not wanted(number)) or not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"expected an object, found {type(row).__name__}")
            except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
                if on_bad is None:
                    raise ValueError(f"{path}, line {number}: {error}") from None
                on_bad(path, number, str(error))
                continue
            yield number, row


def stable_hash(value: Any, length: int = 16) -> str:
    """The first `length` hex digits of the SHA-256 of the value's canonical JSON; equal in every process and
    version."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def cache_dir() -> Path:
    """Where converted models and built data live: $LIT_REASON_CACHE, else the user's cache, else a temporary folder."""
    explicit = os.environ.get("LIT_REASON_CACHE")
    if explicit:
        return Path(explicit)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "lit-reason"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError as error:  # a read-only home is common on clusters; the temporary folder below serves
        reason = error.strerror
    else:
        reason = "not writable"
    fallback = Path(tempfile.gettempdir()) / f"lit-reason-{os.getuid()}"
    fallback.mkdir(mode=0o700, parents=True, exist_ok=True)
    _say_once(f"cache: {folder} is unusable ({reason}); using {fallback}")
    return fallback


_said: set[str] = set()


def _say_once(message: str) -> None:
    import logging

    if message not in _said:
        _said.add(message)
        logging.getLogger(__name__).warning(message)
