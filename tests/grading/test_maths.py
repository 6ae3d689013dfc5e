"""The mathematics grader: what it reads, what it takes for equal, and what happens to answers that hang."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.grading import MathGrader
from lit_reason.grading.equality import equal
from lit_reason.grading.extraction import find_answer
from lit_reason.grading.form import Form
from lit_reason.grading.forms import read_form
from lit_reason.grading.maths import Item, grade_answer
from lit_reason.records import Grade, Question
from tests.grading.answers import ANSWERS, Answer
from tests.grading.conftest import grades, sample


@pytest.fixture(scope="module")
def graded() -> list[Grade]:
    """The whole table, by processes, as a user runs it."""
    return grades(MathGrader(), [(answer.gold, answer.text) for answer in ANSWERS])


def test_the_table_is_large_and_says_nothing_twice() -> None:
    assert len(ANSWERS) >= 80
    assert len({(answer.text, answer.gold) for answer in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize("index", range(len(ANSWERS)), ids=[f"{a.text[:40]} | {a.gold[:20]}" for a in ANSWERS])
def test_answer(graded: list[Grade], index: int) -> None:
    grade, answer = graded[index], ANSWERS[index]
    assert (grade.status, grade.answer_key) == (answer.status, answer.key), grade


def test_math_verify_alone_goes_wrong_where_the_table_says_so() -> None:
    """The reason for reading most answers ourselves; a row that math-verify learns to read has to lose its mark."""
    marked = [answer for answer in ANSWERS if answer.alone is not None]
    assert len(marked) >= 20
    assert [answer for answer in marked if _alone(answer) != answer.alone] == []


def _alone(answer: Answer) -> str:
    from math_verify import parse, verify

    gold = parse(rf"\boxed{{{answer.gold}}}", parsing_timeout=None)
    said = parse(answer.text, parsing_timeout=None)
    return "right" if verify(gold, said, timeout_seconds=None) else "wrong"


def test_answers_of_one_key_share_their_verdict() -> None:
    """Grouping by key is an equivalence relation, and no group is both right and wrong, whatever the gold answer."""
    texts = {text for answer in ANSWERS for text in (answer.gold, _stated(answer)) if text}
    groups: dict[str, list[Form]] = defaultdict(list)
    for form in filter(None, map(read_form, sorted(texts))):
        groups[form.key].append(form)
    several = [group for group in groups.values() if len(group) > 1]
    assert len(several) >= 15
    for group, (other, *_) in product(several, groups.values()):
        if not {group[0].kind, other.kind} & {"expression", "equation"}:  # sympy takes seconds for some of these
            assert len({equal(other, form) for form in group}) == 1
            assert len({equal(form, other) for form in group}) == 1


def _stated(answer: Answer) -> str | None:
    found = find_answer(answer.text)
    return found.text if found and not found.cut else None


def test_a_percentage_matches_both_meanings_which_do_not_match_each_other() -> None:
    fifty, half, percent = (read_form(text) for text in ("50", "0.5", r"50\%"))
    assert fifty and half and percent
    assert equal(percent, half) and equal(half, percent) and equal(percent, fifty) and equal(fifty, percent)
    assert not equal(fifty, half)
    assert len({fifty.key, half.key, percent.key}) == 3


@given(st.fractions(max_denominator=10**6))
def test_a_number_has_one_key_however_it_is_written(value: object) -> None:
    top, bottom = str(value).partition("/")[::2]
    latex = rf"\frac{{{top}}}{{{bottom or 1}}}"
    keys = {form.key for text in (str(value), latex, f"${value}$", f"x = {value}") if (form := read_form(text))}
    assert keys == {str(value)}


HANGS = r"\boxed{9^{9^{9^{9}}}}"
"""Two towers of powers: one call in C, which no signal handler of Python's interrupts."""


