"""Extraction as the release of Aggregation of Reasoning does it, for parity tests only (AoR, section 6).

It gives C for "the answer is B because of C.", E for "(B). Done", A for "no idea", 4 for 3/4 and 3 for 1e3, keeps 18
and 18.0 apart, and makes a group of "" out of what it cannot read.
"""

from __future__ import annotations

import math
import re

_SIGNAL = "the answer is"


def last_number(text: str) -> str:
    """The last signed decimal number after the last "the answer is", commas removed; "" without one."""
    numbers = re.findall(r"-?\d+\.?\d*", _after_signal(text).replace(",", ""))
    return numbers[-1].rstrip(".") if numbers else ""


def last_letter(text: str) -> str:
    """The last of A to E, of all the letters of all the words."""
    letters = re.findall("[A-E]", _after_signal(text).upper())
    return letters[-1] if letters else ""


def yes_or_no(text: str) -> str:
    """The last "yes" or "no" that stands as a word."""
    said = re.findall(r"\b(yes|no)\b", _after_signal(text).lower())
    return said[-1] if said else ""


def equal(gold: str, answer: str) -> bool:
    """Numbers within a relative tolerance of 1e-5, other answers as strings."""
    try:
        return math.isclose(float(gold), float(answer), rel_tol=1e-5)
    except ValueError:
        return gold == answer != ""


def _after_signal(text: str) -> str:
    return text.rpartition(_SIGNAL)[2]
