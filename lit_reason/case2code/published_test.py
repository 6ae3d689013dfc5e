"""The published test rows as questions, and stored answers to them as scores (sections 4 and 5).

    python -m lit_reason.case2code.published_test TEST.jsonl ANSWERS.jsonl

An answer is a row with `id` (or `gen_answer_id`) and `completions` (or `output`, `answer`, `text`), a text or a list of
texts; several rows of one id are several samples. `finish_reason: length` marks an answer that was cut.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lit_reason.case2code.filters import case_of
from lit_reason.case2code.functions import Function
from lit_reason.case2code.grader import CaseGrader
from lit_reason.case2code.metrics import Metric, summarise
from lit_reason.case2code.prompts import instruction_prompt
from lit_reason.case2code.release import check_fields, row_code, row_id, row_python, shown_inputs, stored_cases
from lit_reason.errors import PlainError
from lit_reason.files import read_jsonl
from lit_reason.records import Question, Sample
from lit_reason.sandbox import SandboxUnavailable

SOURCE = "release"
STRICT = (
    "strict is the release's rule but for this: sets and dicts may print in another order, of an exception's message "
    "200 characters count with spaces squeezed, and any message will do where the stored one shows a memory address"
)
_ANSWER_KEYS = ("completions", "completion", "output", "answer", "text")

logger = logging.getLogger(__name__)


class PublishedTestError(PlainError, ValueError):
    """A file of which no row can be used; the message is one line."""


@dataclass(frozen=True)
class Scores:
    """Metrics by name over all questions, an unanswered one counting as wrong, and what was not used, by reason."""

    metrics: dict[str, Metric]
    n_questions: int
    n_missing: int
    n_unknown: int
    dropped: Counter[str]
    warning: str = ""

    def lines(self) -> list[str]:
        """The scores for a reader: strict first, for comparison with the paper, value-aware beside it, and at the end
        in what strict differs from the release's rule."""
        names = ("strict", "value_aware", "case_fraction", "shown_pass", "hidden_pass", "error_match")
        ks = [name for name in self.metrics if name.startswith("pass@")]
        found = [f"{name}: {self.metrics[name].mean:.4f}" for name in (*names, *ks) if name in self.metrics]
        found.append(f"{self.n_missing} of {self.n_questions} questions have no answer and count as wrong")
        found.append(f"{self.n_unknown} answers are for unknown ids and were ignored")
        found += filter(None, [self.warning])
        return [*found, *(f"{n} left out: {reason}" for reason, n in self.dropped.items()), STRICT]


def read_questions(path: Path | str, dropped: Counter[str]) -> list[Question]:
    """Every usable row of a test file with its prompt as published; the others are named and counted in `dropped`.

    Raises:
        PublishedTestError: no row can be used.
    """
    questions: dict[str, Question] = {}
    for place, row in _rows(path, dropped):
        try:
            question = _question(row)
            if question.id in questions:
                raise ValueError(f"duplicate id {question.id!r}")
            questions[question.id] = question
        except (ValueError, TypeError, KeyError, AttributeError, MemoryError, RecursionError) as error:
            _leave_out(place, str(error), dropped)
    if not questions:
        raise PublishedTestError(f"{path}: no test row can be used ({_counts(dropped)})")
    return list(questions.values())


