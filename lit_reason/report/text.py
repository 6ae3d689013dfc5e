"""Model text on a page: escaped, bounded, and with Python coloured. Nothing in it can become markup or hide itself."""

from __future__ import annotations

import ast
import re
import warnings

from markupsafe import Markup, escape

LONGEST = 6_000
"""Characters of one text that are shown; a model that repeats itself for pages makes no page of pages."""

_FENCED = re.compile(r"^```[^\n]*\n(?P<code>.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)

# Control characters are no HTML, and direction marks can make code read differently from how it runs: both are shown.
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {127: "␡"}
_VISIBLE |= {code: f"\\u{code:04x}" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def shown(text: str, limit: int = LONGEST) -> Markup:
    """Text for a `<pre>`: at most `limit` characters, fenced code (or a text that is all Python) in colour."""
    left_out = len(text) - limit
    text = text[:limit].replace("\r\n", "\n").translate(_VISIBLE)
    body = python(text) if _is_python(text) else _with_coloured_fences(text)
    if left_out <= 0:
        return body
    return body + Markup('<span class="cut-off">… {} more characters</span>').format(f"{left_out:,}")


def python(code: str) -> Markup:
    """Python source as spans with the class names of Pygments, escaped by it."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    lexer = PythonLexer(stripnl=False, ensurenl=False)
    coloured = highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="py-"))
    return Markup(coloured if code.endswith("\n") else coloured.removesuffix("\n"))


def _with_coloured_fences(text: str) -> Markup:
    pieces, at = [], 0
    for match in _FENCED.finditer(text):
        pieces += [escape(text[at : match.start("code")]), python(match["code"])]
        at = match.end("code")
    return Markup("").join([*pieces, escape(text[at:])])


def _is_python(text: str) -> bool:
    if not re.search(r"^(def|class|import|from|print|assert|\w+ =)", text, re.MULTILINE):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in a model's strings are no concern of the page
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
