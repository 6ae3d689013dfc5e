"""Acceptance F, first half: which part of a model's text is the program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.grading.code import Extraction, extract_code, parse_code

CODE = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("text", "kind", "closed"),
    [
        (f"```python\n{CODE}```", "python_fence", True),
        (f"```Python\n{CODE}```", "python_fence", True),
        (f"```py\n{CODE}```\nBye", "python_fence", True),
        (f"```python title=f.py\n{CODE}```", "python_fence", True),
        (f"Here is the function:\n```python\n{CODE}```", "python_fence", True),
        (f"Here it is: ```python\n{CODE}```", "python_fence", True),
        (f"```\n{CODE}```", "fence", True),
        (f"~~~\n{CODE}~~~", "fence", True),
        (f"```text\nno code\n```\n```python\n{CODE}```", "python_fence", True),
        (f"```python\n{CODE}```\n```python\ndef g(): pass\n```", "python_fence", True),
        (f"```\n{CODE}```\n```\ndef g(): pass\n```", "fence", True),
        (f"```python\n{CODE}", "python_fence", False),
        (CODE, "text", False),
        ("- so:\n  ```python\n  def f(x):\n      return x\n  ```", "python_fence", True),
        (f"````python\n{CODE}````", "python_fence", True),
    ],
)
def test_what_is_taken(text: str, kind: str, closed: bool) -> None:
    assert extract_code(text) == Extraction(CODE, kind, closed)


def test_code_may_mention_fences() -> None:
    code = 'def f(x):\n    return "```" + x\n'
    assert extract_code(f"```python\n{code}```").code == code


def test_empty_block() -> None:
    assert extract_code("```python\n```") == Extraction("", "python_fence", True)


@given(st.text(alphabet="`~\n pyt{}x:#", max_size=60))
def test_extraction_never_fails(text: str) -> None:
    assert isinstance(extract_code(text), Extraction)


@pytest.mark.parametrize("text", ["def f(x:", "\0", "(" * 500, "x = '\ud800'", "Sure!", "if x:\n  a\n b"])
def test_what_is_no_python(text: str) -> None:
    assert parse_code(text) is None


def test_parsing_does_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    assert parse_code(r"x = '\d'") is not None
    assert parse_code("1 is 1") is not None
    assert not recwarn.list