def test_what_hangs_is_killed_and_the_answers_after_it_are_graded() -> None:
    texts = [r"\boxed{18}", HANGS, r"\boxed{17}", r"\boxed{(10^9)!}", r"\boxed{18.0}", "", r"\boxed{\frac{36}{2}}"]
    found = grades(MathGrader(seconds=1.0), [("18", text) for text in texts])
    assert [grade.status for grade in found] == [
        "right", "timed_out", "wrong", "timed_out", "right", "unparsed", "right",
    ]  # fmt: skip
    assert {found[i].detail["kind"] for i in (1, 3)} <= {"time", "memory"}
    assert [grade.answer_key for grade in found if grade.status == "timed_out"] == [None, None]
    assert [grade.score for grade in found] == [1, 0, 0, 0, 1, 0, 1]


def test_math_verify_alone_would_call_them_wrong() -> None:
    """Why the clock is ours: the library takes an answer that it gave up on for a wrong one."""
    from math_verify import parse, verify

    assert verify(parse("18"), parse(HANGS), timeout_seconds=1) is False


def test_extraction_failures_are_counted_apart() -> None:
    kinds = [grade.detail["kind"] for grade in grades(MathGrader(), [
        ("5", r"\boxed{5"), ("5", ""), ("5", r"\boxed{x^2 + }"), ("5", r"\boxed{4}"), (None, r"\boxed{4}"),
        (r"\frac", r"\boxed{4}"),
    ])]  # fmt: skip
    assert kinds == ["cut", "no_answer", "unreadable", "wrong", "no_gold", "gold_unreadable"]


def test_without_a_gold_answer_there_is_a_key_to_vote_by_but_no_score() -> None:
    (grade,) = grades(MathGrader(), [(None, r"\boxed{4.0}")])
    assert (grade.answer_key, grade.score) == ("4", None)


def test_a_statement_that_the_length_limit_cut_is_no_answer() -> None:
    question = Question("q", "?", "12")
    cut, whole = (next(MathGrader().grade_all([(question, sample("The answer is 12", r))])) for r in ("length", "stop"))
    assert (cut.status, cut.detail["kind"], whole.status) == ("unparsed", "cut", "right")
    (boxed,) = MathGrader().grade_all([(question, sample(r"\boxed{12} and so", "length"))])
    assert boxed.status == "right"


@pytest.mark.parametrize(("look", "statuses"), [
    ("boxed", ["right", "unparsed", "unparsed", "unparsed"]),
    ("stated", ["right", "right", "right", "unparsed"]),
    ("anywhere", ["right", "right", "right", "right"]),
])  # fmt: skip
def test_how_far_to_look_is_a_setting_and_part_of_the_name(look: str, statuses: list[str]) -> None:
    texts = [r"\boxed{5}", "The answer is 5", "5", "We add 2 and 3 to get 5."]
    grader = MathGrader(look=look)  # type: ignore[arg-type]
    found = grades(grader, [("5", text) for text in texts])
    assert [grade.status for grade in found] == statuses
    assert {grade.grader for grade in found} == {"maths@3" if look == "stated" else f"maths@3+{look}"}


@pytest.mark.parametrize(("text", "number"), [
    ("so 5-3=2 and 7", "7"), ("it costs $18.50 in total now", "37/2"), ("which leaves -4.", "-4"),
    ("about 50% of them", "50%"), ("a total of 1,234.", "1234"), ("3/4 of all people", "3/4"), ("we get 20 - 4", "4"),
])  # fmt: skip
def test_the_last_number_of_a_text(text: str, number: str) -> None:
    verdict = grade_answer(Item(text, None, "anywhere", True))
    assert verdict.key == number


@given(st.text(max_size=200), st.booleans())
def test_no_text_is_too_strange(text: str, boxed: bool) -> None:
    find_answer(rf"\boxed{{{text}}}" if boxed else text, "anywhere", finished=False)


@pytest.mark.parametrize(
    "unit", [r"\boxed{", "answer is ", "(", "$", "1,", "and ", "\\", "a ", "9", "####", "x=", "$x$, "]
)
def test_long_texts_take_no_time(unit: str) -> None:
    import time

    began = time.process_time()
    grade_answer(Item(unit * (100_000 // len(unit)), "5", "anywhere", True))
    assert time.process_time() - began < 2
