"""From the bytes that a hostile process wrote to what the parent is willing to believe."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any

from .jail.harness import MESSAGE_CHARS, NAME_CHARS
from .records import CallResult, Status

_CALL_STATUSES = ("return", "error", "timeout", "too_long")
_END_STATUSES = ("ok", "error", "memory", "timeout")


@dataclass(frozen=True)
class Reply:
    """What a zygote reports about one child: `ending` and `status` as in `Supervisor.watch`, and what it wrote."""

    ending: str
    status: int
    seconds: float
    output: bytes
    records: bytes


@dataclass(frozen=True)
class Testimony:
    """The records of one child, checked for form. Whether they are true is not for us to see."""

    calls: tuple[CallResult, ...] = ()
    ready: bool = False
    renamed: bool = False
    end: tuple[Status, str, str] | None = None


class Forged(ValueError):
    """The records are not what the harness writes: nothing that this child said counts."""


def record_bytes(n_calls: int, result_chars: int) -> int:
    """The most that an honest harness writes: JSON takes up to twelve bytes for a character beyond the basic plane."""
    return 4096 + 12 * (NAME_CHARS + MESSAGE_CHARS) + n_calls * (512 + 12 * (result_chars + NAME_CHARS + MESSAGE_CHARS))


def read(raw: bytes, token: str, n_calls: int, result_chars: int) -> Testimony:
    """Check every line. A last line without its end is left out: the child was killed while it wrote.

    Raises:
        Forged: at the first line that has the wrong token, form, order or length.
    """
    calls: list[CallResult] = []
    ready = renamed = False
    *lines, rest = raw.split(b"\n", n_calls + 1)
    if b"\n" in rest:
        raise Forged("more records than there are calls")
    for number, line in enumerate(lines):
        if len(line) > record_bytes(1, result_chars):  # parsed, it could take twenty times its size
            raise Forged("a record longer than any honest one")
        record = _object(line, token)
        kind = record.get("kind")
        if kind == "end" and number == len(lines) - 1 and not ready:
            return Testimony(end=_end(record))
        if kind == "ready" and number == 0 and isinstance(record.get("renamed"), bool):
            ready, renamed = True, record["renamed"]
        elif kind == "call" and ready and record.get("index") == len(calls) < n_calls:
            calls.append(_call(record, result_chars))
        else:
            raise Forged("a record out of place")
    return Testimony(tuple(calls), ready, renamed)


def how_it_died(reply: Reply) -> str:
    """One phrase about a child that ended without a word."""
    if reply.status >= 0:
        return f"the process ended itself with status {reply.status}"
    return f"the process was ended by {_signal_name(-reply.status)}"


def clean(text: str) -> str:
    """The text with lone surrogates escaped, so that it can be written anywhere."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _object(line: bytes, token: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise Forged("a record that is no JSON") from None
    if not isinstance(record, dict) or record.get("token") != token:
        raise Forged("a record without its token")
    return record


def _call(record: dict[str, Any], result_chars: int) -> CallResult:
    status = record.get("status")
    if status not in _CALL_STATUSES:
        raise Forged("a call of no known status")
    longest = NAME_CHARS if status == "error" else result_chars
    return CallResult(status, _text(record, "text", longest), _text(record, "message", MESSAGE_CHARS))


def _end(record: dict[str, Any]) -> tuple[Status, str, str]:
    status = record.get("status")
    if status not in _END_STATUSES:
        raise Forged("an end of no known status")
    return status, _text(record, "type", NAME_CHARS), _text(record, "message", MESSAGE_CHARS)


def _text(record: dict[str, Any], name: str, longest: int) -> str:
    value = record.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise Forged(f"a record whose {name} is no text of at most {longest} characters")
    return clean(value)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
