import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lit_reason.grading.code import extract_code
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.stopping import end_of_answer, may_end

PYTHON = SamplingSettings(stop_after_block=("python", "py"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Here:\n\n```python\nx = 1\n```\nDone.", "Here:\n\n```python\nx = 1\n```"),
        ("```Python\nx\n```", "```Python\nx\n```"),
        ("``` py\nx\n  ```more", "``` py\nx\n  ```"),
        ("```python\n```rest", "```python\n```"),
        ("```\ncases\n```\n```python\nx\n```\nend", "```\ncases\n```\n```python\nx\n```"),
        ("```text\na\n```\nno code", None),
        ("```python\nx = 1\n``", None),
        ("```python\ns = '```'\n", None),
        ("```python", None),
        ("inline ```python\nx\n```, so", "inline ```python\nx\n```"),
        ("~~~py title=a\nx\n~~~ so", "~~~py title=a\nx\n~~~"),
        ("````python\n```\nx\n```\n", None),
        ("```\na\n```python\nb\n```\nc", None),
        ("", None),
    ],
)
def test_an_answer_ends_where_its_first_python_block_closes(text, kept):
    end = end_of_answer(text, PYTHON)
    assert (text[:end] if end is not None else None) == kept


def test_the_earliest_of_several_ends_counts():
    settings = SamplingSettings(stop=("END", "\n\n"), stop_after_block=("python",))
    assert end_of_answer("a\n\nb END", settings) == 3
    assert end_of_answer("```python\nx\n```END", settings) == len("```python\nx\n```")


@given(st.text("`pyton \nx", max_size=40))
def test_no_end_is_overlooked_by_the_cheap_check(text):
    """Token by token, here letter by letter: the first text that has an end also passes the cheap check of its tail."""
    for length in range(1, len(text) + 1):
        if end_of_answer(text[:length], PYTHON) is not None:
            assert may_end(text[max(0, length - 3) : length], PYTHON)
            return


PIECES = ["```", "python", "py", "\n", "x = 1", " ", "~~~", "`", "text"]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("```\nfoo\n```python\nb\n```\n\n```python\nc\n```")
def test_cutting_never_changes_the_program_that_is_graded(text):
    """The cut is only a matter of time saved: the extraction finds the same program in the whole text."""
    end = end_of_answer(text, SamplingSettings(stop_after_block=("python", "py", "python3", "py3")))
    assert extract_code(text[:end]) == extract_code(text)
