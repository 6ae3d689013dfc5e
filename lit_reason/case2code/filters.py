"""Which executed functions become tasks (section 2, step 4), with a reason for each that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lit_reason.case2code.functions import Case
from lit_reason.case2code.values import has_address, is_utf8, strict_match, tidy
from lit_reason.sandbox import CallResult, Outcome

REASONS: dict[str, str] = {
    "needs_object": "a parameter must be a function or an object that no literal writes",
    "not_executed": "the program itself fails",
    "no_inputs": "no input was written",
    "no_answer": "the input writer gave no answer",
    "bad_inputs": "the writer's text is no list of inputs",
    "count_mismatch": "results and inputs differ in number",
    "timeout": "too few calls end in time",
    "too_long": "too few results are short enough",
    "crashes": "too few calls leave the process or its limits alone",
    "no_text": "too few results are text that a file can hold",
    "address": "a result shows a memory address",
    "nondeterministic": "two runs differ",
    "all_errors": "every call raises",
    "error_share": "too many calls raise",
    "constant": "every result is the same",
    "few_outputs": "too few distinct results",
    "few_cases": "too few inputs",
}

UNSTABLE_ERRORS = frozenset(
    {"MemoryError", "RecursionError", "SystemExit", "KeyboardInterrupt", "ProcessDied", "OutputLimit", "BadArguments"}
)
"""Not behaviour to be learned: they depend on limits, or come from the sandbox."""

_MIN_MINORITY = 2
_MESSAGE_CHARS = 200


@dataclass(frozen=True)
class Rules:
    """The thresholds of the filter. With fewer than 4 cases, section 2 step 5 could not hide one and show three."""

    drop_constant: bool = True
    max_error_share: float = 0.5
    min_distinct: int = 3
    min_cases: int = 4
    error_messages: bool = False
    drop_addresses: bool = True
    max_result_chars: int = 2000


@dataclass(frozen=True)
class Verdict:
    """The usable cases, or the reason why the function is dropped."""

    cases: tuple[Case, ...] = ()
    reason: str | None = None


def judge(inputs: Sequence[str], first: Outcome, second: Outcome, rules: Rules = Rules()) -> Verdict:
    """Apply the filter to two runs of one function on `inputs`. The first reason that applies is given.

    Single calls that hang, print too much, break a limit or return a text over the limit cost only their case, as long
    as enough others remain.
    """
    if not inputs:
        return Verdict(reason="no_inputs")
    if "error" in (first.status, second.status):
        return Verdict(reason="not_executed")
    if not len(inputs) == len(first.calls) == len(second.calls):
        return Verdict(reason="count_mismatch")
    cases: list[Case] = []
    lost: Counter[str] = Counter()
    for text, a, b in zip(inputs, first.calls, second.calls, strict=True):
        reason = unusable(a, rules) or unusable(b, rules)
        if reason == "address":
            return Verdict(reason="address")
        if reason:
            lost[reason] += 1
        elif a.status != b.status or not strict_match(a.text, b.text):
            return Verdict(reason="nondeterministic")
        else:
            cases.append(case_of(text, a))
    if len(cases) < rules.min_cases:
        return Verdict(reason=lost.most_common(1)[0][0] if lost else "few_cases")
    reason = _dull(cases, rules)
    return Verdict(reason=reason) if reason else Verdict(tuple(cases))


def unusable(call: CallResult, rules: Rules = Rules()) -> str | None:
    """Why one call's result can be no case, None if it can."""
    if call.status in ("timeout", "not_run"):
        return "timeout"
    if not is_utf8(call.text):
        return "no_text"
    if call.status == "error":
        return "crashes" if call.text in UNSTABLE_ERRORS else None
    if rules.drop_addresses and has_address(call.text):
        return "address"
    return "too_long" if call.status == "too_long" or len(call.text) > rules.max_result_chars else None


def tidy_message(message: str) -> str:
    """An exception's message as a case keeps it: one line of UTF-8 of bounded length, empty where it shows an
    address."""
    line = " ".join(message.split())[:_MESSAGE_CHARS]
    return "" if has_address(message) else line.encode("utf-8", "backslashreplace").decode()


def case_of(kwargs: str, call: CallResult) -> Case:
    """What a call gave, as a case."""
    if call.status == "error":
        return Case(kwargs, error=call.text, message=tidy_message(call.message))
    return Case(kwargs, returned=tidy(call.text))


def _dull(cases: Sequence[Case], rules: Rules) -> str | None:
    """Reasons that concern the results as a whole."""
    errors = sum(case.error is not None for case in cases)
    if errors == len(cases):
        return "all_errors"
    if errors > rules.max_error_share * len(cases):
        return "error_share"
    outputs = Counter(case.output_with_message if rules.error_messages else case.output for case in cases)
    if len(outputs) == 1:
        return "constant" if rules.drop_constant else None
    if rules.min_distinct == 1:
        return None
    returned = Counter(str(case.returned) for case in cases if case.error is None)
    if set(returned) <= {"True", "False"}:
        return None if len(outputs) > 1 and min(outputs.values()) >= _MIN_MINORITY else "few_outputs"
    return "few_outputs" if len(outputs) < rules.min_distinct else None
