"""What an exception says about the arguments that raised it, so that the next ones suit the function better.

The interpreter's messages name the type that it met (`'int' object is not iterable`), often the one that it wanted
(`can only concatenate str`), and the key that it missed. They do not name the parameter: whichever was of the type met,
or holds items of it, is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lit_reason.case2code.kinds import KINDS
from lit_reason.case2code.usage import TYPE_KINDS, owners_of

_ITERABLES = ("list[int]", "str", "list[str]", "tuple[int]", "dict[str,int]")
_INDEXED = ("list[int]", "str", "list[list[int]]", "dict[str,int]", "list[str]", "pair")
_NUMBERS = ("int", "float", "nat")
_PAIRS = ("list[pair]", "pair", "list[list[int]]", "dict[str,int]")

_PYTHON_TYPES = {"NoneType": "none", "sequence": "list"}


@dataclass(frozen=True)
class Lesson:
    """A value of the Python type `met` failed where one of the kinds `wanted` might not; `key` was looked up in vain,
    and whoever held it should have it."""

    met: str = ""
    wanted: tuple[str, ...] = ()
    key: str = ""


_Rule = tuple[str, re.Pattern[str], Callable[[re.Match[str]], list[Lesson]]]


def _rule(error: str, pattern: str, lessons: Callable[[re.Match[str]], list[Lesson]]) -> _Rule:
    return error, re.compile(pattern), lessons


def _types(name: str) -> tuple[str, ...]:
    return TYPE_KINDS.get(name, ())


def _each_like_the_other(match: re.Match[str]) -> list[Lesson]:
    """Two types met in one operation: either argument may have been meant to be like the other."""
    a, b = match["a"], match["b"]
    return [Lesson(a, _NUMBERS)] if a == b else [Lesson(a, _types(b)), Lesson(b, _types(a))]


def _bytes_wanted(match: re.Match[str]) -> list[Lesson]:
    """`a bytes-like object is required, not 'str'` also comes of `b"..".split(".")`: then the bytes are to blame."""
    wanted = [Lesson(match["a"], ("bytes",))]
    return [*wanted, Lesson("bytes", ("str",))] if match["a"] == "str" else wanted


def _for(kinds: tuple[str, ...]) -> Callable[[re.Match[str]], list[Lesson]]:
    return lambda match: [Lesson(match["a"], kinds)]


_RULES: tuple[_Rule, ...] = (
    _rule("TypeError", r"'(?P<a>\w+)' object is not iterable", _for(_ITERABLES)),
    _rule("TypeError", r"'(?P<a>\w+)' object is not (an iterator|callable)", _for(())),
    _rule("TypeError", r"'(?P<a>\w+)' object is not subscriptable", _for(_INDEXED)),
    _rule("TypeError", r"'(?P<a>\w+)' object does(n't| not) support item", _for(("list[int]", "dict[str,int]"))),
    _rule("TypeError", r"object of type '(?P<a>\w+)' has no len", _for(_ITERABLES)),
    _rule("TypeError", r"argument of type '(?P<a>\w+)' is not", _for(_ITERABLES)),
    _rule("TypeError", r"unsupported operand type\(s\) for .*: '(?P<a>\w+)' and '(?P<b>\w+)'", _each_like_the_other),
    _rule("TypeError", r"not supported between instances of '(?P<a>\w+)' and '(?P<b>\w+)'", _each_like_the_other),
    _rule("TypeError", r"can only concatenate (?P<b>\w+) \(not \"(?P<a>\w+)\"\)", _each_like_the_other),
    _rule("TypeError", r"can't multiply sequence by non-int of type '(?P<a>\w+)'", _for(_NUMBERS)),
    _rule("TypeError", r"bad operand type for .*: '(?P<a>\w+)'", _for(_NUMBERS)),
    _rule("TypeError", r"'(?P<a>\w+)' object cannot be interpreted as an integer", _for(_NUMBERS)),
    _rule("TypeError", r"must be real number, not '?(?P<a>\w+)", _for(_NUMBERS)),
    _rule("TypeError", r"argument must be .*number.*, not '?(?P<a>\w+)", _for((*_NUMBERS, "digits"))),
    _rule("TypeError", r"must be a unicode character, not '?(?P<a>\w+)", _for(("char",))),
    _rule("TypeError", r"must be (a )?str(ing)?\b.*, not '?(?P<a>\w+)", _for(("str",))),
    _rule("TypeError", r"bytes.*, not '?(?P<a>\w+)", _bytes_wanted),
    _rule("TypeError", r"cannot use a bytes pattern on a (?P<a>str)ing-like object", _for(("bytes",))),
    _rule("TypeError", r"cannot use a string pattern on a (?P<a>bytes)-like object", _for(("str",))),
    _rule("TypeError", r"(?P<b>\w+) indices must be integers or slices, not (?P<a>\w+)",
          lambda m: [Lesson(m["b"], ("dict[str,int]",)), Lesson(m["a"], ("int", "nat"))]),
    _rule("TypeError", r"(?P<a>str)ing indices must be integers", _for(("dict[str,int]", "list[int]"))),
    _rule("TypeError", r"expected (a )?(string|str|character)\b.*?(got '?|but |, (?!got|but))(?P<a>\w+)",
          _for(("str", "list[str]", "char"))),
    _rule("TypeError", r"unhashable type: '(?P<a>\w+)'", _for(("str", "int", "tuple[int]"))),
    _rule("TypeError", r"cannot unpack non-iterable (?P<a>\w+) object", _for(_PAIRS)),
    _rule("ValueError", r"(not enough|too many) values to unpack",
          lambda m: [Lesson("list", _PAIRS), Lesson("str", _PAIRS)]),
    _rule("ValueError", r"invalid literal for int|could not convert string to float",
          lambda m: [Lesson("str", ("digits", "bits"))]),
    _rule("ValueError", r"math domain error|must be (non-negative|positive)|negative",
          lambda m: [Lesson("int", ("nat",)), Lesson("float", ("nat",))]),
    _rule("AttributeError", r"'(?P<a>\w+)' object has no attribute '(?P<name>\w+)'",
          lambda m: [Lesson(m["a"], owners_of(m["name"]))]),
    _rule("KeyError", r"^'(?P<key>[^']{1,20})'$", lambda m: [Lesson("dict", key=m["key"])]),
)  # fmt: skip


def lessons(error: str, message: str) -> list[Lesson]:
    """What an exception teaches; nothing for most."""
    for name, pattern, found in _RULES:
        if name == error and (match := pattern.search(message)):
            return found(match)
    return []


def meant(signature: Sequence[str], params: Sequence[str], lesson: Lesson) -> Mapping[str, tuple[str, ...]]:
    """For each parameter that may be to blame: the kinds it should rather have. Those whose own type was met are, else
    those that hold items of it."""
    met = _PYTHON_TYPES.get(lesson.met, lesson.met)
    own = [param for param, kind in zip(params, signature, strict=True) if _python_type(kind) == met]
    if own:
        return dict.fromkeys(own, lesson.wanted)
    inner = {
        param: tuple(f"list[{wanted}]" for wanted in lesson.wanted if f"list[{wanted}]" in KINDS)
        for param, kind in zip(params, signature, strict=True)
        if _item_type(kind) == met
    }
    return {param: kinds for param, kinds in inner.items() if kinds}


def _python_type(kind: str) -> str:
    """`list` for `list[int]`, `str` for `digits`, as the interpreter would name it."""
    outer = kind.partition("[")[0]
    same = {"nat": "int", "char": "str", "digits": "str", "bits": "str", "sorted": "list", "pair": "tuple"}
    return {**same, "graph": "dict"}.get(outer, outer)


def _item_type(kind: str) -> str:
    _, _, inner = kind.partition("[")
    return _python_type(inner.removesuffix("]").split(",")[0]) if inner else ""
