"""When a mathematical answer is right. A verdict depends on the keys of gold and answer alone, so that the answers of
one group share it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from lit_reason.grading.form import Form
from lit_reason.grading.formulas import as_sympy, equation_form
from lit_reason.grading.numbers import read_number

TOLERANCE = Fraction(1, 10**6)
"""A decimal is right for 1/3 or sqrt(2) if it is this close, relatively below 1 and absolutely above."""

_SCALARS = ("number", "constant")
_COLLECTIONS = ("tuple", "set", "union", "matrix")


def equal(gold: Form, answer: Form) -> bool:
    """Whether an answer is right; may take forever.

    What is written with a percent sign may be meant either way. Digits with a base are right without it too, and a
    gold ratio accepts its fraction.
    """
    if gold.key == answer.key:
        return True
    if "text" in (gold.kind, answer.kind):
        return False
    if "digits" in (gold.kind, answer.kind):
        return _equal_digits(gold, answer)
    if gold.kind in _SCALARS and answer.kind in _SCALARS:
        return _equal_scalars(gold, answer)
    if gold.kind in _COLLECTIONS or answer.kind in _COLLECTIONS:
        return gold.kind == answer.kind and _equal_parts(gold, answer)
    if "equation" in (gold.kind, answer.kind) and gold.kind != answer.kind:
        return _names(gold, answer) if gold.kind == "equation" else _names(answer, gold)
    from math_verify import verify

    return verify(as_sympy(gold), as_sympy(answer), timeout_seconds=None)


def _equal_scalars(gold: Form, answer: Form) -> bool:
    if "%" in gold.key + answer.key and gold.kind == answer.kind:
        return bool(_meanings(gold) & _meanings(answer))
    if isinstance(gold.value, Fraction) and isinstance(answer.value, Fraction):
        if gold.value.denominator == answer.value.denominator == 1:
            return False
        return _close(gold.value, answer.value)
    import sympy

    return bool(_close(*(sympy.N(as_sympy(form), 30) for form in (gold, answer))))


def _names(equation: Form, other: Form) -> bool:
    """Whether an equation only gives a name to the other form, as y = 2x + 1 does to 2x + 1."""
    import sympy

    value = as_sympy(other)
    names = equation.value.free_symbols - value.free_symbols
    return len(names) == 1 and equation_form(sympy.Eq(names.pop(), value, evaluate=False)).key == equation.key


def _meanings(form: Form) -> set[Fraction]:
    return {form.value, form.value / 100} if "%" in form.key else {form.value}


def _close(gold: Any, answer: Any) -> bool:
    tolerance = TOLERANCE if isinstance(gold, Fraction) else float(TOLERANCE)
    return abs(gold - answer) <= tolerance * min(1, abs(gold))


def _equal_digits(gold: Form, answer: Form) -> bool:
    digits, other = (gold, answer) if gold.kind == "digits" else (answer, gold)
    if ":" not in digits.key:
        return other.key == digits.value
    ratio = read_number(digits.key.replace(":", "/"))
    return gold is digits and ratio is not None and other.key == ratio.key


def _equal_parts(gold: Form, answer: Form) -> bool:
    if len(gold.parts) != len(answer.parts) or gold.value != answer.value:
        return False
    if gold.kind in ("tuple", "matrix"):
        return all(equal(a, b) for a, b in zip(gold.parts, answer.parts, strict=True))
    left = list(answer.parts)
    for part in gold.parts:
        match = next((other for other in left if equal(part, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True
