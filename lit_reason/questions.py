"""Questions with reference solutions: how they are asked, what is learned from them, and splits that share no text.

Where they come from is in `questions_gym` (reasoning-gym), `questions_files` (files and data sets) and
`questions_chains` (our own arithmetic chains).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from lit_reason.grading.extraction import last_boxed
from lit_reason.records import Message, Question

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

BOXED = "{question}\n\nPut the final answer in \\boxed{}."
BOXED_LETTER = "{question}\n\nPut only the letter of the right answer in \\boxed{}."

_CALCULATOR = re.compile(r"<<[^<>\n]*>>")  # GSM8K's notes to a calculator
_FINAL_LINE = re.compile(r"\n?####[^\n]*\s*\Z")


@dataclass(frozen=True)
class Exercise:
    """A question and, where there is one, a reference solution. The solution is what training learns from; the question
    itself holds no more of it than the gold answer."""

    question: Question
    solution: str | None = None


@dataclass(frozen=True)
class Asking:
    r"""How a question is put to a model.

    Args:
        template: `{question}` is replaced by the question's text, and its options where it has some.
        system: system message; null sends none.
    """

    template: str = BOXED
    system: str | None = None

    def prompt(self, text: str, choices: Sequence[str] = ()) -> str | list[Message]:
        """The prompt of a question."""
        options = "".join(f"\n{letter}) {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
        content = self.template.replace("{question}", text + options)
        if self.system is None:
            return content
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]

    def problem(self) -> str | None:
        """What is wrong with the template, or None."""
        return None if "{question}" in self.template else "has no {question}, so all questions would read the same"


def target(exercise: Exercise) -> str | None:
    """What a model learns to answer: the reference solution, ending in a box as the prompt asks; without a solution,
    the gold answer alone; without either, None."""
    gold, solution = exercise.question.gold, exercise.solution
    if solution is None:
        return None if gold is None else rf"\boxed{{{gold}}}"
    solution = _CALCULATOR.sub("", solution).strip()
    if gold is None or last_boxed(solution) is not None:
        return solution
    return _FINAL_LINE.sub("", solution) + f"\n\\boxed{{{gold}}}"


def disjoint(splits: Mapping[Split, Sequence[Exercise]]) -> tuple[dict[Split, list[Exercise]], Counter[str]]:
    """The splits without repeated texts, and how many were dropped for which reason.

    Within a split, the first of equal texts stays. Between splits, test keeps a text, then val, then train: what is
    evaluated was never learned from.
    """
    dropped: Counter[str] = Counter()
    owner: dict[str, Split] = {}
    kept: dict[Split, list[Exercise]] = {split: [] for split in SPLITS}
    for split in reversed(SPLITS):
        for exercise in splits.get(split, ()):
            text = text_key(exercise.question)
            earlier = owner.get(text)
            if earlier is None:
                owner[text] = split
                kept[split].append(exercise)
            elif earlier == split:
                dropped[f"{split} question asked twice"] += 1
            else:
                dropped[f"{split} question that is also in {earlier}"] += 1
    return kept, dropped


def text_key(question: Question) -> str:
    """What makes two questions the same: what the user says, without regard to case and white space."""
    prompt = question.prompt
    said = [prompt] if isinstance(prompt, str) else [m["content"] for m in prompt if m["role"] != "system"]
    return " ".join(" ".join(said).casefold().split())
