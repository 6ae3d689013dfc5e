"""How the paper's release reads answers (section 6), kept only to compare with it: its rules name wrong answers.

"the answer is B because of C." gives C, "no idea" gives A, 3/4 gives 4, and a text without an answer gives "", which
forms a group that can win. Use a grader for results.
"""

from __future__ import annotations

import re

from lit_reason.aggregation.aor.settings import Extractor

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def release_answer(text: str, extractor: Extractor) -> str:
    """The answer in what follows the last "the answer is", or in the whole text; "" where there is none."""
    tail = text.rpartition("the answer is")[2]
    if extractor == "release_number":
        found = _NUMBER.findall(tail.replace(",", ""))
    elif extractor == "release_option":
        found = re.findall("[A-E]", tail.upper())
    else:
        found = re.findall(r"yes|no", tail.lower())
    return found[-1] if found else ""
