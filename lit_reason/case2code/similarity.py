"""How alike two functions are, names aside: the Jaccard index of runs of nodes of their syntax trees."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lit_reason.case2code.names import bound_names

if TYPE_CHECKING:
    from datasketch import MinHash

_SHINGLE = 4
"""Nodes of the syntax tree in a shingle: long enough that order counts, short enough that one edit spoils few."""

_PERMUTATIONS = 128

_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class Alike:
    """The programs whose similarity to one of `others` reaches the threshold: `code in Alike(others, 0.8)`.

    MinHash proposes pairs, as datasketch implements it; the exact Jaccard index of their shingles decides, so that a
    collision never costs a function.
    """

    def __init__(self, others: Sequence[str], threshold: float) -> None:
        from datasketch import MinHashLSH

        # Tuned for a lower threshold than asked: a pair that is not proposed would stay, one too many costs a
        # comparison.
        self._index = MinHashLSH(threshold=max(0.05, 0.85 * threshold), num_perm=_PERMUTATIONS)
        self._threshold = threshold
        self._shingles = [shingles_of(other) for other in others]
        for i, found in enumerate(self._shingles):
            self._index.insert(i, _minhash(found))

    def __contains__(self, code: str) -> bool:
        own = shingles_of(code)
        return any(jaccard(own, self._shingles[i]) >= self._threshold for i in self._index.query(_minhash(own)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared shingles over all shingles; 1 for two empty sets."""
    return len(a & b) / len(a | b) if a or b else 1.0


def shingles_of(code: str) -> frozenset[str]:
    """Every run of four nodes of the program's syntax tree, in source order, docstrings and annotations left out.

    Parameters count by their place and other locals alike, so that renaming changes nothing; names from outside,
    attributes, operators and constants count as they are, but `a > b` as `b < a`, and `x += y` as `x = x + y`.
    """
    nodes = list(_nodes(ast.parse(code)))
    runs = (nodes[i : i + _SHINGLE] for i in range(max(1, len(nodes) - _SHINGLE + 1)))
    return frozenset(" ".join(run) for run in runs)


def _nodes(tree: ast.Module) -> Iterable[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    local = bound_names(tree).difference(*map(bound_names, imports))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    places = {a.arg: f"p{i}" for f in functions for i, a in enumerate(f.args.args)}
    stack: list[ast.AST] = list(reversed(functions))
    while stack:
        node = _in_one_form(stack.pop())
        if isinstance(node, (ast.expr_context, ast.arguments)):
            continue
        yield _label(node, places, local)
        children = [c for c in ast.iter_child_nodes(node) if c is not getattr(node, "returns", None)]
        stack.extend(reversed([child for child in children if not _is_docstring(child)]))


def _in_one_form(node: ast.AST) -> ast.AST:
    """Of two ways to write the same, always the one."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _MIRRORED:
        return ast.Compare(node.comparators[0], [_MIRRORED[type(node.ops[0])]()], [node.left])
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return ast.Assign([node.target], ast.BinOp(node.target, node.op, node.value))
    return node


def _label(node: ast.AST, places: Mapping[str, str], local: set[str]) -> str:
    kind = type(node).__name__
    if isinstance(node, ast.Name):
        return places.get(node.id, "v" if node.id in local else node.id)
    if isinstance(node, ast.Attribute):
        return f"{kind}.{node.attr}"
    return f"{kind}:{node.value!r}" if isinstance(node, ast.Constant) else kind


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _minhash(shingles: Iterable[str]) -> MinHash:
    from datasketch import MinHash

    found = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash32)
    found.update_batch([text.encode() for text in shingles])
    return found


def _hash32(data: bytes) -> int:
    return int.from_bytes(hashlib.sha1(data).digest()[:4], "little")
