"""The typed writer learns from exceptions: what each message teaches, and functions that it only then can call."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lit_reason.case2code import typed
from lit_reason.case2code.execute import Executor
from lit_reason.case2code.inputs import Writer
from lit_reason.case2code.kinds import KINDS
from lit_reason.case2code.lessons import _RULES, Lesson, lessons, meant
from lit_reason.case2code.rules import Candidate, harvest_text
from lit_reason.case2code.typed import TypedWriter
from lit_reason.sandbox import Program


def raised(code: str, value: Any) -> tuple[str, str]:
    """Type and message of what this interpreter raises."""
    try:
        eval(code, {"x": value})
    except Exception as error:
        return type(error).__name__, str(error)
    raise AssertionError("nothing was raised")


# Messages are those of the interpreter that runs this, so that a new wording shows.
TAUGHT = [
    ("[v for v in x]", 3, "int", "list[int]"), ("x[0]", 3, "int", "list[int]"), ("len(x)", 3, "int", "str"),
    ("x.items()", [1], "list", "dict[str,int]"), ("x.upper()", 3, "int", "str"), ("x - 1", "a", "str", "int"),
    ("x + 'a'", 3, "int", "str"), ("x < 3", "a", "str", "int"), ("range(x)", "a", "str", "int"),
    ("ord(x)", 3, "int", "char"), ("''.join(x)", [1], "int", "list[str]"), ("{x: 1}", [1], "list", "str"),
    ("[a for a, b in x]", [1], "int", "list[pair]"), ("int(x)", "a", "str", "digits"),
    ("__import__('math').sqrt(x)", "a", "str", "int"), ("__import__('re').sub('a', 'b', x)", 3, "int", "str"),
    ("__import__('re').sub(b'a', b'b', x)", "a", "str", "bytes"),
    ("__import__('base64').b64encode(x)", 3, "int", "bytes"),
    ("__import__('unicodedata').category(x)", 3, "int", "char"), ("-x", "a", "str", "int"),
    ("x['k']", [1], "list", "dict[str,int]"), ("'a' in x", 3, "int", "str"), ("[1] * x", "a", "str", "int"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "value", "met", "wanted"), TAUGHT)
def test_what_the_interpreter_says_teaches(code: str, value: Any, met: str, wanted: str) -> None:
    found = {lesson.met: lesson.wanted for lesson in lessons(*raised(code, value))}
    assert wanted in found[met]


def test_a_missing_key_is_a_hint() -> None:
    assert lessons(*raised("x['width']", {})) == [Lesson("dict", key="width")]
    assert lessons("ValueError", "no such colour") == []


def test_every_kind_that_is_wanted_exists() -> None:
    for _, pattern, found in _RULES:
        groups = dict.fromkeys(pattern.groupindex, "str")
        match = re.fullmatch("".join(f"(?P<{name}>str)" for name in groups), "str" * len(groups))
        assert match is not None
        assert all(kind in KINDS for lesson in found(match) for kind in lesson.wanted)


def test_who_is_meant() -> None:
    lesson = Lesson("int", ("str", "list[int]"))
    assert meant(("int", "str"), ("a", "b"), lesson) == {"a": ("str", "list[int]")}
    assert meant(("str", "list[int]"), ("a", "b"), lesson) == {"b": ("list[str]", "list[list[int]]")}
    assert meant(("nat", "digits"), ("a", "b"), lesson) == {"a": ("str", "list[int]")}
    assert meant(("str",), ("a",), lesson) == {}


def candidate(code: str) -> Candidate:
    (found,) = harvest_text(code, "t")
    assert isinstance(found, Candidate)
    return found


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(workers=2, call_seconds=0.2) as executor:
        yield executor


HARD = {
    "bytes": "import base64\n\ndef f(thing):\n    return base64.b64encode(thing)\n",
    "category": "import unicodedata\n\ndef f(thing):\n    return unicodedata.name(thing, '') + 'x'\n",
    "key": "def f(thing):\n    names = 'width height'.split()\n    return thing[names[0]] * 2 + thing[names[1]]\n",
}


@pytest.mark.parametrize("name", HARD)
def test_functions_that_only_exceptions_explain(name: str, executor: Executor, monkeypatch) -> None:
    def n_returned() -> int:
        (written,) = TypedWriter(0, 24).write([candidate(HARD[name])], executor)
        if written.reason:
            return 0
        program = Program(candidate(HARD[name]).code, "f", written.candidate.inputs or ())
        (outcome,) = executor.run([program])
        return sum(call.status == "return" for call in outcome.calls)

    learned = n_returned()
    monkeypatch.setattr(typed, "_learn", lambda *_: None)
    unlearned = n_returned()
    assert learned >= 8
    assert unlearned < learned


def test_what_works_at_once_is_left_as_it_is(executor: Executor) -> None:
    """A function whose first signatures return is written for as if nothing had been learned."""
    code = "def f(words):\n    return ' '.join(w.title() for w in words)\n"
    (written,) = TypedWriter(0, 12).write([candidate(code)], executor)
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    plain = Writer.for_function(node, f"0/{candidate(code).body}")
    assert written.candidate.inputs == tuple(plain.write(("list[str]",), 12))
