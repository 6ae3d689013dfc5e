"""The published test rows: read, asked, and stored answers scored by the strict and the value-aware rule."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datamodules.case2code_release import Case2CodeReleaseDataModule
from lit_reason.case2code import published_test
from lit_reason.case2code.published_test import PublishedTestError, read_questions, score_answers
from tests.case2code import published as p

ROOT = Path(__file__).resolve().parents[2]
ROWS = [p.test_row(name, name, code, inputs[:6], inputs[6:], [4, 0, 2]) for name, (code, inputs) in p.GOOD.items()]
SHORT = {"clip_sum": "def clip_sum(xs, cap):\n    return min(sum(xs), cap)\n"}


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    return p.write(tmp_path / "test.jsonl", ROWS)


def answer(name: str, code: str = "", **more: Any) -> dict[str, Any]:
    return {"gen_answer_id": name, "completions": f"Here:\n```python\n{code or p.GOOD[name][0]}```", **more}


def scored(test_file: Path, answers: list[Any], **more: Any):
    return score_answers(test_file, p.write(test_file.parent / "answers.jsonl", answers), **more)


def test_questions_keep_the_published_prompt_and_hide_the_rest(test_file: Path) -> None:
    questions = read_questions(test_file, Counter())
    assert [q.id for q in questions] == list(p.GOOD)
    for question, row in zip(questions, ROWS, strict=True):
        assert question.prompt == row["prompt"]
        shown = [question.meta["cases"][i]["kwargs"] for i in question.meta["shown"]]
        assert shown == [repr(p.GOOD[question.id][1][i]) for i in (0, 2, 4)]
        assert len(question.meta["hidden"]) == len(question.meta["cases"]) - 3


def test_the_functions_themselves_score_one(test_file: Path) -> None:
    found = scored(test_file, [answer(name) for name in p.GOOD])
    assert {found.metrics[name].mean for name in ("strict", "value_aware", "case_fraction")} == {1.0}
    assert (found.n_questions, found.n_missing, found.n_unknown) == (4, 0, 0)


def test_missing_answers_are_wrong_and_unknown_ids_are_ignored_both_with_their_number(test_file: Path) -> None:
    found = scored(test_file, [answer("clip_sum", SHORT["clip_sum"]), answer("shout", id="nobody"), answer("inverse")])
    assert found.metrics["strict"].mean == 0.5
    assert (found.n_missing, found.n_unknown) == (2, 1)
    lines = found.lines()
    assert "strict: 0.5000" in lines
    assert "2 of 4 questions have no answer and count as wrong" in lines
    assert "1 answers are for unknown ids and were ignored" in lines


def test_strict_compares_the_message_and_value_aware_the_type(test_file: Path) -> None:
    code = "def inverse(x):\n    if x == 0:\n        raise ZeroDivisionError('other words')\n    return 60 // x\n"
    found = scored(test_file, [answer("inverse", code)])
    assert (found.metrics["strict"].mean, found.metrics["value_aware"].mean) == (0.0, 0.25)


def test_value_aware_forgives_the_type_of_a_number(test_file: Path) -> None:
    found = scored(test_file, [answer("clip_sum", "def clip_sum(xs, cap):\n    return float(min(sum(xs), cap))\n")])
    assert (found.metrics["strict"].mean, found.metrics["value_aware"].mean) == (0.0, 0.25)


def test_long_results_are_compared_whole(tmp_path: Path) -> None:
    code = "def long(x):\n    return 'y' * 3000 + str(x)\n"
    inputs = [{"x": i} for i in range(4)]
    file = p.write(tmp_path / "t.jsonl", [p.test_row("long", "long", code, inputs, [], [0])])
    wrong = code.replace("str(x)", "'0'")
    assert scored(file, [answer("long", code)]).metrics["strict"].mean == 1.0
    assert scored(file, [answer("long", wrong)]).metrics["case_fraction"].mean == 0.25


def test_zero_is_an_id(tmp_path: Path) -> None:
    file = p.write(tmp_path / "t.jsonl", [{**ROWS[0], "id": 0}])
    found = scored(file, [{**answer("clip_sum"), "gen_answer_id": 0}])
    assert (found.metrics["strict"].mean, found.n_missing, found.n_unknown) == (1.0, 0, 0)


def test_several_samples_and_cut_answers(test_file: Path) -> None:
    wrong = "def clip_sum(xs, cap):\n    return 0\n"
    texts = [answer("clip_sum", code)["completions"] for code in (p.GOOD["clip_sum"][0], wrong)]
    rows = [{"id": "clip_sum", "completions": texts}, answer("shout", finish_reason="length"), answer("shout")]
    found = scored(test_file, rows, ks=[1, 2])
    assert found.metrics["pass@1"].mean == pytest.approx((0.5 + 0.5) / 4)
    assert found.metrics["pass@2"].mean == pytest.approx(2 / 4)


def test_bad_rows_are_named_and_counted(tmp_path: Path, caplog) -> None:
    bad = ["{cut", {**ROWS[1], "id": ""}, {**ROWS[1], "prompt": ""}, ROWS[0], {**ROWS[2], "func_name": "other"},
           "[" * 200_000, {**ROWS[1], "id": "\ud800"}, {**ROWS[1], "prompt": "\ud800"},
           {**ROWS[1], "choosed_example_idx": [99]}, {**ROWS[1], "example_outputs": [3]}]  # fmt: skip
    file = p.write(tmp_path / "test.jsonl", [ROWS[0], *bad])
    dropped: Counter[str] = Counter()
    assert [q.id for q in read_questions(file, dropped)] == ["clip_sum"]
    assert dropped.total() == 10
    for line in range(2, 12):
        assert f"test.jsonl:{line}: " in caplog.text
    with pytest.raises(PublishedTestError, match="no test row can be used"):
        read_questions(p.write(tmp_path / "none.jsonl", ["{"]), Counter())


def test_a_function_too_deep_for_a_tree_stops_no_other(tmp_path: Path, caplog) -> None:
    deep = [{**ROWS[2], "id": str(n), "code": p.deep(n), "func_name": "deep"} for n in (600, 1500, 5000)]
    file = p.write(tmp_path / "test.jsonl", [*deep, ROWS[0]])
    found = scored(file, [answer("clip_sum"), answer("inverse", p.deep(1500)), answer("600", p.deep(5000))])
    assert found.metrics["strict"].mean == 1 / found.n_questions
    assert "test.jsonl:3: 'code' does not parse" in caplog.text


def test_from_the_command_line(test_file: Path, tmp_path: Path) -> None:
    answers = p.write(tmp_path / "a.jsonl", [*(answer(n) for n in list(p.GOOD)[:3]), "{cut", {"completions": "x"}])
    command = [sys.executable, "-m", "lit_reason.case2code.published_test", str(test_file), str(answers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("strict: 0.7500\nvalue_aware: 0.7500\n")
    assert "1 of 4 questions have no answer" in done.stdout
    assert "1 left out: no 'id'" in done.stdout
    assert "a.jsonl:4: not JSON" in done.stderr
    done = subprocess.run([*command[:-1], str(tmp_path / "none")], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


SLOW = "import time\ndef shout(word):\n    time.sleep(0 if word else 1.5)\n    return word.upper() + '!'\n"
CUT = {"completions": f"```python\n{p.GOOD['shout'][0]}```\nIt says", "finish_reason": "length"}


@pytest.mark.parametrize(("row", "answered", "flags"), [
    ({}, CUT, ["--cut", "in_code"]),
    ({}, {"completions": f"```python\n{p.GOOD['shout'][0].replace('shout', 'loud')}```"}, ["--allow_rename"]),
    ({"python": "2.7"}, {"completions": f"```python\n{p.GOOD['shout'][0]}```"}, ["--allow_other_python"]),
    ({}, {"completions": f"```python\n{SLOW}```"}, ["--call_seconds", "9.5"]),
])  # fmt: skip
def test_options_of_the_grader(
    row: dict[str, Any], answered: dict[str, Any], flags: list[str], tmp_path: Path, capsys
) -> None:
    """Each answer is wrong, or the row refused, without its option."""
    file = p.write(tmp_path / "t.jsonl", [{**ROWS[1], **row}])
    answers = p.write(tmp_path / "a.jsonl", [{"id": "shout", **answered}])
    strict = []
    for options in ([], flags):
        code = published_test.main([str(file), str(answers), *options])
        strict.append(capsys.readouterr().out.partition("\n")[0] if code == 0 else "refused")
    assert strict == ["refused" if row else "strict: 0.0000", "strict: 1.0000"]


def test_a_time_that_cannot_be_is_one_line(test_file: Path, tmp_path: Path, capsys) -> None:
    answers = p.write(tmp_path / "a.jsonl", [answer("shout")])
    assert published_test.main([str(test_file), str(answers), "--call_seconds", "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "call_seconds" in error and error.count("\n") == 1


def test_what_strict_forgives_is_said_and_true(tmp_path: Path, capsys) -> None:
    """The three differences from the release's rule, by an answer that only they let pass."""
    code = "def f(x):\n    if x == 0:\n        return {'a': 1, 'b': 2}\n"
    code += "    if x == 1:\n        raise ValueError('n' * 300)\n"
    code += "    if x == 2:\n        raise ValueError('two  words')\n"
    code += "    if x == 3:\n        raise KeyError(object())\n    return x\n"
    inputs = [{"x": i} for i in range(6)]
    other = code.replace("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}").replace("* 300", "* 400")
    other = other.replace("two  words", "two words").replace("KeyError(object())", "KeyError('anything')")
    file = p.write(tmp_path / "t.jsonl", [p.test_row("f", "f", code, inputs, [], [4])])
    answers = p.write(tmp_path / "a.jsonl", [{"id": "f", "completions": f"```python\n{other}```"}])
    assert published_test.main([str(file), str(answers)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "strict: 1.0000" and lines[-1] == published_test.STRICT


def test_the_release_data_module_asks_them_in_the_test(test_file: Path, tmp_path: Path) -> None:
    rows = p.write(tmp_path / "rows.jsonl", [p.plain(n, n, *item) for n, item in p.GOOD.items()])
    data = Case2CodeReleaseDataModule(str(rows), "executed", str(tmp_path / "out"), str(test_file))
    data.trainer = SimpleNamespace()  # type: ignore[assignment]
    asked = data.questions("test")
    assert [q.prompt for q in asked] == [row["prompt"] for row in ROWS]
    assert all(q.meta["error_messages"] and q.meta["source"] == "release" for q in asked)
