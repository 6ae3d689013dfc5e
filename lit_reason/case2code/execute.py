"""Running functions on inputs in the sandbox: trials of signatures, two runs under two hash seeds, coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from lit_reason.case2code.values import has_address
from lit_reason.grading.code import read_literal
from lit_reason.sandbox import CallResult, Limits, Outcome, Program, Sandbox

Coverage = frozenset[tuple[int, int]]
"""Steps from one executed line to the next, (from, to): the branches that a call took."""

_HUNG = ("timeout", "not_run")

_TRACER = """
def _traced_steps(**kwargs):
    import sys
    code, steps, last = {name}.__code__, set(), [0]
    def on_line(frame, event, argument):
        if event == "line":
            steps.add((last[0], frame.f_lineno))
            last[0] = frame.f_lineno
        return on_line
    def on_call(frame, event, argument):
        return on_line if frame.f_code.co_filename == code.co_filename else None
    sys.settrace(on_call)
    try:
        {name}(**kwargs)
    except BaseException as error:
        steps.add((last[0], -1))
    finally:
        sys.settrace(None)
    return sorted(steps)
"""


class Executor:
    """Runs programs in two sandboxes that differ in their hash seed. A context manager.

    Raises:
        SandboxUnavailable: on entering, where programs cannot be isolated and `allow_unprotected` is False.
    """

    def __init__(
        self, workers: int = 2, call_seconds: float = 0.2, allow_unprotected: bool = False, result_chars: int = 2000
    ) -> None:
        limits = Limits(
            wall_seconds=max(2.0, 10 * call_seconds), call_seconds=call_seconds, result_chars=result_chars
        )
        self._sandboxes = [Sandbox(workers, limits, seed, allow_unprotected) for seed in (0, 1)]

    def __enter__(self) -> Executor:
        for sandbox in self._sandboxes:
            sandbox.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sandbox in self._sandboxes:
            sandbox.__exit__(kind, value, trace)

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """Outcomes in order, under hash seed 0."""
        return self._sandboxes[0].map(programs)

    def run_twice(self, programs: Sequence[Program]) -> list[tuple[Outcome, Outcome]]:
        """Each program under hash seeds 0 and 1, to find what depends on the seed or on chance (section 4).

        Calls that hang in the first run are not made again: their results stand for both.
        """
        first = list(self._sandboxes[0].map(programs))
        again = [[i for i, call in enumerate(outcome.calls) if call.status not in _HUNG] for outcome in first]
        second = self._sandboxes[1].map(
            replace(program, calls=tuple(program.calls[i] for i in chosen))
            for program, chosen in zip(programs, again, strict=True)
        )
        return [(a, _merged(a, b, chosen)) for a, b, chosen in zip(first, second, again, strict=True)]

    def coverage(self, programs: Sequence[Program]) -> list[list[Coverage]]:
        """Per program and call, the steps taken; empty where a call did not end under the tracer."""
        traced = [
            Program(program.source + _TRACER.format(name=program.function), "_traced_steps", program.calls)
            for program in programs
        ]
        return [[_steps(call) for call in outcome.calls] for outcome in self.run(traced)]


def trial_score(calls: Sequence[CallResult]) -> float:
    """How well a signature suits a function: calls that return, plus distinct results; 0 if none returns."""
    returned = [call.text for call in calls if call.status == "return" and not has_address(call.text)]
    return len(returned) + len(set(returned) - {"None"}) if returned else 0.0


def _merged(first: Outcome, second: Outcome, chosen: Sequence[int]) -> Outcome:
    calls = list(first.calls)
    for i, call in zip(chosen, second.calls, strict=True):
        calls[i] = call
    return replace(second, calls=tuple(calls))


def _steps(call: CallResult) -> Coverage:
    if call.status != "return":
        return frozenset()
    try:
        return frozenset(read_literal(call.text))
    except (ValueError, TypeError):
        return frozenset()  # the program stood in the tracer's way, with a `sorted` of its own perhaps