def score_answers(
    test: Path | str, answers: Path | str, grader: CaseGrader | None = None, ks: Sequence[int] = ()
) -> Scores:
    """Run stored answers on all stored inputs of their questions.

    Raises:
        PublishedTestError: no test row can be used.
        OtherPython: another Python computed the stored outputs, unless the grader allows that.
        SandboxUnavailable: answers cannot be isolated, unless the grader allows that.
    """
    dropped: Counter[str] = Counter()
    questions = read_questions(test, dropped)
    grader = grader or CaseGrader()
    warning = grader.check_python(questions)
    by_id = {question.id: question for question in questions}
    samples = list(_samples(answers, dropped))
    known = [(by_id[sample.question_id], sample) for sample in samples if sample.question_id in by_id]
    grades = list(grader.grade_all(known))
    summary = summarise(questions, grades, ks)
    metrics = {metric.name.removeprefix(f"{SOURCE}/"): metric for metric in summary.metrics}
    return Scores(metrics, len(questions), summary.n_missing, len(samples) - len(known), dropped, warning)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the scores, one a line; 0 when there are any, else 2."""
    parser = argparse.ArgumentParser(
        prog="python -m lit_reason.case2code.published_test", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("test", type=Path, metavar="TEST", help="test rows as published, JSON lines")
    parser.add_argument("answers", type=Path, metavar="ANSWERS", help="stored answers, JSON lines")
    parser.add_argument("--workers", type=int, default=2, help="programs that run at once")
    parser.add_argument("--k", type=int, nargs="*", default=[], help="also pass@k for these k, unbiased")
    parser.add_argument("--cut", choices=["anywhere", "in_code"], default="anywhere",
                        help="where a cut makes an answer wrong; the release's rule is in_code")  # fmt: skip
    parser.add_argument("--call_seconds", type=float, default=1.0, help="time for one case, of 10 s for all of them")
    parser.add_argument("--allow_rename", action="store_true", help="accept the only function, whatever its name")
    parser.add_argument("--allow_other_python", action="store_true",
                        help="compare outputs although another minor version of Python computed them")  # fmt: skip
    parser.add_argument("--allow_unprotected", action="store_true", help="run even where a protection is missing")
    arguments = parser.parse_args(argv)
    settings = ("workers", "cut", "call_seconds", "allow_rename", "allow_other_python", "allow_unprotected")
    try:
        grader = CaseGrader(**{name: getattr(arguments, name) for name in settings})
        scores = score_answers(arguments.test, arguments.answers, grader, arguments.k)
    except (PublishedTestError, SandboxUnavailable, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write("\n".join(scores.lines()) + "\n")
    return 0


def _question(row: dict[str, Any]) -> Question:
    check_fields(row)
    identity, code = row_id(row), row_code(row, "prompted")
    for key, value in (("id", identity), ("code", code), ("prompt", row.get("prompt"))):
        if not value:
            raise ValueError(f"no {key!r}")
    inputs, outcome, n_lost = stored_cases(row)
    cases = tuple(case_of(text, call) for text, call in zip(inputs, outcome.calls, strict=True))
    if not cases:
        raise ValueError("no case that a literal writes")
    shown = shown_inputs(row)
    function = Function.from_row(
        {"id": identity, "func_name": row.get("func_name"), "code": code, "cases": [c.to_row() for c in cases],
         "python": row_python(row)}
    )  # fmt: skip
    chosen = tuple(i for i, case in enumerate(cases) if case.kwargs in shown)
    hidden = tuple(i for i in range(len(cases)) if i not in chosen)
    function = replace(function, shown=chosen, hidden=hidden)
    meta = {
        **function.to_row(), "source": SOURCE, "name_given": True, "error_messages": True, "n_not_literal": n_lost,
        "instruction_prompt": instruction_prompt(function, chosen),
    }  # fmt: skip
    del meta["id"]
    return Question(identity, row["prompt"], code, meta)


def _samples(path: Path | str, dropped: Counter[str]) -> Iterator[Sample]:
    seen: Counter[str] = Counter()
    for place, row in _rows(path, dropped):
        texts = next((row[key] for key in _ANSWER_KEYS if key in row), None)
        identity = row_id(row)
        if not identity or texts is None:
            _leave_out(place, "no 'id'" if not identity else "no 'completions'", dropped)
            continue
        finish = "length" if row.get("finish_reason") == "length" else "stop"
        for text in texts if isinstance(texts, list) else [texts]:
            yield Sample("", identity, seen[identity], str(text), 0, 0, finish)  # type: ignore[arg-type]
            seen[identity] += 1


def _rows(path: Path | str, dropped: Counter[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    def cut(path: Path, line: int, why: str) -> None:
        _leave_out(f"{path.name}:{line}", f"not JSON: {why}", dropped)

    for line, row in read_jsonl(path, cut):
        yield f"{Path(path).name}:{line}", row


def _leave_out(place: str, reason: str, dropped: Counter[str]) -> None:
    dropped[reason] += 1
    logger.warning("%s: %s", place, reason)


def _counts(dropped: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "it is empty"


if __name__ == "__main__":
    sys.exit(main())
