"""What stands where an answer should be and is none, and words that are one."""

from __future__ import annotations

import pytest

from lit_reason.grading.maths import Item, grade_answer

NONE = [
    "I do not know",
    "I don’t know.",
    "I don't know",
    "i dont know",
    "IDK",
    "dunno",
    "I dunno",
    "\\boxed{\\text{dunno}}",
    "I honestly don't know",
    "no idea",
    "No answer",
    "No answer found.",
    "N/A",
    "n/a",
    "NA",
    "None",
    "null",
    "unknown",
    "Unclear.",
    "not sure",
    "I'm not sure",
    "I am not certain",
    "cannot be determined",
    "It cannot be determined.",
    "Can't be determined",
    "Cannot determine",
    "not enough information",
    "Insufficient information",
    "unable to answer",
    "Impossible to determine",
    "?",
    "???",
    "I cannot say",
    "We cannot solve this",
    "It depends",
    "Sure, here it is",
    "Let me think",
    "Let's see",
    "This is hard",
    "We add both numbers",
    "Okay",
    "Sure.",
    "Sorry",
    "Hello",
    "It is big",
    "So we are done",
    "Not applicable",
    "There is not enough information",
    "nothing",
    "Answer: I do not know",
    "The answer is unknown",
    "Answer: N/A",
    "Answer: None",
    "The answer cannot be determined",
    "The answer is: cannot be determined",
    "The answer is not given",
    "#### N/A",
    "#### none",
    "<answer>I don't know</answer>",
    "<answer></answer>",
    "<answer>None</answer>",
    "\\boxed{N/A}",
    "\\boxed{\\text{I don't know}}",
    "\\boxed{\\text{None}}",
    "\\boxed{?}",
    "\\boxed{\\text{cannot be determined}}",
    "\\boxed{\\text{unknown}}",
    "The answer is unclear because 5 is odd",
    "Answer: no answer",
]

ANSWERS = [
    ("Monday", "Monday"),
    ("blue whale", "blue whale"),
    ("x + 1", "x+1"),
    ("x", "x"),
    ("n", "n"),
    ("a", "a"),
    ("na", "na"),
    ("yes", "yes"),
    ("No", "no"),
    ("The answer is no", "no"),
    ("no solution", "no solution"),
    ("No real solutions", "\\emptyset"),
    ("undefined", "undefined"),
    ("does not exist", "DNE"),
    ("The answer is it", "it"),
    ("None", "None"),
    ("\\boxed{\\text{cannot be determined}}", "cannot be determined"),
    ("\\boxed{\\text{I}}", "I"),
    ("i", "i"),
    ("\\boxed{i}", "i"),
    ("Answer: even", "even"),
    ("infinitely many", "infinitely many"),
    ("isosceles triangle", "isosceles triangle"),
    ("Nancy", "Nancy"),
    ("Wednesday.", "Wednesday"),
    ("Thursday", "Thursday"),
    ("How", "How"),
    ("i + 1", "1+i"),
    ("I", "I"),
    ("it", "it"),
    ("The answer is 5, not sure", "5"),
    ("Noah", "Noah"),
    ("nine", "nine"),
    ("Hilbert", "Hilbert"),
    ("so", "so"),
    ("Step", "step"),
    ("i(1+2)", "3i"),
    ("-i", "-i"),
    ("i/2", "i/2"),
    ("i, -i", "-i,i"),
    ("i^2", "-1"),
]


@pytest.mark.parametrize("text", NONE)
def test_no_answer(text: str) -> None:
    for gold in ("5", None):
        verdict = grade_answer(Item(text, gold, "stated", True))
        assert (verdict.status, verdict.key) == ("unparsed", None)


@pytest.mark.parametrize(("text", "gold"), ANSWERS)
def test_an_answer(text: str, gold: str) -> None:
    assert grade_answer(Item(text, gold, "stated", True)).status == "right"


def test_an_abstention_is_an_answer_where_the_gold_answer_is_one() -> None:
    text = r"\boxed{\text{Cannot be determined}}"
    assert grade_answer(Item(text, "cannot be determined", "stated", True)).status == "right"
    assert grade_answer(Item(text, "none", "stated", True)).status == "wrong"
    assert grade_answer(Item(text, "7", "stated", True)).kind == "no_answer"
