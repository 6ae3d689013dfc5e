"""The published rows, entering at every step through the command line, and what is written of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lit_reason.case2code.functions import Function
from lit_reason.case2code.release import row_code, shown_inputs, stored_cases
from lit_reason.cli import main
from lit_reason.files import read_jsonl
from tests.case2code import published as p

ROOT = Path(__file__).resolve().parents[2]
ITEMS = {**p.GOOD, "constant": p.CONSTANT, "undefined": p.UNDEFINED, "failing": p.FAILING}
ROWS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "raw": ("raw", [p.raw(name, code) for name, (code, _) in ITEMS.items()]),
    "written": ("written", [p.written(name, code, inputs) for name, (code, inputs) in ITEMS.items()]),
    "printed": ("executed", [p.executed(name, name, code, inputs) for name, (code, inputs) in ITEMS.items()]),
    "filtered": ("executed", [p.filtered(name, name, code, inputs) for name, (code, inputs) in ITEMS.items()]),
    "plain": ("executed", [p.plain(name, name, code, inputs) for name, (code, inputs) in ITEMS.items()]),
    "training": ("prompted", [p.training(name, name, code, inputs) for name, (code, inputs) in ITEMS.items()]),
    "test": ("prompted", [p.test_row(n, n, code, inputs[:6], inputs[6:], [4, 0, 2])
                          for n, (code, inputs) in ITEMS.items()]),
}  # fmt: skip
ONE_EACH = ("raw", "written", "plain", "test")
"""A form for every stage."""

RELEASE = [
    "--data.real.drop_constant=false", "--data.real.max_error_share=1.0", "--data.real.min_distinct=1",
    "--data.real.min_cases=2", "--data.real.undefined_names=true",
]  # fmt: skip


def command(file: Path, stage: str, out: Path, *more: str) -> list[str]:
    return [
        "prepare", "--config", str(ROOT / "configs/case2code/from_release.yaml"), f"--data.release_path={file}",
        f"--data.release_stage={stage}", f"--data.out_dir={out}", "--model.backbone.name=llama-tiny",
        "--model.backbone.tokenizer=bytes", "--data.loading.row_tokens=8000", "--data.real.call_seconds=0.1", *more,
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepare(rows: list[Any], stage: str, folder: Path, *more: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Kept rows by id, and reasons of the rejected ones by id."""
    file = p.write(folder / "rows.jsonl", rows)
    assert main(command(file, stage, folder / "out", *more)) == 0
    kept = {row["id"]: row for _, row in read_jsonl(folder / "out" / "functions.jsonl")}
    rejected = {row["id"]: row["reason"] for _, row in read_jsonl(folder / "out" / "rejected.jsonl")}
    return kept, rejected


@pytest.mark.parametrize("form", ROWS)
def test_every_step_is_an_entrance(form: str, tmp_path: Path) -> None:
    stage, rows = ROWS[form]
    kept, rejected = prepare(rows, stage, tmp_path)
    wordings_only = form == "training"
    assert set(kept) == {*p.GOOD, *(("constant", "failing") if wordings_only else ())}
    why = {"undefined": "R5", "constant": "constant", "failing": "needs_object" if form == "raw" else "all_errors"}
    assert rejected == ({"undefined": "R5"} if wordings_only else why)
    for name in p.GOOD:
        function = Function.from_row(kept[name])
        assert function.name == name
        assert set(function.shown).isdisjoint(function.hidden)
        assert bool(function.prompt) == (stage == "prompted")
        if form not in ("raw", "training"):
            code, inputs = ITEMS[name]
            wanted = dict(zip(map(repr, inputs), p.results(code, name, inputs), strict=True))
            assert len(function.cases) == len(wanted)
            for case in function.cases:
                kind, value = wanted[repr(case.arguments())]
                if kind == "error":
                    assert (case.error, case.message) == (value[0].__name__, value[1])
                else:
                    assert eval(str(case.returned)) == eval(value)


def test_rejected_rows_name_the_function(tmp_path: Path) -> None:
    prepare(ROWS["written"][1], "written", tmp_path)
    rows = [row for _, row in read_jsonl(tmp_path / "out" / "rejected.jsonl")]
    assert {row["id"]: row["func_name"] for row in rows} == {n: n for n in ("undefined", "constant", "failing")}


