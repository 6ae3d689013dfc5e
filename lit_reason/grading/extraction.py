"""Finding where a text states its final answer; what the answer means is the grader's business."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lit_reason.grading.numbers import read_quantity

Where = Literal["boxed", "stated", "whole", "last_number"]
Look = Literal["boxed", "stated", "anywhere"]
"""How far to look: only into boxes; also for "the answer is ..." and at texts that are nothing but an answer; or also
for the last number of the text."""

END_OF_THINKING = "</think>"
WHOLE_CHARS = 60
"""A text of one line that is no longer than this may be an answer without any words around it."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\(?:boxed|fbox)\s+(?P<bare>[^\s{}$\\]+)")
_JOINED = re.compile(r"[\s$\\]*(?:,|;|\\text\{\s*(?:and|or),?\s*\}|\band\b|\bor\b)[\s$\\]*(?:and\b|or\b)?[\s$]*")
_STATED = re.compile(
    r"<answer>(?P<tagged>.*?)(?:</answer>|\Z)"
    r"|^[ \t]*####[ \t]*(?P<hashed>[^\n]*)"
    # What is said is looked at, not consumed: another statement may follow on the line.
    r"|\b(?:answers?|(?:correct|best|right) (?:option|choice))\b(?:[ \t]+(?:to|of|for)\b[^\n.:]{0,80}?)?[*_`\s]{0,4}"
    r"(?::|=|\bis\b|\bare\b|\bwas\b|\b(?:would|must|should|will) be\b)[*_`:\s]{0,6}(?=(?P<said>[^\n]*))",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_MATH = re.compile(
    r"\$\$(?P<a>[^$]+?)\$\$|\$(?!\s)(?P<b>[^$\n]+?)(?<!\s)\$(?!\d)|\\\((?P<c>.+?)\\\)|\\\[(?P<d>.+?)\\\]"
)
_SENTENCE_END = re.compile(r"(?<![.\s])[.!?](?:\s|[*_`\"'”]*$)|;\s")
_TAIL = re.compile(
    r",?\s+(?:because|since|so|which|where|when|if|after|given|as)\b.*"
    r"|,?\s+(?:and\s+)?not\b.*|,\s*but\b.*|\s+(?:—|--?)\s.*",
    re.DOTALL,
)
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_LEAD_WORDS = re.compile(r"[A-Za-z ,:'*]{0,40}(?:[A-Za-z](?:_\w)?\s*=\s*)?")
_LAST_NUMBER = re.compile(
    r"(?:(?<![\w)\].$])-|(?<=\$)-)?(?<![\d.])(?:\d+(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?/\s?\d+)?(?:\s?\\?%)?"
)


@dataclass(frozen=True)
class Found:
    """An answer as it stands in a text. `cut`: the text ends within it, so that it may be half an answer."""

    text: str
    where: Where
    cut: bool = False


def find_answer(text: str, look: Look = "stated", finished: bool = True) -> Found | None:
    """The final answer of `text`: the last complete box; else the last statement of an answer; else see `Look`.

    What follows the end of a thinking part is looked at first. Boxes joined by commas, "and" or "or" are one answer.

    Args:
        text: what a model wrote.
        look: how far to look.
        finished: False for a text that met its length limit: a statement that reaches its end is cut.
    """
    thought, marker, visible = text.rpartition(END_OF_THINKING)
    if marker:
        return _find(visible, look, finished) or _find(thought, look, True)
    return _find(text, look, finished)


def boxes(text: str) -> Iterator[tuple[int, int, str | None]]:
    r"""`(start, end, content)` of every outermost `\boxed{...}` or `\fbox`; the content of one never closed is None."""
    end = 0
    for match in _BOX.finditer(text):
        if match.start() < end:
            continue  # inside the last one
        if match["bare"] is not None:
            end = match.end()
            yield match.start(), end, match["bare"].rstrip(".,;")
            continue
        closing = _closing_brace(text, match.end())
        end = len(text) if closing is None else closing + 1
        yield match.start(), end, None if closing is None else text[match.end() + 1 : closing]


def last_boxed(text: str) -> str | None:
    """The content of the last complete box, joined with those it is listed with; None without any."""
    complete = [(start, end, content) for start, end, content in boxes(text) if content is not None]
    if not complete:
        return None
    start, _, content = complete[-1]
    contents = [content]
    for earlier_start, earlier_end, earlier in reversed(complete[:-1]):
        if not _JOINED.fullmatch(text, earlier_end, start):
            break
        contents.insert(0, earlier)
        start = earlier_start
    return ", ".join(contents)


def stated(text: str) -> tuple[str, bool] | None:
    """What the last "the answer is ...", "Answer: ...", "#### ..." or `<answer>` says, and whether the text ends
    within it."""
    for match in reversed(list(_STATED.finditer(text))):
        if match["tagged"] is not None:
            return match["tagged"].strip(), not match.group().lower().endswith("</answer>")
        said = match["hashed"] if match["hashed"] is not None else match["said"]
        clause = _clause(said)
        if clause and not re.match(r"(?:not|n't|unknown|unclear)\b", clause, re.IGNORECASE):
            end = match.start("hashed" if match["hashed"] is not None else "said") + len(said.rstrip())
            return clause, end >= len(text) and said.rstrip().endswith(clause)
    return None


def last_number(text: str) -> str | None:
    """The last number in the text, with its sign, fraction and percent sign."""
    found = [match.group() for match in _LAST_NUMBER.finditer(text)]
    return found[-1] if found else None


def _find(text: str, look: Look, finished: bool) -> Found | None:
    boxed = last_boxed(text)
    if boxed is not None:
        return Found(boxed, "boxed")
    if any(content is None for _, _, content in boxes(text)):
        return Found(text, "boxed", cut=True)
    if look == "boxed":
        return None
    said = stated(text)
    if said is not None:
        return Found(said[0], "stated", cut=said[1] and not finished)
    whole = text.strip()
    if _is_bare(whole):
        return Found(whole, "whole", cut=not finished)
    number = last_number(text) if look == "anywhere" else None
    if number is None:
        return None
    return Found(number, "last_number", cut=not finished and whole.endswith(number))


def _is_bare(whole: str) -> bool:
    """Whether a text is an answer without any words around it: a quantity, a formula, or a name of a few words."""
    if not 0 < len(whole) <= WHOLE_CHARS or "\n" in whole:
        return False
    if not _PROSE.search(whole) or read_quantity(whole.rstrip(".")):
        return True
    return len(whole.split()) <= 4 and not any(c.isdigit() for c in whole)


def _clause(said: str) -> str:
    """The part of a line that is the answer itself: the formula that it starts with, or the words before any reason."""
    said = said.strip()
    math = _MATH.search(said)
    if math and _LEAD_WORDS.fullmatch(said, 0, math.start()):
        joined = _joined_formulas(said, math)
        return joined.strip()
    end = _SENTENCE_END.search(said)
    return _TAIL.sub("", said[: end.start()] if end else said).strip(" \t*_`")


def _joined_formulas(said: str, first: re.Match[str]) -> str:
    contents, end = [_content(first)], first.end()
    while (more := _MATH.search(said, end)) and re.fullmatch(r"\s*(?:,|,?\s*and|,?\s*or)\s*", said[end : more.start()]):
        contents.append(_content(more))
        end = more.end()
    percent = re.match(r"\s*(?:\\?%|percent\b)", said[end:])
    return ", ".join(contents) + ("%" if percent else "")


def _content(match: re.Match[str]) -> str:
    return next(part for part in match.groups() if part is not None)


def _closing_brace(text: str, opening: int) -> int | None:
    depth = 0
    for match in re.finditer(r"\\.|[{}]", text[opening:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0 and match.group() == "}":
            return opening + match.start()
    return None
