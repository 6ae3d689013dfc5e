"""Runs one program inside its child process and writes what came of it to the records descriptor, as JSON lines.

The program shares this process: it can change or imitate everything here, so the parent takes every line for what the
program claims and no more. Names that programs are known to replace are bound here before they run: a careless
program must not break the harness.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes enum members of what passes, slow in a fresh child
import ast
import json
import os
import resource
import sys
import types
from collections.abc import Callable
from typing import Any

RECORDS_FD = 3
NAME_CHARS = 200
MESSAGE_CHARS = 500
_RING_AGAIN_SECONDS = 0.05  # a program may swallow one alarm in an `except` of its own

_compile, _exec, _len, _repr = compile, exec, len, repr
_write, _dumps, _literal_eval, _plain = os.write, json.dumps, ast.literal_eval, "".join
_handle, _setitimer = _signal.signal, _signal.setitimer


def run(program: dict[str, Any]) -> None:
    """Run a program and write its records.

    Args:
        program: token, source, function, calls, allow_rename, wall_seconds, call_seconds, result_chars; what they mean
            is told at `lit_reason.sandbox.Program`.

    A script ends in {kind: end, status, type, message}. A function starts with {kind: ready, renamed} and writes
    {kind: call, index, status, text, message} for each call, or `end` alone when it cannot be called.
    """
    stdout = sys.stdout
    send = _sender(program["token"])
    if program["function"] is None:
        end = _load(program, "__main__")[1] or {"status": "ok", "type": "", "message": ""}
    else:
        end = _answer_calls(program, send) or {}
    _flush(stdout)
    if end:
        send(kind="end", **end)


def _answer_calls(program: dict[str, Any], send: Callable[..., None]) -> dict[str, Any] | None:
    module, failure = _load(program, "program")
    if failure:
        return failure
    name = program["function"]
    renamed = name not in module.__dict__ and program["allow_rename"]
    if renamed:
        name = _only_function(program["source"]) or name
    function = module.__dict__.get(name)
    if not callable(function):
        return {"status": "error", "type": "MissingFunction", "message": f"no function named {name!r}"[:MESSAGE_CHARS]}
    send(kind="ready", renamed=renamed)
    for index, text in enumerate(program["calls"]):
        send(kind="call", index=index, **_answer(function, text, program["call_seconds"], program["result_chars"]))
    return None


def _load(program: dict[str, Any], name: str) -> tuple[types.ModuleType, dict[str, Any] | None]:
    """Execute the source as module `name`; the module, and how it failed."""
    module = types.ModuleType(name)
    sys.modules[name] = module

    def work() -> None:
        _exec(_compile(program["source"], "<program>", "exec", dont_inherit=True), module.__dict__)

    try:
        _within(program["wall_seconds"], work)
    except _Timeout:
        _disarm()
        return module, {"status": "timeout", "type": "", "message": ""}
    except BaseException as error:
        kind, message = _describe(error)
        status = "memory" if isinstance(error, MemoryError) else "error"
        return module, {"status": status, "type": kind, "message": message}
    return module, None


def _answer(function: Callable[..., Any], text: str, seconds: float, result_chars: int) -> dict[str, str]:
    """Call once on freshly read arguments; the repr of the result is made under the same alarm."""

    def work() -> str:
        return _plain((_repr(function(**_arguments(text))),))

    try:
        result = _within(seconds, work)
    except _Timeout:
        _disarm()
        return {"status": "timeout", "text": "", "message": ""}
    except BaseException as error:  # SystemExit and KeyboardInterrupt too are the program's own doing
        kind, message = _describe(error)
        return {"status": "error", "text": kind, "message": message}
    status = "return" if _len(result) <= result_chars else "too_long"
    return {"status": status, "text": result[:result_chars], "message": ""}


class BadArguments(Exception):
    """The text of a call is not a literal dict with names as keys: the caller's mistake, not the program's."""


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = _literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadArguments(str(error)) from None
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise BadArguments("expected a dict of keyword arguments")
    return value


def _only_function(source: str) -> str | None:
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return names[0] if _len(names) == 1 else None


class _Timeout(BaseException):
    """The alarm of a call; no Exception, so that `except Exception` in a program lets it through."""


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result of `work`, or `_Timeout`. A program that hides from the alarm is killed from outside."""
    armed = True

    def ring(signum: int, frame: object) -> None:
        if armed:
            raise _Timeout

    _handle(_signal.SIGALRM, ring)  # again for each call: an earlier one may have replaced the handler
    _setitimer(_signal.ITIMER_REAL, seconds, _RING_AGAIN_SECONDS)
    try:
        return work()
    finally:
        armed = False
        _disarm()


def _disarm() -> None:
    _setitimer(_signal.ITIMER_REAL, 0)


def _describe(error: BaseException) -> tuple[str, str]:
    """Type name and bounded message; both are the program's to define, so both may fail or hang."""
    if isinstance(error, MemoryError):
        _make_room()
    try:
        return _within(0.25, lambda: (_text(type(error).__name__, NAME_CHARS), _text(str(error), MESSAGE_CHARS)))
    except BaseException:
        _disarm()
        return "Exception", "the exception's text could not be made"


def _text(value: Any, longest: int) -> str:
    """An exact `str`: a subclass could answer slices as it likes. TypeError for what is no text at all."""
    return _plain((value,))[:longest]


def _make_room() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _sender(token: str) -> Callable[..., None]:
    def send(**record: Any) -> None:
        line = (_dumps({"token": token, **record}) + "\n").encode()
        while line:
            line = line[_write(RECORDS_FD, line) :]

    return send


def _flush(stdout: Any) -> None:
    for stream in {id(stdout): stdout, id(sys.stdout): sys.stdout}.values():
        try:
            stream.flush()
        except Exception:  # closed, replaced or broken by the program: what it has printed so far is what counts
            continue
