"""What the ways in which a body uses a parameter say about the parameter's kind."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass

from lit_reason.case2code.kinds import kind_of

_SEQUENCES = ("list[int]", "str", "list[str]", "sorted[int]", "list[list[int]]", "list[pair]", "tuple[int]")
_NUMBERS = ("int", "nat", "float")
_LISTS = ("list[int]", "list[str]")
_DICTS = ("dict[str,int]", "graph[int]", "dict[int,int]")

TYPE_KINDS: dict[str, tuple[str, ...]] = {
    "str": ("str",), "int": ("int", "nat"), "float": ("float",), "complex": ("float",), "bool": ("bool",),
    "bytes": ("bytes",), "list": _LISTS, "List": _LISTS, "Sequence": _LISTS, "Iterable": _LISTS,
    "tuple": ("tuple[int]", "pair"), "Tuple": ("tuple[int]", "pair"), "dict": _DICTS, "Dict": _DICTS, "Mapping": _DICTS,
    "set": ("set[int]", "set[str]"), "Set": ("set[int]", "set[str]"), "frozenset": ("set[int]",),
}  # fmt: skip
"""Kinds of the types that annotations and `isinstance` name."""

_BUILTIN_TYPES = (str, list, dict, set, bytes, float, int, tuple)

_CALLS: dict[tuple[str, ...], str] = {
    _SEQUENCES: "len sum sorted min max enumerate zip reversed set list tuple iter map filter any all Counter chain "
    "combinations permutations islice",
    ("int", "nat"): "range factorial bin hex oct isqrt comb gcd divmod chr pow",
    _NUMBERS: "abs round sqrt floor ceil log sin cos exp float",
    ("int", "digits", "float"): "int",
    ("char", "str"): "ord",
    ("list[pair]", "dict[str,int]"): "dict",
    ("list[str]", "str"): "join",
}
_BY_CALL = {name: kinds for kinds, names in _CALLS.items() for name in names.split()}


@dataclass(frozen=True)
class Use:
    """One use of a parameter: likely kinds in order, how much that weighs, and what it must be if it is no data."""

    param: str
    kinds: tuple[str, ...] = ()
    weight: float = 0.0
    needs_object: str = ""


def uses(function: ast.FunctionDef, params: Container[str]) -> Iterator[Use]:
    """All uses of the parameters in the function, in no particular order."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            yield from _calls(node, params)
        elif isinstance(node, ast.Attribute):
            yield from _attributes(node, params)
        elif isinstance(node, ast.Subscript):
            yield from _subscripts(node, params)
        elif isinstance(node, (ast.For, ast.comprehension)):
            if name := _param(node.iter, params):
                unpacks = isinstance(node.target, ast.Tuple)
                yield Use(name, ("list[pair]",), 4.0) if unpacks else Use(name, _SEQUENCES, 1.5)
        elif isinstance(node, ast.BinOp):
            yield from _operators(node, params)
        elif isinstance(node, ast.Compare):
            yield from _comparisons(node, params)


def asks_types(function: ast.FunctionDef) -> bool:
    """Whether the body tests the type of a value, so that more than one kind of argument is meant."""
    return any(isinstance(node, ast.Name) and node.id in ("isinstance", "type") for node in ast.walk(function))


def owners_of(attribute: str) -> tuple[str, ...]:
    """Kinds of the builtin types that have an attribute of this name."""
    return tuple(k for type_ in _BUILTIN_TYPES if hasattr(type_, attribute) for k in TYPE_KINDS[type_.__name__])


def _calls(node: ast.Call, params: Container[str]) -> Iterator[Use]:
    if name := _param(node.func, params):
        yield Use(name, needs_object="a function")
    called = node.func
    function = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    if function == "isinstance" and len(node.args) == 2:
        if name := _param(node.args[0], params):
            types = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            for type_ in types:
                yield Use(name, TYPE_KINDS.get(ast.unparse(type_).split(".")[-1], ()), 2.0)
        return
    for argument in node.args:
        if name := _param(argument, params):
            yield Use(name, _BY_CALL.get(function, ()), 2.0)
        elif function == "len" and isinstance(argument, ast.Subscript) and (name := _param(argument.value, params)):
            yield Use(name, ("list[list[int]]", "list[str]"), 3.0)


def _attributes(node: ast.Attribute, params: Container[str]) -> Iterator[Use]:
    if name := _param(node.value, params):
        kinds = owners_of(node.attr)
        if kinds:
            n_owners = sum(hasattr(type_, node.attr) for type_ in _BUILTIN_TYPES)
            yield Use(name, kinds, 4.0 / n_owners)
        else:
            yield Use(name, needs_object=f"an object with .{node.attr}")


def _subscripts(node: ast.Subscript, params: Container[str]) -> Iterator[Use]:
    if isinstance(node.value, ast.Subscript) and (name := _param(node.value.value, params)):
        yield Use(name, ("list[list[int]]", "list[pair]", "list[str]"), 3.0)
    elif name := _param(node.value, params):
        by_text = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        yield Use(name, ("dict[str,int]",), 3.0) if by_text else Use(name, _SEQUENCES, 1.5)


def _operators(node: ast.BinOp, params: Container[str]) -> Iterator[Use]:
    whole = (ast.Mod, ast.FloorDiv, ast.LShift, ast.RShift, ast.BitAnd, ast.BitXor)
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if name := _param(side, params):
            if isinstance(other, ast.Constant) and isinstance(other.value, str):
                yield Use(name, ("str",), 3.0)
            elif isinstance(node.op, whole):
                yield Use(name, ("int", "nat"), 2.0)
            elif isinstance(node.op, ast.Add):
                yield Use(name, ("int", "list[int]", "str"), 0.6)
            else:
                yield Use(name, _NUMBERS, 1.2)


def _comparisons(node: ast.Compare, params: Container[str]) -> Iterator[Use]:
    sides = [node.left, *node.comparators]
    for i, side in enumerate(sides):
        if name := _param(side, params):
            if i > 0 and isinstance(node.ops[i - 1], (ast.In, ast.NotIn)):
                yield Use(name, ("list[int]", "str", "dict[str,int]", "list[str]"), 1.5)
            for other in sides:
                if isinstance(other, ast.Constant) and (kind := kind_of(other.value)):
                    yield Use(name, (kind,), 2.0)


def _param(node: ast.AST, params: Container[str]) -> str | None:
    """The parameter that this node is, if it is one."""
    return node.id if isinstance(node, ast.Name) and node.id in params else None
