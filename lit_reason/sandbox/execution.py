"""One program, from request to outcome: as many forks as it takes to answer every call that can be answered."""

from __future__ import annotations

import json
import re
import secrets
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import verdict
from .records import NOT_RUN, CallResult, Limits, Outcome, Program, Status
from .verdict import Forged, Reply, Testimony
from .worker import worth_loading

Ask = Callable[[dict[str, Any], bytes], Reply]

LONGEST_PROGRAM = 16 << 20
_ALARM_GRACE_SECONDS = 0.25  # from a program's own alarm, which still lets it report, to its end by force
_CALL_GRACE_SECONDS = 0.5  # the same for one call
_WORTH_A_FORK_SECONDS = 0.05
_IMPORTS = re.compile(r"^[ \t]*(?:from|import)[ \t]+(\w+)", re.MULTILINE)


class Execution:
    """The state of one program between its forks. `ask` runs one child and brings back what it wrote."""

    def __init__(self, program: Program, limits: Limits, ask: Ask) -> None:
        self._program, self._limits, self._ask = program, limits, ask
        self._calls: list[CallResult] = []
        self._stdout = b""
        self._seconds = 0.0
        self._renamed = False

    def outcome(self) -> Outcome:
        """Run the program. A call that hangs or dies loses itself; the calls after it run in a new child, in time."""
        outcome = self._attempt()
        while outcome is None:
            outcome = self._attempt()
        unanswered = len(self._program.calls) - len(self._calls)
        return replace(
            outcome,
            calls=(*self._calls, *[NOT_RUN] * unanswered),
            stdout=self._stdout.decode("utf-8", "backslashreplace"),
            seconds=self._seconds,
            renamed=self._renamed,
        )

    def _attempt(self) -> Outcome | None:
        """Run one child on the calls that are left. None when others are left after it."""
        calls = self._program.calls[len(self._calls) :]
        token = secrets.token_hex(8)
        payload = json.dumps(self._payload(token, calls)).encode()
        if len(payload) > LONGEST_PROGRAM:
            return Outcome("refused", error=f"the program is longer than {LONGEST_PROGRAM} bytes")
        reply = self._ask(self._header(len(calls)), payload)
        self._seconds += reply.seconds
        self._stdout += reply.output
        try:
            testimony = verdict.read(reply.records, token, len(calls), self._limits.result_chars)
        except Forged as forged:
            return self._refuse(f"the program wrote to the sandbox's own channel: {forged}")
        if reply.ending == "records":
            return self._refuse("the program flooded the sandbox's own channel")
        if not testimony.ready:
            return _whole(reply, testimony)
        self._calls += testimony.calls
        self._renamed = testimony.renamed
        return Outcome("ok") if len(testimony.calls) == len(calls) else self._lose_call(reply)

    def _lose_call(self, reply: Reply) -> Outcome | None:
        """Account for the call during which the child ended."""
        status, error = _ending(reply)
        if status == "timeout":
            self._calls.append(CallResult("timeout"))
        elif status == "output_limit":
            self._calls.append(CallResult("error", "OutputLimit", error))
            return Outcome(status, error=error)
        else:
            self._calls.append(CallResult("error", "ProcessDied", error))
        if reply.ending == "wall" or self._seconds_left() < _WORTH_A_FORK_SECONDS:
            return Outcome("timeout", error=f"over {self._limits.wall_seconds:g} s in all")
        return Outcome("ok") if len(self._calls) == len(self._program.calls) else None

    def _refuse(self, error: str) -> Outcome:
        self._calls = []
        return Outcome("refused", error=error)

    def _seconds_left(self) -> float:
        return self._limits.wall_seconds - self._seconds

    def _header(self, n_calls: int) -> dict[str, Any]:
        mentioned = set(_IMPORTS.findall(self._program.source))
        return {
            "wall_seconds": self._seconds_left() + _ALARM_GRACE_SECONDS,
            "step_seconds": self._limits.call_seconds + _CALL_GRACE_SECONDS,
            "memory_mb": self._limits.memory_mb,
            "output_bytes": max(0, self._limits.output_bytes - len(self._stdout)),
            "record_bytes": verdict.record_bytes(n_calls, self._limits.result_chars),
            "warm": sorted(mentioned & worth_loading()),
        }

    def _payload(self, token: str, calls: tuple[str, ...]) -> dict[str, Any]:
        return {
            "token": token,
            "source": self._program.source,
            "function": self._program.function,
            "calls": calls,
            "allow_rename": self._program.allow_rename,
            "wall_seconds": self._seconds_left(),
            "call_seconds": self._limits.call_seconds,
            "result_chars": self._limits.result_chars,
        }


def _whole(reply: Reply, testimony: Testimony) -> Outcome:
    """The outcome of a script, or of a module that could not be loaded."""
    if reply.ending != "exit" or testimony.end is None or reply.status != 0:
        status, error = _ending(reply)
        return Outcome(status, error=error)
    status, kind, message = testimony.end
    if status == "timeout":
        return Outcome(status, error="the time is up")
    return Outcome(status, error_type=kind or None, error=message if kind else None)


def _ending(reply: Reply) -> tuple[Status, str]:
    """Why a child ended before it told so."""
    if reply.ending in ("wall", "step") or reply.status == -signal.SIGXCPU:
        return "timeout", "the time is up"
    if reply.ending == "output":
        return "output_limit", "too much on standard output"
    if reply.ending == "disk":
        return "output_limit", "too many or too large files"
    if reply.ending == "refused":
        return "refused", "a protection that stood before could not be set up"
    if reply.ending == "worker_died":
        return "killed", "the sandbox's own process died with the program, twice"
    return "killed", verdict.how_it_died(reply)
