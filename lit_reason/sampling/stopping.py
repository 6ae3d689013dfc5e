"""Where an answer ends before the model says so: at a stop string, or when the code block that counts is closed."""

from __future__ import annotations

import re
from functools import lru_cache

from lit_reason.sampling.protocol import SamplingSettings

FENCE = "```"


def end_of_answer(text: str, settings: SamplingSettings) -> int | None:
    """How many characters there are up to the first stop string or closed block, itself included; None: no end yet."""
    ends = [position + len(stop) for stop in settings.stop if (position := text.find(stop)) >= 0]
    if settings.stop_after_block and (block := _closed_block(settings.stop_after_block).search(text)):
        ends.append(block.end())
    return min(ends, default=None)


def may_end(tail: str, settings: SamplingSettings) -> bool:
    """Whether a text with this tail can have just ended; cheap, so that most steps need not decode the whole text."""
    return any(stop in tail for stop in settings.stop) or bool(settings.stop_after_block and FENCE in tail)


def tail_tokens(settings: SamplingSettings) -> int:
    """How many of the latest tokens `may_end` needs to see, as a token holds at least one byte; 0: nothing stops."""
    markers = [*settings.stop, *([FENCE] if settings.stop_after_block else [])]
    longest = max((len(marker.encode("utf-8", "surrogatepass")) for marker in markers), default=0)
    return longest and longest + 4  # some tokenizers drop a space at the start of what they decode


@lru_cache
def _closed_block(tags: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(tag) for tag in tags)
    return re.compile(rf"^[ \t]*{FENCE}[ \t]*(?:{names})[ \t]*\n(?:.*?\n)??[ \t]*{FENCE}", re.M | re.S | re.I)
