"""Checking a Countdown answer strictly: an expression of + - * / that uses each given number once.

reasoning-gym's verifiers evaluate the text: that of countdown accepts `3!+4`, `7//2`, `sqrt(16)+3` and a trailing
comment, that of puzzle24 any four numbers and 24.9 for 24.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

MAX_CHARS = 300

_TYPED = {"×": "*", "·": "*", "÷": "/", "−": "-", r"\times": "*", r"\cdot": "*", r"\div": "/", "[": "(", "]": ")"}
_ALLOWED = re.compile(r"[\d\s()+*/-]+")


class Expression(NamedTuple):
    """What an expression comes to, and the numbers in it, sorted."""

    value: Fraction
    numbers: list[int]


def read_expression(text: str) -> Expression | None:
    """The value of an expression of whole numbers, + - * / and brackets, exactly; None for everything else."""
    for typed, plain in _TYPED.items():
        text = text.replace(typed, plain)
    if not _ALLOWED.fullmatch(text) or len(text) > MAX_CHARS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1(2)" is no call
            tree = ast.parse(text.strip(), mode="eval").body
        numbers: list[int] = []
        return Expression(_value(tree, numbers), sorted(numbers))
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def solves(text: str, numbers: Iterable[int], target: int) -> bool:
    """Whether the expression comes to the target and uses exactly these numbers."""
    expression = read_expression(text)
    return expression is not None and expression == (Fraction(target), sorted(numbers))


def _value(node: ast.expr, numbers: list[int]) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        numbers.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.UnaryOp):
        return -_value(node.operand, numbers)
    if isinstance(node, ast.BinOp) and not isinstance(node.right, ast.UnaryOp):
        left, right = _value(node.left, numbers), _value(node.right, numbers)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError("neither a whole number nor one of + - * /")
