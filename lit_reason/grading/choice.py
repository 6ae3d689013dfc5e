"""Grading multiple choice: a letter, or the text of an option."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from string import ascii_uppercase
from typing import Literal

from jsonargparse.typing import PositiveInt

from lit_reason.grading import aor_release
from lit_reason.grading.extraction import Look, find_answer
from lit_reason.grading.notation import tidy, words
from lit_reason.grading.text import plain_key
from lit_reason.grading.verdict import Verdict, judged, unparsed
from lit_reason.records import Grade, Question, Sample

# A letter is one only where it cannot be a word: "a dog" and "I think" begin with none.
_LETTER = (
    r"(?:\\text(?:bf)?\s*\{)?\s*"
    r"(?:\(\s*(?P<bracketed>[A-Za-z])\s*\)|(?P<closed>[A-Za-z])\s*\)|(?P<bare>[A-Za-z])(?![\w'’]))"
)
_PREFIX = r"(?:(?:the )?(?:correct |best |right )?(?:option|choice|letter|answer)s?\s*(?:is|:)?\s*)?[*_`$\s]*"
_LEADING = re.compile(rf"{_PREFIX}{_LETTER}", re.IGNORECASE)
_ANOTHER = re.compile(r"[\s)*_`}.:]*(?:,|/|&|\bor\b|\band\b)\s*(?:\(\s*[A-Za-z]\s*\)|[A-Z](?![\w'’]))")
_BRACKETED = re.compile(r"\(\s*([A-Z])\s*\)|(?<![\w'’(])([A-Z])\)(?!\w)")


class ChoiceGrader:
    r"""Compares the chosen letter with the gold letter; `answer_key` is the letter.

    A choice is what a `\boxed{...}`, "the answer is ..." or a text that is nothing but an answer begins with: "B",
    "(B)", "B) Paris", or an option's own text. Options are `meta["choices"]`, a list of texts; without it, `letters`
    of the alphabet. Two letters ("B or C") are `ambiguous`, a letter without an option is `unreadable`. The gold
    answer may be a letter or an option's text.

    Args:
        look: where choices are taken from; `anywhere` also takes the only letter that a text names in brackets.
        letters: number of options of questions that do not list theirs.
        extractor: `aor_release` takes the last of the letters A to E anywhere, for parity only (AoR, section 6).
    """

    def __init__(
        self,
        look: Look = "stated",
        letters: PositiveInt = 5,
        extractor: Literal["own", "aor_release"] = "own",
    ) -> None:
        self.look = look
        self.letters = letters
        self.extractor = extractor

    @property
    def name(self) -> str:
        """`choice@1`; settings that change verdicts are part of the name."""
        if self.extractor == "aor_release":
            return "choice@1+aor_release"
        marks = [self.look] * (self.look != "stated") + [str(self.letters)] * (self.letters != 5)
        return "+".join(["choice@1", *marks])

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order."""
        judge = _release_verdict if self.extractor == "aor_release" else self._verdict
        for question, sample in pairs:
            yield judge(question, sample).of(question, sample, self.name)

    def _verdict(self, question: Question, sample: Sample) -> Verdict:
        choices = question.meta.get("choices") or [""] * self.letters
        look: Look = "boxed" if self.look == "boxed" else "stated"
        found = find_answer(sample.text, look, sample.finish_reason == "stop")
        if found is not None and found.cut:
            return unparsed("cut", found)
        letter = read_choice(found.text, choices) if found else None
        if letter is None and self.look == "anywhere" and (found is None or found.where == "whole"):
            letter = _only_bracketed(sample.text)
        if letter is None:
            return unparsed("unreadable" if found else "no_answer", found)
        if letter == "ambiguous":
            return unparsed("ambiguous", found)
        if letter not in ascii_uppercase[: len(choices)]:
            return unparsed("unreadable", found, letter=letter)
        gold = None if question.gold is None else read_choice(question.gold, choices)
        right = None if gold is None else gold == letter
        return judged(right, letter, letter, "no_gold" if question.gold is None else "gold_unreadable")


def read_choice(text: str, choices: Sequence[str]) -> str | None:
    """The letter that a statement chooses, "ambiguous" where it names several, or None.

    Args:
        text: a short statement, not a whole solution.
        choices: the options' texts.
    """
    text = text.strip()
    by_text = _by_text(text, choices)
    if by_text is not None:
        return by_text
    match = _LEADING.match(text)
    if match is None:
        return None
    letter = match["bracketed"] or match["closed"] or match["bare"]
    rest = text[match.end() :]
    if _ANOTHER.match(rest):
        return "ambiguous"
    if match["bare"] and (letter.islower() or letter == "I") and re.match(r"\s+\w", rest):
        return None  # "a dog", "I think"
    return letter.upper()


def _by_text(text: str, choices: Sequence[str]) -> str | None:
    """The option whose text this is; options that read the same choose nothing."""
    key = plain_key(words(tidy(text)))
    same = [i for i, choice in enumerate(choices) if key and plain_key(words(tidy(choice))) == key]
    is_letter = len(key) == 1 and key.isalpha()
    return ascii_uppercase[same[0]] if len(same) == 1 and not is_letter else None


def _only_bracketed(text: str) -> str | None:
    letters = {a or b for a, b in _BRACKETED.findall(text)}
    return letters.pop() if len(letters) == 1 else "ambiguous" if letters else None


def _release_verdict(question: Question, sample: Sample) -> Verdict:
    letter = aor_release.last_letter(sample.text)
    right = None if question.gold is None else letter == question.gold != ""
    return judged(right, letter, letter)
