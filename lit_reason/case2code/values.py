"""Comparing outputs that exist only as text, because nothing an untrusted program returns is ever rebuilt as an object.

Texts are reprs. They are compared as syntax trees, so that `Counter({'a': 1})` or `Fraction(1, 2)` are nothing special.
"""

from __future__ import annotations

import ast
import math
import re
from functools import lru_cache
from typing import Any

from lit_reason.grading.code import too_deep

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+|<generator object|<function |<bound method|<built-in |<object object")


def has_address(text: str) -> bool:
    """Whether a repr shows a memory address or code, which no other program can reproduce (section 4)."""
    return _ADDRESS.search(text) is not None


def is_utf8(text: str) -> bool:
    """Whether a file, a tokenizer and a seed can hold the text: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=65536)
def canonical(text: str) -> str:
    """The text with the items of sets and dicts in one fixed order; other texts, literal or not, are kept as they are.

    This is the form of a strict match: sets and dicts are compared as values (section 9.9), all else to the character.
    """
    if "{" not in text:
        return text
    tree = _parse(text)
    return text if tree is None else ast.unparse(_Sorter(dicts=True).visit(tree))


def literal_text(value: Any) -> str:
    """The repr of plain data with the items of sets in a fixed order, so that it is equal under every hash seed."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal_text(k)}: {literal_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal_text, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal_text, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, set) and value:
        return "{" + ", ".join(sorted(map(literal_text, value))) + "}"
    return repr(value)


def tidy(text: str) -> str:
    """A repr with the items of sets in a fixed order; dicts keep theirs, which a program chose."""
    if "{" not in text:
        return text
    tree = _parse(text)
    return text if tree is None else ast.unparse(_Sorter(dicts=False).visit(tree))


def strict_match(expected: str, found: str) -> bool:
    """Equal reprs (section 5.3), apart from the order in which sets and dicts print."""
    return expected == found or canonical(expected) == canonical(found)


def value_match(expected: str, found: str) -> bool:
    """Equal as values: numbers by ==, floats within 1e-9 relatively, sets and dicts unordered (section 6)."""
    if strict_match(expected, found):
        return True
    trees = _parse(canonical(expected)), _parse(canonical(found))
    return trees[0] is not None and trees[1] is not None and _close(trees[0], trees[1])


def _parse(text: str) -> ast.expr | None:
    """The expression, or None for what is compared as plain text: no expression, such as `<Foo>`, or one so deep that
    no recursive function may touch it. A program chooses its results; none of them may stop the comparison."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return None if too_deep(tree) else tree


class _Sorter(ast.NodeTransformer):
    def __init__(self, dicts: bool) -> None:
        self.dicts = dicts

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        node.elts.sort(key=ast.dump)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        if not self.dicts:
            return node
        pairs = sorted(zip(node.keys, node.values, strict=True), key=lambda pair: ast.dump(pair[0]) if pair[0] else "")
        node.keys, node.values = [k for k, _ in pairs], [v for _, v in pairs]
        return node


def _close(a: ast.AST, b: ast.AST) -> bool:
    left, right = _number(a), _number(b)
    if left is not None and right is not None:
        return left == right or _close_numbers(left, right)
    if type(a) is not type(b):
        return False
    if isinstance(a, ast.Constant) and isinstance(b, ast.Constant):
        return type(a.value) is type(b.value) and a.value == b.value
    if isinstance(a, ast.Name) and isinstance(b, ast.Name):
        return a.id == b.id
    if isinstance(a, ast.keyword) and isinstance(b, ast.keyword) and a.arg != b.arg:
        return False
    if isinstance(a, ast.Set) and isinstance(b, ast.Set):
        return len(a.elts) == len(b.elts) and _same_items(a.elts, b.elts)
    children = list(ast.iter_child_nodes(a)), list(ast.iter_child_nodes(b))
    return len(children[0]) == len(children[1]) and all(map(_close, *children))


def _same_items(some: list[ast.expr], others: list[ast.expr]) -> bool:
    """Whether each item is close to one of the other side. No pair is compared twice: that would double the time with
    every set inside a set."""
    met = [False] * len(others)
    for item in some:
        found = [_close(item, other) for other in others]
        if not any(found):
            return False
        met = [earlier or now for earlier, now in zip(met, found, strict=True)]
    return all(met)


def _number(node: ast.AST) -> complex | None:
    """The number that a literal such as `-1.5`, `True`, `inf` or `(1+2j)` denotes, else None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, complex)):
        return node.value
    if isinstance(node, ast.Name) and node.id in ("inf", "nan"):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _number(node.operand)
        return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None:
            try:
                return left + right if isinstance(node.op, ast.Add) else left - right
            except OverflowError:
                return None  # a float and an integer beyond the range of floats: no repr of a number
    return None


def _close_numbers(a: complex, b: complex) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return False  # two integers were compared exactly by the caller
    try:
        return all(
            math.isclose(x, y, rel_tol=1e-9) or (math.isnan(x) and math.isnan(y))
            for x, y in ((complex(a).real, complex(b).real), (complex(a).imag, complex(b).imag))
        )
    except OverflowError:
        return False  # an integer beyond the range of floats equals none
