"""Reading the judge's scores out of its reply (section 5): one deterministic pass, no second model call.

The last JSON object that maps labels to numbers counts; without one, the lines that end in a score. Scores belong to
labels, never to positions: a judge that lists chain 2 before chain 1 means what it says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lit_reason.aggregation.aor.calls import Score

HIGHEST = 10


@dataclass(frozen=True)
class Reading:
    """Scores in the order of the labels, or None and why; `n_unknown` labels that nobody asked about were ignored."""

    scores: list[Score] | None
    problem: str = ""
    n_unknown: int = 0


def read_scores(text: str, labels: Sequence[str], *, allow_fraction: bool = False) -> Reading:
    """The score of each label. Refused: a missing label, two scores for one, a score outside 0..10, or a fraction
    where none is allowed."""
    names = _Names(labels)
    pairs = _from_json(text, names)
    if pairs is None:
        pairs = _from_lines(text, names)
    if not pairs:
        return Reading(None, "no score found")
    found: dict[str, Score] = {}
    n_unknown = 0
    for name, written in pairs:
        label = names.find(name)
        if label is None:
            n_unknown += 1
            continue
        score = _score(written, allow_fraction)
        if score is None:
            return Reading(None, f"{label}: {written!r} is no score", n_unknown)
        if found.setdefault(label, score) != score:
            return Reading(None, f"{label} has two scores, {found[label]} and {score}", n_unknown)
    missing = [label for label in labels if label not in found]
    if missing:
        return Reading(None, f"no score for {missing[0]}", n_unknown)
    return Reading([found[label] for label in labels], "", n_unknown)


class _Names:
    """Finds the label that a judge's wording means: exactly written, else in any case and spacing, with or without
    `Chain` or `Answer Option` before it, where that is unambiguous."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._exact = set(labels)
        self._squeezed = _unambiguous(labels, _squeezed)
        self._bare = _unambiguous(labels, _bare)

    def find(self, name: str) -> str | None:
        if name in self._exact:
            return name
        return self._squeezed.get(_squeezed(name)) or self._bare.get(_bare(name))


_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"\*\*|__|`")
_BULLET = re.compile(r"^(?:[-*#>•]+ |\d+[.)] (?=\D))*")
_TITLE = re.compile(r"^(?:chain|answer option|answer|option)[\s_:#-]+", re.IGNORECASE)
_SUFFIX = re.compile(r"[\s_:-]*(?:total[\s_]*)?score[\s_:=-]*$", re.IGNORECASE)

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_OF_TEN = r" ?(?:/|out of) ?10(?!\.?\d)"
_TOTAL = re.compile(rf"^(.+?) ?total score ?[:=-]* ?({_NUMBER})(?:{_OF_TEN})?\W*$", re.IGNORECASE)
_PLAIN = re.compile(rf"^(.+?)(?: ?[:=-] ?| )({_NUMBER}){_OF_TEN}\W*$", re.IGNORECASE)
_WHOLE = re.compile(rf"^({_NUMBER})(?:{_OF_TEN})?$", re.IGNORECASE)


def _unambiguous(labels: Sequence[str], shorten: Callable[[str], str]) -> dict[str, str]:
    short = [shorten(label) for label in labels]
    return {name: label for name, label in zip(short, labels, strict=True) if short.count(name) == 1}


def _squeezed(name: str) -> str:
    return _SPACE.sub(" ", _MARKUP.sub("", name)).strip().casefold()


def _bare(name: str) -> str:
    return _TITLE.sub("", _SUFFIX.sub("", _squeezed(name))).strip(" :\"'")


def _from_json(text: str, names: _Names) -> list[tuple[str, Any]] | None:
    """The entries of the last object that maps one of the labels to something; None without one."""
    found = None
    for entries in _objects(text):
        if any(names.find(name) is not None for name, _ in entries):
            found = entries
    return found


def _objects(text: str) -> Iterator[list[tuple[str, Any]]]:
    """The entries of every JSON object, in the order in which they begin, nested ones too."""
    decoder = json.JSONDecoder(object_pairs_hook=list)
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            entries, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):  # a brace that opens no object: of prose, or of LaTeX
            continue
        yield entries


def _from_lines(text: str, names: _Names) -> list[tuple[str, Any]]:
    """(label, score) of the lines that end in a score.

    The closing block, the score lines at the end, must not contradict itself; further up the last line of a label
    counts, since judges think aloud.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    scored = [_scored(line) for line in lines]
    closing = next((i for i in range(len(scored), 0, -1) if scored[i - 1] is None), 0)
    last = {names.find(pair[0]) or pair[0]: pair for pair in scored[:closing] if pair is not None}
    in_block = [pair for pair in scored[closing:] if pair is not None]
    settled = {names.find(label) or label for label, _ in in_block}
    return [pair for label, pair in last.items() if label not in settled] + in_block


def _scored(line: str) -> tuple[str, str] | None:
    line = _BULLET.sub("", _SPACE.sub(" ", _MARKUP.sub("", line)).strip())
    match = _TOTAL.match(line) or _PLAIN.match(line)
    return (match[1], match[2]) if match else None


def _score(written: Any, allow_fraction: bool) -> Score | None:
    if isinstance(written, str):
        match = _WHOLE.match(_SPACE.sub(" ", written).strip())
        written = float(match[1]) if match else None
    if isinstance(written, bool) or not isinstance(written, int | float) or not math.isfinite(written):
        return None
    if not 0 <= written <= HIGHEST or (written != int(written) and not allow_fraction):
        return None
    return int(written) if written == int(written) else written
