"""Grading a program by its cases: run it in the sandbox and compare every result (sections 5 and 6)."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.case2code.filters import tidy_message
from lit_reason.case2code.functions import PYTHON, Case
from lit_reason.case2code.values import strict_match, value_match
from lit_reason.errors import PlainError
from lit_reason.grading.code import Extraction, extract_code, parse_code
from lit_reason.records import Grade, GradeStatus, Question, Sample
from lit_reason.sandbox import CallResult, Limits, Outcome, Program, Sandbox

Kind = Literal["ok", "wrong", "no_code", "syntax", "missing_function", "runtime", "timeout", "truncated"]
KINDS: tuple[Kind, ...] = ("ok", "wrong", "no_code", "syntax", "missing_function", "runtime", "timeout", "truncated")

FAILED_CASES, FAILED_CHARS = 3, 200
"""How many failed cases a grade keeps for its reader, and how much of each of their texts."""

_STATUS: dict[Kind, GradeStatus] = {"ok": "right", "no_code": "unparsed", "timeout": "timed_out"}


class OtherPython(PlainError, ValueError):
    """Stored outputs that another minor version of Python computed (section 9.3)."""


@dataclass(frozen=True)
class _Pending:
    """A pair on its way through the sandbox; without a program it is only waiting for its turn."""

    question: Question
    sample: Sample
    code: str
    kind: Kind
    program: Program | None = None


class CaseGrader:
    """Runs the extracted program on all stored inputs and compares the results, case by case.

    A grade's `score` is the share of matching cases; it is right only if all match. `detail` has `strict`,
    `value_aware`, `shown_pass` and `hidden_pass` (whether all cases of the kind match, None where there are none),
    `error_match` (share of the expected exceptions, None without any), `failed` (the first failed cases: `call`,
    `expected`, `got`, `shown`) and `kind`: `no_code` (no fence, and the text is no Python), `syntax`,
    `missing_function` (none of that name that takes these keyword arguments), `runtime` (raises where a value is
    expected), `timeout`, `truncated`, `wrong`, or `ok`.

    Where a question's `error_messages` is set, strict means the exception's message too, as in the release.

    Args:
        workers: Programs that run at once.
        allow_rename: Accept a function of another name when it is the only one; always where the prompt gave no name.
        cut: A completion that reached the length limit counts as wrong `anywhere`, or only if the limit fell `in_code`.
        wall_seconds: Time for one program, all its cases together.
        call_seconds: Time for one case.
        allow_other_python: Compare outputs although another minor version of Python computed them (section 9.3); where
            it is not known which did, as in published rows, they are compared and counted.
        allow_unprotected: Run even where the system cannot isolate programs.
    """

    def __init__(
        self,
        workers: PositiveInt = 2,
        allow_rename: bool = False,
        cut: Literal["anywhere", "in_code"] = "anywhere",
        wall_seconds: PositiveFloat = 10.0,
        call_seconds: PositiveFloat = 1.0,
        allow_other_python: bool = False,
        allow_unprotected: bool = False,
    ) -> None:
        self.workers = workers
        self.allow_rename = allow_rename
        self.cut = cut
        self.limits = Limits(wall_seconds=wall_seconds, call_seconds=call_seconds)
        self.allow_other_python = allow_other_python
        self.allow_unprotected = allow_unprotected

    @property
    def name(self) -> str:
        """`case2code@1`; rules that change verdicts are part of the name, so that their grades are kept apart."""
        return "case2code@1" + "+rename" * self.allow_rename + "+in_code" * (self.cut == "in_code")

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order, while later programs are already running.

        Raises:
            OtherPython: a question's outputs come from another Python, unless that is allowed.
            SandboxUnavailable: where programs cannot be isolated, unless that is allowed.
        """
        waiting: deque[_Pending] = deque()

        def programs() -> Iterator[Program]:
            for question, sample in pairs:
                pending = self._prepare(question, sample)
                waiting.append(pending)
                if pending.program is not None:
                    yield pending.program

        with Sandbox(workers=self.workers, limits=self.limits, allow_unprotected=self.allow_unprotected) as sandbox:
            for outcome in sandbox.map(programs()):
                while waiting[0].program is None:
                    yield self._grade(waiting.popleft(), None)
                yield self._grade(waiting.popleft(), outcome)
        yield from (self._grade(pending, None) for pending in waiting)

    def check_python(self, questions: Iterable[Question]) -> str:
        """One line on how many questions do not say which Python computed their outputs; empty where all do.

        Raises:
            OtherPython: a question's outputs come from another Python, unless that is allowed.
        """
        asked = [question for question in questions if "cases" in question.meta]
        for question in asked:
            self._refuse_other_python(question)
        n = sum(question.meta.get("python") is None for question in asked)
        what = f"{n} of {len(asked)} questions do not say which Python computed their outputs"
        return f"{what}; this is {PYTHON}, whose results may differ" if n else ""

    def _refuse_other_python(self, question: Question) -> None:
        python = question.meta.get("python")
        if python not in (None, PYTHON) and not self.allow_other_python:
            raise OtherPython(
                f"{question.id}: outputs were computed by Python {python}, this is {PYTHON}; "
                "results may differ (allow_other_python compares them anyway)"
            )

    def _prepare(self, question: Question, sample: Sample) -> _Pending:
        meta = question.meta
        self._refuse_other_python(question)
        found = extract_code(sample.text)
        kind = self._kind_before_running(found, sample)
        if kind != "ok":
            return _Pending(question, sample, found.code, kind)
        rename = self.allow_rename or not meta.get("name_given", True)
        calls = tuple(case["kwargs"] for case in meta["cases"])
        longest = max((len(case.get("return", "")) for case in meta["cases"]), default=0)
        limits = replace(self.limits, result_chars=max(self.limits.result_chars, longest + 1))
        program = Program(found.code, meta["func_name"], calls, allow_rename=rename, limits=limits)
        return _Pending(question, sample, found.code, kind, program)

    def _kind_before_running(self, found: Extraction, sample: Sample) -> Kind:
        if sample.finish_reason == "length" and (self.cut == "anywhere" or not found.closed):
            return "truncated"
        if not found.code.strip():
            return "no_code"
        if parse_code(found.code) is None:
            return "no_code" if found.kind == "text" else "syntax"
        return "ok"

    def _grade(self, pending: _Pending, outcome: Outcome | None) -> Grade:
        question, sample = pending.question, pending.sample
        cases = [Case.from_row(row) for row in question.meta["cases"]]
        calls: tuple[CallResult | None, ...] = outcome.calls if outcome is not None else (None,) * len(cases)
        messages = question.meta.get("error_messages", False)
        strict = [_matches(case, call, strict_match, messages) for case, call in zip(cases, calls, strict=True)]
        aware = [_matches(case, call, value_match) for case, call in zip(cases, calls, strict=True)]
        kind = pending.kind if outcome is None else _kind(pending, outcome, cases, all(strict))
        errors = [ok for ok, case in zip(strict, cases, strict=True) if case.error is not None]
        detail: dict[str, Any] = {
            "strict": all(strict),
            "value_aware": all(aware),
            "shown_pass": _all_of(strict, question.meta["shown"]),
            "hidden_pass": _all_of(strict, question.meta["hidden"]),
            "error_match": sum(errors) / len(errors) if errors else None,
            "kind": kind,
            "failed": _failed(cases, calls, strict, question.meta["shown"]),
        }
        return Grade(
            sample.pool_key, question.id, sample.sample_index, self.name, _STATUS.get(kind, "wrong"),
            answer=pending.code, score=sum(strict) / len(strict), detail=detail,
        )  # fmt: skip


