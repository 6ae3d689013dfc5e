"""Acceptance D: the prompt builder over many draws, and what may never happen in any of them."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.planted import planted
from lit_reason.case2code.prompts import (
    PromptSettings,
    build_prompt,
    build_target,
    draw_cases,
    instruction_prompt,
    literal,
)
from lit_reason.case2code.wordings import CALL_LAYOUTS, HEADERS, INSTRUCTIONS, LAYOUTS, NAME_LINES, RAW_LAYOUTS

N_DRAWS = 10_000
CODE = "def quux(xs, cap):\n    s = sum(xs)\n    return cap if s > cap else s\n"
CASES = tuple(Case(repr({"xs": [100 + i, 7000], "cap": 9000 + i}), returned=str(7100 + i)) for i in range(12))
ERROR = Case("{'xs': None, 'cap': 5}", error="TypeError", message="'NoneType' object is not iterable")


def function(id: str = "f", n_shown: int = 8, cases: tuple[Case, ...] = CASES) -> Function:
    return Function(id, "quux", ("xs", "cap"), CODE, cases, tuple(range(n_shown)), tuple(range(n_shown, len(cases))))


@pytest.fixture(scope="module")
def draws() -> list[tuple[Function, str, tuple[int, ...], bool]]:
    """Ten thousand training prompts: the function, the text, the shown cases, whether the name line is there."""
    found = []
    for i in range(N_DRAWS):
        one = function(f"f{i}")
        prompt = build_prompt(one, PromptSettings())
        found.append((one, prompt.text, prompt.shown, prompt.name_given))
    return found


def test_counts_of_wordings() -> None:
    assert (len(set(INSTRUCTIONS)), len(set(HEADERS)), len(set(NAME_LINES))) == (28, 20, 8)
    assert (len(RAW_LAYOUTS), len(CALL_LAYOUTS), len(LAYOUTS)) == (8, 5, 13)
    assert all(layout.is_call for layout in CALL_LAYOUTS)
    assert not any(layout.is_call for layout in RAW_LAYOUTS)


def test_k_is_uniform(draws) -> None:
    counts = Counter(len(shown) for _, _, shown, _ in draws)
    assert set(counts) == {3, 4, 5, 6, 7, 8}
    assert chisquare([counts[k] for k in range(3, 9)]).pvalue > 0.001


def test_cases_shown_are_uniform_too(draws) -> None:
    counts = Counter(i for _, _, shown, _ in draws for i in shown)
    assert chisquare([counts[i] for i in range(8)]).pvalue > 0.001


def test_name_is_given_in_eight_of_ten(draws) -> None:
    assert abs(sum(named for *_, named in draws) / N_DRAWS - 0.8) < 0.02
    for _, text, _, named in draws[:500]:
        assert any(line.format(name="quux") in text for line in NAME_LINES) is named


def test_header_is_given_in_eight_of_ten(draws) -> None:
    assert abs(sum(any(f"{h}\n" in text for h in HEADERS) for _, text, _, _ in draws) / N_DRAWS - 0.8) < 0.02


def test_all_six_orders_occur_equally_often(draws) -> None:
    orders: Counter[tuple[str, ...]] = Counter()
    for _, text, shown, named in draws:
        if named:
            places = {
                "instruction": min(text.find(s) for s in INSTRUCTIONS if s in text),
                "name": max(text.find(line.format(name="quux")) for line in NAME_LINES),
                "cases": text.find(str(100 + shown[0])),
            }
            orders[tuple(sorted(places, key=places.__getitem__))] += 1
    assert len(orders) == 6
    assert chisquare(list(orders.values())).pvalue > 0.001


def test_newlines_between_parts(draws) -> None:
    """5/8, 2/8 and 1/8, seen where an instruction comes before another part."""
    counts: Counter[int] = Counter()
    for _, text, _, _ in draws:
        start = min(text.find(s) + len(s) for s in INSTRUCTIONS if s in text)
        rest = text[start:]
        if rest.strip():
            counts[len(rest) - len(rest.lstrip("\n"))] += 1
    total = sum(counts.values())
    assert chisquare([counts[1], counts[2], counts[3]], [total * 5 / 8, total * 2 / 8, total / 8]).pvalue > 0.001


def test_the_last_part_ends_as_the_others_where_that_is_asked(draws) -> None:
    """5/8, 2/8 and 1/8 again; everything before the end is the prompt without them, which ends with one newline."""
    counts: Counter[int] = Counter()
    for one, text, _, _ in draws[:3000]:
        whole = build_prompt(one, PromptSettings(last_newlines=True)).text
        assert whole.rstrip("\n") == text.rstrip("\n") and text[-2] != "\n" == text[-1]
        counts[len(whole) - len(whole.rstrip("\n"))] += 1
    assert chisquare([counts[1], counts[2], counts[3]], [3000 * 5 / 8, 3000 * 2 / 8, 3000 / 8]).pvalue > 0.001
    asked = [build_prompt(one, PromptSettings(last_newlines=True), "evaluation").text for one, *_ in draws[:100]]
    assert {len(text) - len(text.rstrip("\n")) for text in asked} == {1, 2, 3}


def test_counts_of_wordings_can_be_lowered() -> None:
    few = PromptSettings(n_instructions=3, n_name_lines=2, n_headers=1, name_share=1.0, header_share=1.0)
    texts = [build_prompt(function(f"w{i}"), few).text for i in range(200)]
    used = [
        {wording for wording in wordings for text in texts if wording in text}
        for wordings in (INSTRUCTIONS, [line.format(name="quux") for line in NAME_LINES], [f"{h}\n" for h in HEADERS])
    ]
    assert used[0] == set(INSTRUCTIONS[:3]) and used[2] == {f"{HEADERS[0]}\n"}
    assert used[1] == {line.format(name="quux") for line in NAME_LINES[:2]}
    all_of_them = PromptSettings(n_instructions=len(INSTRUCTIONS), n_name_lines=len(NAME_LINES), n_headers=len(HEADERS))
    assert all_of_them == PromptSettings()


def test_every_layout_and_every_input_form_occurs(draws) -> None:
    texts = [text for _, text, _, _ in draws]
    for part in (
        "dict(xs=[100, 7000], cap=9000)",
        "xs: [100, 7000], cap: 9000",
        "quux(xs=[100, 7000], cap=9000)",
        "quux([100, 7000], 9000)",
    ):
        assert any(part in text for text in texts)
    patterns = (
        r"Input: \S.*\nOutput: 71\d\d", r"\) => 71", r"Case 1: .* gives 71", r"- for .* the result is 71",
        r"Example 1\n    in:  .*\n    out: 71", r"\| 71\d\d \|", r"\[1\] arguments: .*; returned: 71",
        r"### Input 1\n.*\n### Output 1\n71", r"assert quux\(.*\) == 71", r">>> quux\(.*\)\n71", r"quux\(.*\) -> 71",
        r"quux\(.*\)  # 71", r"1\. quux\(.*\) returns 71",
    )  # fmt: skip
    assert len(patterns) == len(LAYOUTS)
    shares = [sum(bool(re.search(pattern, text)) for text in texts) / N_DRAWS for pattern in patterns]
    assert min(shares[0], *shares[2:]) > 1 / 13 - 0.02
    assert max(shares) < 1 / 13 + 0.02


def test_no_hidden_case_and_no_target_is_ever_rendered(draws) -> None:
    for one, text, shown, _ in draws:
        assert set(shown) <= set(one.shown)
        for i, case in enumerate(one.cases):
            rendered = f"{9000 + i}" in text or case.output in text
            assert rendered is (i in shown)
        assert one.code not in text
        assert "return cap" not in text


def test_same_seed_same_bytes(draws) -> None:
    again = [build_prompt(one, PromptSettings()).text for one, *_ in draws[:300]]
    assert again == [text for _, text, _, _ in draws[:300]]
    other = [build_prompt(one, PromptSettings(seed=1)).text for one, *_ in draws[:300]]
    assert sum(a != b for a, b in zip(again, other, strict=True)) > 290


@pytest.mark.parametrize(
    ("n_shown", "k_min", "k_max", "allowed"),
    [(2, 3, None, {2}), (3, 3, None, {3}), (5, 3, None, {3, 4, 5}), (8, 1, 1, {1}), (8, 4, 4, {4}), (3, 4, 6, {3})],
)
def test_bounds_of_k(n_shown: int, k_min: int, k_max: int | None, allowed: set[int]) -> None:
    chosen = PromptSettings(k_min=k_min, k_max=k_max)
    found = {len(draw_cases(range(n_shown), chosen, Random(i))) for i in range(100)}
    assert found == allowed


def test_evaluation_prompt_is_fixed_but_for_order_and_cases() -> None:
    for i in range(50):
        prompt = build_prompt(function(f"e{i}"), PromptSettings(), "evaluation")
        parts = [INSTRUCTIONS[0], NAME_LINES[0].format(name="quux")]
        assert all(part in prompt.text for part in parts)
        assert prompt.name_given
        assert not any(header in prompt.text for header in HEADERS)
        for j in prompt.shown:
            assert f"Input: dict(xs=[{100 + j}, 7000], cap={9000 + j})\nOutput: {7100 + j}" in prompt.text


def test_evaluation_without_the_name() -> None:
    prompt = build_prompt(function(), PromptSettings(evaluation_name_share=0.0), "evaluation")
    assert "quux" not in prompt.text
    assert not prompt.name_given
    given_by_call = PromptSettings(evaluation_name_share=0.0, evaluation_layout="doctest")
    assert build_prompt(function(), given_by_call, "evaluation").name_given


def test_short_style() -> None:
    short = PromptSettings(style="short", k_min=4, k_max=4, name_share=1.0)
    prompt = build_prompt(function(), short)
    head, *lines = prompt.text.split("\n")
    assert head == "Write quux(xs, cap)."
    assert lines == [f"[{100 + i}, 7000], {9000 + i} -> {7100 + i}" for i in prompt.shown]
    assert build_prompt(function(), short, "evaluation").text.startswith("Write quux(xs, cap).")
    nameless = PromptSettings(style="short", name_share=0.0)
    assert build_prompt(function(), nameless).text.startswith("Write (xs, cap).")


def test_errors_are_shown_with_or_without_their_message() -> None:
    one = function(n_shown=4, cases=(ERROR, *CASES[:4]))
    for messages, output in ((True, "TypeError: 'NoneType' object is not iterable"), (False, "TypeError")):
        chosen = PromptSettings(style="short", k_min=4, error_messages=messages)
        assert f"None, 5 -> {output}\n" in build_prompt(one, chosen).text + "\n"
    asserts = PromptSettings(layouts=["assert"], k_min=4)
    assert "# raises TypeError: 'NoneType' object" in build_prompt(one, asserts).text


def test_layouts_can_be_restricted() -> None:
    texts = [build_prompt(function(f"g{i}"), PromptSettings(layouts=["arrow"])).text for i in range(50)]
    assert all(" => " in text for text in texts)


def test_instruction_prompt_says_name_arguments_and_form() -> None:
    one = function()
    (message,) = instruction_prompt(one, (2, 5))
    assert message["role"] == "user"
    for part in (
        "`quux`",
        "`quux(xs=..., cap=...)`",
        "one fenced Python code block",
        "dict(xs=[102, 7000], cap=9002)",
        "Output: 7105",
    ):
        assert part in message["content"]
    assert "103" not in message["content"]


def test_target() -> None:
    assert build_target(CODE) == f"```python\n{CODE}```"
    assert build_target(CODE, "Here:") == f"Here:\n```python\n{CODE}```"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'a'", '"a"'),
        ('"it\'s"', '"it\'s"'),
        ("'say \"hi\"'", '"say \\"hi\\""'),
        ("['a']", "['a']"),
        ("3", "3"),
        ("''", '""'),
    ],
)
def test_only_strings_change_their_quotes(text: str, shown: str) -> None:
    assert literal(text) == shown


@given(st.text())
def test_shown_strings_are_python_strings_in_double_quotes(text: str) -> None:
    shown = literal(repr(text))
    assert shown[0] == shown[-1] == '"'
    assert eval(shown) == text


PLANTED = list(planted(200, 11))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(PLANTED) - 1),
    st.builds(
        PromptSettings,
        style=st.sampled_from(["varied", "short"]),
        k_min=st.integers(1, 4),
        k_max=st.none() | st.integers(4, 8),
        layouts=st.none() | st.lists(st.sampled_from(sorted(LAYOUTS)), min_size=1, max_size=3),
        evaluation_layout=st.sampled_from(sorted(LAYOUTS)),
        seed=st.integers(0, 99),
    ),
    st.sampled_from(["training", "evaluation"]),
)
def test_hidden_cases_cannot_change_a_prompt(i: int, chosen: PromptSettings, purpose) -> None:
    """Replacing everything hidden leaves every byte as it is, so nothing hidden can have been rendered."""
    one = PLANTED[i]
    prompt = build_prompt(one, chosen, purpose)
    secret = Case(repr(dict.fromkeys(one.params, "SECRET")), returned="'SECRET'")
    cases = tuple(secret if j in one.hidden else case for j, case in enumerate(one.cases))
    changed = Function(one.id, one.name, one.params, "def other(): pass\n", cases, one.shown, one.hidden, "planted")
    assert build_prompt(changed, chosen, purpose).text == prompt.text
    assert set(prompt.shown) <= set(one.shown)
    assert one.code not in prompt.text


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        (PromptSettings(), []),
        (PromptSettings(k_min=5, k_max=4), ["k_max"]),
        (PromptSettings(layouts=["arow"]), ["layouts"]),
        (PromptSettings(layouts=[]), ["layouts"]),
        (
            PromptSettings(n_instructions=29, n_name_lines=9, n_headers=21),
            ["n_instructions", "n_name_lines", "n_headers"],
        ),
        (PromptSettings(evaluation_layout="none", k_min=3, k_max=2), ["k_max", "evaluation_layout"]),
    ],
)
def test_problems_of_settings(chosen: PromptSettings, keys: list[str]) -> None:
    assert [key for key, _ in chosen.problems()] == keys