@pytest.mark.parametrize("form", ["written", "filtered"])
def test_the_release_filter_by_its_switches(form: str, tmp_path: Path) -> None:
    stage, rows = ROWS[form]
    kept, rejected = prepare(rows, stage, tmp_path, *RELEASE)
    assert rejected == {"failing": "all_errors"}
    assert {case["error"] for case in kept["undefined"]["cases"] if "error" in case} == {"NameError"}


@pytest.mark.parametrize(("switch", "name"), [(0, "constant"), (4, "undefined")])
def test_each_switch_alone(switch: int, name: str, tmp_path: Path) -> None:
    more = [RELEASE[switch], "--data.real.max_error_share=0.6"]
    assert name in prepare(ROWS["filtered"][1], "executed", tmp_path, *more)[0]


def test_messages_make_errors_distinct(tmp_path: Path) -> None:
    code = "def refuse(x):\n    if x > 1:\n        raise ValueError(f'no {x}')\n    return 0\n"
    rows = [*ROWS["filtered"][1], p.filtered("refuse", "refuse", code, [{"x": i} for i in range(4)])]
    assert prepare(rows, "executed", tmp_path)[1]["refuse"] == "few_outputs"
    (tmp_path / "b").mkdir()
    kept, _ = prepare(rows, "executed", tmp_path / "b", "--data.real.error_messages=true")
    assert "refuse" in kept


def test_later_steps_are_written_as_published_and_enter_again(tmp_path: Path) -> None:
    kept, _ = prepare(ROWS["raw"][1], "raw", tmp_path)
    executed = [row for _, row in read_jsonl(tmp_path / "out" / "executed.jsonl")]
    assert {row["gen_answer_id"] for row in executed} == set(kept)
    for row in executed:
        assert json.loads(row["example_inputs"][0]) == kept[row["gen_answer_id"]]["cases"][0]["kwargs"]
    (tmp_path / "again").mkdir()
    again, rejected = prepare(executed, "executed", tmp_path / "again")
    assert rejected == {}
    for name, row in again.items():
        assert {c["kwargs"]: c for c in row["cases"]} == {c["kwargs"]: c for c in kept[name]["cases"]}
    prompted = [row for _, row in read_jsonl(tmp_path / "out" / "prompted.jsonl")]
    (tmp_path / "last").mkdir()
    last, _ = prepare(prompted, "prompted", tmp_path / "last")
    assert {(row["id"], row["prompt"], row["output"]) for row in prompted} == {
        (row["id"], row["prompt"], row["output"]) for row in last.values()
    }


def test_test_rows_keep_their_choice_of_cases(tmp_path: Path) -> None:
    kept, _ = prepare(ROWS["test"][1], "prompted", tmp_path)
    row = kept["clip_sum"]
    inputs = p.GOOD["clip_sum"][1]
    assert [row["cases"][i]["kwargs"] for i in row["shown"]] == [repr(inputs[i]) for i in (0, 2, 4)]
    assert len(row["hidden"]) == 7


def own(id: str, *cases: Any, code: str = "def f(x):\n    return x - 1\n", **more: Any) -> dict[str, Any]:
    """A row in our own form."""
    return {"id": id, "func_name": "f", "code": code, "cases": list(cases), **more}


def case(kwargs: Any, result: Any = "0") -> dict[str, Any]:
    return {"kwargs": kwargs, "return": result}


def test_results_of_which_the_other_kind_is_null(tmp_path: Path) -> None:
    row = p.filtered("inverse", "inverse", *p.GOOD["inverse"])
    filled = [{"return": None, "error": None, **output} for output in row["example_outputs"]]
    assert stored_cases({**row, "example_outputs": filled}) == stored_cases(row)


def test_shown_inputs_are_found_without_parsed_ones(tmp_path: Path) -> None:
    row = {**ROWS["test"][1][0]}
    wanted = shown_inputs(row)
    del row["parsed_inputs"]
    assert shown_inputs(row) == wanted != frozenset()


