"""The canonical form of a mathematical answer: what it is, and the key by which equal answers are grouped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from lit_reason.grading.numbers import Number

Kind = Literal[
    "number", "constant", "expression", "equation", "text", "digits", "tuple", "set", "union", "matrix"
]


@dataclass(frozen=True)
class Form:
    """An answer in canonical form.

    `value` is, by kind: number, a Fraction; constant, expression and equation, what sympy has for it; digits, the
    digits without their base; tuple, its two brackets; matrix, its shape. `parts` are those of a tuple (an interval is
    one), set, union or matrix.
    """

    kind: Kind
    key: str
    value: Any = None
    parts: tuple[Form, ...] = ()


EMPTY = Form("set", "{}")


def number_form(number: Number) -> Form:
    """Key `1/2`, `18` or `50%`."""
    return Form("number", number.key, number.value)


def tuple_form(parts: tuple[Form, ...], brackets: str) -> Form:
    """Ordered parts between two brackets: a point, a vector or an interval. Key `(1, oo)`."""
    return Form("tuple", f"{brackets[0]}{', '.join(part.key for part in parts)}{brackets[1]}", brackets, parts)


def set_form(parts: Iterable[Form]) -> Form:
    """Unordered parts, each once; sets among them are opened, because a list of answers may hold a plus-minus."""
    opened = [inner for part in parts for inner in (part.parts if part.kind == "set" else (part,))]
    unique = sorted({part.key: part for part in opened}.values(), key=lambda part: part.key)
    return Form("set", f"{{{', '.join(part.key for part in unique)}}}", None, tuple(unique))


def union_form(parts: Iterable[Form]) -> Form:
    """Several intervals."""
    ordered = tuple(sorted(parts, key=lambda part: part.key))
    return Form("union", r" \cup ".join(part.key for part in ordered), None, ordered)
