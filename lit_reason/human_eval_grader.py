"""HumanEval as questions and a grader: does training elsewhere carry over to ordinary function writing? (pass@1)

A model is asked as one asks any instruct model: complete this function, in one fenced block. Its answer is run together
with the imports and helpers of the prompt in the sandbox, and the problem's own tests in another process of it.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.grading.code import Extraction, extract_code, parse_code
from lit_reason.human_eval import Problem, load_problems
from lit_reason.human_eval_run import RESULT_CHARS, answering, judging, recorded, recording
from lit_reason.records import Grade, GradeStatus, Question, Sample
from lit_reason.sandbox import CallResult, Limits, Outcome, Program, Sandbox

SOURCE = "human_eval"
"""`meta["source"]` of these questions."""

INSTRUCTION = (
    "Complete this Python function. Answer with one fenced Python code block that contains the complete function "
    "and nothing else.\n\n```python\n{prompt}```"
)

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
    The tests never share the answer's process (see `human_eval_run.py`), so no answer can claim to have passed.

    Args:
        workers: Programs that run at once.
        seconds: Time for one program; 3 is that of the published harness.
        allow_unprotected: Run even where the system cannot isolate programs.
    """

    name = "human_eval@2"

    def __init__(self, workers: PositiveInt = 2, seconds: PositiveFloat = 3.0, allow_unprotected: bool = False) -> None:
        self.workers, self.allow_unprotected = workers, allow_unprotected
        self.limits = Limits(wall_seconds=seconds + 1.0, call_seconds=seconds, result_chars=RESULT_CHARS)

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order, while later programs are already running.

        Raises:
            SandboxUnavailable: where programs cannot be isolated, unless that is allowed.
        """
        with Sandbox(workers=self.workers, limits=self.limits, allow_unprotected=self.allow_unprotected) as sandbox:
            run = _Run(sandbox, self.limits)
            for outcome in sandbox.map(run.judgements(sandbox.map(run.answers(pairs)))):
                while run.jobs[0].kind is not None:
                    yield self._grade(run.jobs.popleft())
                job = run.jobs.popleft()
                job.kind = _kind(outcome)
                yield self._grade(job)
        yield from map(self._grade, run.jobs)

    def _grade(self, job: _Job) -> Grade:
        sample, kind = job.sample, job.kind
        assert kind is not None
        return Grade(
            sample.pool_key, sample.question_id, sample.sample_index, self.name, _STATUS.get(kind, "wrong"),
            answer=job.code, score=float(kind == "ok"), detail={"kind": kind},
        )  # fmt: skip


@dataclass
class _Job:
    """An answer on its way. `kind` is None until it is known."""

    question: Question
    sample: Sample
    code: str
    kind: Kind | None


class _Run:
    """The programs of one call of `grade_all`, and the answers that wait for their grades, in order."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.jobs: deque[_Job] = deque()
        self._called: deque[_Job] = deque()
        self._sandbox, self._limits = sandbox, limits
        self._calls: dict[str, tuple[str, ...]] = {}

    def answers(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Program]:
        """Each answer that can be run, to be called as the tests would call it."""
        for question, sample in pairs:
            found = extract_code(sample.text)
            entry_point = question.meta["entry_point"]
            source = program_source(found, question.meta["prompt"], entry_point)
            job = _Job(question, sample, found.code, _kind_before_running(found, source, sample))
            self.jobs.append(job)
            if source is not None and job.kind is None:
                self._called.append(job)
                yield answering(source, entry_point, self._calls_of(question), self._limits)

    def judgements(self, outcomes: Iterable[Outcome]) -> Iterator[Program]:
        """The tests, on what each of these answers gave."""
        for outcome in outcomes:
            yield judging(self._called.popleft().question.meta, _results(outcome), self._limits)

    def _calls_of(self, question: Question) -> tuple[str, ...]:
        if question.id not in self._calls:
            outcome = self._sandbox.run(recording(question.meta, question.gold or "", self._limits))
            self._calls[question.id] = recorded(outcome.calls[0])
        return self._calls[question.id]


def _question(problem: Problem) -> Question:
    prompt = INSTRUCTION.format(prompt=problem.prompt)
    meta = {
        "source": SOURCE, "prompt": problem.prompt, "entry_point": problem.entry_point, "test": problem.test,
    }  # fmt: skip
    return Question(problem.id, [{"role": "user", "content": prompt}], problem.code, meta)


def _results(outcome: Outcome) -> tuple[CallResult, ...]:
    """What the calls gave; those that never came, because the time was up or the answer had died, gave that."""
    missing = CallResult("timeout" if outcome.status == "timeout" else "error", outcome.error_type or outcome.status)
    return tuple(missing if call.status == "not_run" else call for call in outcome.calls)


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
    (call,) = outcome.calls
    if outcome.status == "timeout" or call.status == "timeout" or call.text == "TimeoutError":
        return "timeout"
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
