"""What stays of a program when its names are taken away: the key for duplicates and for splits."""

from __future__ import annotations

import ast
import builtins
import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lit_reason.grading.code import too_deep

BUILTINS = frozenset(dir(builtins))
Split = TypeVar("Split", bound=str)


def normalised_body(code: str) -> str:
    """16 hex digits that identify a program up to local names, annotations, docstrings and layout (rules R9, R10).

    Names of parameters, locals and of the functions defined are numbered in order of appearance; names that come from
    outside (builtins, imported modules) and attributes keep their identity, because they carry meaning.

    Raises:
        SyntaxError: when the code does not parse.
        ValueError: when it is nested too deeply to be rewritten.
    """
    tree = ast.parse(code)
    if too_deep(tree):
        raise ValueError("'code' is nested too deeply")
    return hashlib.sha256(ast.dump(_Normaliser().visit(tree)).encode()).hexdigest()[:16]


def split_of(key: str, shares: Mapping[Split, float]) -> Split:
    """Assign `key` to a split by its hash alone, so that adding or reordering rows never moves one (section 9.6)."""
    point = int(hashlib.sha256(key.encode()).hexdigest()[:13], 16) / 16**13 * sum(shares.values())
    name = None
    for name, share in shares.items():
        point -= share
        if point < 0:
            return name
    assert name is not None, "no shares given"
    return name


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """One line for a name that does not exist: the nearest one that does, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown {what} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}")


def bound_names(node: ast.AST) -> set[str]:
    """Every name that `node` or anything inside it binds: definition, parameter, assignment, loop, import, capture."""
    bound: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
            bound.add(child.id)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(child.name)
        elif isinstance(child, ast.arg):
            bound.add(child.arg)
        elif isinstance(child, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and child.name:
            bound.add(child.name)
        elif isinstance(child, ast.MatchMapping) and child.rest:
            bound.add(child.rest)
        elif isinstance(child, ast.alias):
            bound.add((child.asname or child.name).split(".")[0])
    return bound


class _Normaliser(ast.NodeTransformer):
    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}
        self.local: set[str] = set()

    def visit_Module(self, node: ast.Module) -> ast.AST:
        imports = [child for child in ast.walk(node) if isinstance(child, (ast.Import, ast.ImportFrom))]
        self.local = bound_names(node).difference(*map(bound_names, imports))
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns, node.type_comment = self._number(node.name), None, None
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation, node.type_comment = self._number(node.arg), None, None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._number(node.id)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._number(node.name)
        return self.generic_visit(node)

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"_{len(self.numbers)}") if name in self.local else name


def _without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return list(body[1:]) or [ast.Pass()]
    return list(body)
