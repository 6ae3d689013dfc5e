"""What a grade keeps of failed cases, for the reader of a report."""

from lit_reason.case2code.grader import FAILED_CASES, FAILED_CHARS, CaseGrader
from lit_reason.records import Grade, Question, Sample


def graded(source: str) -> Grade:
    cases = [{"kwargs": f"{{'x': {x}}}", "return": repr(x * 2)} for x in (1, 2, 3, 4, 5)]
    cases.append({"kwargs": "{'x': None}", "error": "TypeError"})
    meta = {"func_name": "f", "params": ["x"], "cases": cases, "name_given": True}
    meta |= {"shown": [0, 1], "hidden": [2, 3, 4, 5]}
    sample = Sample("pool", "q", 0, f"```python\n{source}```", 9, 9, "stop")
    (grade,) = CaseGrader(workers=1).grade_all([(Question("q", "p", None, meta), sample)])
    return grade


def test_the_first_failed_cases_are_kept_with_what_was_expected_and_got() -> None:
    failed = graded("def f(x):\n    return 2 if x == 1 else x + 'a' if x == 3 else 0\n").detail["failed"]
    assert failed == [
        {"call": "{'x': 2}", "expected": "4", "got": "0", "shown": True},
        {"call": "{'x': 3}", "expected": "6", "got": "TypeError", "shown": False},
        {"call": "{'x': 4}", "expected": "8", "got": "0", "shown": False},
    ]
    assert len(failed) == FAILED_CASES


def test_a_right_or_an_absent_program_has_no_failed_cases() -> None:
    assert graded("def f(x):\n    return x * 2 if x is not None else x + 1\n").detail["failed"] == []
    assert graded("def g(x, y):\n    return x\n").detail["failed"] == []
    assert graded("def f(x:\n").detail["failed"] == []


def test_long_results_are_shortened() -> None:
    (first, *_) = graded("def f(x):\n    return 'y' * 900\n").detail["failed"]
    assert first["got"] == "'" + "y" * (FAILED_CHARS - 1)