def test_a_folder_is_no_file_of_rows(tmp_path: Path, capsys) -> None:
    assert main(command(tmp_path, "raw", tmp_path / "out")) == 2
    assert "data.release_path: is no .jsonl file but a folder" in capsys.readouterr().err


def ones(n: int, result: str = "") -> list[dict[str, Any]]:
    return [case(f"{{'x': {i}}}", result or str(i - 1)) for i in range(n)]


def test_rows_in_our_own_form_pass_the_same_rules_and_filter_as_all_executed_ones(tmp_path: Path) -> None:
    helped = "def g(x):\n    return x\ndef f(x):\n    return g(x) - 1\n"
    rows = {
        "R6": own("opens", *ones(8), code="def f(x):\n    open(x)\n    return x\n"),
        "R5": own("helped", *ones(8), code=helped),
        "constant": own("constant", *ones(8, "1"), code="def f(x):\n    return 1\n"),
        "all_errors": own("errors", *({"kwargs": f"{{'x': {i}}}", "error": "E"} for i in range(8)),
                          code="def f(x):\n    return x.y\n"),
        "few_cases": own("one", *ones(1), code="def f(x):\n    return x - 2\n"),
        "address": own("address", *ones(4), case("{'x': 4}", "<A at 0x7f12>"), code="def f(x):\n    return -x\n"),
        "a call returned although there is no parameter 'y'": own("y", *[case("{'y': 1}")] * 5),
        "R9": own("again", *ones(8)),
    }  # fmt: skip
    good = own("good", *ones(8), *ones(2), shown=[6, 1, 3], hidden=[0, 2, 4], python="2.7")
    kept, rejected = prepare([good, *rows.values()], "executed", tmp_path)
    assert rejected == {row["id"]: reason for reason, row in rows.items()}
    (found,) = kept.values()
    assert [found["cases"][i]["kwargs"] for i in found["shown"]] == ["{'x': 1}", "{'x': 3}", "{'x': 6}"]
    assert (len(found["cases"]), len(found["hidden"]), found["python"]) == (8, 5, "2.7")


@pytest.mark.parametrize("form", ONE_EACH)
def test_zero_is_an_id(form: str, tmp_path: Path) -> None:
    stage, rows = ROWS[form]
    key = "id" if "id" in rows[0] else "gen_answer_id"
    ours = [{**own("", *ones(8)), "id": 0.0}] if stage == "executed" else []
    found = [{**rows[0], key: 0}, {**rows[1], "id": None, "gen_answer_id": 7}, *ours]
    kept, rejected = prepare(found, stage, tmp_path)
    assert (set(kept), rejected) == ({"0", "7", *(["0.0"] if ours else [])}, {})


def test_what_one_run_kept_enters_another_as_it_is(tmp_path: Path) -> None:
    first, _ = prepare(ROWS["plain"][1], "executed", tmp_path)
    (tmp_path / "again").mkdir()
    again, rejected = prepare(list(first.values()), "executed", tmp_path / "again")
    assert rejected == {}
    for id, row in first.items():
        assert {**again[id], "origin": row["origin"]} == row


OWN = {"id": "own", "func_name": "deep", "cases": [{"kwargs": f"{{'x': {i}}}", "return": str(i)} for i in range(8)]}


@pytest.mark.parametrize("form", ONE_EACH)
def test_functions_too_deep_for_a_tree_are_counted_at_every_step(form: str, tmp_path: Path) -> None:
    stage, rows = ROWS[form]
    text = json.dumps(rows[0])
    code = json.dumps(p.GOOD["clip_sum"][0])[1:-1]
    deep = {n: json.dumps(p.deep(n).replace("deep(x)", "clip_sum(x, cap)"))[1:-1] for n in (600, 1500, 5000)}
    found = [json.loads(text.replace(code, code_of_n).replace('"clip_sum"', f'"{n}"')) for n, code_of_n in deep.items()]
    for row in found:
        row.pop("func_name", None)
    own = [{**OWN, "id": f"own {n}", "code": p.deep(n)} for n in (600, 1500, 5000)] if stage == "executed" else []
    kept, rejected = prepare([*found, *own, rows[1]], stage, tmp_path)
    assert set(kept) == {"shout"}
    assert {id: rejected[id] for id in ("600", "1500", "5000")} == {"600": "R8", "1500": "R8", "5000": "R1"}
    assert len(rejected) == 3 + len(own)


