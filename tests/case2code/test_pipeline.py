"""From source to tasks: what is kept and why, the cache, and acceptance L, going on after `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lit_reason.case2code import pipeline
from lit_reason.case2code.functions import Function
from lit_reason.case2code.grader import CaseGrader
from lit_reason.case2code.pipeline import EmptyCorpus, build, left_out
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.splits import real_functions
from lit_reason.files import read_jsonl
from lit_reason.records import Question, Sample

ROOT = Path(__file__).resolve().parents[2]


def everything(settings: RealSettings) -> dict[str, Function]:
    splits = ("train", "val", "test")
    return {f.name: f for split in splits for f in real_functions(settings, split)}


def reasons(settings: RealSettings) -> dict[str, str]:
    rows = [row for _, row in read_jsonl(build(settings) / "rejected.jsonl")]
    lines = [row["origin"].rpartition(":")[2] for row in rows]
    text = (Path(settings.sources[0]) / "functions.py").read_text().split("\n")
    return {text[int(line) - 1][4:].split("(")[0]: row["reason"] for line, row in zip(lines, rows, strict=True)}


def test_what_is_kept_and_what_is_not(small: RealSettings) -> None:
    assert set(everything(small)) == {
        "clip_sum", "is_prime", "most_common", "vowels", "inverse", "letters", "collatz", "flatten", "mutate", "greet"
    }  # fmt: skip
    assert reasons(small) == {
        "always": "constant",
        "ordered": "nondeterministic",
        "maker": "address",
        "symbolic": "needs_object",
        "big": "too_long",
    }


def test_tasks_are_sound(small: RealSettings) -> None:
    for function in everything(small).values():
        assert 4 <= len(function.cases) <= small.n_cases
        assert sorted(function.shown + function.hidden) == list(range(len(function.cases)))
        assert len({case.kwargs for case in function.cases}) == len(function.cases)
        assert len(function.hidden) >= len(function.cases) / 3
        assert function.source == "real"
        assert Function.from_row(function.to_row()) == function
        scope: dict[str, Any] = {}
        exec(function.code, scope)  # the small corpus is ours
        for case in function.cases:
            if case.error is None and "{" not in case.output:
                assert repr(scope[function.name](**case.arguments())) == case.returned


def test_hanging_inputs_are_left_out_and_branches_are_reached(small: RealSettings) -> None:
    found = everything(small)
    assert all(case.arguments()["n"] > 0 for case in found["collatz"].cases)
    for name in ("clip_sum", "greet"):
        hidden = {found[name].cases[i].output for i in found[name].hidden}
        assert len(hidden) > 3
    cut = [c.arguments() for c in (found["clip_sum"].cases[i] for i in found["clip_sum"].hidden)]
    assert {sum(a["xs"]) > a["cap"] for a in cut} == {True, False}  # both branches are hidden
    assert {case.output for case in found["is_prime"].cases} == {"True", "False"}
    assert "ZeroDivisionError" in {case.error for case in found["inverse"].cases}
    assert any(case.arguments()["name"] == "" for case in found["greet"].cases)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_kept_function_passes_its_own_cases(small: RealSettings, workers: int) -> None:
    functions = list(everything(small).values())
    questions = [Question(f.id, "?", f.code, {**f.to_row(), "name_given": True}) for f in functions]
    samples = [Sample("p", f.id, 0, f"```python\n{f.code}```", 1, 1, "stop") for f in functions]
    grades = list(CaseGrader(workers=workers).grade_all(zip(questions, samples, strict=True)))
    assert [(g.question_id, g.status, g.score) for g in grades] == [(f.id, "right", 1.0) for f in functions]


def test_second_build_reuses_the_first(small: RealSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build(small)
    monkeypatch.setattr(pipeline, "harvest", None)  # calling it would fail
    assert build(replace(small, workers=1, n_train=3, held_out_share=0.1)) == folder


@pytest.mark.parametrize("change", [
    {"seed": 1}, {"n_inputs": 30}, {"max_lines": 5}, {"drop_constant": False}, {"near_duplicates": None},
])  # fmt: skip
def test_settings_that_matter_change_the_cache(small: RealSettings, change: dict[str, Any]) -> None:
    assert pipeline.build_key(replace(small, **change)) != pipeline.build_key(small)


def test_edited_source_changes_the_cache(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("def f(x):\n    return x\n")
    settings = RealSettings(sources=[str(file)])
    before = pipeline.build_key(settings)
    file.write_text("def f(x):\n    return -x + 1\n")
    assert pipeline.build_key(settings) != before


def test_splits_are_disjoint_bounded_and_do_not_move(small: RealSettings) -> None:
    splits = {split: real_functions(small, split) for split in ("train", "val", "test")}
    ids = Counter(f.id for functions in splits.values() for f in functions)
    assert set(ids.values()) == {1}
    fewer = real_functions(replace(small, n_train=2), "train")
    assert fewer == splits["train"][:2]
    assert real_functions(replace(small, held_out_share=0.0), "val") == []


KILLED = """
import json, sys
from lit_reason.case2code import pipeline
from lit_reason.case2code.settings import RealSettings
pipeline._CHUNK = 2
given = json.loads(sys.argv[1])
print(pipeline.build(RealSettings(**{name: value for name, value in given.items() if name != "writer"})))
"""


def start(settings: RealSettings, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(asdict(settings))],
        cwd=ROOT, env={**os.environ, "LIT_REASON_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def n_lines(folder: Path) -> int:
    files = [folder / name for name in ("functions.jsonl", "rejected.jsonl")]
    return sum(path.read_bytes().count(b"\n") for path in files if path.exists())


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(folder / name, on_bad=lambda *_: None)]


def test_killed_builds_go_on_without_duplicates_or_losses(small: RealSettings, tmp_path: Path) -> None:
    folder = tmp_path / "case2code" / pipeline.build_key(small)
    for wanted in (2, 6, 10):
        process = start(small, tmp_path)
        deadline = time.monotonic() + 60
        while n_lines(folder) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "reasons.json").exists()
        file = folder / "functions.jsonl"
        file.write_bytes(file.read_bytes()[:-25])  # as if the kill had fallen into the last write
    out, _ = start(small, tmp_path).communicate(timeout=60)
    assert out.split("\n")[-2] == str(folder)
    complete = build(small)
    for name in ("functions.jsonl", "rejected.jsonl"):
        found = sorted(rows(folder, name), key=lambda row: row["id"])
        assert found == sorted(rows(complete, name), key=lambda row: row["id"])
    assert json.loads((folder / "reasons.json").read_text()) == json.loads((complete / "reasons.json").read_text())


def test_two_builds_at_once_share_the_work(small: RealSettings, tmp_path: Path) -> None:
    both = [start(small, tmp_path) for _ in range(2)]
    folders = {process.communicate(timeout=60)[0].split("\n")[-2] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = map(Path, folders)
    ids = [row["id"] for name in ("functions.jsonl", "rejected.jsonl") for row in rows(folder, name)]
    assert len(ids) == len(set(ids)) == 15


def test_empty_corpus_shows_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    return 1\ndef g(x):\n    raise ValueError\n    return x\n")
    with pytest.raises(EmptyCorpus) as error:
        build(RealSettings(sources=[str(tmp_path)]))
    message = str(error.value)
    assert "1 R3 (not 1 to 6 parameters that can be passed by name)" in message
    assert "1 all_errors (every call raises)" in message
    assert "\n" not in message


GOOD = {
    "id": 1,
    "content": "def twice(x: int):\n    return math.pow(2, x)\n",
    "import_code": ["import math", "import os"],
}
WRITTEN = {"id": 2, "content": "def less(a, b):\n    return a - b\n", "example_str": "examples = [" + ", ".join(
    f"{{'a': {i}, 'b': 2}}" for i in range(6)) + ", {'a': open('x'), 'b': 1}]"}  # fmt: skip
READY = {"id": 3, "func_name": "neg", "code": "def neg(x):\n    return -x\n",
         "cases": [{"kwargs": f"{{'x': {i}}}", "return": str(-i)} for i in range(8)]}  # fmt: skip
RELEASED = {"id": 4, "func_name": "inv", "code": "def inv(x):\n    return 6 // x\n",
            "parsed_inputs": [[["x", str(i)]] for i in range(5)],
            "example_outputs": [{"error": "ZeroDivisionError: division by zero"},
                                *({"return": str(6 // i)} for i in range(1, 5))]}  # fmt: skip
BAD: list[tuple[Any, str]] = [
    ("{cut", "not JSON"),
    ({"content": "def f(x):\n    return x\n"}, "no 'id'"),
    ({"id": 5}, "no 'content'"),
    (GOOD, "duplicate id '1'"),
    ({**READY, "id": 6, "func_name": "pos"}, "'code' defines no function 'pos'"),
    ({**GOOD, "id": 7, "func_name": "thrice"}, "'content' defines no function 'thrice'"),
    ({**RELEASED, "id": 8, "example_outputs": RELEASED["example_outputs"][:3]}, "5 inputs but 3 outputs"),
    ({**READY, "id": 9, "cases": [{"kwargs": "{}"}]}, "a case needs 'kwargs' and exactly one of 'return' and 'error'"),
    ({**READY, "id": 10, "cases": 3}, "'cases' must be a list, not 3"),
    ({**READY, "id": 11, "code": "def neg(x:"}, "'code' does not parse"),
    ({**WRITTEN, "id": 12, "example_str": "Sure!"}, "inputs do not parse"),
]


def test_rows_are_run_taken_or_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "rows.jsonl"
    all_rows = [GOOD, WRITTEN, READY, RELEASED, *(row for row, _ in BAD)]
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in all_rows))
    settings = RealSettings(sources=[str(file)])
    found = everything(settings)
    assert set(found) == {"twice", "less", "neg", "inv"}
    assert found["twice"].code.startswith("import math\n\n\ndef twice")
    assert {case.kwargs for case in found["less"].cases} == {f"{{'a': {i}, 'b': 2}}" for i in range(6)}
    assert len(found["neg"].cases) == 8
    assert {case.output for case in found["inv"].cases} == {"ZeroDivisionError", "6", "3", "2", "1"}
    assert all(function.shown and function.hidden for function in found.values())
    for line, (_, reason) in enumerate(BAD, 5):
        assert f"rows.jsonl:{line}: {reason}" in caplog.text
    assert left_out(build(settings)).total() == len(BAD) + 1  # one input opens a file


def test_settings_that_contradict_each_other() -> None:
    settings = RealSettings(sources=["no_such"], evaluation_sets=["nowhere"], n_cases=50, n_inputs=10, hidden_share=1.0)
    assert [key for key, _ in settings.problems()] == ["sources", "evaluation_sets", "n_cases", "hidden_share"]
    assert RealSettings().problems() == []
