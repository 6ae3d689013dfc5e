"""A problem's tests without the answer that they judge.

The published way runs tests and answer in one process, where an answer can claim anything. Here they never meet: the
arguments that the tests use are recorded once with the reference solution, the answer is called with them in a process
of its own, and the tests are run in a third on what it gave. What should come out is in neither of the first two, so
an answer that lies about itself gains no more than one that guesses.

All arguments and results of the 164 problems are literals. A result that is none, or no container of them, fails: an
iterator where a list is expected, or an object that calls itself equal to everything.
"""

from __future__ import annotations

import ast
from typing import Any

from lit_reason.sandbox import CallResult, Limits, Program

RESULT_CHARS = 20_000
"""Room for a result of one call, and for all arguments of one problem, which take up to 5,000 characters."""

_SEED = "import random as _random\n_random.seed(0)\n"
"""Some tests draw their arguments: they must draw the same when they are recorded and when they judge."""

_RECORDER = """
def __record__():
    calls = []
    def recorder(*arguments):
        calls.append(repr(arguments))
        return {entry}(*arguments)
    space = dict(globals(), {entry}=recorder)
    exec({test!r}, space)
    space["check"](recorder)
    return calls
"""
_CALLER = """
def __call__(arguments):
    def plain(value):
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
        if isinstance(value, dict):
            return {{plain(key): plain(each) for key, each in value.items()}}
        for kind in (list, tuple, set):
            if isinstance(value, kind):
                return kind(map(plain, value))
        return value
    return plain({entry}(*arguments))
"""
_PLAYER = """
def __judge__(outcomes):
    import ast
    left = iter(outcomes)
    def player(*arguments):
        status, text = next(left)
        if status != "return":
            raise (TimeoutError if status == "timeout" else RuntimeError)(text)
        try:
            return ast.literal_eval(text)
        except Exception:
            raise AssertionError("a result that is no literal") from None
    globals()[{entry!r}] = player
    check(player)
"""


def recording(meta: dict[str, Any], solution: str, limits: Limits) -> Program:
    """The program whose one call gives the arguments of all calls that the tests make."""
    recorder = _RECORDER.format(entry=meta["entry_point"], test=meta["test"])
    return Program(f"{_SEED}{solution}\n{recorder}", "__record__", ("{}",), limits=limits)


def recorded(call: CallResult) -> tuple[str, ...]:
    """The calls of `answering`, from what `recording` gave.

    Raises:
        ValueError: the reference solution does not pass its tests here.
    """
    if call.status != "return":
        raise ValueError(f"the tests fail on their own reference solution: {call.text} {call.message}")
    return tuple(f"{{'arguments': {arguments}}}" for arguments in ast.literal_eval(call.text))


def answering(source: str, entry_point: str, calls: tuple[str, ...], limits: Limits) -> Program:
    """The program that calls an answer; its results are plain where their types are kinds of plain ones."""
    return Program(source + "\n" + _CALLER.format(entry=entry_point), "__call__", calls, limits=limits)


def judging(meta: dict[str, Any], results: tuple[CallResult, ...], limits: Limits) -> Program:
    """The program that runs the tests on what an answer gave; imports and helpers of the prompt are there."""
    source = f"{_SEED}{meta['prompt']}    pass\n\n{meta['test']}\n{_PLAYER.format(entry=meta['entry_point'])}"
    outcomes = [(result.status, result.text) for result in results]
    return Program(source, "__judge__", (repr({"outcomes": outcomes}),), limits=limits)