def test_a_file_cut_in_its_last_line_keeps_the_lines_before(tmp_path: Path) -> None:
    file = p.write(tmp_path / "rows.jsonl", ROWS["plain"][1][:4])
    file.write_bytes(file.read_bytes()[:-40])
    assert main(command(file, "executed", tmp_path / "out")) == 0
    (row,) = [row for _, row in read_jsonl(tmp_path / "out" / "rejected.jsonl")]
    assert (row["origin"], row["reason"][:8]) == ("rows.jsonl:4", "not JSON")


def test_inputs_that_no_literal_writes_are_left_out_and_counted(tmp_path: Path, capsys) -> None:
    row = p.written("shout", *p.GOOD["shout"])
    row["example_str"] += "\nexamples += [dict(word=open('x')), dict(word=lambda: 1), {'word': some}]"
    kept, _ = prepare([row], "written", tmp_path)
    assert len(kept["shout"]["cases"]) == 10
    assert "dropped: 3 inputs that no literal writes" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "reason"), [
    ({"example_str": "", "check_result": False}, "no_inputs"),
    ({"example_str": "examples = [dict(s='a'"}, "inputs do not parse"),
    ({"example_str": "examples = 3"}, "inputs are no list"),
    ({"example_str": "examples = [dict(wrong=1)] * 1"}, "inputs are no list"),
    ({"example_str": "examples = [" + "dict(wrong=1), dict(wrong=2)," * 3 + "]"}, "few_cases"),
    ({"example_str": "examples = [" + "".join(f"dict(wrong={i})," for i in range(6)) + "]"}, "all_errors"),
])  # fmt: skip
def test_what_a_writer_may_get_wrong(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    good = p.written("shout", *p.GOOD["shout"])
    bad = {**p.written("letters", *p.GOOD["letters"]), **change}
    assert prepare([bad, good], "written", tmp_path)[1] == {"letters": reason}


def test_nothing_left_shows_the_histogram_in_one_line(tmp_path: Path, capsys) -> None:
    file = p.write(tmp_path / "rows.jsonl", [p.raw("a", p.CONSTANT[0]), p.raw("b", p.UNDEFINED[0]), "{"])
    assert main(command(file, "raw", tmp_path / "out")) == 2
    last = capsys.readouterr().err.strip().split("\n")[-1]
    assert last.startswith(f"no function of {file} is left; rejected: ")
    for part in ("1 constant (every result is the same)", "1 R5 (uses a name from elsewhere)", "1 not JSON"):
        assert part in last


def test_another_file_into_the_same_folder_is_refused(tmp_path: Path, capsys) -> None:
    prepare(ROWS["plain"][1], "executed", tmp_path)
    other = p.write(tmp_path / "other.jsonl", ROWS["plain"][1][:2])
    assert main(command(other, "executed", tmp_path / "out")) == 2
    assert "holds functions made from another file or by other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    "form", ["raw", "written", *(pytest.param(form, marks=pytest.mark.slow) for form in ("filtered", "test"))]
)
def test_killed_at_any_stage_it_goes_on_without_duplicates(form: str, tmp_path: Path, monkeypatch) -> None:
    stage, _ = ROWS[form]
    many = [_renumbered(form, i) for i in range(6)]
    rows = [*(row for rows in many for row in rows), "{cut", many[0][0]]  # the last is a duplicate
    file = p.write(tmp_path / "rows.jsonl", rows)
    reference = tmp_path / "reference"
    assert main(command(file, stage, reference)) == 0
    out = tmp_path / "out"
    for wanted in (2, 9):
        process = subprocess.Popen([sys.executable, "-c", SLOW, *command(file, stage, out)], cwd=ROOT)
        deadline = time.monotonic() + 60
        while _n_lines(out) < wanted and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (out / "reasons.json").exists()
        with (out / "functions.jsonl").open("r+b") as stream:
            stream.truncate(max(0, os.fstat(stream.fileno()).st_size - 25))  # the kill fell into the last write
    assert main(command(file, stage, out)) == 0
    for name in ("functions.jsonl", "rejected.jsonl"):
        found = [sorted(json.dumps(row) for _, row in read_jsonl(folder / name, lambda *_: None))
                 for folder in (out, reference)]  # fmt: skip
        assert found[0] == found[1]
    assert (out / "reasons.json").read_text() == (reference / "reasons.json").read_text()


