"""Model text becomes page text: the same characters, nothing hidden, nothing more than fits."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lit_reason.report.text import shown


def visible(markup: str) -> str:
    assert not re.sub(r'<span class="py-\w+">|</span>|<span></span>', "", markup).count("<"), "only our own spans"
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"], include_characters="\n\t"), max_size=300))
@example("def f(x):\n    return '<script>'\n")
@example("text\n```python\nx = 1 < 2 & 3\n```\nmore\n```\nunclosed")
@example("```")
@example("import x\n  broken")
def test_every_character_survives(text: str) -> None:
    assert visible(shown(text)) == text


def test_python_is_coloured_alone_and_in_fences_but_not_in_prose() -> None:
    assert '<span class="py-nf">f</span>' in shown("def f(x):\n    return x\n")
    assert '<span class="py-k">return</span>' in shown("It is:\n```python\ndef f(x):\n    return x\n```\n")
    assert "<span" not in shown("I return it for you if you like, and that is all.")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x00b\x1b[31m", "a␀b␛[31m"),
        ("x\u202ey", "x\\u202ey"),
        ("\u2066x", "\\u2066x"),
        ("a\r\nb", "a\nb"),
        ("\x7f", "␡"),
    ],
)
def test_what_could_hide_is_shown(text: str, seen: str) -> None:
    assert visible(shown(text)) == seen


def test_long_text_is_cut_and_says_so() -> None:
    page = shown("word " * 4_000, limit=100)
    assert page.endswith('<span class="cut-off">… 19,900 more characters</span>')
    assert len(page) < 200
