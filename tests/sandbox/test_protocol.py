"""Frames between the parent and a zygote, and records from a program: whatever comes, a value or one known error."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.sandbox import CallResult
from lit_reason.sandbox.jail import protocol
from lit_reason.sandbox.verdict import Forged, read
from lit_reason.sandbox.verdict import Testimony as Heard

TOKEN = "0123456789abcdef"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
CALLS = st.lists(
    st.builds(
        CallResult,
        st.sampled_from(["return", "too_long"]),
        st.text(st.characters(codec="utf-8"), max_size=50),
        st.text(st.characters(codec="utf-8"), max_size=50),
    ),
    max_size=6,
)


@contextlib.contextmanager
def _stream(raw: bytes, pieces: Sequence[int] = ()) -> Iterator[int]:
    """A descriptor from which these bytes come, cut into pieces of these sizes and the rest, and then the end."""
    reading, writing = os.pipe()

    def write() -> None:
        position = 0
        with contextlib.suppress(BrokenPipeError):
            for size in [*pieces, len(raw) + 1]:
                os.write(writing, raw[position : position + size])
                position += size
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)
        writer.join()


def _frame(message: Any) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack("<I", len(data)) + data


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=4), st.lists(st.integers(1, 9), max_size=9))
def test_messages_arrive_whole_in_whatever_pieces(messages: list[dict[str, Any]], pieces: list[int]) -> None:
    with _stream(b"".join(map(_frame, messages)), pieces) as fd:
        assert [protocol.receive(fd, time.monotonic() + 10) for _ in messages] == messages
        with pytest.raises(protocol.Closed):
            protocol.receive(fd)


@given(st.binary(max_size=200))
def test_noise_is_a_closed_stream_and_nothing_else(raw: bytes) -> None:
    with _stream(raw) as fd, contextlib.suppress(protocol.Closed):
        while True:
            assert isinstance(protocol.receive(fd, time.monotonic() + 10), dict)


@given(JSON.filter(lambda value: not isinstance(value, dict)))
def test_what_is_no_object_is_no_message(value: Any) -> None:
    with _stream(_frame(value)) as fd, pytest.raises(protocol.Closed):
        protocol.receive(fd)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=3), st.data())
def test_a_frame_cut_anywhere_is_a_closed_stream(message: dict[str, Any], data: st.DataObject) -> None:
    whole = _frame(message)
    with _stream(whole[: data.draw(st.integers(0, len(whole) - 1))]) as fd, pytest.raises(protocol.Closed):
        protocol.receive(fd)


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with _stream(struct.pack("<I", protocol.MAX_FRAME + 1) + b"{}") as fd, pytest.raises(protocol.Closed):
        protocol.receive(fd)
    with pytest.raises(ValueError, match="over the limit"):
        protocol.send_bytes(1, bytes(protocol.MAX_FRAME + 1))


def test_silence_is_late() -> None:
    reading, writing = os.pipe()
    os.write(writing, _frame({"a": 1})[:-1])
    with pytest.raises(protocol.Late):
        protocol.receive(reading, time.monotonic() + 0.05)
    os.close(reading)
    with pytest.raises(protocol.Closed):
        protocol.send(writing, {})
    os.close(writing)


def _records(calls: list[CallResult]) -> bytes:
    told = [
        {"kind": "call", "index": index, "status": call.status, "text": call.text, "message": call.message}
        for index, call in enumerate(calls)
    ]
    rows = [{"token": TOKEN, **row} for row in ({"kind": "ready", "renamed": False}, *told)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@given(CALLS)
def test_records_come_back_as_they_were_told(calls: list[CallResult]) -> None:
    assert read(_records(calls), TOKEN, len(calls), result_chars=50) == Heard(tuple(calls), ready=True)


@given(CALLS, st.data())
def test_records_with_one_byte_changed_are_believed_within_bounds_or_refused(
    calls: list[CallResult], data: st.DataObject
) -> None:
    raw = bytearray(_records(calls))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        heard = read(bytes(raw), TOKEN, len(calls), result_chars=50)
    except Forged as forged:
        assert str(forged)
    else:
        assert len(heard.calls) <= len(calls) and all(len(call.text) <= 50 * 10 for call in heard.calls)


@pytest.mark.parametrize(
    "flood",
    [b"\n" * 4_000_000, b"[" + b"[]," * 1_500_000 + b"[]]\n", b"[" * 4_000_000 + b"\n", b"9" * 4_000_000 + b"\n"],
    ids=["lines", "lists", "depth", "digits"],
)
def test_a_flood_takes_no_more_memory_than_its_own_size(flood: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(Forged):
        read(flood, TOKEN, n_calls=100, result_chars=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(flood)
