"""Counting the words by which a chain turns on itself (Shortest Majority Vote, section 5 A)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

CUES = ("wait", "alternatively")
"""The release's two; a longer list is a setting."""


def count_markers(text: str, cues: Sequence[str] = CUES, *, whole_words: bool = True) -> dict[str, int]:
    """How often each cue occurs in what a model wrote, in any case; leave out the prompt, which may quote them.

    Whole words by default; the release counts substrings, so that "await" and "waiter" count as "wait".
    """
    patterns = {cue: rf"(?<!\w){re.escape(cue)}(?!\w)" if whole_words else re.escape(cue) for cue in cues}
    return {cue: len(re.findall(pattern, text, re.IGNORECASE)) for cue, pattern in patterns.items()}


def total_markers(counts: Mapping[str, int]) -> int:
    """All cues together."""
    return sum(counts.values())
