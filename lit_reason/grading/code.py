"""Taking a program out of what a model wrote (Case2Code, section 5.1)."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from dataclasses import dataclass
from typing import Any, Literal

_FENCE = re.compile(
    r"(?P<indent>(?:^[ \t]*)?)(?P<ticks>`{3,}|~{3,})[ \t]*(?P<tag>[\w+#.-]*)[^\n`]*\n"  # the opening may follow text
    r"(?P<code>.*?)(?:(?P<close>^[ \t]*(?P=ticks)[`~]*)|\Z)",  # the closing starts a line, so code may mention fences
    re.MULTILINE | re.DOTALL,
)
_DEEPEST = 100
"""Nodes inside one another. `ast.unparse` takes up to six frames for each, and 1,000 is all that Python has."""

_PYTHON_TAGS = frozenset({"python", "py", "python3", "py3"})


@dataclass(frozen=True)
class Extraction:
    """The program found in a text, where it was found, and whether its fence was closed (never, without a fence)."""

    code: str
    kind: Literal["python_fence", "fence", "text"]
    closed: bool


def extract_code(text: str) -> Extraction:
    """The first Python-fenced block, else the first fenced block, else the whole text.

    Tags count in any case. A fence that is never closed reaches to the end of the text.
    """
    fences = list(_FENCE.finditer(text))
    for fence in fences:
        if fence["tag"].lower() in _PYTHON_TAGS:
            return _extraction(fence, "python_fence")
    return _extraction(fences[0], "fence") if fences else Extraction(text, "text", closed=False)


def parse_code(code: str) -> ast.Module | None:
    """The syntax tree, or None for text that is not Python; never raises and never warns, whatever the text holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return None


def read_literal(text: str | ast.expr) -> Any:
    """The value of a literal.

    Raises:
        ValueError: it is none, or none that Python can hold.
    """
    try:
        return ast.literal_eval(text)
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None


def too_deep(tree: ast.AST) -> bool:
    """Whether nodes lie in nodes so deep that functions which walk the tree recursively may exhaust Python's stack.

    Sums of 100 terms are; of 7,600 functions of the standard library and common packages one is. It depends on the tree
    alone, where RecursionError depends on the caller as well.
    """
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def _extraction(fence: re.Match[str], kind: Literal["python_fence", "fence"]) -> Extraction:
    code = textwrap.dedent(fence["code"]) if fence["indent"] else fence["code"]
    return Extraction(code, kind, closed=fence["close"] is not None)
