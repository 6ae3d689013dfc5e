"""HumanEval's problems as questions, and verdicts on answers that were really run with the problems' own tests."""

from __future__ import annotations

from collections import Counter

import pytest

from lit_reason.grading import Grader
from lit_reason.human_eval import load_problems
from lit_reason.human_eval_grader import HumanEvalGrader, human_eval_questions
from lit_reason.records import Grade, Question, Sample, from_table, to_table
from lit_reason.sandbox import Program, Sandbox

PROBLEMS = {problem.id: problem for problem in load_problems()}
QUESTIONS = human_eval_questions()
FIRST = PROBLEMS["HumanEval/0"]
"""`has_close_elements`, whose prompt imports `List`."""


def fenced(code: str) -> str:
    return f"Sure:\n```python\n{code}\n```"


def whole(question: Question) -> str:
    """The solved function alone, without the imports and helpers above it."""
    return question.gold[question.gold.index(f"def {question.meta['entry_point']}(") :]


def grades(answer, questions=QUESTIONS, finish="stop", **options) -> list[Grade]:
    pairs = [(question, Sample("p", question.id, 0, answer(question), 1, 1, finish)) for question in questions]
    return list(HumanEvalGrader(**options).grade_all(pairs))


def kind(text: str, finish: str = "stop", **options) -> str:
    (grade,) = grades(lambda _: text, QUESTIONS[:1], finish, **options)
    assert (grade.status == "right") == (grade.score == 1.0) == (grade.detail["kind"] == "ok")
    return grade.detail["kind"]


def test_all_problems_are_asked_without_their_answers() -> None:
    assert len(QUESTIONS) == len({question.id for question in QUESTIONS}) == 164
    assert [question.id for question in human_eval_questions(3)] == [f"HumanEval/{i}" for i in range(3)]
    for question in QUESTIONS:
        (message,) = question.prompt
        problem = PROBLEMS[question.id]
        assert problem.prompt in message["content"] and problem.solution.strip() not in message["content"]
    assert from_table(Question, to_table(Question, QUESTIONS)) == QUESTIONS


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda q: fenced(q.gold), id="whole program"),
        pytest.param(lambda q: fenced(whole(q)), id="function without its imports and helpers"),
        pytest.param(lambda q: PROBLEMS[q.id].solution + "\n\nprint(1)\ndef more(", id="continuation that runs on"),
    ],
)
def test_every_reference_solution_is_right(answer) -> None:
    found = grades(answer)
    assert [grade.question_id for grade in found] == [question.id for question in QUESTIONS]
    assert Counter(grade.detail["kind"] for grade in found) == {"ok": 164}


def test_no_empty_function_is_right() -> None:
    found = grades(lambda q: fenced(f"{q.meta['prompt']}    return None"))
    assert not [grade.question_id for grade in found if grade.status == "right"]


SIGNATURE = "def has_close_elements(numbers, threshold):\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (fenced(f"{SIGNATURE}    return True"), "wrong"),
        (fenced(f"{SIGNATURE}    return nothing"), "runtime"),
        (fenced(f"{SIGNATURE}    while True: pass"), "timeout"),
        (fenced(f"{SIGNATURE}    return (("), "syntax"),
        (fenced("def other(numbers, threshold):\n    return True"), "missing_function"),
        ("I cannot do that.", "no_code"),
        ("", "no_code"),
        (fenced(f"{SIGNATURE}    return True\nraise SystemExit"), "runtime"),
        (fenced(f"import os\n{SIGNATURE}    os._exit(0)"), "runtime"),
        (fenced(f"{SIGNATURE}    return True\ndef check(candidate): pass"), "wrong"),
    ],
)
def test_kinds(text: str, expected: str) -> None:
    assert kind(text, seconds=1.0) == expected


def test_a_cut_block_is_wrong_and_a_cut_continuation_is_run() -> None:
    assert kind(fenced(FIRST.code).removesuffix("\n```"), finish="length") == "truncated"
    assert kind(fenced(FIRST.code) + "\nThis function", finish="length") == "ok"
    assert kind(FIRST.solution + "\n\ndef another(", finish="length") == "ok"


LIARS = {
    "equal to everything": f"class Yes:\n    def __eq__(self, other): return True\n\n{SIGNATURE}    return Yes()",
    "says it has passed": (
        f"import os, sys\n{SIGNATURE}    frame = sys._getframe()\n    while 'send' not in frame.f_locals:\n"
        "        frame = frame.f_back\n    send = frame.f_locals['send']\n"
        "    send(kind='call', index=0, status='return', text='None', message='')\n    os._exit(0)"
    ),
}


@pytest.mark.parametrize("liar", LIARS)
def test_an_answer_that_lies_passes_only_where_it_shares_a_process_with_the_tests(liar: str) -> None:
    shared = f"{LIARS[liar]}\n\n{FIRST.test}\n\ndef run():\n    check({FIRST.entry_point})\n"
    with Sandbox(workers=1) as sandbox:
        (call,) = sandbox.run(Program(shared, "run", ("{}",))).calls
    assert call.status == "return", "the lie works there"
    assert kind(fenced(LIARS[liar])) in ("wrong", "runtime")


def test_results_of_kinds_of_plain_types_count_as_plain_ones() -> None:
    histogram = PROBLEMS["HumanEval/111"]
    answer = (
        "from collections import Counter, OrderedDict\ndef histogram(test):\n    counts = Counter(test.split())\n"
        "    most = max(counts.values(), default=0)\n"
        "    return OrderedDict((each, n) for each, n in counts.items() if n == most)"
    )
    (question,) = [question for question in QUESTIONS if question.id == histogram.id]
    (grade,) = grades(lambda _: fenced(answer), [question])
    assert grade.status == "right"


def test_it_is_a_grader_with_a_name() -> None:
    grader: Grader = HumanEvalGrader()
    assert grader.name == "human_eval@2"
