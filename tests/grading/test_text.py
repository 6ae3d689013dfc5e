"""Short answers: numbers by value, texts without regard to case and punctuation, and the release of AoR."""

from __future__ import annotations

import pytest

from lit_reason.grading import TextGrader
from lit_reason.records import GradeStatus
from tests.grading.conftest import grades

TABLE: list[tuple[str, str, GradeStatus, str | None]] = [
    # gold, text, status, key
    ("18", "The answer is 18.", "right", "18"),
    ("18", "The answer is 18.0", "right", "18"),
    ("18", "The answer is 18.00.", "right", "18"),
    ("18", "18 eggs", "right", "18"),
    ("18", "The answer is $18.", "right", "18"),
    ("1000", "The answer is 1e3", "right", "1000"),
    ("1,000", "The answer is 1000", "right", "1000"),
    ("0.75", "The answer is 3/4", "right", "3/4"),
    ("3/4", "The answer is 4", "wrong", "4"),
    ("50%", "The answer is 0.5", "right", "1/2"),
    ("50", "The answer is 50%", "right", "50%"),
    ("-4", "The answer is −4", "right", "-4"),
    ("18", "The answer is 18 because 9 + 9 = 18 and 20 > 18.", "right", "18"),
    ("Paris", "The answer is paris.", "right", "paris"),
    ("the Netherlands", "The answer is **Netherlands**", "right", "netherlands"),
    ("yes", "So the answer is yes.", "right", "yes"),
    ("yes", "So the answer is no.", "wrong", "no"),
    ("18", "The answer is eighteen", "wrong", "eighteen"),
    ("18", "There is a long way from here to the point at which we know it.", "unparsed", None),
    ("18", "", "unparsed", None),
    ("18", r"\boxed{18", "unparsed", None),
]


@pytest.mark.parametrize(("gold", "text", "status", "key"), TABLE)
def test_answer(gold: str, text: str, status: GradeStatus, key: str | None) -> None:
    (grade,) = grades(TextGrader(), [(gold, text)])
    assert (grade.status, grade.answer_key) == (status, key)


@pytest.mark.parametrize(
    "text",
    ["I do not know.", "I don’t know", "Dunno", "I dunno, sorry", "idk", "no idea", "I'm not sure", "?",
     "The answer is I do not know", "\\boxed{I don't know}"],
)  # fmt: skip
def test_who_does_not_know_casts_no_vote(text: str) -> None:
    found = grades(TextGrader(), [("18", text), (None, text), ("Paris", text)])
    assert [(grade.status, grade.answer_key) for grade in found] == [("unparsed", None)] * 3


@pytest.mark.parametrize("text", ["none", "unknown", "cannot be determined", "nothing", "I", "no"])
def test_words_that_a_question_may_ask_for_are_answers(text: str) -> None:
    (same, other) = grades(TextGrader(), [(text, rf"\boxed{{{text}}}"), ("18", rf"\boxed{{{text}}}")])
    assert (same.status, other.status) == ("right", "wrong")


def test_not_knowing_is_an_answer_where_the_gold_answer_says_so() -> None:
    (grade,) = grades(TextGrader(), [("I do not know", r"\boxed{I do not know.}")])
    assert grade.status == "right"


def test_numbers_may_be_off_by_a_relative_tolerance() -> None:
    answers = [("200", f"The answer is {text}") for text in ("201", "202", "203", "-200")]
    assert [grade.status for grade in grades(TextGrader(tolerance=0.01), answers)] == [
        "right",
        "right",
        "wrong",
        "wrong",
    ]
    assert [grade.status for grade in grades(TextGrader(), answers)] == ["wrong"] * 4
    assert TextGrader(tolerance=0.01).name == "text@2+within_0.01"


def test_kinds_read_answers_only_as_such() -> None:
    answers = [("18", "The answer is 18.0"), ("18", "The answer is eighteen")]
    assert [grade.status for grade in grades(TextGrader("number"), answers)] == ["right", "unparsed"]
    assert [grade.answer_key for grade in grades(TextGrader("text"), answers)] == ["18 0", "eighteen"]


def test_gold_answers_that_are_missing_or_no_number() -> None:
    found = grades(TextGrader("number"), [(None, "18"), ("many", "18")])
    assert [(grade.answer_key, grade.score, grade.detail["kind"]) for grade in found] == [
        ("18", None, "no_gold"), ("18", None, "gold_unreadable"),
    ]  # fmt: skip


def test_the_release_of_aor_is_reproduced_with_its_mistakes() -> None:
    """AoR, section 6: the last number after the last "the answer is", compared within 1e-5."""
    table = [
        ("18", "The answer is 18.0. the answer is 18.0", "18.0", "right"),
        ("100000", "the answer is 100,000.5", "100000.5", "right"),
        ("0.75", "the answer is 3/4", "4", "wrong"),
        ("1000", "the answer is 1e3", "3", "wrong"),
        ("18", "The Answer Is 18, I am 99% sure", "99", "wrong"),
        ("18", "who knows", "", "wrong"),
    ]
    found = grades(TextGrader("number", extractor="aor_release"), [(gold, text) for gold, text, *_ in table])
    assert [(grade.answer_key, grade.status) for grade in found] == [(key, status) for *_, key, status in table]
    (said,) = grades(TextGrader("text", extractor="aor_release"), [("yes", "Yes, or no; the answer is yes")])
    assert (said.answer_key, said.status) == ("yes", "right")


def test_every_setting_that_changes_verdicts_changes_the_name() -> None:
    graders = [
        TextGrader(), TextGrader("number"), TextGrader("text"), TextGrader(look="boxed"), TextGrader(look="anywhere"),
        TextGrader(tolerance=0.1), TextGrader("number", extractor="aor_release"), TextGrader(extractor="aor_release"),
    ]  # fmt: skip
    assert len({grader.name for grader in graders}) == len(graders)
