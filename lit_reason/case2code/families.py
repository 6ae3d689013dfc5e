"""The planted families: program templates whose constants can be read off well-chosen cases.

A family's telling inputs include the identity of its operation (`f(0)` of an addition, `f("")` of a prefix, both sides
of a threshold), so that a person who sees them can name the constants; `other` draws one ordinary input. Every family
spans dozens of distinct bodies at least, so that its constants can be split between training and test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from lit_reason.case2code.draws import (
    LETTERS,
    MARKS,
    after,
    around,
    before,
    edged,
    joined,
    numbers,
    numbers_with,
    separator,
    sprinkled,
    symbol,
    word,
    words,
)
from lit_reason.case2code.words import WORDS

Constants = dict[str, Any]
Inputs = tuple[Any, ...]


@dataclass(frozen=True)
class Family:
    """A template with the fields {f} (function), {x} and {y} (parameters); every other field is a constant.

    Constants are put in as literals, except `raw`, which is put in as it is (a method's name, text of an f-string).
    """

    name: str
    template: str
    constants: Callable[[Random], Constants]
    telling: Callable[[Random, Constants], list[Inputs]]
    other: Callable[[Random, Constants], Inputs]

    @property
    def n_params(self) -> int:
        """How many parameters the function takes."""
        return 2 if "{y}" in self.template else 1


def _returning(name: str, expression: str, constants: Any, telling: Any, other: Any) -> Family:
    """A family of one-line functions."""
    params = "{x}, {y}" if "{y}" in expression else "{x}"
    return Family(name, f"def {{f}}({params}):\n    return {expression}\n", constants, telling, other)


def _word(r: Random, c: Constants) -> Inputs:
    return (word(r),)


def _words(r: Random, c: Constants) -> Inputs:
    return (words(r),)


def _number(r: Random, c: Constants) -> Inputs:
    return (r.randint(2, 60),)


def _numbers(r: Random, c: Constants) -> Inputs:
    return (numbers(r, 2, 5),)


def _near(r: Random, c: Constants) -> Inputs:
    return (around(r, c["a"], 9),)


def _empty_text(r: Random, c: Constants) -> list[Inputs]:
    return [("",), ("0",)]


def _empty_list(r: Random, c: Constants) -> list[Inputs]:
    return [([],)]


def _zero(r: Random, c: Constants) -> list[Inputs]:
    return [(0,)]


def _a(r: Random) -> Constants:
    return {"a": r.randint(2, 99)}


def _small_a(r: Random) -> Constants:
    return {"a": r.randint(2, 60)}


TEXT = [
    _returning("prefix", "{a} + {x}", lambda r: {"a": before(r)}, lambda r, c: [("",)], _word),
    _returning("suffix", "{x} + {a}", lambda r: {"a": after(r)}, lambda r, c: [("",)], _word),
    _returning("wrap", "{a} + {x} + {b}", lambda r: {"a": before(r), "b": after(r)}, _empty_text, _word),
    _returning(
        "replace", "{x}.replace({a}, {b})",
        lambda r: {"a": r.choice(LETTERS), "b": r.choice(MARKS) * r.randint(1, 2)},
        lambda r, c: [(c["a"],), (sprinkled(r, c["a"]),)], lambda r, c: (sprinkled(r, c["a"]),),
    ),
    _returning(
        "remove", '{x}.replace({a}, "")', lambda r: {"a": symbol(r)},
        lambda r, c: [(c["a"],), (c["a"] + word(r) + c["a"],)], lambda r, c: (sprinkled(r, c["a"]),),
    ),
    _returning(
        "count", "{x}.count({a})", lambda r: {"a": symbol(r)},
        lambda r, c: [(c["a"],), ("",), (c["a"] * 2 + r.choice("0123456789"),)], lambda r, c: (sprinkled(r, c["a"]),),
    ),
    _returning(
        "strip", "{x}.{raw}({a})", lambda r: {"a": r.choice(MARKS), "raw": r.choice(("strip", "lstrip", "rstrip"))},
        lambda r, c: [(c["a"] + word(r) + c["a"],)], lambda r, c: (edged(r, c["a"]),),
    ),
    _returning(
        "join", "{a}.join({x})", lambda r: {"a": separator(r)},
        lambda r, c: [([],), (words(r, 2, 2),)], lambda r, c: (words(r, 1, 4),),
    ),
    _returning(
        "split", "{x}.split({a})", lambda r: {"a": separator(r)},
        lambda r, c: [(joined(r, c["a"], 2, 2),)], lambda r, c: (joined(r, c["a"], 1, 4),),
    ),
    _returning(
        "part", "{x}.split({a})[{n}]", lambda r: {"a": r.choice(MARKS), "n": r.choice((0, 1, 2, -1))},
        lambda r, c: [(c["a"].join("0123"),)], lambda r, c: (joined(r, c["a"], 3, 4),),
    ),
    _returning(
        "contains", "{a} in {x}", lambda r: {"a": word(r)},
        lambda r, c: [(c["a"],), (word(r) + c["a"] + word(r),), (word(r),)],
        lambda r, c: (word(r) + r.choice((c["a"], word(r))) + r.choice(("", word(r))),),
    ),
    _returning(
        "starts", "{x}.startswith({a})", lambda r: {"a": word(r)},
        lambda r, c: [(c["a"] + word(r),), (word(r) + c["a"],)],
        lambda r, c: (r.choice((c["a"], word(r))) + r.choice((word(r), "")),),
    ),
    _returning(
        "repeat", "{a}.join([{x}] * {n})", lambda r: {"a": r.choice(MARKS), "n": r.randint(2, 5)}, _empty_text, _word
    ),
    _returning(
        "pad", "{x}.{raw}({n}, {a})",
        lambda r: {"a": r.choice(MARKS), "n": r.randint(4, 9), "raw": r.choice(("ljust", "rjust"))}, _empty_text, _word,
    ),
    _returning(
        "zero_fill", "{a} + str({x}).zfill({n})", lambda r: {"a": before(r), "n": r.randint(2, 5)}, _zero,
        lambda r, c: (r.randint(1, 10 ** r.randint(1, 4) - 1),),
    ),
    _returning(
        "case_affix", "{x}.{raw}() + {a}",
        lambda r: {"a": after(r), "raw": r.choice(("upper", "title", "swapcase"))}, lambda r, c: [("",)],
        lambda r, c: (r.choice((word(r), word(r).title())),),
    ),
    _returning(
        "insert", "{x}[:{n}] + {a} + {x}[{n}:]", lambda r: {"a": after(r), "n": r.randint(1, 4)},
        lambda r, c: [("",), ("12345678",)], _word,
    ),
    _returning(
        "shorten", "{x}[:{n}] + {a}", lambda r: {"a": after(r), "n": r.randint(1, 5)},
        lambda r, c: [("",), ("12345678",)], _word,
    ),
    _returning(
        "join_two", "{x} + {a} + {y}", lambda r: {"a": separator(r)},
        lambda r, c: [("", "")], lambda r, c: (word(r), word(r)),
    ),
    _returning("default", "{x} or {a}", lambda r: {"a": word(r)}, lambda r, c: [("",)], _word),
    Family(
        "unless_empty", "def {f}({x}):\n    if not {x}:\n        return {a}\n    return {x} + {b}\n",
        lambda r: {"a": word(r), "b": after(r)}, _empty_text, _word,
    ),
    _returning("describe", 'f"{raw} {{{x}}}"', lambda r: {"raw": word(r)}, _zero, _number),
]  # fmt: skip

NUMBERS = [
    _returning("add", "{x} + {a}", _a, _zero, _number),
    _returning("multiply", "{x} * {a}", _small_a, lambda r, c: [(1,), (0,), (10,)], lambda r, c: (r.randint(2, 12),)),
    _returning("subtract_from", "{a} - {x}", _a, _zero, _number),
    _returning(
        "modulo", "{x} % {a}", lambda r: {"a": r.randint(3, 60)},
        lambda r, c: [(c["a"],), (c["a"] - 1,), (c["a"] + 1,)], lambda r, c: (r.randint(0, 3 * c["a"]),),
    ),
    _returning("greater", "{x} > {a}", _a, lambda r, c: [(c["a"],), (c["a"] + 1,)], _near),
    _returning("at_most", "min({x}, {a})", _a, lambda r, c: [(c["a"] + 200,), (0,)], _near),
    _returning("at_least", "max({x}, {a})", _a, lambda r, c: [(0,), (c["a"] + 200,)], _near),
    _returning(
        "between", "{a} <= {x} <= {b}", lambda r: dict(zip("ab", sorted(r.sample(range(2, 99), 2)), strict=True)),
        lambda r, c: [(c["a"],), (c["a"] - 1,), (c["b"],), (c["b"] + 1,)],
        lambda r, c: (r.randint(c["a"] - 5, c["b"] + 5),),
    ),
    _returning(
        "label", "{b} if {x} > {a} else {z}",
        lambda r: {**dict(zip("bz", r.sample(WORDS, 2), strict=True)), "a": r.randint(2, 99)},
        lambda r, c: [(c["a"],), (c["a"] + 1,)], _near,
    ),
    _returning(
        "linear", "{x} + {a} * {y}", _small_a,
        lambda r, c: [(0, 1), (0, 10), (1, 0)], lambda r, c: (r.randint(1, 20), r.randint(2, 9)),
    ),
    _returning(
        "range_from", "list(range({a}, {x}))", _small_a,
        lambda r, c: [(c["a"] + 3,), (c["a"],), (c["a"] + 1,)], lambda r, c: (c["a"] + r.randint(-3, 6),),
    ),
]  # fmt: skip

LISTS = [
    _returning("append", "{x} + [{a}]", _a, _empty_list, _numbers),
    _returning("prepend", "[{a}] + {x}", _a, _empty_list, _numbers),
    _returning(
        "take", "{x}[:{n}] + [{a}]", lambda r: {"n": r.randint(1, 5), "a": r.randint(20, 99)},
        lambda r, c: [([],), ([1, 2, 3, 4, 5, 6, 7],)], lambda r, c: (numbers(r, 2, 7),),
    ),
    _returning(
        "drop", "{x}[{n}:] + [{a}]", lambda r: {"n": r.randint(1, 5), "a": r.randint(20, 99)},
        lambda r, c: [([],), ([0, 1, 2, 3, 4, 5, 6],)], lambda r, c: (numbers(r, 3, 7),),
    ),
    _returning(
        "stride", "{x}[::{n}] + [{a}]", lambda r: {"n": r.randint(2, 4), "a": r.randint(20, 99)},
        lambda r, c: [([],), ([0, 1, 2, 3, 4, 5, 6],)], lambda r, c: (numbers(r, 3, 7),),
    ),
    _returning(
        "index", "{x}[{n}] + {a}", lambda r: {"a": after(r), "n": r.choice((0, 1, 2, -1))},
        lambda r, c: [(["0", "1", "2", "3"],)], lambda r, c: (words(r, 3, 4),),
    ),
    _returning(
        "keep_greater", "[v for v in {x} if v > {a}]", _small_a,
        lambda r, c: [([c["a"] - 1, c["a"], c["a"] + 1],), ([],)],
        lambda r, c: ([around(r, c["a"]) for _ in range(r.randint(2, 5))],),
    ),
    _returning(
        "keep_other", "[v for v in {x} if v != {a}]", _small_a,
        lambda r, c: [([c["a"]],), ([c["a"], 1, c["a"], 0],)], lambda r, c: (numbers_with(r, c["a"]),),
    ),
    _returning(
        "count_value", "{x}.count({a})", _small_a,
        lambda r, c: [([c["a"]],), ([],), ([c["a"], 1, c["a"]],)], lambda r, c: (numbers_with(r, c["a"]),),
    ),
    _returning("map_add", "[v + {a} for v in {x}]", _small_a, lambda r, c: [([0],), ([0, 1, 10],)], _numbers),
    _returning(
        "map_prefix", "[{a} + v for v in {x}]", lambda r: {"a": before(r)}, lambda r, c: [([""],), ([],)], _words
    ),
    _returning("sum_plus", "sum({x}) + {a}", _a, lambda r, c: [([],), ([1],)], _numbers),
    _returning(
        "sort_near", "sorted({x}, key=lambda v: abs(v - {a}))", lambda r: {"a": r.randint(5, 60)},
        lambda r, c: [([c["a"] + 2, c["a"] - 1, c["a"]],), ([c["a"] - 2, c["a"] + 1, c["a"]],)],
        lambda r, c: (r.sample(range(c["a"] - 5, c["a"] + 9), r.randint(3, 5)),),
    ),
    _returning(
        "pairwise", "[p + {a} + q for p, q in zip({x}, {x}[1:])]", lambda r: {"a": separator(r)},
        lambda r, c: [([],), (["", ""],)], lambda r, c: (words(r, 1, 4),),
    ),
]  # fmt: skip

MAPPINGS = [
    _returning(
        "lookup", "{{{a}: {p}, {b}: {q}}}.get({x}, {z})",
        lambda r: dict(zip("abpqz", [*r.sample(WORDS, 2), *r.sample(range(100), 3)], strict=True)),
        lambda r, c: [(c["a"],), (c["b"],), ("",)], lambda r, c: (r.choice((c["a"], c["b"], word(r), word(r))),),
    ),
    _returning(
        "get", "{x}.get({a}, {z})", lambda r: {"a": word(r), "z": r.randint(2, 99)},
        lambda r, c: [({},), ({c["a"]: 0},)],
        lambda r, c: ({k: r.randint(0, 99) for k in r.sample([c["a"], word(r), word(r)], r.randint(1, 3))},),
    ),
    _returning(
        "put", "{{**{x}, {a}: {z}}}", lambda r: {"a": word(r), "z": r.randint(2, 99)},
        lambda r, c: [({},), ({c["a"]: 0},)], lambda r, c: ({k: r.randint(0, 99) for k in words(r, 1, 2)},),
    ),
]  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in (*TEXT, *NUMBERS, *LISTS, *MAPPINGS)}
