"""A study's function as a process of its own: `python -m lit_reason.study.step DOTTED.PATH --out DIR [--key value]`.

The function gets `out: Path`, its directory, and the arguments under `set`. What it writes there is handed on by file
name; figures go to `out` as a `Results`, charts by `save_charts`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes
from lit_reason.config.sources import plain_text
from lit_reason.errors import PlainError
from lit_reason.study.checks import call_arguments, function_of


def main(argv: list[str]) -> int:
    """Call the function; 0 when it returned, 2 for what is wrong with the command line."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        _call(argv)
    except PlainError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _call(argv: list[str]) -> None:
    if not argv or len(argv) % 2 == 0:
        raise UserMistakes([Mistake("", "expected a function's dotted path, then --key value pairs")])
    function, why = function_of(argv[0])
    if why:
        raise UserMistakes([Mistake("call", why, argv[0], None, COMMAND_LINE)])
    given = {key.removeprefix("--"): plain_text(text) for key, text in zip(argv[1::2], argv[2::2], strict=True)}
    arguments, mistakes = call_arguments(function, given)
    if mistakes:
        raise UserMistakes(mistakes)
    out = Path(given["out"])
    out.mkdir(parents=True, exist_ok=True)
    function(**{**arguments, "out": out})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
