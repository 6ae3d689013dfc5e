"""Run one untrusted Python program and print what came of it as one line of JSON.

status       ok, error, timeout, memory, killed, refused or output_limit
stdout       what it printed
error        type and text of what ended it, or null
seconds      wall time
protections  what stood between the program and this machine

Exit status: 0 when the program ran to its end, 1 when it did not, 2 when it was not run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tokenize
from pathlib import Path

import lit_reason.sandbox

from . import Limits, Outcome, Program, Protections, Sandbox, SandboxUnavailable


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        with tokenize.open(arguments.file) as stream:  # as Python reads it: UTF-8, or what the file itself declares
            source = stream.read()
        limits = Limits(wall_seconds=arguments.timeout, memory_mb=arguments.memory)
        with Sandbox(workers=1, limits=limits, allow_unprotected=arguments.allow_unprotected) as sandbox:
            outcome = sandbox.run(Program(source))
            _print(outcome, sandbox.protections)
            return 0 if outcome.status == "ok" else 1
    except SandboxUnavailable as error:
        _print(Outcome("refused", error=str(error)), error.protections)
        return 2
    except (OSError, ValueError, SyntaxError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    defaults = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m lit_reason.sandbox",
        description=__doc__,
        epilog=_not_covered(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the Python program")
    parser.add_argument("--timeout", type=float, default=defaults.wall_seconds, metavar="SECONDS", help="wall clock")
    parser.add_argument("--memory", type=int, default=defaults.memory_mb, metavar="MB", help="address space")
    parser.add_argument("--allow_unprotected", action="store_true", help="run even where a protection is missing")
    return parser


def _not_covered() -> str:
    text = lit_reason.sandbox.__doc__ or ""
    return text[text.index("What it does NOT cover") :]


def _print(outcome: Outcome, protections: Protections) -> None:
    error = ": ".join(part for part in (outcome.error_type, outcome.error) if part) or None
    row = {"status": outcome.status, "stdout": outcome.stdout, "error": error, "seconds": outcome.seconds}
    sys.stdout.write(json.dumps({**row, "protections": dataclasses.asdict(protections)}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
