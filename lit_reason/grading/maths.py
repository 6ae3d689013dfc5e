"""Grading mathematical answers: numbers, formulas, sets, intervals and short texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.grading.abstention import abstains, is_talk
from lit_reason.grading.equality import equal
from lit_reason.grading.extraction import Found, Look, find_answer
from lit_reason.grading.forms import read_form
from lit_reason.grading.verdict import Verdict, grade_in_processes, judged, unparsed
from lit_reason.grading.workers import Workers
from lit_reason.records import Grade, Question, Sample


class MathGrader:
    r"""Compares the last `\boxed{...}`, or what "the answer is" says, with the gold answer.

    `answer_key` is the canonical form: `18` for 18, 18.0 and \frac{36}{2}; percentages keep their sign (`50%`), because
    they may be meant as 0.5 or as 50, and are right for either. "I do not know" and its like are no answers, unless the
    gold answer is one of them. Parsing and comparing run in processes that are killed
    when they take too long.

    Args:
        look: where answers are taken from: `boxed` only; `stated` also "the answer is ...", "#### ..." and texts that
            are nothing but an answer; `anywhere` also the last number of the text.
        workers: answers at a time.
        seconds: wall clock for one answer.
        memory_mb: address space of a process.
    """

    def __init__(
        self,
        look: Look = "stated",
        workers: PositiveInt = 2,
        seconds: PositiveFloat = 10.0,
        memory_mb: PositiveInt = 2048,
    ) -> None:
        self.look = look
        self.workers = workers
        self.seconds = seconds
        self.memory_mb = memory_mb

    @property
    def name(self) -> str:
        """`maths@3`; where answers are looked for is part of the name, unless it is the default."""
        return "maths@3" + ("" if self.look == "stated" else f"+{self.look}")

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order; an answer that hangs costs its own time only."""
        workers = Workers(grade_answer, self.workers, self.seconds, self.memory_mb, imports=("math_verify",))
        return grade_in_processes(pairs, self.name, self._item, workers)

    def _item(self, question: Question, sample: Sample) -> Item:
        return Item(sample.text, question.gold, self.look, sample.finish_reason == "stop")


class Item(NamedTuple):
    """What a process needs to know."""

    text: str
    gold: str | None
    look: Look
    finished: bool


def grade_answer(item: Item) -> Verdict:
    """The verdict on one text. Call it in a process that can be killed, from its main thread."""
    found = find_answer(item.text, item.look, item.finished)
    if found is None:
        return unparsed("no_answer")
    if found.cut:
        return unparsed("cut", found)
    if _gives_none(found, item.gold):
        return unparsed("no_answer", found)
    answer = read_form(found.text)
    if answer is None:
        return unparsed("unreadable", found)
    gold = None if item.gold is None else read_form(item.gold)
    right = None if gold is None else equal(gold, answer)
    why_not = "no_gold" if item.gold is None else "gold_unreadable"
    return judged(right, found.text.strip(), answer.key, why_not, where=found.where)


def _gives_none(found: Found, gold: str | None) -> bool:
    """Whether the place of the answer holds none. "Cannot be determined" is one where the gold answer says so."""
    if abstains(found.text):
        return gold is None or not abstains(gold)
    return found.where == "whole" and is_talk(found.text)