def _all_of(strict: list[bool], indices: list[int]) -> bool | None:
    """Whether all of these cases match; None for none, because a program that passes nothing has not passed."""
    return all(strict[i] for i in indices) if indices else None


def _failed(
    cases: list[Case], calls: tuple[CallResult | None, ...], strict: list[bool], shown: list[int]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for i, (case, call, ok) in enumerate(zip(cases, calls, strict, strict=True)):
        if call is not None and call.status != "not_run" and not ok and len(found) < FAILED_CASES:
            got = call.text if call.status in ("return", "error") else call.status
            texts = {"call": case.kwargs, "expected": case.output, "got": got}
            found.append({**{key: text[:FAILED_CHARS] for key, text in texts.items()}, "shown": i in shown})
    return found


def _matches(case: Case, call: CallResult | None, equal: Any, messages: bool = False) -> bool:
    if call is None:
        return False
    if case.error is not None:
        same_message = not messages or not case.message or case.message == tidy_message(call.message)
        return call.status == "error" and call.text == case.error and same_message
    return call.status == "return" and equal(case.returned, call.text)


def _kind(pending: _Pending, outcome: Outcome, cases: list[Case], strict: bool) -> Kind:
    if strict:
        return "ok"
    if outcome.error_type == "MissingFunction" or not _accepts(pending.code, pending.question.meta):
        return "missing_function"
    if outcome.error_type in ("SyntaxError", "IndentationError", "TabError"):
        return "syntax"
    if outcome.status == "timeout" or any(call.status == "timeout" for call in outcome.calls):
        return "timeout"
    raised = any(call.status == "error" and case.error is None for call, case in zip(outcome.calls, cases, strict=True))
    return "runtime" if outcome.status != "ok" or raised else "wrong"


def _accepts(code: str, meta: dict[str, Any]) -> bool:
    """Whether the function as written takes the keyword arguments of the cases; unknown forms are given the benefit."""
    tree = parse_code(code)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    named = [f for f in functions if f.name == meta["func_name"]] or functions
    if len(named) != 1 or named[0].args.kwarg:
        return True
    arguments = named[0].args
    return set(meta["params"]) <= {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
