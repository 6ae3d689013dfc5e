"""The kinds of arguments that the input writer can write: for each, its edge values and a way to draw ordinary ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from lit_reason.case2code.draws import LETTERS
from lit_reason.case2code.words import WORDS


@dataclass(frozen=True)
class Hints:
    """Literals found in a function's body; values at and beside them reach branches that random ones miss."""

    ints: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A set of values: `edges` are always tried first, `draw` gives one at random."""

    name: str
    edges: tuple[Any, ...]
    draw: Callable[[Random, Hints], Any]


def kind_of(value: Any) -> str | None:
    """The kind that a value seen in a docstring or as a default belongs to, None if it tells nothing."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "bits" if len(value) > 1 and set(value) <= {"0", "1"} else "digits" if value.isdigit() else "str"
    if isinstance(value, (int, float, bytes)):
        return type(value).__name__
    if isinstance(value, dict):
        return _dict_kind(value)
    if isinstance(value, (set, frozenset)):
        return "set[int]" if all(isinstance(v, int) for v in value) else "set[str]"
    if isinstance(value, (list, tuple)):
        return _sequence_kind(value)
    return None


def _dict_kind(value: dict[Any, Any]) -> str:
    inner = next(iter(value.values()), 0)
    if isinstance(inner, dict):
        return "dict[str,dict]"
    keys = "str" if isinstance(next(iter(value), ""), str) else "int"
    return f"graph[{keys}]" if isinstance(inner, (list, tuple, set)) else f"dict[{keys},int]"


def _sequence_kind(value: list[Any] | tuple[Any, ...]) -> str:
    outer = "list" if isinstance(value, list) else "tuple"
    if not value:
        return f"{outer}[int]"
    inner = value[0]
    if isinstance(inner, list):
        return "list[list[str]]" if inner and isinstance(inner[0], str) else "list[list[int]]"
    if isinstance(inner, tuple):
        return "list[pair]"
    if outer == "list" and len(value) > 3 and all(v in (0, 1) for v in value):
        return "list[bit]"
    name = "float" if any(isinstance(v, float) for v in value) else "str" if isinstance(inner, str) else "int"
    return f"{outer}[{name}]" if f"{outer}[{name}]" in KINDS else f"{outer}[int]"


def _int(r: Random, h: Hints) -> int:
    if h.ints and r.random() < 0.35:
        return r.choice(h.ints) + r.choice((-1, 0, 0, 1))
    return r.choice((r.randint(-10, 20), r.randint(0, 12), r.randint(0, 100)))


def _nat(r: Random, h: Hints) -> int:
    return min(abs(_int(r, h)), 60) if r.random() < 0.3 else r.randint(0, 12)


def _float(r: Random, h: Hints) -> float:
    return round(r.uniform(-10, 10), r.choice((0, 1, 2)))


def _text(r: Random, h: Hints) -> str:
    if h.texts and r.random() < 0.45:
        mark = r.choice(h.texts)
        return r.choice((mark, mark + r.choice(WORDS), f"{r.choice(WORDS)}{mark}{r.choice(WORDS)}", mark * 2))
    half = "".join(r.choices(LETTERS[:4], k=r.randint(1, 3)))
    return r.choice(
        (
            r.choice(WORDS),
            r.choice(WORDS).title(),
            " ".join(r.choices(WORDS, k=r.randint(2, 4))),
            half + half[::-1],
            "".join(r.choices(LETTERS[:5] + "AB 12", k=r.randint(3, 9))),
            f"{r.choice(WORDS)}{r.choice('-_,.:/ ')}{r.choice(WORDS)}{r.choice(('', '!', '2'))}",
        )
    )


def _digits(r: Random, h: Hints) -> str:
    return "".join(r.choices("0123456789", k=r.randint(1, 6)))


def _bits(r: Random, h: Hints) -> str:
    return "".join(r.choices("01", k=r.randint(1, 8)))


def _ints(r: Random, h: Hints) -> list[int]:
    values = [r.randint(-9, 20) if r.random() < 0.3 else r.randint(0, 9) for _ in range(r.randint(1, 7))]
    return sorted(values) if r.random() < 0.3 else values


def _ascending(r: Random, h: Hints) -> list[int]:
    return sorted(r.sample(range(-5, 30), r.randint(1, 7)))


def _texts(r: Random, h: Hints) -> list[str]:
    if h.texts and r.random() < 0.25:
        return [r.choice((*h.texts, r.choice(WORDS))) for _ in range(r.randint(1, 4))]
    texts = r.choices(WORDS, k=r.randint(1, 4)) + [_text(r, h) for _ in range(r.randint(0, 2))]
    if r.random() < 0.25:
        return [texts[0][: r.randint(1, 4)] + text for text in texts]  # a shared beginning, which chance never gives
    return texts + texts[:1] * r.randint(0, 1)


