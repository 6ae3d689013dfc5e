"""Where an answer ends before the model says so: at a stop string, or when the code block that counts is closed."""

from __future__ import annotations

import re

from lit_reason.sampling.protocol import SamplingSettings

_MARKS = ("```", "~~~")
_FENCE = re.compile(
    r"(?P<ticks>`{3,}|~{3,})[ \t]*(?P<tag>[\w+#.-]*)[^\n`]*\n(?:.*?)(?P<close>^[ \t]*(?P=ticks)|\Z)", re.M | re.S
)


def end_of_answer(text: str, settings: SamplingSettings) -> int | None:
    """How many characters there are up to the first stop string or closed block, itself included; None: no end yet."""
    ends = [position + len(stop) for stop in settings.stop if (position := text.find(stop)) >= 0]
    if settings.stop_after_block:
        tags = {tag.lower() for tag in settings.stop_after_block}
        blocks = (fence for fence in _FENCE.finditer(text) if fence["close"] and fence["tag"].lower() in tags)
        ends += [block.end() for block in blocks][:1]
    return min(ends, default=None)


def may_end(tail: str, settings: SamplingSettings) -> bool:
    """Whether a text with this tail can have just ended; cheap, so that most steps need not decode the whole text."""
    return any(marker in tail for marker in _markers(settings))


def tail_tokens(settings: SamplingSettings) -> int:
    """How many of the latest tokens `may_end` needs to see, as a token holds at least one byte; 0: nothing stops."""
    longest = max((len(marker.encode("utf-8", "surrogatepass")) for marker in _markers(settings)), default=0)
    return longest and longest + 4  # some tokenizers drop a space at the start of what they decode


def last_letters(settings: SamplingSettings) -> frozenset[str]:
    """The letters with which a text can come to its end: the newest token holds one of them, or nothing has ended."""
    return frozenset(marker[-1] for marker in _markers(settings))


def _markers(settings: SamplingSettings) -> tuple[str, ...]:
    return settings.stop + (_MARKS if settings.stop_after_block else ())
