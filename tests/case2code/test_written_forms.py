"""What `prepare` writes in the published formats enters again at every step, and scores itself as it should."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from datamodules.case2code_release import WRITTEN_HERE, Case2CodeReleaseDataModule
from lit_reason.case2code import published_test
from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.release import row_code, shown_inputs, stored_cases
from lit_reason.case2code.settings import RealSettings
from lit_reason.files import read_jsonl
from tests.case2code import published as p
from tests.case2code.test_release import prepare

SQUARE = "def square(numbers: list[int]):\n    return [math.prod((v, v)) for v in numbers]\n"
RAW = [
    *(p.raw(name, code) for name, (code, _) in p.GOOD.items()),
    p.raw("constant", p.CONSTANT[0]),
    {"id": "square", "content": SQUARE, "import_code": ["import math", "import os"]},
    p.raw("halves", "def halves(n: int):\n    if n < -3:\n        raise ValueError(f'low: {n}')\n    return n // 2\n"),
    p.raw("tail", "def tail(word: str):\n    return word[3:] + '.'\n"),
    p.raw("pairs", "def pairs(words: list[str]):\n    return {w: len(w) for w in words}\n"),
]
KEPT = {*p.GOOD, "square", "halves", "tail", "pairs"}
MOST_HELD_OUT = ["--data.real.held_out_share=0.9", "--data.real.near_duplicates=null"]
STAGES = {"raw": "raw", "written": "written", "executed": "executed", "prompted": "prompted", "test": "prompted"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of raw rows for which the typed writer wrote inputs; many functions are held out for the test."""
    folder = tmp_path_factory.mktemp("first")
    kept, rejected = prepare(RAW, "raw", folder, *MOST_HELD_OUT)
    assert set(kept) == KEPT and rejected == {"constant": "constant"}
    return folder / "out"


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(folder / f"{name}.jsonl")]


def what_it_is(row: dict[str, Any]) -> dict[str, Any]:
    """A function's row without the place where it was read."""
    return {key: value for key, value in row.items() if key != "origin"}


@pytest.mark.parametrize("form", STAGES)
def test_every_form_enters_again(form: str, first: Path, tmp_path: Path) -> None:
    original = {row["id"]: what_it_is(row) for row in rows_of(first, "functions")}
    written = rows_of(first, form)
    kept, _ = prepare(written, STAGES[form], tmp_path, *MOST_HELD_OUT)
    assert set(kept) == ({row["id"] for row in written} if form == "test" else KEPT)
    for id, row in kept.items():
        assert (row["func_name"], row["code"]) == (original[id]["func_name"], original[id]["code"])
        if form in ("raw", "written"):  # the same inputs were written, or are there: then all else follows
            assert what_it_is(row) == original[id]
        elif form != "prompted":
            assert sorted(map(json.dumps, row["cases"])) == sorted(map(json.dumps, original[id]["cases"]))
        if STAGES[form] == "prompted":
            (source,) = [other for other in written if other["id"] == id]
            assert (row["prompt"], row["output"]) == (source["prompt"], source["output"])
        if form == "test":
            assert {row["cases"][i]["kwargs"] for i in row["shown"]} == shown_inputs(source)


def test_written_rows_hold_all_inputs_also_of_functions_rejected_later(first: Path) -> None:
    written = {row["id"]: row for row in rows_of(first, "written")}
    assert set(written) == {*KEPT, "constant"}
    kept = {row["id"]: row for row in rows_of(first, "functions")}
    for id, row in written.items():
        assert row["gen_answer_id"] == id and row["check_result"] and row["task"] == "write_testcase"
        if id in kept:
            assert all(f"    {case['kwargs']},\n" in row["example_str"] for case in kept[id]["cases"])
    assert RealSettings().n_written > RealSettings().n_cases
    assert any(row["example_str"].count("\n    ") > RealSettings().n_cases for row in written.values())


def test_raw_rows_list_their_imports_apart(first: Path) -> None:
    (row,) = [row for row in rows_of(first, "raw") if row["id"] == "square"]
    assert (row["import_code"], row["content"]) == (["import math"], SQUARE)


def test_test_rows_are_the_questions_of_the_test_in_the_500_row_format(first: Path) -> None:
    """Section 3 names the keys; `choosed_example_idx` points into `parsed_inputs`, whose values are literal texts."""
    real = RealSettings(held_out_share=0.9, call_seconds=0.1, near_duplicates=None)
    prompts = PromptSettings(style="varied", k_min=3, last_newlines=True)
    data = Case2CodeReleaseDataModule(str(first.parent / "rows.jsonl"), "raw", str(first), real=real, prompts=prompts)
    asked = {question.id: question for question in data.questions("test")}
    rows = rows_of(first, "test")
    assert 0 < len(rows) < len(KEPT) and [row["id"] for row in rows] == list(asked)
    for row in rows:
        question = asked[row["id"]]
        assert {"id", "func_name", "code", "example_str", "example_inputs", "parsed_inputs", "example_outputs",
                "choosed_example_idx", "prompt", "output"} <= set(row)  # fmt: skip
        assert row["prompt"] == question.prompt and row_code(row) == question.gold
        assert row["choosed_example_idx"] == question.meta["shown"]
        inputs, outcome, lost = stored_cases(row)
        assert list(inputs) == [case["kwargs"] for case in question.meta["cases"]] and lost == 0
        assert len(outcome.calls) == len(row["parsed_inputs"]) == len(row["example_outputs"])


def test_test_rows_give_their_own_references_full_marks(first: Path, tmp_path: Path, capsys) -> None:
    rows = rows_of(first, "test")
    answers = [{"id": row["id"], "output": row["output"]} for row in rows]
    file = str(first / "test.jsonl")
    assert published_test.main([file, str(p.write(tmp_path / "answers.jsonl", answers))]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("strict", "value_aware", "case_fraction", "shown_pass", "hidden_pass"):
        assert f"{name}: 1.0000" in lines
    assert f"0 of {len(rows)} questions have no answer and count as wrong" in lines
    answers[0]["output"] = answers[0]["output"].replace("return ", "return 0, ")
    assert published_test.main([file, str(p.write(tmp_path / "answers.jsonl", answers))]) == 0
    (strict,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("strict:")]
    assert math.isclose(float(strict.split()[1]), 1 - 1 / len(rows), abs_tol=1e-4)


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_rows_are_not_read_from_where_they_are_written(name: str, tmp_path: Path) -> None:
    p.write(tmp_path / name, RAW)
    given = {"release_path": str(tmp_path / name), "out_dir": str(tmp_path)}
    message = f"would be overwritten by what is written into {tmp_path}"
    assert ("release_path", message) in Case2CodeReleaseDataModule.check_config(given)
    assert Case2CodeReleaseDataModule.check_config({**given, "out_dir": str(tmp_path / "out")}) == []


def test_a_test_file_is_not_overwritten(first: Path, tmp_path: Path) -> None:
    real = RealSettings(call_seconds=0.1)
    file = p.write(tmp_path / "test.jsonl", rows_of(first, "test"))
    rows = p.write(tmp_path / "rows.jsonl", rows_of(first, "executed"))
    before = file.read_bytes()
    Case2CodeReleaseDataModule(str(rows), "executed", str(tmp_path), str(file), real=real).prepare_data()
    assert file.read_bytes() == before and (tmp_path / "prompted.jsonl").exists()
