"""A function that carries along others of its module, from its file to the prompt, the target and the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_reason.case2code.functions import Function
from lit_reason.case2code.grader import CaseGrader
from lit_reason.case2code.pipeline import build, stored_functions
from lit_reason.case2code.prompts import PromptSettings, build_prompt, build_target
from lit_reason.case2code.release import release_row
from lit_reason.case2code.settings import RealSettings
from lit_reason.records import Question, Sample
from tests.case2code import published as p

SOURCE = """
import math

def half(x: int):
    return math.floor(x / 2)

def halves(values: list[int]):
    return [half(v) for v in values]

def unrelated(word: str):
    return word[::-1] + "."
"""


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Function:
    """What the pipeline made of it."""
    file = tmp_path_factory.mktemp("helpers") / "a.py"
    file.write_text(SOURCE)
    functions = stored_functions(build(RealSettings(sources=[str(file)], helpers=True, call_seconds=0.1)))
    assert {function.name for function in functions} == {"half", "halves", "unrelated"}
    return next(function for function in functions if function.name == "halves")


def test_it_is_run_with_what_it_carries(halves: Function) -> None:
    assert halves.code.startswith("import math\n") and halves.code.index("def half(") < halves.code.index("def halves(")
    assert "unrelated" not in halves.code and halves.params == ("values",)
    returned = [case for case in halves.cases if case.error is None]
    assert len(returned) > 6
    for case in returned:
        assert case.returned == repr([v // 2 for v in case.arguments()["values"]])


def test_prompts_show_its_cases_and_targets_the_whole_program(halves: Function) -> None:
    for style in ("varied", "short"):
        prompt = build_prompt(halves, PromptSettings(style=style, name_share=1.0))  # type: ignore[arg-type]
        assert "halves" in prompt.text and "half(" not in prompt.text and "math" not in prompt.text
    assert build_target(halves.code) == f"```python\n{halves.code.rstrip()}\n```"


def test_its_target_gets_full_marks_and_without_the_helper_none(halves: Function) -> None:
    question = Question("q", "?", halves.code, {**halves.to_row(), "name_given": True})
    alone = halves.code.replace("def half(", "def other(")
    texts = [f"```python\n{code}```" for code in (halves.code, alone)]
    pairs = [(question, Sample("p", "q", i, text, 1, 1, "stop")) for i, text in enumerate(texts)]
    right, wrong = CaseGrader(workers=1).grade_all(pairs)
    assert (right.status, right.score) == ("right", 1.0)
    assert wrong.detail["kind"] == "runtime"


def test_its_published_forms_enter_again(halves: Function, tmp_path: Path) -> None:
    for stage in ("raw", "written", "executed"):
        row = {"id": halves.id, **release_row(halves, stage)}  # type: ignore[arg-type]
        settings = RealSettings(sources=[str(p.write(tmp_path / f"{stage}.jsonl", [row]))], helpers=True)
        (again,) = stored_functions(build(settings))
        assert (again.name, again.code) == (halves.name, halves.code)
