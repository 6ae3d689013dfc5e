"""Acceptance C: the truth table of the filter."""

from __future__ import annotations

import pytest

from lit_reason.case2code.filters import REASONS, Rules, Verdict, judge
from lit_reason.case2code.inputs import parse_examples
from lit_reason.sandbox import CallResult, Outcome, Program, Sandbox


def returned(*texts: str) -> tuple[CallResult, ...]:
    return tuple(CallResult("return", text) for text in texts)


def raised(*types: str) -> tuple[CallResult, ...]:
    return tuple(CallResult("error", type_, "why") for type_ in types)


def verdict(
    calls: tuple[CallResult, ...],
    again: tuple[CallResult, ...] | None = None,
    n: int | None = None,
    rules: Rules = Rules(),
) -> Verdict:
    inputs = [f"{{'x': {i}}}" for i in range(len(calls) if n is None else n)]
    return judge(inputs, Outcome("ok", calls), Outcome("ok", calls if again is None else again), rules)


GOOD = returned("1", "2", "3", "4")
HANG, LONG, ADDRESS = CallResult("timeout"), CallResult("too_long", "[1, 2"), CallResult("return", "<A at 0x7f12>")

TABLE = [
    (GOOD, None),
    ((*returned("1", "2"), *raised("ValueError", "TypeError")), None),
    ((), "no_inputs"),
    (returned("1", "2", "3"), "few_cases"),
    (raised(*["ValueError"] * 5), "all_errors"),
    ((*returned("1", "2"), *raised("A", "B", "C")), "error_share"),
    (returned(*["7"] * 5), "constant"),
    (returned("1", "1", "1", "1", "2"), "few_outputs"),
    (returned("True", "True", "False", "False"), None),
    (returned("True", "True", "True", "False"), "few_outputs"),
    (returned("True", "True", "True", "True"), "constant"),
    ((*GOOD, ADDRESS), "address"),
    ((*GOOD, CallResult("too_long", "[<A at 0x7f12>, ")), "address"),
    ((*GOOD, HANG, LONG, CallResult("not_run")), None),
    ((*GOOD[:3], HANG), "timeout"),
    ((*GOOD[:3], LONG, LONG, HANG), "too_long"),
    ((*GOOD[:3], *raised("MemoryError", "RecursionError", "ProcessDied")), "crashes"),
    ((*GOOD, *raised("RecursionError")), None),
    ((*GOOD, *returned("\ud800")), None),
    ((*GOOD[:3], *returned("\ud800")), "no_text"),
]


@pytest.mark.parametrize(("calls", "reason"), TABLE)
def test_truth_table(calls: tuple[CallResult, ...], reason: str | None) -> None:
    found = verdict(calls)
    assert found.reason == reason
    assert (found.cases == ()) is (reason is not None)
    assert reason is None or reason in REASONS


def test_only_usable_cases_stay() -> None:
    assert [case.output for case in verdict((*GOOD, HANG, *raised("RecursionError"))).cases] == ["1", "2", "3", "4"]


def test_constant_output_with_the_flag_off() -> None:
    assert verdict(returned(*["7"] * 5), rules=Rules(drop_constant=False)).reason is None


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_error_share_is_a_limit_not_a_floor(share: float) -> None:
    calls = (*returned("1", "2", "3"), *raised("E"))
    assert verdict(calls, rules=Rules(max_error_share=share)).reason is None
    assert verdict((*calls, *raised("E")), rules=Rules(max_error_share=0.25)).reason == "error_share"


def test_min_distinct() -> None:
    calls = returned("1", "1", "2", "2")
    assert verdict(calls).reason == "few_outputs"
    assert verdict(calls, rules=Rules(min_distinct=2)).reason is None


def test_addresses_and_long_results_are_cases_where_that_is_asked() -> None:
    assert verdict((*GOOD, ADDRESS), rules=Rules(drop_addresses=False)).cases[-1].output == ADDRESS.text
    assert verdict((*GOOD, CallResult("return", "x" * 2001))).cases == verdict(GOOD).cases
    assert len(verdict((*GOOD, CallResult("return", "x" * 2001)), rules=Rules(max_result_chars=2001)).cases) == 5
    cut = CallResult("too_long", "[<A at 0x7f12>, ")
    assert len(verdict((*GOOD, cut), rules=Rules(drop_addresses=False, max_result_chars=9999)).cases) == 4
    other = CallResult("return", "<A at 0x7f99>")
    assert verdict((*GOOD, ADDRESS), (*GOOD, other), rules=Rules(drop_addresses=False)).reason == "nondeterministic"


def test_counts_must_match() -> None:
    assert verdict(GOOD, n=5).reason == "count_mismatch"


def test_two_runs_must_agree() -> None:
    assert verdict(GOOD, returned("1", "2", "3", "5")).reason == "nondeterministic"
    assert verdict(GOOD, (*GOOD[:3], *raised("KeyError"))).reason == "nondeterministic"
    sets = returned("{1, 2}", "{3}", "{4}", "{5}")
    assert verdict(sets, returned("{2, 1}", "{3}", "{4}", "{5}")).reason is None


def test_results_too_deep_for_a_tree_are_judged_as_text() -> None:
    deep = [f"{{'a': {'{0: ' * 180}{i}{'}' * 180}}}" for i in range(4)]
    assert [case.returned for case in verdict(returned(*deep)).cases] == deep
    assert verdict(returned(*deep), returned(*deep[:3], deep[0])).reason == "nondeterministic"


def test_program_that_failed() -> None:
    outcome = Outcome("error", GOOD, error_type="SyntaxError")
    assert judge(["{'x': 1}"] * 4, outcome, outcome).reason == "not_executed"


def test_messages_are_kept_apart_in_one_line_without_addresses() -> None:
    messages = ("two\n lines", "<A at 0x7f12> is bad", "half \ud800 a pair")
    cases = verdict((*GOOD, *(CallResult("error", "E", message) for message in messages))).cases
    assert [case.message for case in cases[4:]] == ["two lines", "", "half \\ud800 a pair"]
    assert [case.output for case in cases[4:]] == ["E", "E", "E"]


def test_writer_with_a_wrong_argument_name_is_dropped() -> None:
    calls = tuple(f"{{'y': {i}}}" for i in range(5))
    with Sandbox(workers=1) as sandbox:
        outcome = sandbox.run(Program("def f(x):\n    return x\n", "f", calls))
    assert {call.text for call in outcome.calls} == {"TypeError"}
    assert judge(calls, outcome, outcome).reason == "all_errors"


def test_writers_text() -> None:
    text = "examples = [{'x': 1}, {'x': open('f')}, {'x': lambda: 1}, 3, {}, {1: 2}, {'x': [1, 'a']}]"
    assert parse_examples(text) == [{"x": 1}, {"x": [1, "a"]}]
    assert parse_examples("[{'x': 2}]") == [{"x": 2}]


@pytest.mark.parametrize("text", ["examples = [{'x': 1", "", "examples = 3", "Sure! Here are inputs"])
def test_writers_text_that_is_no_list(text: str) -> None:
    with pytest.raises(ValueError, match="inputs"):
        parse_examples(text)
