"""Frames between the parent and a zygote: four bytes of length, then that many bytes, usually one JSON object."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

MAX_FRAME = 64 << 20
_LENGTH = struct.Struct("<I")
_decode = json.JSONDecoder().raw_decode  # without what `json.loads` does around it, slow in a fresh child


class Closed(Exception):
    """The other side is gone: end of file, a broken pipe, a frame cut short, or one that is none of ours."""


class Late(Exception):
    """The other side did not answer in time."""


def send(fd: int, message: dict[str, Any]) -> None:
    """Write one JSON object as a frame. Raises `Closed` when nobody reads."""
    send_bytes(fd, json.dumps(message).encode())


def send_bytes(fd: int, data: bytes) -> None:
    """Write one frame of raw bytes. Raises `Closed` when nobody reads, ValueError when the frame is too long."""
    if len(data) > MAX_FRAME:
        raise ValueError(f"a frame of {len(data)} bytes is over the limit of {MAX_FRAME}")
    write_all(fd, _LENGTH.pack(len(data)) + data)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write everything. Raises `Closed` when nobody reads."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except BrokenPipeError:
        raise Closed from None


def receive(fd: int, deadline: float | None = None) -> dict[str, Any]:
    """Read one frame holding a JSON object. Raises `Closed`, or `Late` past the `time.monotonic()` deadline."""
    (length,) = _LENGTH.unpack(read_exactly(fd, _LENGTH.size, deadline))
    if length > MAX_FRAME:
        raise Closed
    try:
        message, end = _decode(read_exactly(fd, length, deadline).decode())
    except (ValueError, RecursionError):
        raise Closed from None
    if not isinstance(message, dict) or end != length:
        raise Closed
    return message


def read_exactly(fd: int, size: int, deadline: float | None = None) -> bytes:
    """Read `size` bytes. Raises `Closed`, or `Late` past the deadline."""
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise Late
        part = os.read(fd, min(size - len(data), 1 << 20))
        if not part:
            raise Closed
        data += part
    return bytes(data)
