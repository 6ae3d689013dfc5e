"""Training, validation and test functions: apart by normalised body, and no near-duplicates across (section 9.6)."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lit_reason.case2code.functions import Function
from lit_reason.case2code.names import bound_names, split_of
from lit_reason.case2code.pipeline import build, left_out, stored_functions
from lit_reason.case2code.settings import RealSettings
from lit_reason.files import stable_hash, write_json_atomic

if TYPE_CHECKING:
    from datasketch import MinHash

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Ids = dict[Split, list[str]]

NEAR_DUPLICATE = "near-duplicates of held-out functions"

_SHINGLE = 4
"""Nodes of the syntax tree in a shingle: long enough that order counts, short enough that one edit spoils few."""

_PERMUTATIONS = 128


def real_functions(settings: RealSettings, split: Split) -> list[Function]:
    """The functions of one split in the order of their bodies' hashes; builds the cache if it is not complete.

    A body's hash alone decides on its split and place, so that other sources or a restart never move a function. A
    training function like a held-out one is left out, and a validation function like one of the test.

    Raises:
        EmptyCorpus: with the reasons, when nothing is left.
        SandboxUnavailable: where functions would have to run without isolation and that is not allowed.
    """
    most = {"train": settings.n_train, "val": settings.n_val, "test": settings.n_test}[split]
    return split_folder(build(settings), settings)[split][:most]


def split_folder(folder: Path, settings: RealSettings) -> dict[Split, list[Function]]:
    """The functions of a complete folder by split; the assignment is kept beside them."""
    share, threshold = settings.held_out_share, settings.near_duplicates
    path = folder / f"splits-{stable_hash([share, threshold])}.json"
    functions = {function.id: function for function in stored_functions(folder)}
    if not path.exists():
        ids = split_functions(list(functions.values()), share, threshold)
        write_json_atomic(path, {"held_out_share": share, "near_duplicates": threshold, **ids})
    stored = json.loads(path.read_text("utf-8"))
    return {split: [functions[id] for id in stored[split]] for split in SPLITS}


def dropped(folder: Path, settings: RealSettings) -> Counter[str]:
    """What is missing from the splits of a folder: unusable rows and inputs, and near-duplicates."""
    n = sum(map(len, split_folder(folder, settings).values()))
    return +(left_out(folder) + Counter({NEAR_DUPLICATE: len(stored_functions(folder)) - n}))


def split_functions(functions: Sequence[Function], held_out_share: float, threshold: float | None) -> Ids:
    """The ids of each split. Half of the held-out share is for validation, half for the test; of functions so few that
    none would be left for training, none is held out."""
    shares: Mapping[Split, float] = {"train": 1 - held_out_share, "val": held_out_share / 2, "test": held_out_share / 2}
    ordered = sorted(functions, key=lambda f: (f.body, f.id))
    splits: dict[Split, list[Function]] = {"train": [], "val": [], "test": []}
    for function in ordered:
        splits[split_of(function.body, shares)].append(function)
    if threshold is not None:
        splits["val"] = unlike(splits["val"], splits["test"], threshold)
        splits["train"] = unlike(splits["train"], [*splits["val"], *splits["test"]], threshold)
    if not splits["train"] and held_out_share < 1:
        splits = {"train": ordered, "val": [], "test": []}
    return {split: [f.id for f in found] for split, found in splits.items()}


def unlike(functions: Sequence[Function], others: Sequence[Function], threshold: float) -> list[Function]:
    """The functions whose similarity to every other one stays below the threshold.

    MinHash proposes pairs, as datasketch implements it; the exact Jaccard index of their shingles decides, so that a
    collision never costs a function.
    """
    from datasketch import MinHashLSH

    # Tuned for a lower threshold than asked: a pair that is not proposed would stay, one too many costs a comparison.
    index = MinHashLSH(threshold=max(0.05, 0.85 * threshold), num_perm=_PERMUTATIONS)
    shingles = {i: shingles_of(other.code) for i, other in enumerate(others)}
    for i, found in shingles.items():
        index.insert(i, _minhash(found))
    kept = []
    for function in functions:
        own = shingles_of(function.code)
        if all(jaccard(own, shingles[i]) < threshold for i in index.query(_minhash(own))):
            kept.append(function)
    return kept


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared shingles over all shingles; 1 for two empty sets."""
    return len(a & b) / len(a | b) if a or b else 1.0


def shingles_of(code: str) -> frozenset[str]:
    """Every run of four nodes of the program's syntax tree, in source order, docstrings and annotations left out.

    Parameters count by their place and other locals alike, so that renaming changes nothing; names from outside,
    attributes, operators and constants count as they are.
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
        node = stack.pop()
        if isinstance(node, (ast.expr_context, ast.arguments)):
            continue
        yield _label(node, places, local)
        children = [c for c in ast.iter_child_nodes(node) if c is not getattr(node, "returns", None)]
        stack.extend(reversed([child for child in children if not _is_docstring(child)]))


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
