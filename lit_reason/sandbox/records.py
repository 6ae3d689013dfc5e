"""What goes into the sandbox and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from lit_reason.errors import PlainError

CallStatus = Literal["return", "error", "timeout", "too_long", "not_run"]
Status = Literal["ok", "error", "timeout", "memory", "killed", "refused", "output_limit"]


# Beyond these an interpreter does not start, or the kernel's own clocks and sizes overflow.
_RANGES = {
    "wall_seconds": (0.01, 1_000_000),
    "call_seconds": (0.001, 1_000_000),
    "memory_mb": (64, 1 << 24),
    "output_bytes": (1, 1 << 30),
    "result_chars": (1, 1 << 24),
}


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Args:
        wall_seconds: the whole program, all of its calls included.
        call_seconds: one call, the `repr` of its result included.
        memory_mb: address space of the process; a bare interpreter takes about 40 of it, so 64 is the least.
        output_bytes: standard output before the program is ended.
        result_chars: the longest `repr` of a result that is kept whole; a longer one is cut and `too_long`.
    """

    wall_seconds: float = 10.0
    call_seconds: float = 1.0
    memory_mb: int = 512
    output_bytes: int = 1 << 20
    result_chars: int = 2000

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (least, most) = getattr(self, field.name), _RANGES[field.name]
            if not least <= value <= most:
                raise ValueError(f"sandbox limit {field.name} must lie between {least:,} and {most:,}, not {value}")


@dataclass(frozen=True)
class Program:
    """One untrusted program.

    Args:
        source: Python source text.
        function: None runs `source` as a script; otherwise it is executed as a module whose function is called.
        calls: literal text of a dict of keyword arguments for each call, as `"{'xs': [1, 2]}"`, read anew each time.
        allow_rename: if `function` is missing but the source defines just one top-level function, that one is called.
        limits: in place of the sandbox's own.
    """

    source: str
    function: str | None = None
    calls: tuple[str, ...] = ()
    allow_rename: bool = False
    limits: Limits | None = None


@dataclass(frozen=True)
class CallResult:
    """What one call gave.

    `text` is the `repr` of the result, or the type name of the exception: the program's own, or `BadArguments` (the
    call's text is no literal dict), `ProcessDied` (the call ended its process), `OutputLimit` (it printed too much).
    """

    status: CallStatus
    text: str = ""
    message: str = ""


NOT_RUN = CallResult("not_run")


@dataclass(frozen=True)
class Outcome:
    """What one program gave.

    `status` is `ok` when a script ran to its end, or when every call of a function was answered, be it by an
    exception or a timeout of its own; `error` when the source does not compile, raises or lacks the function
    (`error_type` `MissingFunction`). Otherwise it says which limit was met (`timeout`, `memory`, `output_limit`),
    that the process ended before it told so (`killed`), or that nothing it said counts (`refused`). `calls` is as
    long as the program's. `stdout` is what was printed and flushed. `seconds` is wall time.
    """

    status: Status
    calls: tuple[CallResult, ...] = ()
    stdout: str = ""
    error_type: str | None = None
    error: str | None = None
    seconds: float = 0.0
    renamed: bool = False


@dataclass(frozen=True)
class Protections:
    """What stands between a program and the machine.

    Args:
        landlock: the kernel's Landlock ABI, 0 for none: files.
        seccomp: the system call filter: network, processes, everything else.
        rlimits: memory, processor time, file sizes.
        identity: no root, no capabilities.
    """

    landlock: int
    seccomp: bool
    rlimits: bool
    identity: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the protections that are not there."""
        return tuple(field.name for field in fields(self) if not getattr(self, field.name))


class SandboxUnavailable(PlainError, RuntimeError):
    """A protection is missing on this machine and weaker ones were not permitted. The text is one readable line.

    `protections` are those that do stand.
    """

    def __init__(self, text: str, protections: Protections = Protections(0, False, False, False)) -> None:
        super().__init__(text)
        self.protections = protections
