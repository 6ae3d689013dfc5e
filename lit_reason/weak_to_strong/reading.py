"""How the two-stage method reads what it is given: answers by a grader of a name, difficulties as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lit_reason.grading.protocol import Grader
from lit_reason.records import Question, Sample

GraderName = Literal["maths", "text"]


def named_grader(name: GraderName) -> Grader:
    """Mathematics by value, or short texts as they stand."""
    from lit_reason.grading import MathGrader, TextGrader

    return MathGrader() if name == "maths" else TextGrader()


def answering(question: Question, answer: str | None) -> tuple[Question, Sample]:
    """A question with an answer to it, as a grader takes them: what it makes of a gold answer, say."""
    return question, Sample("", question.id, 0, rf"\boxed{{{answer}}}", 1, 1, "stop")


def level(meta: Mapping[str, Any]) -> int | None:
    """A question's difficulty as a number: `3`, or `Level 3` as MATH writes it."""
    word = str(meta.get("difficulty", "")).removeprefix("Level ")
    return int(word) if word.isdecimal() else None


def as_text(value: Any) -> Any:
    """A whole number as the text that it is written with; anything else as it is."""
    return str(value) if is_whole(value) else value


def is_whole(value: Any) -> bool:
    """Whether a value of a JSON file is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)
