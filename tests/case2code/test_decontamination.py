"""None of the functions of an evaluation set is harvested, under its own name, another one, or after a small edit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from lit_reason.case2code.decontamination import EvaluationSets
from lit_reason.case2code.harvest import harvest
from lit_reason.case2code.pipeline import build, stored_functions
from lit_reason.case2code.rules import REASONS, HarvestRules
from lit_reason.case2code.settings import RealSettings
from lit_reason.files import read_jsonl
from lit_reason.human_eval import load_problems

NEAR = 0.8
BELOW_ZERO = next(p.code for p in load_problems() if p.entry_point == "below_zero")
MINE = "def mine(x: int):\n    y = x * 3\n    return [y, y]\n"


def rejected(code: str, tmp_path: Path, sets: list[str], near: float | None = NEAR) -> Counter[str]:
    """Reasons by which a file of this function and of one more leaves some out; the other one always stays."""
    file = tmp_path / "a.py"
    file.write_text(f"{code}\n\n{MINE}")
    found = harvest([str(file)], sets, near_duplicates=near)
    assert "mine" in {candidate.name for candidate in found.kept}
    return found.rejected


@pytest.mark.parametrize(("changes", "reason"), [
    ({}, "R10"),
    ({"balance": "purse"}, "R10"),
    ({"below_zero": "dips"}, "R10"),
    ({"below_zero": "dips", "operations": "xs", "balance": "t"}, "R10"),
    ({"balance < 0": "0 > balance"}, "R10-like"),
    ({"balance += op": "balance = balance + op", "below_zero": "dips"}, "R10-like"),
    ({"balance < 0": "balance < -op * 2"}, None),
    ({"balance += op": "balance = max(balance, op) * 2", "balance = 0": "balance = 9"}, None),
])  # fmt: skip
def test_a_copy_is_found_under_any_name_and_after_a_small_edit(
    changes: dict[str, str], reason: str | None, tmp_path: Path
) -> None:
    code = BELOW_ZERO
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    assert rejected(code, tmp_path, ["human_eval"]) == Counter([reason] if reason else [])
    assert rejected(code, tmp_path, []) == Counter()
    if reason == "R10-like":
        assert rejected(code, tmp_path, ["human_eval"], near=None) == Counter()


def test_a_trivial_body_costs_one_function_of_each_set_and_no_more(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"code": "def add(p, q):\n    'other words'\n    return p + q\n"}) + "\n")
    code = (
        "def plus(a, b):\n    return a + b\ndef add(a, b):\n    return b + a\ndef add3(a, b):\n    return a + b + 3\n"
    )
    (tmp_path / "c.py").write_text(code)
    found = harvest([str(tmp_path / "c.py")], [str(exam)], near_duplicates=NEAR)
    assert [c.name for c in found.kept] == ["add", "add3"]  # the name alone does not make it the exam's
    assert found.rejected == Counter(R10=1)


def test_what_a_function_carries_along_does_not_hide_it(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"content": "def f(xs):\n    return [half(x) for x in xs if x > 2]\n"}) + "\n")
    code = "def half(x):\n    return x // 2\ndef g(ys):\n    return [half(y) for y in ys if {}]\n"
    for condition, reason in (("y > 2", "R10"), ("2 < y", "R10-like")):
        (tmp_path / "c.py").write_text(code.format(condition))
        found = harvest([str(tmp_path / "c.py")], [str(exam)], HarvestRules(helpers=True), near_duplicates=NEAR)
        assert [c.name for c in found.kept] == ["half"] and found.rejected == Counter([reason])


def test_tasks_in_our_own_form_are_compared_without_their_imports(tmp_path: Path) -> None:
    exam, rows = tmp_path / "exam.jsonl", tmp_path / "rows.jsonl"
    source = "def f(x):\n    return math.floor(x) + 1\n"
    exam.write_text(json.dumps({"code": f"import math\n{source}"}) + "\n")
    cases = [{"kwargs": f"{{'x': {i}}}", "return": str(i + 1)} for i in range(6)]
    row = {"id": "a", "func_name": "g", "code": f"import math\n\n\n{source.replace('f(', 'g(', 1)}", "cases": cases}
    rows.write_text(json.dumps(row) + "\n")
    found = harvest([str(rows)], [str(exam)])
    assert found.executed == [] and found.rejected == Counter(R10=1)


def test_the_pipeline_counts_them_under_their_reasons(tmp_path: Path) -> None:
    copies = [BELOW_ZERO.replace("below_zero", "dips"), BELOW_ZERO.replace("balance < 0", "0 > balance")]
    (tmp_path / "a.py").write_text("\n".join([*copies, MINE]))
    settings = RealSettings(sources=[str(tmp_path / "a.py")], call_seconds=0.1)
    folder = build(settings)
    assert [function.name for function in stored_functions(folder)] == ["mine"]
    assert json.loads((folder / "reasons.json").read_text())["harvest"] == {"R10": 1, "R10-like": 1}
    assert {"R10", "R10-like"} <= set(REASONS)
    off = build(RealSettings(sources=[str(tmp_path / "a.py")], call_seconds=0.1, near_duplicates=None))
    assert {row["func_name"] for _, row in read_jsonl(off / "functions.jsonl")} == {"below_zero", "mine"}


def test_human_eval_is_kept_out_unless_one_says_otherwise() -> None:
    assert RealSettings().evaluation_sets == ["human_eval"]
    assert len(EvaluationSets(["human_eval"])) >= 164
