"""One row of instruction data, in any of its usual shapes, as chat messages.

| shape | columns |
|---|---|
| messages | `messages`: list of `{role, content}` |
| ShareGPT | `conversations`: list of `{from, value}` |
| prompt and completion | `prompt`, `completion`: text, or lists of messages |
| instruction | `instruction`, optionally `input`, and `output` |

The first shape whose columns the row has is taken. Every shape may have a `system` column. Cells may hold their list as
JSON text, as CSV files must.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lit_reason.records import Message

COLUMNS = ("messages", "conversations", "prompt", "completion", "instruction", "input", "output", "system")
"""The names that a column mapping may give: ours on the left, the file's own on the right."""

NO_COLUMNS = "no known columns"

_ROLES = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant",
    "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
}


class BadRow(ValueError):
    """A row that cannot be trained on. The message is its reason, a few words that equal rows share, to be counted."""


def conversation(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> list[Message]:
    """The row's messages, ending with an assistant's: what follows the last answer teaches nothing and is left out.

    Args:
        row: cells by column name.
        columns: our column names (`COLUMNS`) to the file's own, `{"prompt": "question"}`; others keep their names.

    Raises:
        BadRow: no known columns, no answer, an empty answer, an unknown role, or text that is none.
    """
    names = {name: (columns or {}).get(name, name) for name in COLUMNS}
    cells = {name: row[own] for name, own in names.items() if row.get(own) is not None}
    messages = _messages(cells)
    if cells.get("system") and not any(message["role"] == "system" for message in messages):
        messages = [_message("system", cells["system"]), *messages]
    while messages and messages[-1]["role"] != "assistant":
        messages = messages[:-1]
    if not messages:
        raise BadRow("no assistant message")
    if any(message["role"] == "assistant" and not message["content"].strip() for message in messages):
        raise BadRow("empty answer")
    return messages


def with_system(messages: list[Message], system: str | None) -> list[Message]:
    """The messages under another system message: `None` keeps their own, an empty text removes it."""
    if system is None:
        return messages
    rest = [message for message in messages if message["role"] != "system"]
    return [{"role": "system", "content": system}, *rest] if system else rest


def _messages(cells: Mapping[str, Any]) -> list[Message]:
    if "messages" in cells:
        return _turns("messages", cells["messages"])
    if "conversations" in cells:
        return _turns("conversations", cells["conversations"])
    if "prompt" in cells and "completion" in cells:
        return _side("prompt", cells["prompt"], "user") + _side("completion", cells["completion"], "assistant")
    if "instruction" in cells and "output" in cells:
        request = _text("instruction", cells["instruction"])
        if cells.get("input"):
            request += "\n\n" + _text("input", cells["input"])
        return [_message("user", request), _message("assistant", cells["output"])]
    raise BadRow(NO_COLUMNS)


def _side(name: str, cell: Any, role: str) -> list[Message]:
    if isinstance(cell, list):
        return _turns(name, cell)
    return [_message(role, cell)]


def _turns(name: str, cell: Any) -> list[Message]:
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise BadRow(f"{name} is no list") from None
    if not isinstance(cell, list):
        raise BadRow(f"{name} is no list")
    return [_turn(name, turn) for turn in cell]


def _turn(name: str, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRow(f"{name} holds something that is no message")
    speaker = _first(turn, "role", "from")
    role = _ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise BadRow(f"unknown role {str(speaker)[:40]!r}")
    return _message(role, _first(turn, "content", "value"))


def _first(turn: Mapping[str, Any], *names: str) -> Any:
    """The first of these that is filled: Parquet gives every message of a file the same keys, most of them null."""
    return next((turn[name] for name in names if turn.get(name) is not None), None)


def _message(role: str, content: Any) -> Message:
    return {"role": role, "content": _text(f"{role} content", content)}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{name} is no text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # bytes of another encoding, or half a surrogate pair out of JSON
        raise BadRow(f"{name} is not UTF-8") from None
    return value
