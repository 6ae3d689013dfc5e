"""Formulas: what remains of mathematical answers when numbers, words and lists are read. math-verify parses them, sympy
puts them into canonical form. Either may take forever, or all memory."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from lit_reason.grading.form import Form, number_form, set_form, tuple_form, union_form
from lit_reason.grading.numbers import Number

DIGITS = 15
"""Significant digits in the key of an irrational constant."""

_PROSE = re.compile(r"(?<!\\)(?<![A-Za-z])(?!(?:sqrt|sinh|cosh|tanh|frac|cdot|text)\b)[A-Za-z]{4,}")


def read_formula(text: str) -> Form | None:
    """A formula in LaTeX; prose, which a parser of mathematics takes for products of letters, is none."""
    import sympy
    from math_verify import LatexExtractionConfig, parse

    if _PROSE.search(re.sub(r"\\[A-Za-z]+(?:\{[A-Za-z ]*\})?", " ", text)):
        return None
    looking = [LatexExtractionConfig(boxed_match_priority=0)]
    found = parse(rf"\boxed{{{text}}}", looking, parsing_timeout=None, fallback_mode="no_fallback")
    if not found or isinstance(found[0], str):
        return None
    formula = found[0]
    if isinstance(formula, sympy.MatrixBase):
        return _matrix(formula)
    if isinstance(formula, sympy.FiniteSet):
        parts = [_scalar(part) for part in formula.args]
        return None if None in parts else set_form(part for part in parts if part is not None)
    return _inequality(formula) or _scalar(formula)


def as_sympy(form: Form) -> Any:
    """The value of a number, constant or expression for sympy."""
    import sympy

    is_fraction = isinstance(form.value, Fraction)
    return sympy.Rational(form.value.numerator, form.value.denominator) if is_fraction else form.value


def _matrix(formula: Any) -> Form | None:
    rows = [[_scalar(cell) for cell in row] for row in formula.tolist()]
    cells = tuple(cell for row in rows for cell in row if cell is not None)
    if len(cells) < sum(map(len, rows)):
        return None
    keys = iter(cell.key for cell in cells)
    written = ", ".join(f"[{', '.join(next(keys) for _ in row)}]" for row in rows)
    return Form("matrix", f"[{written}]", formula.shape, cells)


def _inequality(formula: Any) -> Form | None:
    """An inequality in one variable as the set that it describes."""
    import sympy
    from sympy.core.relational import Relational

    if not isinstance(formula, sympy.And | sympy.Or | Relational) or isinstance(formula, sympy.Eq):
        return None
    if len(formula.free_symbols) != 1:
        return None
    found = formula.as_set()
    intervals = found.args if isinstance(found, sympy.Union) else (found,)
    if not all(isinstance(part, sympy.Interval) for part in intervals):
        return None
    forms = [_interval(part) for part in intervals]
    return forms[0] if len(forms) == 1 else union_form(forms)


def _interval(interval: Any) -> Form:
    brackets = ("(" if interval.left_open else "[") + (")" if interval.right_open else "]")
    ends = [_scalar(end) for end in (interval.start, interval.end)]
    return tuple_form(tuple(end for end in ends if end is not None), brackets)


def _scalar(formula: Any) -> Form | None:
    """A number, a constant or an expression; None for what has no value, such as 1/0."""
    import sympy

    if isinstance(formula, sympy.Eq):
        return equation_form(formula)
    if not isinstance(formula, sympy.Expr):
        return Form("expression", str(formula), formula)
    formula = _with_imaginary_unit(formula).doit()
    if formula.has(sympy.zoo, sympy.nan):
        return None
    if formula.free_symbols or not formula.is_number:
        return Form("expression", _expression_key(formula), formula)
    if formula.is_infinite:
        return Form("text", str(formula))
    exact = _rational(formula)
    if exact is not None:
        return number_form(Number(exact))
    return Form("constant", str(sympy.N(formula, DIGITS)), formula)


def _rational(formula: Any) -> Fraction | None:
    """The fraction that a constant is, be it written as a float, or as log_2 8."""
    import sympy

    if formula.is_Float:
        return Fraction(str(formula))
    if not formula.is_Rational:
        value = sympy.N(formula, 2 * DIGITS)
        if not value.is_real:
            return None
        formula = sympy.nsimplify(value, rational=True, tolerance=Fraction(1, 10**25))
        if not formula.is_Rational or formula.q > 10**4:
            return None
    return Fraction(int(formula.p), int(formula.q))


def _expression_key(formula: Any) -> str:
    """Quotients of polynomials in lowest terms, floats as fractions; other formulas as sympy orders them."""
    import sympy

    exact = sympy.nsimplify(formula, rational=True)
    try:
        return str(sympy.cancel(exact))
    except (sympy.PolynomialError, NotImplementedError, AttributeError, TypeError):
        return str(exact)


def equation_form(formula: Any) -> Form:
    """Both sides on one, in lowest terms and with a positive first coefficient."""
    import sympy

    try:
        difference = sympy.together(sympy.nsimplify(formula.lhs - formula.rhs, rational=True))
        polynomial = sympy.Poly(sympy.numer(difference)).primitive()[1]
        key = str((polynomial if polynomial.LC() > 0 else -polynomial).as_expr())
    except (sympy.PolynomialError, sympy.GeneratorsError, AttributeError, TypeError):
        key = f"{formula.lhs} - ({formula.rhs})"
    return Form("equation", f"{key} = 0", formula)


def _with_imaginary_unit(formula: Any) -> Any:
    """math-verify takes the i of 3 + 4i for a variable; where it is the only one, it is the unit."""
    import sympy

    symbols = formula.free_symbols
    return formula.subs(next(iter(symbols)), sympy.I) if {str(s) for s in symbols} == {"i"} else formula