SLOW = """
import sys, time
from lit_reason.case2code import pipeline
from lit_reason.cli import main
pipeline._CHUNK = 2
process = pipeline.process
pipeline.process = lambda *a: (time.sleep(0.15), process(*a))[1]
sys.exit(main(sys.argv[1:]))
"""


def _renumbered(form: str, i: int) -> list[dict[str, Any]]:
    """The rows of a form with bodies and ids of their own."""
    text = json.dumps(ROWS[form][1])
    constants = {"60 //": f"{60 + i} //", "'!'": f"'!{i}'", "else s": f"else s + {i}", "return 7": f"return {7 + i}"}
    for old, new in constants.items():
        text = text.replace(old, new)
    rows = json.loads(text)
    key = "id" if "id" in rows[0] else "gen_answer_id"
    return [{**row, key: f"{row[key]}-{i}"} for row in rows]


def _n_lines(folder: Path) -> int:
    files = [path for path in (folder / "functions.jsonl", folder / "rejected.jsonl") if path.exists()]
    return sum(path.read_bytes().count(b"\n") for path in files) if len(files) == 2 else 0


def test_results_as_plain_text_and_as_json_are_told_apart() -> None:
    plain = {"example_inputs": ["{'x': 1}", "{'x': 2}"], "example_outputs": [{"return": '"it\'s"'}, {"return": "'a'"}]}
    assert [call.text for call in stored_cases(plain)[1].calls] == ['"it\'s"', "'a'"]
    quoted = {**plain, "example_outputs": [{"return": json.dumps('"it\'s"')}, {"return": json.dumps("'a'")}]}
    assert stored_cases(quoted)[1] == stored_cases(plain)[1]
    only = {**plain, "example_outputs": [{"return": '"it\'s"'}, {"return": '"I\'m"'}]}
    assert [call.text for call in stored_cases(only)[1].calls] == ['"it\'s"', '"I\'m"']


@pytest.mark.parametrize("text", [
    "<|EXCEPTION|> \"<class 'json.decoder.JSONDecodeError'>: Extra data\"", "JSONDecodeError: Extra data",
    "<class 'JSONDecodeError'>: Extra data",
])  # fmt: skip
def test_exceptions_in_every_spelling(text: str) -> None:
    row = {"example_inputs": ["{'x': 1}"], "example_outputs": [{"error": text}]}
    (call,) = stored_cases(row)[1].calls
    assert (call.status, call.text, call.message) == ("error", "JSONDecodeError", "Extra data")


def test_equal_inputs_count_once_and_objects_are_no_inputs() -> None:
    row = {"example_inputs": ["{'x': 1}", "{'x': 1}", "{'x': <object object at 0x7f>}"],
           "example_outputs": [{"return": "1"}, {"return": "1"}, {"return": "2"}]}  # fmt: skip
    inputs, outcome, n_lost = stored_cases(row)
    assert (inputs, len(outcome.calls), n_lost) == (("{'x': 1}",), 1, 1)


def test_failed_execution_is_not_executed(tmp_path: Path) -> None:
    rows = [{**ROWS["filtered"][1][0], "exec_status": False}, ROWS["filtered"][1][1]]
    assert prepare(rows, "executed", tmp_path)[1] == {"clip_sum": "not_executed"}


def test_code_is_found_in_every_form() -> None:
    code = p.GOOD["shout"][0]
    for rows in (r for form, (_, r) in ROWS.items() if form != "training"):
        assert row_code(rows[1]).strip() == code.strip()
    assert row_code(ROWS["training"][1][1]).strip() == code.strip()
