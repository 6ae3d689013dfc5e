"""Keeping the functions of evaluation sets out of what is harvested (rule R10)."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.release import row_code
from lit_reason.case2code.similarity import Alike
from lit_reason.case2code.sources import HUMAN_EVAL
from lit_reason.files import read_jsonl
from lit_reason.grading.code import parse_code, too_deep
from lit_reason.human_eval import load_problems

SAME, LIKE = "R10", "R10-like"

logger = logging.getLogger(__name__)


class EvaluationSets:
    """Knows a function of an evaluation set when it meets it again, under whatever name.

    Section 2 has "by function name plus normalised body". Here an equal body is enough: a copy with another name gives
    the answer away as well. That leaves out trivial bodies such as `return a + b` too, which is little: of equal
    bodies only one is harvested anyway (R9), so it costs at most one function for each of the evaluation sets'. A body
    that is only nearly the same, as after swapping two operands, has a reason of its own.

    Args:
        sets: `human_eval`, or .jsonl files whose rows have `code` or `content`.
        near: similarity from which a function is nearly the same; None asks for equal bodies only.
    """

    def __init__(self, sets: Iterable[str], near: float | None = None) -> None:
        sources = list(dict.fromkeys(source for name in sets for source in _functions(name)))
        self._bodies = set(map(normalised_body, sources))
        self._alike = Alike(sources, near) if near is not None and sources else ()

    def __len__(self) -> int:
        """How many different bodies there are."""
        return len(self._bodies)

    def reason(self, sources: Iterable[str]) -> str | None:
        """`SAME` or `LIKE` if one of these functions, each alone, is in one of the sets; else None."""
        alone = list(sources)
        if self._bodies and not self._bodies.isdisjoint(map(normalised_body, alone)):
            return SAME
        return LIKE if any(source in self._alike for source in alone) else None


def _functions(name: str) -> Iterator[str]:
    """The source of every function at the top level of a set's programs."""
    rows = [problem.code for problem in load_problems()] if name == HUMAN_EVAL else _codes(Path(name))
    for tree in map(parse_code, rows):
        for node in tree.body if tree else []:
            if isinstance(node, ast.FunctionDef) and not too_deep(node):  # no candidate is as deep
                yield ast.unparse(node)


def _codes(path: Path) -> list[str]:
    return [row_code(row) for _, row in read_jsonl(path, _cut)]


def _cut(path: Path, line: int, why: str) -> None:
    logger.warning("%s:%d: left out of the evaluation set: not JSON: %s", path.name, line, why)
