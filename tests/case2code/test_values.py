"""Comparing results as texts."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code.values import has_address, literal_text, strict_match, tidy, value_match


@pytest.mark.parametrize(
    ("a", "b", "strict", "value"),
    [
        ("3", "3", True, True),
        ("3", "3.0", False, True),
        ("True", "1", False, True),
        ("0.30000000000000004", "0.3", False, True),
        ("0.30001", "0.3", False, False),
        ("1e-12", "0.0", False, False),
        ("nan", "nan", True, True),
        ("[nan, 1.0]", "[nan, 1]", False, True),
        ("inf", "-inf", False, False),
        ("{'b', 'a'}", "{'a', 'b'}", True, True),
        ("{1: 2, 3: 4}", "{3: 4, 1: 2}", True, True),
        ("[{'b', 'a'}]", "[{'a', 'b'}]", True, True),
        ("Counter({'b': 1, 'a': 1})", "Counter({'a': 1, 'b': 1})", True, True),
        ("Counter({'a': 1})", "{'a': 1}", False, False),
        ("[1, 2]", "(1, 2)", False, False),
        ("[1, 2]", "[2, 1]", False, False),
        ("[1, 2]", "[1, 2, 3]", False, False),
        ("'1'", "1", False, False),
        ("'a'", "b'a'", False, False),
        ("None", "False", False, False),
        ("(0.1+2j)", "(0.1000000000001+2j)", False, True),
        ("{1.0, 2.0}", "{2.0000000000001, 1.0}", False, True),
        ("{1.0, 1.0000000000001}", "{1.0, 2.0}", False, False),
        ("Fraction(1, 2)", "Fraction(2, 4)", False, False),
        ("deque([1, 2], maxlen=2)", "deque([1, 2], maxlen=3)", False, False),
        ("9007199254740993", "9007199254740992", False, False),
        ("1" + "0" * 400, "1e308", False, False),
        ("<Foo>", "<Foo>", True, True),
        ("<Foo>", "<Bar>", False, False),
    ],
)
def test_matches(a: str, b: str, strict: bool, value: bool) -> None:
    for x, y in ((a, b), (b, a)):
        assert strict_match(x, y) is strict
        assert value_match(x, y) is value


@pytest.mark.parametrize(
    "text",
    [
        "<generator object f at 0x7f12>",
        "<function <lambda> at 0x7f>",
        "[<__main__.A object at 0x7faa>]",
        "<built-in function len>",
    ],
)
def test_addresses_are_seen(text: str) -> None:
    assert has_address(text)


@pytest.mark.parametrize("text", ["'0xdeadbeef'", "'look at 0'", "<re.Match object; span=(0, 1), match='a'>", "255"])
def test_hexadecimal_results_are_no_addresses(text: str) -> None:
    assert not has_address(text)


def test_tidy_sorts_sets_and_leaves_dicts() -> None:
    assert tidy("[{'b', 'a'}, {'z': 1, 'a': 2}]") == "[{'a', 'b'}, {'z': 1, 'a': 2}]"


plain = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5), st.binary(max_size=4),
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner)
    | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    | st.sets(st.integers() | st.text(max_size=3), max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(plain)
def test_literal_text_is_the_value(value: Any) -> None:
    assert ast.literal_eval(literal_text(value)) == value
    assert strict_match(literal_text(value), repr(value))
    assert value_match(literal_text(value), repr(value))
