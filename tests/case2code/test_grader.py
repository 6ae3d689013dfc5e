"""Acceptance E and F: verdicts on programs that were really run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lit_reason.case2code.functions import PYTHON, Case, Function
from lit_reason.case2code.grader import KINDS, CaseGrader, OtherPython
from lit_reason.case2code.planted import planted
from lit_reason.errors import PlainError
from lit_reason.grading import Grader
from lit_reason.records import Grade, Question, Sample

CLIP = "def clip_sum(xs, cap):\n    s = sum(xs)\n    return cap if s > cap else s\n"
INPUTS = [([1, 2], 5), ([4, 4], 5), ([], 3), ([-2, 1], 0), ([9], 1)]


def question(
    code: str, name: str, cases: list[Case], shown: tuple[int, ...] = (0, 1), id: str = "q", **meta: Any
) -> Question:
    params = ["xs", "cap"] if name == "clip_sum" else ["x"]
    rows = [case.to_row() for case in cases]
    hidden = [i for i in range(len(cases)) if i not in shown]
    fields = {"source": "planted", "func_name": name, "params": params, "cases": rows, "shown": list(shown)}
    return Question(id, "?", code, {**fields, "hidden": hidden, "name_given": True, **meta})


def clip_question(**meta: Any) -> Question:
    cases = [Case(repr({"xs": xs, "cap": cap}), str(min(sum(xs), cap))) for xs, cap in INPUTS]
    return question(CLIP, "clip_sum", cases, **meta)


def sample(text: str, id: str = "q", finish: str = "stop", index: int = 0) -> Sample:
    return Sample("pool", id, index, text, 1, 1, finish)  # type: ignore[arg-type]


def fenced(code: str) -> str:
    return f"Here:\n```python\n{code}```"


def grade(code: str, one: Question | None = None, grader: CaseGrader | None = None, finish: str = "stop") -> Grade:
    (found,) = (grader or CaseGrader(workers=1)).grade_all([(one or clip_question(), sample(code, finish=finish))])
    return found


def test_the_function_itself_is_right() -> None:
    found = grade(fenced(CLIP))
    assert (found.status, found.score, found.answer) == ("right", 1.0, CLIP)
    assert found.grader == "case2code@1"
    assert found.detail == {
        "strict": True, "value_aware": True, "shown_pass": True, "hidden_pass": True, "error_match": None, "failed": [],
        "kind": "ok",
    }  # fmt: skip


def test_ignoring_cap_matches_three_of_five() -> None:
    found = grade(fenced("def clip_sum(xs, cap):\n    return sum(xs)\n"))
    assert (found.status, found.score) == ("wrong", 0.6)
    assert found.detail["kind"] == "wrong"
    assert not found.detail["strict"]


def test_table_of_the_shown_cases_overfits() -> None:
    table = "def clip_sum(xs, cap):\n    return {(1, 2): 3, (4, 4): 5}[tuple(xs)]\n"
    found = grade(fenced(table))
    assert (found.detail["shown_pass"], found.detail["hidden_pass"], found.detail["strict"]) == (True, False, False)
    assert found.score == 0.4
    assert found.detail["kind"] == "runtime"


@pytest.mark.parametrize("code", [CLIP, "def clip_sum(xs, cap):\n    return 99\n"])
def test_no_cases_of_a_kind_are_not_passed(code: str) -> None:
    found = grade(fenced(code), clip_question(shown=tuple(range(5))))
    assert (found.detail["shown_pass"], found.detail["hidden_pass"]) == (code == CLIP, None)
    found = grade(fenced(code), clip_question(shown=()))
    assert (found.detail["shown_pass"], found.detail["hidden_pass"]) == (None, code == CLIP)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_function_passes_its_own_cases_in_order(workers: int) -> None:
    functions = [*planted(60, 0), *planted(20, 0, split="test")]
    pairs = [(_question(function), sample(fenced(function.code), function.id)) for function in functions]
    grades = list(CaseGrader(workers=workers).grade_all(iter(pairs)))
    assert [g.question_id for g in grades] == [f.id for f in functions]
    assert all(g.status == "right" and g.score == 1.0 and g.detail["value_aware"] for g in grades)


def _question(function: Function) -> Question:
    return Question(function.id, "?", function.code, {**function.to_row(), "name_given": True})


def test_mixture_keeps_its_order_with_and_without_programs() -> None:
    texts = ["no code at all!", fenced(CLIP), "", "```python\ndef clip_sum(:\n```", fenced(CLIP), "Sorry, no."]
    pairs = [(clip_question(), sample(text, index=i)) for i, text in enumerate(texts)]
    grades = list(CaseGrader(workers=2).grade_all(pairs))
    assert [g.sample_index for g in grades] == list(range(6))
    assert [g.detail["kind"] for g in grades] == ["no_code", "ok", "no_code", "syntax", "ok", "no_code"]
    assert [g.status for g in grades] == ["unparsed", "right", "unparsed", "wrong", "right", "unparsed"]


def test_grading_streams() -> None:
    taken = []

    def pairs() -> Iterator[tuple[Question, Sample]]:
        for i in range(300):
            taken.append(i)
            yield clip_question(), sample(fenced(CLIP), index=i)

    next(CaseGrader(workers=1).grade_all(pairs()))
    assert len(taken) < 300


OTHER_NAME = CLIP.replace("clip_sum", "clipped")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (fenced(CLIP), "ok"),
        (f"```Python\n{CLIP}```", "ok"),
        (f"```\n{CLIP}```", "ok"),
        (CLIP, "ok"),
        (f"```python\n{CLIP}```\n```python\nraise SystemExit\n```", "ok"),
        (f"```python\n{CLIP}", "ok"),
        ("I would sum them.", "no_code"),
        ("```python\n```", "no_code"),
        ("```python\ndef clip_sum(xs, cap)\n    return 1\n```", "syntax"),
        (fenced("def clip_sum(xs, cap):\n    break\n"), "syntax"),  # parses, but does not compile
        (fenced(OTHER_NAME), "missing_function"),
        (fenced(CLIP.replace("cap", "limit")), "missing_function"),
        (fenced("clip_sum = 3\n"), "missing_function"),
        (fenced(CLIP + "assert clip_sum([1], 5) == 2\n"), "runtime"),
        (fenced(CLIP + "print(clip_sum([1], 5))\n"), "ok"),
        (fenced("import nothing_like_it\n" + CLIP), "runtime"),
        (fenced("def clip_sum(xs, cap):\n    return xs[7]\n"), "runtime"),
        (fenced("def clip_sum(xs, cap):\n    while True: pass\n"), "timeout"),
        (fenced("def clip_sum(xs, cap):\n    import os; os._exit(0)\n"), "runtime"),
        (fenced("def clip_sum(**k):\n    return min(sum(k['xs']), k['cap'])\n"), "ok"),
        (fenced("clip_sum = lambda xs, cap: min(sum(xs), cap)\n"), "ok"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    found = grade(text, grader=CaseGrader(workers=1, call_seconds=0.2))
    assert found.detail["kind"] == kind
    assert kind in KINDS
    assert (found.status == "right") is (kind == "ok") is found.detail["strict"]
    if kind == "timeout":
        assert found.status == "timed_out"


def test_truncated_answers() -> None:
    whole, cut = fenced(CLIP) + "\nThis function", f"```python\n{CLIP}"
    assert grade(whole, finish="length").detail["kind"] == "truncated"
    assert grade(whole, finish="length").status == "wrong"
    lenient = CaseGrader(workers=1, cut="in_code")
    assert grade(whole, grader=lenient, finish="length").status == "right"
    assert grade(cut, grader=lenient, finish="length").detail["kind"] == "truncated"


def test_other_name_is_accepted_when_asked_for_or_when_none_was_given() -> None:
    assert grade(fenced(OTHER_NAME), grader=CaseGrader(workers=1, allow_rename=True)).status == "right"
    assert grade(fenced(OTHER_NAME), clip_question(name_given=False)).status == "right"
    two = OTHER_NAME + "\ndef helper(x):\n    return x\n"
    assert grade(fenced(two), grader=CaseGrader(workers=1, allow_rename=True)).detail["kind"] == "missing_function"


def test_rules_that_change_verdicts_are_in_the_name() -> None:
    names = {CaseGrader().name, CaseGrader(allow_rename=True).name, CaseGrader(cut="in_code").name}
    assert len(names) == 3
    assert CaseGrader(workers=7).name == "case2code@1"
    grader: Grader = CaseGrader()
    assert grader.name


def test_expected_errors_match_by_type() -> None:
    cases = [Case("{'x': 1}", "1"), Case("{'x': 0}", error="ZeroDivisionError", message="x"), Case("{'x': 2}", "0")]
    one = question("def f(x):\n    return 1 // x\n", "f", cases)
    found = grade(fenced("def f(x):\n    return 1 // x\n"), one)
    assert (found.status, found.detail["error_match"]) == ("right", 1.0)
    other_type = grade(fenced("def f(x):\n    if not x:\n        raise ValueError(x)\n    return 1 // x\n"), one)
    assert (other_type.score, other_type.detail["error_match"]) == (2 / 3, 0.0)
    found = grade(fenced("def f(x):\n    return 1 // x if x else None\n"), one)
    assert (found.score, found.detail["error_match"], found.detail["kind"]) == (2 / 3, 0.0, "wrong")


def test_value_aware_is_reported_beside_strict() -> None:
    one = question("", "f", [Case("{'x': 1}", "0.3"), Case("{'x': 2}", "[1, 2]")])
    found = grade(fenced("def f(x):\n    return 0.1 + 0.2 if x == 1 else [1.0, 2]\n"), one)
    assert (found.detail["strict"], found.detail["value_aware"], found.status) == (False, True, "wrong")


def test_sets_and_dicts_are_values() -> None:
    one = question("", "f", [Case("{'x': 1}", "{'a', 'b', 'c'}"), Case("{'x': 2}", "{'a': 1, 'b': 2}")])
    found = grade(fenced("def f(x):\n    return set('cba') if x == 1 else {'b': 2, 'a': 1}\n"), one)
    assert found.status == "right"


TRIE = "def f(x):\n    d = {}\n    for letter in x:\n        d = {letter: d}\n    return d\n"
SHOWS = "class R:\n    def __repr__(self):\n        return {}\ndef f(x):\n    return R()\n"


@pytest.mark.parametrize("code", [
    TRIE, SHOWS.format("'{' + '1+' * 950 + '1}'"), SHOWS.format("'-' * 1500 + '1'"),
    "def f(x):\n    return " + " + ".join(["x"] * 2500) + "\n",
], ids=["trie", "sum", "signs", "program"])  # fmt: skip
def test_no_answer_keeps_the_next_from_its_grade(code: str) -> None:
    cases = [Case(repr({"x": "ab"}), "{'b': {'a': {}}}"), Case(repr({"x": "ab" * 92}), "{'a': 1}")]
    one = question(TRIE, "f", cases, shown=(0,))
    pairs = [(one, sample(fenced(text), index=i)) for i, text in enumerate((code, TRIE))]
    found = list(CaseGrader(workers=1).grade_all(pairs))
    assert [g.status for g in found] == ["wrong", "wrong"]
    assert found[1].score == 0.5


def test_arguments_are_fresh_in_every_case() -> None:
    one = question("", "f", [Case("{'x': [1]}", "[1, 2]"), Case("{'x': [1], }", "[1, 2]")])
    assert grade(fenced("def f(x, seen=[]):\n    x.append(2)\n    return x\n"), one).status == "right"


def test_another_python_is_refused_unless_allowed() -> None:
    one = clip_question(python="2.7")
    with pytest.raises(ValueError, match="q: outputs were computed by Python 2.7, this is 3"):
        grade(fenced(CLIP), one)
    assert grade(fenced(CLIP), one, CaseGrader(workers=1, allow_other_python=True)).status == "right"


def test_the_python_of_questions_is_checked_before_anything_runs() -> None:
    known, unknown, other = (clip_question(python=python) for python in (PYTHON, None, "2.7"))
    grader = CaseGrader(workers=1)
    assert grader.check_python([known, known, Question("h", "?", "", {"source": "human_eval"})]) == ""
    said = "2 of 3 questions do not say which Python computed their outputs"
    assert grader.check_python([known, unknown, clip_question()]).startswith(f"{said}; this is {PYTHON}")
    assert grade(fenced(CLIP), unknown).status == "right"
    with pytest.raises(OtherPython, match="Python 2.7"):
        grader.check_python([known, unknown, other])
    assert CaseGrader(allow_other_python=True).check_python([known, other]) == ""
    assert issubclass(OtherPython, PlainError)


def test_grades_name_their_sample() -> None:
    found = grade(fenced(CLIP), replace(clip_question(), id="other"))
    assert (found.pool_key, found.question_id, found.sample_index) == ("pool", "other", 0)
