"""Multiple choice: which letter a text chooses, and the traps of taking any letter (AoR, section 6)."""

from __future__ import annotations

import pytest

from lit_reason.grading import ChoiceGrader
from lit_reason.records import Question
from tests.grading.conftest import sample

CHOICES = ["Paris", "London", "a dog", "None of the above"]

TABLE: list[tuple[str, str | None, str]] = [
    # text, key, kind (gold is B)
    ("the answer is B because of C.", "B", "ok"),
    ("(B). Done", "B", "ok"),
    ("no idea", None, "unreadable"),
    ("The answer is (b)", "B", "ok"),
    (r"\boxed{B}", "B", "ok"),
    (r"\boxed{\text{(B)}}", "B", "ok"),
    (r"\boxed{\textbf{(B) } London}", "B", "ok"),
    (r"I first thought \boxed{A}, but it is \boxed{B}", "B", "ok"),
    ("The answer is London.", "B", "ok"),
    ("The answer is B) London", "B", "ok"),
    ('The answer is "London"', "B", "ok"),
    ("B", "B", "ok"),
    ("b", "B", "ok"),
    ("B. London", "B", "ok"),
    ("Answer: **B**", "B", "ok"),
    ("<answer>B</answer>", "B", "ok"),
    ("The correct answer is option B.", "B", "ok"),
    ("The best option is B.", "B", "ok"),
    ("The answer is B, because A is wrong", "B", "ok"),
    ("The answer is A. No, wait, the answer is B.", "B", "ok"),
    ("The answer is A because B is a city in England", "A", "wrong"),
    ("The answer is a dog.", "C", "wrong"),
    ("the answer is none of the above", "D", "wrong"),
    ("The answer is a mess", None, "unreadable"),
    ("The answer is I think unclear", None, "unreadable"),
    ("answer: I do not know", None, "unreadable"),
    ("The answer is BC", None, "unreadable"),
    ("the answer is E", None, "unreadable"),
    ("The answer is B or C", None, "ambiguous"),
    ("The answer is (A) and (B)", None, "ambiguous"),
    ("The answer is B/C", None, "ambiguous"),
    (r"$\boxed{B}$ and $\boxed{C}$", None, "ambiguous"),
    ("The answer is not A", None, "no_answer"),
    ("After long thought I am led to believe that one of them must hold (B).", None, "no_answer"),
    ("", None, "no_answer"),
    (r"\boxed{B", None, "cut"),
]


@pytest.mark.parametrize(("text", "key", "kind"), TABLE)
def test_a_text_chooses_a_letter_or_says_why_not(text: str, key: str | None, kind: str) -> None:
    (grade,) = ChoiceGrader().grade_all([(Question("q", "?", "B", {"choices": CHOICES}), sample(text))])
    assert (grade.answer_key, grade.detail["kind"]) == (key, kind)
    assert grade.status == {"ok": "right", "wrong": "wrong"}.get(kind, "unparsed")


def test_the_release_falls_into_its_traps_and_only_when_asked() -> None:
    texts = {"the answer is B because of C.": "C", "(B). Done": "E", "no idea": "A", "So it is so": ""}
    question = Question("q", "?", "B", {"choices": CHOICES})
    grader = ChoiceGrader(extractor="aor_release")
    found = list(grader.grade_all((question, sample(text)) for text in texts))
    assert [grade.answer_key for grade in found] == list(texts.values())
    assert {grade.grader for grade in found} == {"choice@1+aor_release"}
    assert not any(grade.status == "right" for grade in found)


@pytest.mark.parametrize("gold", ["B", "b", "(B)", "London", "B) London"])
def test_the_gold_answer_may_be_a_letter_or_a_text(gold: str) -> None:
    (grade,) = ChoiceGrader().grade_all([(Question("q", "?", gold, {"choices": CHOICES}), sample("(B)"))])
    assert grade.status == "right"


def test_options_that_are_letters_are_chosen_by_their_letter() -> None:
    question = Question("q", "?", "A", {"choices": ["C", "B", "A"]})
    (grade,) = ChoiceGrader().grade_all([(question, sample("The answer is A"))])
    assert (grade.status, grade.answer_key) == ("right", "A")


def test_options_that_read_the_same_choose_nothing() -> None:
    question = Question("q", "?", "A", {"choices": ["London", "london.", "Paris"]})
    (grade,) = ChoiceGrader().grade_all([(question, sample("The answer is London"))])
    assert grade.status == "unparsed"


def test_anywhere_takes_the_only_letter_in_brackets() -> None:
    question = Question("q", "?", "B")
    texts = [
        "After long thought I am led to this: it must be (B), surely so.",
        "It is (A), or maybe, on reflection, (B) after all.",
    ]
    found = list(ChoiceGrader(look="anywhere").grade_all((question, sample(text)) for text in texts))
    assert [(grade.status, grade.detail["kind"]) for grade in found] == [("right", "ok"), ("unparsed", "ambiguous")]


def test_questions_without_options_have_as_many_as_the_setting_says() -> None:
    pair = (Question("q", "?", "F"), sample(r"\boxed{F}"))
    (few,), (many,) = ChoiceGrader().grade_all([pair]), ChoiceGrader(letters=10).grade_all([pair])
    assert (few.status, many.status, many.grader) == ("unparsed", "right", "choice@1+10")


def test_gold_answers_that_are_missing_or_no_option() -> None:
    questions = [Question("q", "?", gold, {"choices": CHOICES}) for gold in (None, "Rome")]
    found = list(ChoiceGrader().grade_all((question, sample("(B)")) for question in questions))
    assert [(g.answer_key, g.score, g.detail["kind"]) for g in found] == [
        ("B", None, "no_gold"), ("B", None, "gold_unreadable"),
    ]  # fmt: skip
