"""Grading short answers: exact text, or numbers with a tolerance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

from jsonargparse.typing import NonNegativeFloat

from lit_reason.grading import aor_release
from lit_reason.grading.abstention import knows_not
from lit_reason.grading.extraction import Found, Look, find_answer
from lit_reason.grading.notation import tidy, words
from lit_reason.grading.numbers import Number, read_quantity
from lit_reason.grading.verdict import Verdict, judged, unparsed
from lit_reason.records import Grade, Question, Sample

Kind = Literal["auto", "number", "text"]


class TextGrader:
    """Compares the stated answer with the gold answer: as numbers where both are (18 = 18.0 = 18.00, 1e3 = 1,000, 3/4 =
    0.75, units dropped), else as text without regard to case, spacing, punctuation and a leading article. "I do not
    know" and its like are no answers, unless the gold answer is one of them; "none" and "unknown" are.

    Args:
        kind: `number` and `text` read answers only as such; `auto` reads a number where it can.
        look: where answers are taken from, as in `MathGrader`; `anywhere` finds the last number, so it never applies
            to `text`.
        tolerance: how far a number may be off, relative to the gold answer.
        extractor: `aor_release` extracts and compares as the release of AoR does, for parity only (section 6).
    """

    def __init__(
        self,
        kind: Kind = "auto",
        look: Look = "stated",
        tolerance: NonNegativeFloat = 0.0,
        extractor: Literal["own", "aor_release"] = "own",
    ) -> None:
        self.kind = kind
        self.look = look
        self.tolerance = tolerance
        self.extractor = extractor

    @property
    def name(self) -> str:
        """`text@2`; settings that change verdicts are part of the name."""
        if self.extractor == "aor_release":
            return f"text@1+aor_release+{self.kind}"
        changed = (self.kind != "auto", self.kind), (self.look != "stated", self.look)
        marks = [mark for is_changed, mark in changed if is_changed]
        return "+".join(["text@2", *marks, *([f"within_{self.tolerance:g}"] if self.tolerance else [])])

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order."""
        judge = self._release_verdict if self.extractor == "aor_release" else self._verdict
        for question, sample in pairs:
            yield judge(question.gold, sample).of(question, sample, self.name)

    def _verdict(self, gold: str | None, sample: Sample) -> Verdict:
        look: Look = "stated" if self.kind == "text" and self.look == "anywhere" else self.look
        found = find_answer(sample.text, look, sample.finish_reason == "stop")
        if found is None:
            return unparsed("no_answer")
        if found.cut:
            return unparsed("cut", found)
        if knows_not(found.text) and not (gold and knows_not(gold)):
            return unparsed("no_answer", found)
        answer = self._read(found)
        if answer is None:
            return unparsed("unreadable", found)
        expected = None if gold is None else self._read(Found(gold, "whole"))
        right = None if expected is None else self._equal(expected, answer)
        key = answer.key if isinstance(answer, Number) else answer
        why_not = "no_gold" if gold is None else "gold_unreadable"
        return judged(right, found.text.strip(), key, why_not, where=found.where)

    def _read(self, found: Found) -> Number | str | None:
        text = tidy(found.text)
        number = None if self.kind == "text" else read_quantity(text) or read_quantity(words(text))
        if number is not None or self.kind == "number":
            return number
        return plain_key(words(text)) or None

    def _equal(self, gold: Number | str, answer: Number | str) -> bool:
        if isinstance(gold, str) or isinstance(answer, str):
            return gold == answer
        meanings = _meanings(gold) & _meanings(answer)
        within = Fraction(self.tolerance) * abs(gold.value)
        return bool(meanings) or (gold.percent == answer.percent and abs(gold.value - answer.value) <= within)

    def _release_verdict(self, gold: str | None, sample: Sample) -> Verdict:
        extract = aor_release.yes_or_no if self.kind == "text" else aor_release.last_number
        answer = extract(sample.text)
        right = None if gold is None else aor_release.equal(extract(gold), answer)
        return judged(right, answer, answer)


def plain_key(text: str) -> str:
    """Case, spacing, punctuation and a leading article taken away."""
    key = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    return re.sub(r"^(?:the|an?)\s+(?=\S)", "", key)


def _meanings(number: Number) -> set[Fraction]:
    return {number.value, number.value / 100} if number.percent else {number.value}
