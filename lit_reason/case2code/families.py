"""The planted families: program templates whose constants can be read off well-chosen cases.

A family's telling inputs include the identity of its operation (`f(0)` of an addition, `f("")` of a prefix, both sides of a
threshold), so that a person who sees them can name the constants; `other` draws one ordinary input. Every family spans
dozens of distinct bodies at least, so that its constants can be split between training and test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from lit_reason.case2code.words import WORDS

Constants = dict[str, Any]
Inputs = tuple[Any, ...]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARKS = "-_:./+~#*=|!&@%^$"


@dataclass(frozen=True)
class Family:
    """`template` has the fields {f} (function), {x} and {y} (parameters); all other fields are constants, put in as literals.

    Constants whose name starts with `raw` are put in as they are (a method's name).
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


def word(r: Random) -> str:
    """One everyday word."""
    return r.choice(WORDS)


def words(r: Random, low: int = 2, high: int = 3) -> list[str]:
    """Distinct words."""
    return r.sample(WORDS, r.randint(low, high))


def before(r: Random) -> str:
    """What is put before a text: a word and a mark, such as `sun:`."""
    return word(r) + r.choice(MARKS)


def after(r: Random) -> str:
    """What is put after a text: a mark and a word, such as `-lake`."""
    return r.choice(MARKS) + word(r)


def separator(r: Random) -> str:
    """One or two marks, often spaced."""
    marks = "".join(r.choices(MARKS, k=r.choice((1, 1, 2))))
    return r.choice((marks, f" {marks} ", f"{marks} "))


def numbers(r: Random, low: int = 3, high: int = 5, top: int = 20) -> list[int]:
    """A list of small numbers."""
    return [r.randint(0, top) for _ in range(r.randint(low, high))]


def around(r: Random, center: int, spread: int = 6) -> int:
    """A number near `center`, so that thresholds are tested where they bite."""
    return center + r.randint(-spread, spread)


def sprinkled(r: Random, what: str) -> str:
    """A short text in which `what` occurs 0 to 3 times."""
    letters = r.choices([c for c in LETTERS if c not in what], k=r.randint(2, 4)) + [what] * r.randint(0, 3)
    r.shuffle(letters)
    return "".join(letters)


def joined(r: Random, mark: str, low: int = 2, high: int = 4) -> str:
    """Words with `mark` between them."""
    return mark.join(words(r, low, high))


def _one_word(r: Random, c: Constants) -> Inputs:
    return (word(r),)


def _small_number(r: Random, c: Constants) -> Inputs:
    return (r.randint(2, 60),)


def _number_list(r: Random, c: Constants) -> Inputs:
    return (numbers(r),)


def _word_list(r: Random, c: Constants) -> Inputs:
    return (words(r),)


def _near(r: Random, c: Constants) -> Inputs:
    return (around(r, c["a"], 9),)


TEXT = [
    Family("prefix", "def {f}({x}):\n    return {a} + {x}\n", lambda r: {"a": before(r)}, lambda r, c: [("",)], _one_word),
    Family("suffix", "def {f}({x}):\n    return {x} + {a}\n", lambda r: {"a": after(r)}, lambda r, c: [("",)], _one_word),
    Family("wrap", "def {f}({x}):\n    return {a} + {x} + {b}\n", lambda r: {"a": before(r), "b": after(r)},
           lambda r, c: [("",), ("0",)], _one_word),
    Family("replace", "def {f}({x}):\n    return {x}.replace({a}, {b})\n",
           lambda r: {"a": r.choice(LETTERS), "b": r.choice(MARKS) * r.randint(1, 2)},
           lambda r, c: [(c["a"],), (sprinkled(r, c["a"]),)], lambda r, c: (sprinkled(r, c["a"]),)),
    Family("remove", 'def {f}({x}):\n    return {x}.replace({a}, "")\n', lambda r: {"a": r.choice(LETTERS + MARKS)},
           lambda r, c: [(c["a"],), (f"{c['a']}{word(r)}{c['a']}",)], lambda r, c: (sprinkled(r, c["a"]),)),
    Family("count", "def {f}({x}):\n    return {x}.count({a})\n", lambda r: {"a": r.choice(LETTERS + MARKS)},
           lambda r, c: [(c["a"],), ("",), (c["a"] * 2 + r.choice("0123456789"),)], lambda r, c: (sprinkled(r, c["a"]),)),
    Family("strip", "def {f}({x}):\n    return {x}.{raw}({a})\n",
           lambda r: {"a": r.choice(MARKS), "raw": r.choice(("strip", "lstrip", "rstrip"))},
           lambda r, c: [(c["a"] + word(r) + c["a"],)], lambda r, c: (c["a"] * r.randint(0, 2) + word(r) + c["a"] * r.randint(0, 2),)),
    Family("join", "def {f}({x}):\n    return {a}.join({x})\n", lambda r: {"a": separator(r)},
           lambda r, c: [([],), (words(r, 2, 2),)], lambda r, c: (words(r, 1, 4),)),
    Family("split", "def {f}({x}):\n    return {x}.split({a})\n", lambda r: {"a": separator(r)},
           lambda r, c: [(joined(r, c["a"], 2, 2),)], lambda r, c: (joined(r, c["a"], 1, 4),)),
    Family("part", "def {f}({x}):\n    return {x}.split({a})[{n}]\n", lambda r: {"a": r.choice(MARKS), "n": r.choice((0, 1, 2, -1))},
           lambda r, c: [(c["a"].join(["0", "1", "2", "3"]),)], lambda r, c: (joined(r, c["a"], 3, 4),)),
    Family("contains", "def {f}({x}):\n    return {a} in {x}\n", lambda r: {"a": word(r)},
           lambda r, c: [(c["a"],), (word(r) + c["a"] + word(r),), (word(r),)],
           lambda r, c: (word(r) + r.choice((c["a"], word(r))) + r.choice(("", word(r))),)),
    Family("starts", "def {f}({x}):\n    return {x}.startswith({a})\n", lambda r: {"a": word(r)},
           lambda r, c: [(c["a"] + word(r),), (word(r) + c["a"],)], lambda r, c: (r.choice((c["a"], word(r))) + r.choice((word(r), "")),)),
    Family("repeat", "def {f}({x}):\n    return {a}.join([{x}] * {n})\n", lambda r: {"a": r.choice(MARKS), "n": r.randint(2, 5)},
           lambda r, c: [("",), ("0",)], _one_word),
    Family("pad", "def {f}({x}):\n    return {x}.{raw}({n}, {a})\n",
           lambda r: {"a": r.choice(MARKS), "n": r.randint(4, 9), "raw": r.choice(("ljust", "rjust"))},
           lambda r, c: [("",), ("0",)], _one_word),
    Family("zero_fill", "def {f}({x}):\n    return {a} + str({x}).zfill({n})\n", lambda r: {"a": before(r), "n": r.randint(2, 5)},
           lambda r, c: [(0,)], lambda r, c: (r.choice((r.randint(1, 9), r.randint(10, 99), r.randint(100, 9999))),)),
    Family("case_affix", "def {f}({x}):\n    return {x}.{raw}() + {a}\n",
           lambda r: {"a": after(r), "raw": r.choice(("upper", "title", "swapcase"))}, lambda r, c: [("",)],
           lambda r, c: (r.choice((word(r), word(r).title())),)),
    Family("insert", "def {f}({x}):\n    return {x}[:{n}] + {a} + {x}[{n}:]\n", lambda r: {"a": after(r), "n": r.randint(1, 4)},
           lambda r, c: [("",), ("12345678",)], _one_word),
    Family("shorten", "def {f}({x}):\n    return {x}[:{n}] + {a}\n", lambda r: {"a": after(r), "n": r.randint(1, 5)},
           lambda r, c: [("",), ("12345678",)], _one_word),
    Family("join_two", "def {f}({x}, {y}):\n    return {x} + {a} + {y}\n", lambda r: {"a": separator(r)},
           lambda r, c: [("", "")], lambda r, c: (word(r), word(r))),
    Family("default", "def {f}({x}):\n    return {x} or {a}\n", lambda r: {"a": word(r)}, lambda r, c: [("",)], _one_word),
    Family("unless_empty", "def {f}({x}):\n    if not {x}:\n        return {a}\n    return {x} + {b}\n",
           lambda r: {"a": word(r), "b": after(r)}, lambda r, c: [("",), ("0",)], _one_word),
    Family("describe", 'def {f}({x}):\n    return f"{raw} {{{x}}}"\n', lambda r: {"raw": word(r)},
           lambda r, c: [(0,)], _small_number),
]  # fmt: skip

NUMBERS = [
    Family("add", "def {f}({x}):\n    return {x} + {a}\n", lambda r: {"a": r.randint(2, 99)}, lambda r, c: [(0,)], _small_number),
    Family("multiply", "def {f}({x}):\n    return {x} * {a}\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [(1,), (0,), (10,)], lambda r, c: (r.randint(2, 12),)),
    Family("subtract_from", "def {f}({x}):\n    return {a} - {x}\n", lambda r: {"a": r.randint(2, 99)}, lambda r, c: [(0,)], _small_number),
    Family("modulo", "def {f}({x}):\n    return {x} % {a}\n", lambda r: {"a": r.randint(3, 60)},
           lambda r, c: [(c["a"],), (c["a"] - 1,), (c["a"] + 1,)], lambda r, c: (r.randint(0, 3 * c["a"]),)),
    Family("greater", "def {f}({x}):\n    return {x} > {a}\n", lambda r: {"a": r.randint(2, 99)},
           lambda r, c: [(c["a"],), (c["a"] + 1,)], _near),
    Family("at_most", "def {f}({x}):\n    return min({x}, {a})\n", lambda r: {"a": r.randint(2, 99)},
           lambda r, c: [(c["a"] + 200,), (0,)], _near),
    Family("at_least", "def {f}({x}):\n    return max({x}, {a})\n", lambda r: {"a": r.randint(2, 99)},
           lambda r, c: [(0,), (c["a"] + 200,)], _near),
    Family("between", "def {f}({x}):\n    return {a} <= {x} <= {b}\n", lambda r: {"a": (a := r.randint(2, 70)), "b": a + r.randint(3, 25)},
           lambda r, c: [(c["a"],), (c["a"] - 1,), (c["b"],), (c["b"] + 1,)], lambda r, c: (r.randint(c["a"] - 4, c["b"] + 4),)),
    Family("label", "def {f}({x}):\n    return {b} if {x} > {a} else {c}\n",
           lambda r: dict(zip("bc", r.sample(WORDS, 2), strict=True), a=r.randint(2, 99)),
           lambda r, c: [(c["a"],), (c["a"] + 1,)], _near),
    Family("linear", "def {f}({x}, {y}):\n    return {x} + {a} * {y}\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [(0, 1), (0, 10), (1, 0)], lambda r, c: (r.randint(1, 20), r.randint(2, 9))),
    Family("range_from", "def {f}({x}):\n    return list(range({a}, {x}))\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [(c["a"] + 3,), (c["a"],), (c["a"] + 1,)], lambda r, c: (c["a"] + r.randint(-3, 6),)),
]  # fmt: skip

LISTS = [
    Family("append", "def {f}({x}):\n    return {x} + [{a}]\n", lambda r: {"a": r.randint(2, 99)}, lambda r, c: [([],)], _number_list),
    Family("prepend", "def {f}({x}):\n    return [{a}] + {x}\n", lambda r: {"a": r.randint(2, 99)}, lambda r, c: [([],)], _number_list),
    Family("take", "def {f}({x}):\n    return {x}[:{n}] + [{a}]\n", lambda r: {"n": r.randint(1, 5), "a": r.randint(20, 99)},
           lambda r, c: [([],), ([1, 2, 3, 4, 5, 6, 7],)], lambda r, c: (numbers(r, 2, 7),)),
    Family("drop", "def {f}({x}):\n    return {x}[{n}:] + [{a}]\n", lambda r: {"n": r.randint(1, 5), "a": r.randint(20, 99)},
           lambda r, c: [([],), ([0, 1, 2, 3, 4, 5, 6],)], lambda r, c: (numbers(r, 3, 7),)),
    Family("stride", "def {f}({x}):\n    return {x}[::{n}] + [{a}]\n", lambda r: {"n": r.randint(2, 4), "a": r.randint(20, 99)},
           lambda r, c: [([],), ([0, 1, 2, 3, 4, 5, 6],)], lambda r, c: (numbers(r, 3, 7),)),
    Family("index", "def {f}({x}):\n    return {x}[{n}] + {a}\n", lambda r: {"a": after(r), "n": r.choice((0, 1, 2, -1))},
           lambda r, c: [(["0", "1", "2", "3"],)], lambda r, c: (words(r, 3, 4),)),
    Family("keep_greater", "def {f}({x}):\n    return [v for v in {x} if v > {a}]\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [([c["a"] - 1, c["a"], c["a"] + 1],), ([],)], lambda r, c: ([around(r, c["a"]) for _ in range(r.randint(2, 5))],)),
    Family("keep_other", "def {f}({x}):\n    return [v for v in {x} if v != {a}]\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [([c["a"]],), ([c["a"], 1, c["a"], 0],)],
           lambda r, c: ([r.choice((c["a"], around(r, c["a"]), r.randint(0, 60))) for _ in range(r.randint(2, 5))],)),
    Family("count_value", "def {f}({x}):\n    return {x}.count({a})\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [([c["a"]],), ([],), ([c["a"], 1, c["a"]],)],
           lambda r, c: ([r.choice((c["a"], around(r, c["a"]), r.randint(0, 60))) for _ in range(r.randint(2, 5))],)),
    Family("map_add", "def {f}({x}):\n    return [v + {a} for v in {x}]\n", lambda r: {"a": r.randint(2, 60)},
           lambda r, c: [([0],), ([0, 1, 10],)], _number_list),
    Family("map_prefix", "def {f}({x}):\n    return [{a} + v for v in {x}]\n", lambda r: {"a": before(r)},
           lambda r, c: [([""],), ([],)], _word_list),
    Family("sum_plus", "def {f}({x}):\n    return sum({x}) + {a}\n", lambda r: {"a": r.randint(2, 99)},
           lambda r, c: [([],), ([1],)], lambda r, c: (numbers(r, 2, 4),)),
    Family("sort_near", "def {f}({x}):\n    return sorted({x}, key=lambda v: abs(v - {a}))\n", lambda r: {"a": r.randint(5, 60)},
           lambda r, c: [([c["a"] + 2, c["a"] - 1, c["a"]],), ([c["a"] - 2, c["a"] + 1, c["a"]],)],
           lambda r, c: (r.sample(range(c["a"] - 5, c["a"] + 9), r.randint(3, 5)),)),
    Family("pairwise", "def {f}({x}):\n    return [p + {a} + q for p, q in zip({x}, {x}[1:])]\n", lambda r: {"a": separator(r)},
           lambda r, c: [([],), (["", ""],)], lambda r, c: (words(r, 1, 4),)),
]  # fmt: skip

MAPPINGS = [
    Family("lookup", "def {f}({x}):\n    return {{{a}: {p}, {b}: {q}}}.get({x}, {z})\n",
           lambda r: dict(zip("ab", r.sample(WORDS, 2), strict=True), **dict(zip("pqz", r.sample(range(100), 3), strict=True))),
           lambda r, c: [(c["a"],), (c["b"],), ("",)], lambda r, c: (r.choice((c["a"], c["b"], word(r), word(r), word(r))),)),
    Family("get", "def {f}({x}):\n    return {x}.get({a}, {z})\n", lambda r: {"a": word(r), "z": r.randint(2, 99)},
           lambda r, c: [({},), ({c["a"]: 0},)],
           lambda r, c: ({k: r.randint(0, 99) for k in r.sample([c["a"], word(r), word(r)], r.randint(1, 3))},)),
    Family("put", "def {f}({x}):\n    return {{**{x}, {a}: {z}}}\n", lambda r: {"a": word(r), "z": r.randint(2, 99)},
           lambda r, c: [({},), ({c["a"]: 0},)], lambda r, c: ({k: r.randint(0, 99) for k in words(r, 1, 2)},)),
]  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in (*TEXT, *NUMBERS, *LISTS, *MAPPINGS)}
