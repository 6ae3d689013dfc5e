"""Grading a function by its tests: it is called in the sandbox, and what it returns is compared here.

The expected results never enter the sandbox, where a program could read them.
"""

from __future__ import annotations

import ast
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.files import stable_hash
from lit_reason.grading.code import Extraction, extract_code, parse_code, read_literal, too_deep
from lit_reason.grading.verdict import Verdict, unparsed
from lit_reason.records import Grade, Question, Sample
from lit_reason.sandbox import CallResult, Limits, Outcome, Program, Sandbox

_ENTRY = "call_the_function"


@dataclass(frozen=True)
class Call:
    """One test: `function(*args, **kwargs)` is to give `expected`."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    expected: Any


@dataclass(frozen=True)
class _Pending:
    question: Question
    sample: Sample
    verdict: Verdict | None = None
    code: str = ""
    calls: tuple[Call, ...] = ()


class CodeGrader:
    """Runs the function `meta["entry_point"]` of the extracted program on `meta["tests"]`: assertions such as
    `assert add(1, 2) == 3` or `assert is_even(2)`, whose arguments and results are literals.

    A grade is right when every test passes; `score` is the share that does. `answer_key` is the same for programs that
    differ in layout and comments only.

    Args:
        workers: programs at a time.
        wall_seconds: one program, all its tests together.
        call_seconds: one test.
        allow_unprotected: run even where the system cannot isolate programs.
    """

    def __init__(
        self,
        workers: PositiveInt = 2,
        wall_seconds: PositiveFloat = 10.0,
        call_seconds: PositiveFloat = 2.0,
        allow_unprotected: bool = False,
    ) -> None:
        self.workers = workers
        self.limits = Limits(wall_seconds=wall_seconds, call_seconds=call_seconds)
        self.allow_unprotected = allow_unprotected

    @property
    def name(self) -> str:
        """`code@1`."""
        return "code@1"

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order, while later programs are already running.

        Raises:
            SandboxUnavailable: where programs cannot be isolated, unless that is allowed.
        """
        waiting: deque[_Pending] = deque()

        def programs() -> Iterator[Program]:
            for question, sample in pairs:
                pending, program = _prepare(question, sample)
                waiting.append(pending)
                if program is not None:
                    yield program

        with Sandbox(workers=self.workers, limits=self.limits, allow_unprotected=self.allow_unprotected) as sandbox:
            for outcome in sandbox.map(programs()):
                while waiting[0].verdict is not None:
                    yield self._grade(waiting.popleft())
                yield self._grade(waiting.popleft(), outcome)
        yield from map(self._grade, waiting)

    def _grade(self, pending: _Pending, outcome: Outcome | None = None) -> Grade:
        verdict = pending.verdict if outcome is None else _judge(pending, outcome)
        assert verdict is not None
        return verdict.of(pending.question, pending.sample, self.name)


def read_test(assertion: str, function: str) -> Call:
    """`assert function(literals) == literal` as a call.

    Raises:
        ValueError: it is anything else.
    """
    try:
        (statement,) = ast.parse(assertion.strip()).body
        call, expected = _call_and_result(statement.test)  # type: ignore[attr-defined]
        if call.func.id != function or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        return Call(tuple(ast.literal_eval(argument) for argument in call.args), kwargs, expected)
    except (SyntaxError, ValueError, AttributeError, TypeError):
        raise ValueError(f"no test of {function} with literals only: {assertion.strip()[:100]}") from None


def _call_and_result(test: Any) -> tuple[Any, Any]:
    if isinstance(test, ast.Compare):
        (comparison,) = test.ops
        if not isinstance(comparison, ast.Eq):
            raise ValueError
        return test.left, ast.literal_eval(test.comparators[0])
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return (test.operand, False) if negated else (test, True)


def _prepare(question: Question, sample: Sample) -> tuple[_Pending, Program | None]:
    function = str(question.meta.get("entry_point"))
    try:
        calls = tuple(read_test(test, function) for test in question.meta.get("tests") or ())
        if not calls:
            raise ValueError("no tests")
    except ValueError as error:
        return _Pending(question, sample, Verdict("wrong", "no_gold", score=None, detail={"message": str(error)})), None
    found = extract_code(sample.text)
    verdict = _before_running(found, sample)
    if verdict is not None:
        return _Pending(question, sample, verdict), None
    # Any signature can be called through this function; `calls` of a program are keyword arguments only.
    source = f"{found.code}\n\n\ndef {_ENTRY}(args, kwargs):\n    return {function}(*args, **kwargs)\n"
    texts = tuple(repr({"args": call.args, "kwargs": call.kwargs}) for call in calls)
    return _Pending(question, sample, None, found.code, calls), Program(source, _ENTRY, texts)


def _before_running(found: Extraction, sample: Sample) -> Verdict | None:
    if sample.finish_reason == "length" and not found.closed:
        return unparsed("cut")
    tree = parse_code(found.code)
    if not found.code.strip() or (tree is None and found.kind == "text"):
        return unparsed("no_answer")
    return Verdict("wrong", "syntax", found.code, _code_key(found.code)) if tree is None else None


def _judge(pending: _Pending, outcome: Outcome) -> Verdict:
    passed = [_passes(call, result) for call, result in zip(pending.calls, outcome.calls, strict=True)]
    key, score = _code_key(pending.code), sum(passed) / len(passed)
    detail = {"passed": sum(passed), "tests": len(passed), "outcome": outcome.status}
    if all(passed):
        return Verdict("right", "ok", pending.code, key, score, detail)
    if outcome.status == "timeout" or any(result.status == "timeout" for result in outcome.calls):
        return Verdict("timed_out", "time", pending.code, None, score, detail)
    return Verdict("wrong", _kind_of_failure(outcome), pending.code, key, score, detail)


def _kind_of_failure(outcome: Outcome) -> str:
    if outcome.status != "ok" or any(result.status == "error" for result in outcome.calls):
        return "runtime"
    return "wrong"


def _passes(call: Call, result: CallResult) -> bool:
    if result.status != "return":
        return False
    try:
        got = read_literal(result.text)
    except ValueError:
        return repr(call.expected) == result.text
    return _same(call.expected, got)


def _same(expected: Any, got: Any) -> bool:
    if isinstance(expected, float) and isinstance(got, float):
        return math.isclose(expected, got, rel_tol=1e-9)
    if type(expected) is type(got) and isinstance(expected, list | tuple):
        return len(expected) == len(got) and all(map(_same, expected, got))
    return bool(expected == got)


def _code_key(code: str) -> str:
    tree = parse_code(code)
    return stable_hash(ast.unparse(tree) if tree and not too_deep(tree) else code)
