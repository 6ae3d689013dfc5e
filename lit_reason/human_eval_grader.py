"""HumanEval as questions and a grader: does training elsewhere carry over to ordinary function writing? (pass@1)

A model is asked as one asks any instruct model: complete this function, in one fenced block. Its answer is run together
with the imports and helpers of the prompt and the problem's own tests, in the sandbox.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.grading.code import Extraction, extract_code, parse_code
from lit_reason.human_eval import Problem, load_problems
from lit_reason.records import Grade, GradeStatus, Question, Sample
from lit_reason.sandbox import Limits, Outcome, Program, Sandbox

SOURCE = "human_eval"
"""`meta["source"]` of these questions."""

INSTRUCTION = (
    "Complete this Python function. Answer with one fenced Python code block that contains the complete function "
    "and nothing else.\n\n```python\n{prompt}```"
)

_RUN = "__run_the_tests__"
_STATUS: dict[str, GradeStatus] = {"ok": "right", "no_code": "unparsed", "timeout": "timed_out"}

Kind = Literal["ok", "wrong", "no_code", "syntax", "missing_function", "runtime", "timeout", "truncated"]


def human_eval_questions(n: int | None = None) -> list[Question]:
    """The first `n` problems (all 164 by default) in their published order."""
    return [_question(problem) for problem in load_problems()[:n]]


def program_source(extraction: Extraction, prompt: str, entry_point: str) -> str | None:
    """The program that an answer stands for; None where it does not define the function.

    A block with the whole function gets the imports and helpers that the prompt holds. Text without a fence is a base
    model's continuation of the prompt, cut where the function ends.
    """
    tree = parse_code(extraction.code)
    if tree is not None and entry_point in _defined(tree):
        return f"{prompt}    pass\n\n{extraction.code}"  # the prompt's own stub is replaced by the later definition
    if extraction.kind != "text":
        return None
    body = _indented_part(extraction.code)
    return prompt + body if body.strip() and parse_code(prompt + body) is not None else None


class HumanEvalGrader:
    """Runs an answer with the problem's tests. Right is what passes all of them within the time.

    `detail["kind"]` is `ok`, `wrong` (a test's assertion failed), `runtime` (anything else was raised), `timeout`,
    `truncated` (cut by the length limit before the block was closed), `no_code`, `syntax` or `missing_function`.
    The tests share the answer's process, so an answer that attacks them could claim to pass; none is told how.

    Args:
        workers: Programs that run at once.
        seconds: Time for one program; 3 is that of the published harness.
        allow_unprotected: Run even where the system cannot isolate programs.
    """

    name = "human_eval@1"

    def __init__(self, workers: PositiveInt = 2, seconds: PositiveFloat = 3.0, allow_unprotected: bool = False) -> None:
        self.workers, self.allow_unprotected = workers, allow_unprotected
        self.limits = Limits(wall_seconds=seconds + 1.0, call_seconds=seconds)

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order, while later programs are already running.

        Raises:
            SandboxUnavailable: where programs cannot be isolated, unless that is allowed.
        """
        waiting: deque[tuple[Sample, str, Kind | None]] = deque()

        def programs() -> Iterator[Program]:
            for question, sample in pairs:
                found = extract_code(sample.text)
                source = program_source(found, question.meta["prompt"], question.meta["entry_point"])
                kind = _kind_before_running(found, source, sample)
                waiting.append((sample, found.code, kind))
                if source is not None and kind is None:
                    yield Program(_with_tests(source, question.meta), _RUN, ("{}",), limits=self.limits)

        with Sandbox(workers=self.workers, limits=self.limits, allow_unprotected=self.allow_unprotected) as sandbox:
            for outcome in sandbox.map(programs()):
                while waiting[0][2] is not None:
                    yield self._grade(*waiting.popleft())
                sample, code, _ = waiting.popleft()
                yield self._grade(sample, code, _kind(outcome))
        yield from (self._grade(*left) for left in waiting)

    def _grade(self, sample: Sample, code: str, kind: Kind | None) -> Grade:
        assert kind is not None
        return Grade(
            sample.pool_key, sample.question_id, sample.sample_index, self.name, _STATUS.get(kind, "wrong"),
            answer=code, score=float(kind == "ok"), detail={"kind": kind},
        )  # fmt: skip


def _question(problem: Problem) -> Question:
    prompt = INSTRUCTION.format(prompt=problem.prompt)
    meta = {
        "source": SOURCE, "prompt": problem.prompt, "entry_point": problem.entry_point, "test": problem.test,
    }  # fmt: skip
    return Question(problem.id, [{"role": "user", "content": prompt}], problem.code, meta)


def _with_tests(source: str, meta: dict[str, Any]) -> str:
    return f"{source}\n\n{meta['test']}\n\ndef {_RUN}():\n    check({meta['entry_point']})\n"


def _kind_before_running(found: Extraction, source: str | None, sample: Sample) -> Kind | None:
    """A cut continuation may still hold the whole function, a cut block cannot."""
    if sample.finish_reason == "length" and not found.closed and (found.kind != "text" or source is None):
        return "truncated"
    if source is not None:
        return None
    if not found.code.strip():
        return "no_code"
    if parse_code(found.code) is not None:
        return "missing_function"
    return "no_code" if found.kind == "text" else "syntax"


def _kind(outcome: Outcome) -> Kind:
    if outcome.status == "timeout" or any(call.status == "timeout" for call in outcome.calls):
        return "timeout"
    (call,) = outcome.calls
    if outcome.status == "ok" and call.status == "return":
        return "ok"
    return "wrong" if call.text == "AssertionError" else "runtime"


def _defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _indented_part(text: str) -> str:
    """The lines before the first one that starts at the margin: what follows is no longer the function's body."""
    body = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line[0].isspace():
            break
        body.append(line)
    return "".join(body)
