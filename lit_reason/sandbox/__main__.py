"""`python -m lit_reason.sandbox FILE`: run one untrusted program and print what came of it as one line of JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from . import Limits, Program, Sandbox, SandboxUnavailable


def main(argv: list[str] | None = None) -> int:
    """Run the command. Exit status: 0 when the program ran to its end, 1 when it did not, 2 when it was not run."""
    defaults = Limits()
    parser = argparse.ArgumentParser(prog="python -m lit_reason.sandbox", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="the Python program")
    parser.add_argument("--timeout", type=float, default=defaults.wall_seconds, metavar="SECONDS", help="wall clock")
    parser.add_argument("--memory", type=int, default=defaults.memory_mb, metavar="MB", help="address space")
    parser.add_argument("--allow_unprotected", action="store_true", help="run even where a protection is missing")
    arguments = parser.parse_args(argv)
    try:
        source = arguments.file.read_text(encoding="utf-8")
        limits = Limits(wall_seconds=arguments.timeout, memory_mb=arguments.memory)
        with Sandbox(workers=1, limits=limits, allow_unprotected=arguments.allow_unprotected) as sandbox:
            outcome = sandbox.run(Program(source))
            protections = dataclasses.asdict(sandbox.protections)
    except (OSError, ValueError, SandboxUnavailable) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    error_text = ": ".join(part for part in (outcome.error_type, outcome.error) if part) or None
    row = {"status": outcome.status, "stdout": outcome.stdout, "error": error_text, "seconds": outcome.seconds}
    sys.stdout.write(json.dumps({**row, "protections": protections}) + "\n")
    return 0 if outcome.status == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
