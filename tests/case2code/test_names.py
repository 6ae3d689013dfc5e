"""Normalised bodies, splits by hash, renaming."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code.names import normalised_body, split_of

ONE = '''
def clip_sum(xs, cap):
    """Words."""
    s = sum(xs)  # comment
    return cap if s > cap else s
'''
SAME = """
def other(values: list, limit: int) -> int:
    total: int = sum(values)
    return limit if total > limit else total
"""


def test_body_ignores_names_docstrings_annotations_and_comments() -> None:
    assert normalised_body(ONE) == normalised_body(SAME)


def test_body_keeps_what_carries_meaning() -> None:
    bodies = {
        normalised_body(code)
        for code in (
            ONE,
            ONE.replace("sum(", "max("),
            ONE.replace(">", ">="),
            ONE.replace("cap if s > cap else s", "s if s > cap else cap"),
            ONE.replace("xs, cap", "xs, cap=3"),
            ONE.replace("sum(xs)", "xs.sum()"),
        )
    }
    assert len(bodies) == 6


def test_swapped_parameters_are_another_function() -> None:
    assert normalised_body("def f(a, b):\n    return a - b\n") != normalised_body("def f(a, b):\n    return b - a\n")


def test_imported_names_are_not_local() -> None:
    one = "import math\ndef f(x):\n    return math.sqrt(x)\n"
    assert normalised_body(one) != normalised_body(one.replace("math", "cmath"))


def test_splits_depend_on_the_key_alone_and_keep_their_shares() -> None:
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    counts = Counter(split_of(str(i), shares) for i in range(10_000))
    assert split_of("17", shares) == split_of("17", dict(shares))
    assert abs(counts["train"] - 8000) < 200  # five standard deviations
    assert abs(counts["val"] - 1000) < 150
    assert split_of("x", {"train": 0.0, "val": 1.0}) == "val"


@given(st.text(max_size=20))
def test_every_key_has_a_split(key: str) -> None:
    assert split_of(key, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}) in "abc"
