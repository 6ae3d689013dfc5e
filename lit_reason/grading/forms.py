"""Reading a mathematical answer into its canonical form.

Symbolic equality cannot group answers, because it is not transitive: math-verify takes 50% for 0.5 and for 50, which
differ. So every answer gets a key of its own, without a look at the gold answer. math-verify reads what is left when
numbers, words, lists, tuples, sets and intervals are read here, because it takes "listen" for "silent", (1, 2) for
{1, 2}, "1e3" for 3e, "2 1/2" for 3/2 and 12_3 for 12_4. What cannot be told apart is read one way: 1,234 is a number,
1,23 two of them; units are dropped, not converted.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lit_reason.grading.form import EMPTY, Form, number_form, set_form, tuple_form, union_form
from lit_reason.grading.formulas import read_formula
from lit_reason.grading.notation import tidy, words
from lit_reason.grading.numbers import read_quantity

MAX_CHARS = 1000
"""Longer texts are no answers."""

_ALIASES = {
    **dict.fromkeys(["no solution", "no solutions", "no real solution", "no real solutions", r"\emptyset"], r"\{\}"),
    **dict.fromkeys(["all real numbers", "all reals", r"\mathbb{r}"], r"(-\infty, \infty)"),
    "infinity": r"\infty",
    "does not exist": "dne",
}
_DIGITS = re.compile(
    r"(?P<digits>[0-9A-Fa-f]+)\s*_\s*(?:(?P<base>\d+)|\{\s*(?P<base2>\d+)\s*\})"
    r"|(?P<clock>\d+(?:\s*:\s*\d+)+)(?:\s*[AaPp]\.?[Mm])?"
)
_WORDS = re.compile(r"[^\W\d_]+(?:[ '’./&-]+[^\W\d_]+| \d+)*")
_VARIABLES = frozenset("abckmnpqrstuvwxyz")
_NO_WORDS = frozenset({"e", "i", "pi", "oo", "sin", "cos", "tan", "ln", "log", "exp", "sqrt"})
_MAX_WORDS = 6
_ASSIGNMENT = re.compile(
    r"(?P<name>\\?[A-Za-z]+(?:_\{?\w+\}?)?(?P<call>\([a-z](?:,\s*[a-z])*\))?)\s*=\s*(?P<value>[^=<>]+)"
)
_MEMBER = re.compile(r"[A-Za-z]\s*\\in(?![A-Za-z])\s*(.+)")
_WORD_SEPARATOR = r"\\text\{\s*,?\s*(?:and|or)\s*\}|,?\s+(?:and|or)\s+"
_SEPARATOR = re.compile(rf"{_WORD_SEPARATOR}|[,;]")
_SPACED_SEPARATOR = re.compile(rf"{_WORD_SEPARATOR}|,(?!\d{{3}}(?!\d))|;")  # commas without a space are in numbers
_INEQUALITY = re.compile(r"[<>]|\\[lg]e(?![A-Za-z])")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@lru_cache(maxsize=4096)
def read_form(text: str) -> Form | None:
    """The canonical form of an answer as somebody wrote it, or None. May take forever, or all memory."""
    return _read(tidy(text)) if len(text) <= MAX_CHARS else None


def _read(text: str) -> Form | None:
    text = text.strip()
    if not text:
        return None
    alias = _ALIASES.get(words(text).casefold())
    if alias:
        return _read(alias)
    for reader in (_read_number, _read_digits, _read_brackets, _read_list, _read_words, _read_equation):
        form = reader(text)
        if form is not None:
            return form
    return read_formula(text)


def _read_all(pieces: list[str]) -> list[Form] | None:
    forms = [_read(piece) for piece in pieces]
    return None if None in forms else [form for form in forms if form is not None]


def _read_number(text: str) -> Form | None:
    number = read_quantity(text) or read_quantity(words(text))
    return None if number is None else number_form(number)


def _read_digits(text: str) -> Form | None:
    """Digits in another base, times of day, ratios: how they are written is what they are."""
    match = _DIGITS.fullmatch(words(text))
    if match is None:
        return None
    if match["clock"]:
        return Form("digits", re.sub(r"\s", "", match["clock"]))
    digits = match["digits"].upper().lstrip("0") or "0"
    return Form("digits", f"{digits}_{match['base'] or match['base2']}", digits)


def _read_words(text: str) -> Form | None:
    plain = words(text)
    wrapped = plain != text
    plain = re.sub(r"^\((.*)\)$", r"\1", plain) if wrapped else plain
    if not _WORDS.fullmatch(plain) or len(plain.split()) > _MAX_WORDS or not (wrapped or _is_word(plain)):
        return None
    return Form("text", re.sub(r"[\W_]+", " ", plain.casefold()).strip().removeprefix("the "))


def _is_word(text: str) -> bool:
    """Whether letters are a word rather than a product of variables, as abc and xy are."""
    if text in _NO_WORDS:
        return False
    letters = max((len(word) for word in text.split() if word.isalpha()), default=0)
    return len(text) == 1 or letters > 3 or not set(text.lower()) <= _VARIABLES | set("0123456789 ")


def _read_brackets(text: str) -> Form | None:
    """Tuples, intervals and sets. Round or square brackets around one thing say nothing."""
    if text.startswith(r"\{") and text.endswith(r"\}"):
        return _read_set(text[2:-2])
    if len(text) < 2 or text[0] not in _CLOSING or text[-1] not in ")]}" or not _closes_at_end(text):
        return None
    pieces = _split(text[1:-1])
    if len(pieces) == 1:
        return _read(pieces[0]) if _CLOSING[text[0]] == text[-1] else None
    if text[0] == "{":
        return _read_set(text[1:-1])
    parts = _read_all(pieces)
    return None if parts is None else tuple_form(tuple(parts), text[0] + text[-1])


def _read_set(inner: str) -> Form | None:
    parts = _read_all(_split(inner)) if inner.strip() else []
    if parts is None:
        return None
    return set_form(parts) if parts else EMPTY


def _read_list(text: str) -> Form | None:
    """Several answers side by side are a set; intervals joined by a cup, and inequalities by "or", are a union."""
    cup = r"\cup" in text
    pieces = text.split(r"\cup") if cup else _split(text)
    if len(pieces) < 2 or not all(piece.strip() for piece in pieces):
        return None
    if len({match["name"] for piece in pieces if (match := _ASSIGNMENT.fullmatch(piece))}) > 1:
        # x = 1, y = 2 names its answers
        return Form("text", ", ".join(sorted(re.sub(r"\s", "", piece) for piece in pieces)))
    parts = _read_all(pieces)
    if parts is None:
        return None
    return union_form(parts) if cup or all(_INEQUALITY.search(piece) for piece in pieces) else set_form(parts)


def _read_equation(text: str) -> Form | None:
    """x = 5 and f(x) = x^2 name what follows; 3 + 4 = 7 ends in its result; x in S is S."""
    match = _ASSIGNMENT.fullmatch(text)
    if match:
        value = _read(match["value"])
        return value if value and (match["call"] or value.kind not in ("expression", "equation")) else None
    member = _MEMBER.fullmatch(text)
    if member:
        return _read(member[1])
    left, equals, right = text.rpartition("=")
    if equals and not re.search("[A-Za-z]", re.sub(r"\\[A-Za-z]+(?:\{[A-Za-z ]*\})?", "", left)):
        return _read(right)
    return None


def _split(text: str) -> list[str]:
    """The text at its separators, not at those within brackets."""
    separator = _SPACED_SEPARATOR if re.search(r",\s|;|\d,\d{3}\s+(?:and|or)\s", text) else _SEPARATOR
    pieces, start, position, depth = [], 0, 0, 0
    while position < len(text):
        match = separator.match(text, position) if depth == 0 else None
        if match:
            pieces.append(text[start:position].strip())
            start = position = match.end()
            continue
        depth += _depth(text[position])
        position += 1
    return [*pieces, text[start:].strip()]


def _closes_at_end(text: str) -> bool:
    """Whether the bracket that opens a text closes at its end: that of (a)(b) does not."""
    depth = 0
    for position, character in enumerate(text):
        depth += _depth(character)
        if depth == 0:
            return position == len(text) - 1
    return False


def _depth(character: str) -> int:
    return (character in "([{") - (character in ")]}")
