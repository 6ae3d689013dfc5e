"""Countdown expressions are checked strictly; the library's own verifiers accept what they should not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.grading.countdown import read_expression, solves

CHEATS = [
    ("3!+4", [3, 4], 10), ("7//2", [7, 2], 3), ("sqrt(16)+3", [16, 3], 7), ("3+4 # easy", [3, 4], 7),
    ("2**3", [2, 3], 8), ("7%4", [7, 4], 3), ("5-(-4)", [5, 4], 9), ("max(3,4)+3", [3, 3, 4], 7),
    ("0x10+1", [16, 1], 17), ("1_0+1", [10, 1], 11), ("3+4=7", [3, 4], 7), ("3.0+4", [3, 4], 7),
    ("3+4,", [3, 4], 7), ("(3,4)", [3, 4], 7), ("3 if 4 else 0", [3, 4, 0], 3), ("1e1+1", [10, 1], 11),
    ("3+4+0", [3, 4], 7), ("3+3+1", [3, 4], 7), ("7", [3, 4], 7), ("34", [3, 4], 34), ("3+4\n3+4", [3, 4], 7),
    ("3/0+4", [3, 0, 4], 7), ("", [3, 4], 7), ("+".join(["1"] * 400), [1] * 400, 400), ("(" * 500 + "1", [1], 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "numbers", "target"), CHEATS)
def test_anything_but_the_numbers_and_four_operators_is_refused(text: str, numbers: list[int], target: int) -> None:
    assert not solves(text, numbers, target)


@pytest.mark.parametrize(("text", "numbers", "target"), [
    ("94*4 - 61 - 6", [6, 61, 94, 4], 309), ("(1 + 2) * 3", [1, 2, 3], 9), ("8/(3-8/3)", [3, 3, 8, 8], 24),
    ("-6 + 10", [10, 6], 4), (r"94 \times 4 - (61 + 6)", [4, 6, 61, 94], 309), ("94 × 4 − 61 − 6", [4, 6, 61, 94], 309),
    ("[2+3]*4", [2, 3, 4], 20), (" 3 + 4 ", [3, 4], 7),
])  # fmt: skip
def test_solutions_are_accepted(text: str, numbers: list[int], target: int) -> None:
    assert solves(text, numbers, target)


@given(st.recursive(
    st.integers(0, 99).map(str), lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=8,
))  # fmt: skip
def test_values_are_exact(text: str) -> None:
    import re

    try:
        expected = eval(re.sub(r"\d+", r"F(\g<0>)", text), {"F": Fraction})
    except ZeroDivisionError:
        expected = None
    found = read_expression(text)
    assert (found.value if found else None) == expected
    assert found is None or found.numbers == sorted(map(int, re.findall(r"\d+", text)))


def test_the_library_accepts_cheats() -> None:
    """The reason for this file."""
    import reasoning_gym

    countdown = reasoning_gym.create_dataset("countdown", seed=1, size=1)
    accepted = {text for text, numbers, target in CHEATS
                if countdown.score_answer(text, {"metadata": {"numbers": numbers, "target": target}}) == 1}  # fmt: skip
    assert {"3!+4", "7//2", "sqrt(16)+3", "3+4 # easy"} <= accepted
    puzzle = reasoning_gym.create_dataset("puzzle24", seed=1, size=1)
    assert puzzle.score_answer("8*3+1-1", {"metadata": {"numbers": [1, 1, 1, 9]}}) == 1
