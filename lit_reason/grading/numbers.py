"""Reading what is written as a number, exactly: 18 = 18.0 = 1.8e1, 1,234, 3/4, 2 1/2, 50%, 5 million, 12 apples."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

MAX_EXPONENT = 400
"""Powers of ten beyond this are no answers, and as exact numbers they would fill the memory."""

_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)"
_UNSIGNED = rf"(?:{_WHOLE}(?:\.\d*)?|\.\d+)"
_POWER = r"(?:[eE](?P<e>[+-]?\d+)|\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*(?:\{\s*(?P<p>[+-]?\d+)\s*\}|(?P<q>[+-]?\d+)))"
_OVER = rf"(?:\\frac\s*\{{\s*(?P<a>-?{_UNSIGNED})\s*\}}\s*\{{\s*(?P<b>{_UNSIGNED})\s*\}}|" \
        rf"(?P<c>{_UNSIGNED})\s*/\s*(?P<d>{_UNSIGNED}))"  # fmt: skip
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<mixed>\d+)[ ]*(?=\\)|(?P<mixed2>\d+)[ ]+(?=\d+\s*/))?"
    rf"(?:{_OVER}|(?P<plain>{_UNSIGNED}){_POWER}?)"
    r"(?P<percent>\s*\\?%|\s+per\s?cent\b|\s+pct\b)?"
)
_REPEATING = re.compile(r"(?P<sign>-?)(?P<whole>\d{1,20})\.(?P<fixed>\d{0,20})\\overline\s*\{(?P<period>\d{1,20})\}")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

# What may follow a number without being part of it. Units are dropped, never converted.
_WRAPPED = r"\\(?:text|mathrm|textrm|textbf|mbox|operatorname)\s*\{[^{}]*\}"
_SHORT = (
    "mm|cm|dm|km|in|ft|yd|mi|mg|kg|g|lb|lbs|oz|ml|mL|ms|hr|hrs|h|min|s|sec|mph|kph|km/h|m/s|Hz|kHz|MHz|kW|kJ|cal|"
    "AM|PM|am|pm|m|l|L"
)
_NO_UNIT = r"(?!(?:and|or|plus|minus|times|over|pi|sqrt|sin|cos|tan|log|ln|exp|mod|choose|to|than)\b)"
_WORDS = rf"[ ]+(?:(?:{_SHORT})(?![A-Za-z])|{_NO_UNIT}[A-Za-z]{{3,}})(?:[ /.'-]+{_NO_UNIT}[A-Za-z]+)*\.?"
_ATTACHED = r"(?:mm|cm|km|kg|mg|ml|mL|ft|mph|hrs?|lbs?)(?![A-Za-z])"
_UNIT = (
    rf"(?:\s*{_WRAPPED}|\s*\^\s*\{{?\s*\\circ\s*\}}?\s*[CF]?|{_WORDS}|{_ATTACHED})+"
    r"(?:\s*\^\s*(?:[23]|\{[23]\}))?\s*"
)
_QUANTITY = re.compile(rf"(?P<number>{_NUMBER.pattern})(?P<unit>{_UNIT})")

_MINUS = str.maketrans({"−": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-"})
_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")


@dataclass(frozen=True)
class Number:
    """An exact value; of a percentage, the number before the sign.

    `key` tells 50% from 0.5 and from 50: each of them may be meant by "50%", and a group of equal answers must have
    one meaning.
    """

    value: Fraction
    percent: bool = False

    @property
    def key(self) -> str:
        """Canonical text: `18`, `-3/4`, `50%`."""
        return f"{self.value}{'%' * self.percent}"


def read_number(text: str) -> Number | None:
    """The number that `text` is as a whole, or None. Understands plain notation and LaTeX fractions."""
    text = ascii_digits(text).strip()
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _repeating(text)
    try:
        value = _value(match)
    except (ValueError, ZeroDivisionError):  # more digits than Python converts, or a fraction over zero
        return None
    return None if value is None else Number(value, match["percent"] is not None)


def read_quantity(text: str) -> Number | None:
    """`read_number`, or a number that a unit or a noun follows: "5 cm", "18 dollars", "5 million"."""
    text = ascii_digits(text).strip()
    number = read_number(text)
    match = _QUANTITY.fullmatch(text) if number is None else None
    if match is None:
        return number
    number = read_number(match["number"])
    if number is None:
        return None
    word = re.search(r"[A-Za-z]+", re.sub(r"\\[a-z]+", "", match["unit"]))
    return Number(number.value * _SCALES.get(word.group() if word else "", 1), number.percent)


def ascii_digits(text: str) -> str:
    """Digits of every script, minus signs and spaces as ASCII; nothing else is touched."""
    if text.isascii():
        return text
    text = _SPACES.sub(" ", text.translate(_MINUS))
    return "".join(str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in text)


def _value(match: re.Match[str]) -> Fraction | None:
    top, bottom = match["a"] or match["c"], match["b"] or match["d"]
    if top is not None:
        value = _decimal(top) / _decimal(bottom)
    else:
        exponent = int(match["e"] or match["p"] or match["q"] or 0)
        if abs(exponent) > MAX_EXPONENT:
            return None
        value = _decimal(match["plain"]) * Fraction(10) ** exponent
    value += int(match["mixed"] or match["mixed2"] or 0)
    return -value if match["sign"] == "-" else value


def _repeating(text: str) -> Number | None:
    match = _REPEATING.fullmatch(text)
    if match is None:
        return None
    whole, fixed, period = match["whole"], match["fixed"], match["period"]
    value = Fraction(int(whole + fixed + period) - int(whole + fixed), 10 ** len(fixed + period) - 10 ** len(fixed))
    return Number(-value if match["sign"] else value)


def _decimal(text: str) -> Fraction:
    return Fraction(re.sub("[ ,]", "", text).removesuffix("."))
