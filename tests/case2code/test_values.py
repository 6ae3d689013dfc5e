"""Comparing results as texts."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code import values
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


DEEP = {
    "a trie of 176 letters": "{'a': " * 176 + "{}" + "}" * 176,
    "a sum in a set": "{" + "1+" * 950 + "1}",
    "signs": "-" * 1500 + "1",
    "more than the parser takes": "{" + "1+" * 9000 + "1}",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_too_deep_for_a_tree_is_compared_as_text(text: str) -> None:
    other = text.replace("1", "2").replace("{}", "{2: 1}")
    assert strict_match(text, text) and value_match(text, text)
    assert not strict_match(text, other) and not value_match(text, other)
    assert not value_match(text, "1") and not value_match("{2, 1}", text)
    assert tidy(text) == text


def test_a_result_of_ordinary_depth_is_still_a_value() -> None:
    text = "[" * 90 + "{2, 1, 0.30000000000000004}" + "]" * 90
    assert strict_match(text, text.replace("2, 1", "1, 2"))
    assert value_match(text, text.replace("2, 1, 0.30000000000000004", "0.3, 1, 2"))


def test_sets_inside_sets_do_not_double_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    close, left = values._close, iter(range(1000))
    monkeypatch.setattr(values, "_close", lambda a, b: next(left) >= 0 and close(a, b))
    one, other = ("frozenset({" * 40 + x + "})" * 40 for x in ("0.3", "0.30000000000000004"))
    assert value_match(one, other) and not value_match(one, other.replace("0.3", "0.4"))


def test_numbers_beyond_floats_are_compared() -> None:
    huge = "1" + "0" * 400
    assert not value_match(f"({huge}+1.5)", "2.0") and value_match(f"({huge}+1.5)", f"({huge} + 1.5)")


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
