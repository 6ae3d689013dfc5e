"""Published rows that cannot be used: each is named by file and line, in the words of its step, and stops no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lit_reason.case2code.harvest import SHOWN_BAD_ROWS
from lit_reason.cli import main
from lit_reason.files import read_jsonl
from tests.case2code import published as p
from tests.case2code.test_release import ROWS, case, command, own, prepare
from tests.case2code.test_release import elsewhere as elsewhere  # for every test

BAD: list[tuple[Any, str]] = [
    ("{cut", "not JSON"),
    ("[1, 2]", "not JSON: expected an object"),
    ({"content": "def f(x):\n    return x\n"}, "no 'id'"),
    ({"id": "b1"}, "no 'code'"),
    (p.plain("shout", "shout", *p.GOOD["shout"]), "duplicate id 'shout'"),
    ({**p.plain("b2", "inverse", *p.GOOD["inverse"]), "func_name": "other"}, "'code' defines no function 'other'"),
    ({**p.filtered("b3", "letters", *p.GOOD["letters"]), "example_outputs": [{"return": '"1"'}] * 3},
     "10 inputs but 3 outputs"),
    ({**p.plain("b4", "letters", *p.GOOD["letters"]), "example_outputs": [{"got": "1"}] * 10},
     "an output is neither a value nor an error"),
    ({**p.plain("b5", "letters", *p.GOOD["letters"]), "example_outputs": 3}, "'example_outputs' must be a list, not 3"),
    ({"id": "b6", "code": p.GOOD["letters"][0]}, "no 'example_outputs'"),
    *(({**p.plain("b7", "letters", *p.GOOD["letters"]), key: value}, reason) for key, value, reason in (
        ("code", 3, "'code' must be text, not 3"), ("func_name", ["f"], "'func_name' must be text, not ['f']"),
        ("id", ["x"], "'id' must be text or a whole number or a number, not ['x']"),
        ("import_code", [3], "'import_code' must be a list of texts, but holds 3"),
        ("example_inputs", 5, "'example_inputs' must be a list, not 5"),
        ("example_inputs", [{"s": ""}] * 10, "'example_inputs' must be a list of texts, but holds {'s': ''}"),
        ("example_outputs", [{"return": 3}] * 10, "'return' of 'example_outputs' must be text, not 3"),
        ("example_outputs", [{"return": "3"}] * 9 + [{"error": None}], "an output is neither a value nor an error"),
        ("exec_raw_output", 7, "'exec_raw_output' must be text, not 7"),
    )),
    (own("b8", *[case("{'x': 1}")] * 5, shown="ab"), "'shown' must be a list, not 'ab'"),
    (own("b9", *[case("{'x': 1}")] * 5, shown=["a"]), "'shown' and 'hidden' must be disjoint indices of 'cases'"),
    *((own(f"k{i}", *[case(kwargs)] * 5), "'kwargs' of a case must") for i, kwargs in enumerate(
        ("not python (", {"x": 1}, "5", "{1: 2}", "{'x': " + "(" * 300 + "1" + ")" * 300 + "}", "{'x': open('f')}"))),
    (own("k6", *[case("{'x': 1}", 3)] * 5), "'return' of a case must be text, not 3"),
    (own("k7", "a case"), "a case needs 'kwargs'"),
]  # fmt: skip


def test_bad_rows_are_named_by_file_and_line_and_none_stops_the_others(tmp_path: Path, caplog) -> None:
    good = p.plain("shout", "shout", *p.GOOD["shout"])
    last = p.plain("clip_sum", "clip_sum", *p.GOOD["clip_sum"])
    kept, _ = prepare([good, *(row for row, _ in BAD), last], "executed", tmp_path)
    assert set(kept) == {"shout", "clip_sum"}
    rejected = [row for _, row in read_jsonl(tmp_path / "out" / "rejected.jsonl")]
    for line, ((_, reason), row) in enumerate(zip(BAD, rejected, strict=True), 2):
        assert row["reason"].startswith(reason)
        assert row["origin"].startswith(f"rows.jsonl:{line}")
        assert (f"rows.jsonl:{line}: " in caplog.text) == (line < 2 + SHOWN_BAD_ROWS)


NO_CODE: list[tuple[str, dict[str, Any], str]] = [
    ("raw", {"id": "x"}, "no 'content'"),
    ("raw", {"id": "x", "content": 3}, "'content' must be text, not 3"),
    ("written", {"id": "x", "example_str": "examples = []", "prompt": "q"},
     "no 'content', and no python block in 'prompt'"),
    ("written", {**p.written("x", *p.GOOD["letters"]), "example_str": 3}, "'example_str' must be text, not 3"),
    ("prompted", {"id": "x", "prompt": "q"}, "no 'output'"),
    ("prompted", {"id": "x", "prompt": "q", "output": "no block"}, "no python block in 'output'"),
    ("prompted", {"id": "x", "prompt": "```python\ndef f(x):\n    return x\n```", "output": "none"},
     "no python block in 'output'"),
    ("prompted", {**ROWS["test"][1][2], "id": "x", "choosed_example_idx": [1, 99]},
     "'choosed_example_idx' names input 99 of 6"),
    ("prompted", {**ROWS["test"][1][2], "id": "x", "choosed_example_idx": [-1]},
     "'choosed_example_idx' names input -1 of 6"),
]  # fmt: skip


@pytest.mark.parametrize("stage", ["raw", "written", "prompted"])
def test_what_a_row_lacks_is_said_in_the_words_of_its_step(stage: str, tmp_path: Path) -> None:
    good = {"raw": "raw", "written": "written", "prompted": "test"}[stage]
    bad = [(row, reason) for step, row, reason in NO_CODE if step == stage]
    prepare([*(row for row, _ in bad), ROWS[good][1][1]], stage, tmp_path)
    rejected = [row["reason"] for _, row in read_jsonl(tmp_path / "out" / "rejected.jsonl")]
    assert rejected == [reason for _, reason in bad]


def test_a_row_that_cannot_be_used_leaves_its_id_to_the_next(tmp_path: Path) -> None:
    good = p.plain("shout", "shout", *p.GOOD["shout"])
    kept, rejected = prepare([{**good, "example_outputs": 3}, good, good], "executed", tmp_path)
    assert set(kept) == {"shout"} and rejected == {"shout": "duplicate id 'shout'"}


CORRUPT: list[tuple[Any, str]] = [
    ("{cut", "not JSON"),
    ("[" * 200_000, "not JSON: maximum recursion depth exceeded"),
    ('{"id": "deep", "content": ' + "[" * 200_000, "not JSON: maximum recursion depth exceeded"),
    ({"id": "half \ud800 a pair"}, "'id' is no UTF-8 text"),
    ({"prompt": "half \ud800 a pair"}, "'prompt' is no UTF-8 text"),
    ({"output": "half \ud800 a pair"}, "'output' is no UTF-8 text"),
]


@pytest.mark.parametrize("form", ["raw", "written", "training"])
def test_corrupt_lines_are_named_by_file_and_line_at_every_step(form: str, tmp_path: Path, caplog) -> None:
    stage, rows = ROWS[form]
    bad = [line if isinstance(line, str) else {**rows[2], "id": "x", **line} for line, _ in CORRUPT]
    file = p.write(tmp_path / "rows.jsonl", [rows[0], *bad, rows[1], rows[3]])
    file.write_bytes(file.read_bytes()[:-40])
    assert main(command(file, stage, tmp_path / "out")) == 0
    rejected = [row for _, row in read_jsonl(tmp_path / "out" / "rejected.jsonl")]
    wanted = [*(reason for _, reason in CORRUPT), "not JSON"]
    for line, reason, row in zip([2, 3, 4, 5, 6, 7, 9], wanted, rejected, strict=True):
        assert row["reason"].startswith(reason) and row["origin"] == f"rows.jsonl:{line}"
        assert f"rows.jsonl:{line}: {reason}" in caplog.text
    assert main(command(file, stage, tmp_path / "out")) == 0  # and it opens again
