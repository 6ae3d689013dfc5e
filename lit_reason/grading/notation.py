"""One notation for what people and models write in many: Unicode signs, LaTeX spacing, wrappers, typed functions."""

from __future__ import annotations

import re
import unicodedata

from lit_reason.grading.numbers import ascii_digits

_SIGNS = {
    "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∕": "/", "⁄": "/", "π": r"\pi ", "∞": r"\infty ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "°": r"^\circ ", "∅": r"\emptyset ",
    "±": r"\pm ", "∈": r"\in ", "θ": r"\theta ", "∓": r"\mp ", "ℝ": r"\mathbb{R}",
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))

_REPLACED: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\\(?:left|right)\s*\.|\\(?:left|right|displaystyle|[bB]ig[lr]?)(?![A-Za-z])", ""),
        (r"(?<=\d)(?:,\\!|\\[,! ]|\{,\})(?=\d{3}(?!\d))", ","),  # a thousands separator in LaTeX
        (r"(?<!\\)\\[,;:! ]|~|\\q?quad(?![A-Za-z])", " "),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"\\(?:le|leqslant|leq)(?![A-Za-z])", r"\\le "),
        (r"\\(?:ge|geqslant|geq)(?![A-Za-z])", r"\\ge "),
        (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset "),
        (r"√\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"√\s*(\d+(?:\.\d+)?|[A-Za-z])", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])(ln|log|sin|cos|tan|exp|arcsin|arccos|arctan)(?=\s*\(|\s+\d|\s+[a-z]\b)", r"\\\1"),
        (r"\*\*", "^"),
        (r"\^\s*(-?\d{2,}|-\d)", r"^{\1}"),
        (r"\\%", "%"),
    ]
]
_CURRENCY = re.compile(r"(?<![A-Za-z\d])(?:\\?\$|[€£¥₹]|US\$|USD )\s*(?=-?[\d.])|(?<=\d)\s*[€£¥₹]|(?<=^-)\\?\$(?=\d)")
_HEDGE = re.compile(
    r"^(?:approximately|about|approx\.?|roughly|around|exactly|only|just|equals?|\\approx|≈|~|=|:)\s*", re.IGNORECASE
)
_WRAPPERS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"\$\$(.*)\$\$", r"\$([^$]*)\$", r"\\\((.*)\\\)", r"\\\[(.*)\\\]", r"\*\*(.*)\*\*", r"`([^`]*)`",
        r"\"([^\"]*)\"", r"“([^”]*)”", r"'([^']*)'", r"\\(?:boxed|fbox)\s*\{(.*)\}",
    )
]  # fmt: skip
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")


def tidy(text: str) -> str:
    """The text in one notation: ASCII digits and signs, plain fractions, no wrappers, no closing punctuation."""
    text = _ascii(text).strip()
    before = None
    while before != text:
        before = text
        text = text.strip().rstrip(".,;:").strip()
        for wrapper in _WRAPPERS:
            match = wrapper.fullmatch(text)
            if match and _balanced(match[1]):
                text = match[1].strip()
        text = _HEDGE.sub("", text)
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return re.sub(r"\s+", " ", _CURRENCY.sub("", text)).strip()


def words(text: str) -> str:
    r"""The text with `\text{...}` and its relatives opened."""
    return re.sub(r"\s+", " ", _TEXT.sub(r"\1", text)).strip()


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    text = ascii_digits(_dash(text))
    text = re.sub(f"[{''.join(_RAISED)}]+", lambda m: "^{" + "".join(map(_RAISED.__getitem__, m.group())) + "}", text)
    text = re.sub(f"[{''.join(_LOWERED)}]+", lambda m: "_{" + "".join(map(_LOWERED.__getitem__, m.group())) + "}", text)
    return "".join(_sign(character) for character in text)


def _dash(text: str) -> str:
    """A dash before a number is a minus, one between two numbers a range, which is no difference."""
    return re.sub(r"(?<![\w)])[–—](?=\s?[\d.(\\])", "-", text)


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    plain = unicodedata.normalize("NFKC", character)
    if "⁄" in plain:  # ½ and its like
        top, bottom = plain.split("⁄")
        return rf"\frac{{{top}}}{{{bottom}}}"
    return plain


def _balanced(text: str) -> bool:
    """Whether a wrapper's inside is one piece: `\\boxed{1} + \\boxed{2}` is not."""
    depth = 0
    for brace in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return True