def _matrix(r: Random, h: Hints) -> list[list[int]]:
    n = r.randint(1, 4)
    m = n if r.random() < 0.7 else r.randint(1, 4)
    top = r.choice((1, 9))
    return [[r.randint(0, top) for _ in range(m)] for _ in range(n)]


def _pairs(r: Random, h: Hints) -> list[tuple[int, int]]:
    pairs = [(r.randint(0, 9), r.randint(0, 9)) for _ in range(r.randint(1, 5))]
    return [(min(p), max(p)) for p in pairs] if r.random() < 0.5 else pairs


def _graph(nodes: list[Any]) -> Callable[[Random, Hints], dict[Any, list[Any]]]:
    def draw(r: Random, h: Hints) -> dict[Any, list[Any]]:
        some = nodes[: r.randint(1, len(nodes))]
        return {node: sorted(r.sample(some, r.randint(0, min(3, len(some))))) for node in some}

    return draw


def _counts(r: Random, h: Hints) -> dict[str, int]:
    hinted = [text for text in h.texts if r.random() < 0.7]
    keys = [*hinted, *r.sample(WORDS, r.randint(0 if hinted else 1, 3))]
    return {key: r.randint(0, 9) for key in keys}


def _nested(r: Random, h: Hints) -> dict[str, dict[str, int]]:
    names = "abcd"[: r.randint(1, 4)]
    return {name: {other: r.randint(1, 9) for other in r.sample("abcd", r.randint(0, 3))} for name in names}


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("int", (0, 1, -1, 2), _int),
        Kind("nat", (0, 1, 2), _nat),
        Kind("float", (0.0, 1.0, -1.5, 0.5), _float),
        Kind("bool", (True, False), lambda r, h: r.random() < 0.5),
        Kind("str", ("", "a", " "), _text),
        Kind("char", ("a", "Z", "0"), lambda r, h: r.choice(LETTERS + LETTERS.upper() + "0123456789 -_.")),
        Kind("digits", ("0", "1", "10"), _digits),
        Kind("bits", ("0", "1", "10"), _bits),
        Kind("bytes", (b"", b"a", b"\x00\xff"), lambda r, h: _text(r, h).encode()),
        Kind("list[int]", ([], [0], [1, 1], [-1, 2]), _ints),
        Kind("sorted[int]", ([], [0], [1, 2], [1, 3, 5, 7]), _ascending),
        Kind("list[bit]", ([], [0], [1], [1, 0, 1]), lambda r, h: r.choices((0, 1), k=r.randint(1, 9))),
        Kind("list[float]", ([], [0.5], [1.0, -1.0]), lambda r, h: [_float(r, h) for _ in range(r.randint(1, 5))]),
        Kind("list[str]", ([], [""], ["a", "b"]), _texts),
        Kind("list[char]", ([], ["a"], ["a", "b", "a"]), lambda r, h: r.choices("abcdef", k=r.randint(1, 6))),
        Kind("list[list[int]]", ([], [[1]], [[1, 2], [3, 4]], [[0, 1], [1, 0]]), _matrix),
        Kind("list[list[str]]", ([], [["a"]]), lambda r, h: [_texts(r, h) for _ in range(r.randint(1, 3))]),
        Kind("list[pair]", ([], [(0, 1)], [(1, 3), (2, 4)]), _pairs),
        Kind("tuple[int]", ((), (0,), (1, 2)), lambda r, h: tuple(_ints(r, h))),
        Kind("pair", ((0, 0), (0, 1), (3, 2)), lambda r, h: (r.randint(-5, 9), r.randint(-5, 9))),
        Kind("tuple[str]", ((), ("a",), ("a", "b")), lambda r, h: tuple(_texts(r, h))),
        Kind("set[int]", (set(), {1}, {1, 2}), lambda r, h: set(_ints(r, h))),
        Kind("set[str]", (set(), {"a"}), lambda r, h: set(_texts(r, h))),
        Kind("dict[str,int]", ({}, {"a": 1}, {"a": 0, "b": 2}), _counts),
        Kind("dict[int,int]", ({}, {0: 1}, {1: 0, 2: 1}), lambda r, h: dict(_pairs(r, h))),
        Kind("dict[str,dict]", ({}, {"a": {}}, {"a": {"b": 1}, "b": {}}), _nested),
        Kind("graph[int]", ({}, {0: []}, {0: [1], 1: [0]}), _graph(list(range(5)))),
        Kind("graph[str]", ({}, {"a": []}, {"a": ["b"], "b": []}), _graph(list("abcde"))),
        Kind("none", (None,), lambda r, h: None),
    )
}
