"""Every shape of a row gives the same messages; what is no conversation is refused with a countable reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.conversations import COLUMNS, BadRow, conversation, with_system

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ANSWER = TEXT.filter(str.strip)
TURNS = st.lists(st.tuples(TEXT, ANSWER), min_size=1, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["role", "content", "from", "value", "x"]), inner, max_size=3
    ),
    max_leaves=8,
)


def chat(turns: list[tuple[str, str]], system: str | None = None) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": system}] if system else []
    for request, answer in turns:
        messages += [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]
    return messages


@given(TURNS, st.none() | ANSWER)
def test_every_shape_gives_the_same_messages(turns: list[tuple[str, str]], system: str | None) -> None:
    expected = chat(turns, system)
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    shared = [{"from": names[m["role"]], "value": m["content"]} for m in expected]
    without_system = chat(turns)
    assert conversation({"messages": expected}) == expected
    assert conversation({"messages": without_system, "system": system}) == expected
    assert conversation({"messages": json.dumps(expected)}) == expected
    assert conversation({"conversations": shared, "id": 7}) == expected
    assert conversation({"prompt": expected[:-1], "completion": expected[-1:]}) == expected
    parquet = [{"role": None, "content": None, **turn} for turn in shared]  # every message has every key, most null
    assert conversation({"messages": parquet, "prompt": None}) == expected
    if len(turns) == 1:
        request, answer = turns[0]
        assert conversation({"prompt": request, "completion": answer, "system": system}) == expected
        assert conversation({"instruction": request, "input": "", "output": answer, "system": system}) == expected


@given(st.dictionaries(st.sampled_from(COLUMNS), JSON, max_size=4))
@settings(max_examples=300)
def test_any_row_is_a_conversation_or_refused_with_one_line(row: dict[str, Any]) -> None:
    try:
        messages = conversation(row)
    except BadRow as error:
        assert "\n" not in str(error)
    else:
        assert messages[-1]["role"] == "assistant"
        assert all(m["role"] in ("system", "user", "assistant") and isinstance(m["content"], str) for m in messages)


def test_instruction_and_input_are_joined_by_a_blank_line() -> None:
    row = {"instruction": "Add.", "input": "1 2", "output": "3"}
    assert conversation(row) == chat([("Add.\n\n1 2", "3")])


def test_columns_are_mapped_and_others_keep_their_names() -> None:
    row = {"question": "q", "answer": "a", "system": "s", "prompt": "not this"}
    assert conversation(row, {"prompt": "question", "completion": "answer"}) == chat([("q", "a")], "s")


def test_what_follows_the_last_answer_is_left_out() -> None:
    answered = chat([("q", "a")])
    assert conversation({"messages": [*answered, {"role": "user", "content": "thanks"}]}) == answered


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "plain"}, "no known columns"),
        ({"prompt": "q"}, "no known columns"),
        ({"prompt": "q", "completion": None}, "no known columns"),
        ({"prompt": "q", "completion": " \n"}, "empty answer"),
        ({"prompt": "q", "completion": 4}, "assistant content is no text"),
        ({"prompt": "q", "completion": "\ud800"}, "assistant content is not UTF-8"),
        ({"messages": []}, "no assistant message"),
        ({"messages": [{"role": "user", "content": "q"}]}, "no assistant message"),
        ({"messages": [{"role": "tool", "content": "q"}]}, "unknown role 'tool'"),
        ({"messages": [{"role": "assistant"}]}, "assistant content is no text"),
        ({"messages": ["q"]}, "messages holds something that is no message"),
        ({"messages": "not json"}, "messages is no list"),
        ({"messages": "[" * 100_000}, "messages is no list"),
        ({"conversations": {"from": "gpt"}}, "conversations is no list"),
        ({"instruction": "q", "output": "a", "input": 3}, "input is no text"),
    ],
)
def test_reasons(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow) as caught:
        conversation(row)
    assert str(caught.value) == reason


def test_a_system_message_is_kept_replaced_or_removed() -> None:
    own, none = chat([("q", "a")], "own"), chat([("q", "a")])
    assert with_system(own, None) == own
    assert with_system(none, None) == none
    assert with_system(own, "other") == with_system(none, "other") == chat([("q", "a")], "other")
    assert with_system(own, "") == with_system(none, "") == none
