"""The deductive control: code and input are shown, the output is asked (section 2, variants).

The same functions and as many examples as induction, but nothing has to be inferred. What training on Case2Code brings
beyond reading programs is what this control does not bring.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.prompts import literal
from lit_reason.case2code.values import literal_text, value_match
from lit_reason.records import Grade, Message, Question, Sample

INSTRUCTION = "Answer with what this call gives, as a Python literal or the name of the exception, and nothing else."


@dataclass(frozen=True)
class Deduction:
    """A program, a call of it, and what the call gives."""

    function: Function
    case: Case

    @property
    def prompt(self) -> str:
        """The program and the call."""
        arguments = self.case.arguments().items()
        call = ", ".join(f"{name}={literal(literal_text(value))}" for name, value in arguments)
        return f"{self.function.code.rstrip()}\n{self.function.name}({call}) ->"

    @property
    def instruction_prompt(self) -> list[Message]:
        """The same for a model that was never trained on this task."""
        return [{"role": "user", "content": f"{INSTRUCTION}\n\n{self.prompt}"}]

    @property
    def answer(self) -> str:
        """The output as prompts show it."""
        return self.case.error if self.case.error is not None else literal(str(self.case.returned))


def deduction(function: Function, seed: int = 0) -> Deduction:
    """One case of the function, drawn by the seed and the function's id."""
    return Deduction(function, Random(f"{seed}/deduction/{function.id}").choice(function.cases))


class DeductionGrader:
    """Compares an answer's first line with the output, as a value: floats within 1e-9, sets and dicts unordered.

    `detail["kind"]` is `ok`, `wrong`, `truncated` or `no_code` (empty, or neither a literal nor a name).
    """

    name = "case2code_deduction@1"

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order."""
        for question, sample in pairs:
            answer = next(iter(sample.text.strip().splitlines()), "").strip()
            kind = _kind(answer, str(question.gold), sample)
            status = {"ok": "right", "no_code": "unparsed"}.get(kind, "wrong")
            yield Grade(
                sample.pool_key, question.id, sample.sample_index, self.name, status,  # type: ignore[arg-type]
                answer=answer, score=float(kind == "ok"), detail={"kind": kind},
            )  # fmt: skip


def _kind(answer: str, expected: str, sample: Sample) -> str:
    if sample.finish_reason == "length":
        return "truncated"
    if not _is_expression(answer):
        return "no_code"
    return "ok" if value_match(_canonical(expected), _canonical(answer)) else "wrong"


def _canonical(text: str) -> str:
    """The repr of a literal, however it was written; other texts, such as names of exceptions, as they are."""
    try:
        return literal_text(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
