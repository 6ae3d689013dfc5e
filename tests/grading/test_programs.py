"""Functions are graded by calls in the sandbox; expected results never enter it."""

from __future__ import annotations

import pytest

from lit_reason.grading import CodeGrader
from lit_reason.grading.programs import read_test
from lit_reason.records import Grade, Question
from tests.grading.conftest import sample

TESTS = ["assert add(1, 2) == 3", "assert add(a=0.5, b=0.25) == 0.75", "assert add([1], [2]) == [1, 2]"]
QUESTION = Question("q", "?", None, {"entry_point": "add", "tests": TESTS})


def grade(text: str, question: Question = QUESTION) -> Grade:
    (found,) = CodeGrader().grade_all([(question, sample(text))])
    return found


def test_programs_in_every_state_come_back_in_order() -> None:
    texts = {
        "```python\ndef add(a, b):\n    return a + b\n```": ("right", "ok", 1.0),
        "def add(a, b): return b + a": ("wrong", "wrong", 2 / 3),
        "```python\ndef add(a, b):\n    while True: pass\n```": ("timed_out", "time", 0.0),
        "```python\ndef add(a, b\n```": ("wrong", "syntax", 0.0),
        "def sub(a, b): return a - b": ("wrong", "runtime", 0.0),
        "I cannot program.": ("unparsed", "no_answer", 0.0),
        "def add(*a, **k): return sum(a[1:], a[0]) if a else sum(k.values())": ("right", "ok", 1.0),
    }
    grader = CodeGrader(wall_seconds=3.0, call_seconds=0.5)
    found = list(grader.grade_all((QUESTION, sample(text)) for text in texts))
    assert [(g.status, g.detail["kind"], g.score) for g in found] == list(texts.values())


def test_a_program_that_was_cut_is_unparsed() -> None:
    (found,) = CodeGrader().grade_all([(QUESTION, sample("```python\ndef add(a, b):\n    return a", "length"))])
    assert (found.status, found.detail["kind"]) == ("unparsed", "cut")


@pytest.mark.parametrize("body", [" + ".join(["a"] * 900), "R()", "{frozenset([1]): 2}"])
def test_no_answer_keeps_the_next_from_its_grade(body: str) -> None:
    code = f"class R:\n    def __repr__(self):\n        return '{{{{1}}}}'\ndef add(a, b):\n    return {body}\n"
    found = list(CodeGrader().grade_all([(QUESTION, sample(code)), (QUESTION, sample("def add(a, b): return a + b"))]))
    assert [g.status for g in found] == ["wrong", "right"]


def test_expected_results_stay_outside() -> None:
    spy = (
        "import sys\ndef add(a, b):\n    f, seen = sys._getframe(), ''\n    while f:\n"
        "        seen += repr(f.f_locals)\n"
        "        f = f.f_back\n    return ('sec' + 'ret' in seen, 'add' in seen)"
    )
    question = Question("q", "?", None, {"entry_point": "add", "tests": ["assert add(1, 'secret') == (True, True)"]})
    assert grade(spy, question).status == "right"  # the spy works
    thief = spy.replace("return (", "return 'sec' + 'ret' if ").replace(
        " in seen, 'add' in seen)", " in seen else None"
    )
    question = Question("q", "?", None, {"entry_point": "add", "tests": ["assert add(1, 2) == 'secret'"]})
    assert "if 'sec' + 'ret' in seen else None" in thief
    assert grade(thief, question).status == "wrong"


def test_layout_does_not_make_another_answer() -> None:
    keys = [grade(text).answer_key for text in (
        "def add(a, b):\n    return a + b", "def add(a,b):   # sum\n        return (a+b)\n",
        "def add(a, b): return b + a",
    )]  # fmt: skip
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(("assertion", "args", "kwargs", "expected"), [
    ("assert f(1, 'x') == [2]", (1, "x"), {}, [2]), ("assert f(n=(1, -2)) == None", (), {"n": (1, -2)}, None),
    ("assert f(3)", (3,), {}, True), ("assert not f(3)", (3,), {}, False),
    (" assert f() == {'a': 1}\n", (), {}, {"a": 1}),
])  # fmt: skip
def test_assertions_are_read(assertion: str, args: object, kwargs: object, expected: object) -> None:
    call = read_test(assertion, "f")
    assert (call.args, call.kwargs, call.expected) == (args, kwargs, expected)


@pytest.mark.parametrize("assertion", [
    "assert g(1) == 2", "assert f(1) < 2", "assert f(x) == 2", "f(1) == 2", "assert f(1) == h(2)", "assert", "",
    "assert f(1) == 2; import os", "assert abs(f(1) - 2) < 1e-6", "assert f(*[1]) == 2", "assert f(**{'a': 1}) == 2",
])  # fmt: skip
def test_other_tests_are_named_and_not_judged(assertion: str) -> None:
    with pytest.raises(ValueError, match="no test of f with literals only"):
        read_test(assertion, "f")
    found = grade("def f(x): return 2", Question("q", "?", None, {"entry_point": "f", "tests": [assertion]}))
    assert (found.score, found.detail["kind"]) == (None, "no_gold")
    assert "no test of f" in found.detail["message"]
