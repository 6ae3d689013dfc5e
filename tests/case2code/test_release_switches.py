"""The release's own filter, switch by switch: what each one alone lets through, and that all together leave nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from datamodules.case2code_release import Case2CodeReleaseDataModule
from lit_reason.case2code import pipeline
from lit_reason.case2code.functions import Function
from lit_reason.case2code.harvest import harvest
from lit_reason.case2code.pipeline import build_in, build_key, stored_functions, stored_rows
from lit_reason.case2code.release import Stage
from lit_reason.case2code.rules import HarvestRules
from lit_reason.case2code.settings import RealSettings
from tests.case2code import published as p

THREE, SIX, TEN = ([{"x": i} for i in range(n)] for n in (3, 6, 10))
ROWS: dict[str, tuple[str, Any, Any]] = {
    "constant": (*p.CONSTANT, "constant"),
    "errors": ("def errors(x):\n    y = 3 // (x > 7)\n    return y + x\n", TEN, "error_share"),
    "few_outputs": ("def few_outputs(x):\n    y = x > 8\n    return 3 if y else 5\n", TEN, "few_outputs"),
    "few_cases": ("def few_cases(x):\n    y = x + 3\n    return y\n", THREE, "few_cases"),
    "undefined": (p.UNDEFINED[0], [{"x": i} for i in range(8)], "R5"),
    "long": ("def long(x):\n    y = 'a' * 3000\n    return y + str(x)\n", SIX, "too_long"),
    "address": ("def address(x):\n    y = iter([x])\n    return x, y if x > 4 else 0\n", SIX, "address"),
    "one_line": ("def one_line(x): return x * x + 1\n", SIX, "R8"),
    "seven": ("def seven(x, b=1, c=2, d=3, e=4, f=5, g=6):\n    y = x * g\n    return y\n", SIX, "R3"),
    "stars": ("def stars(x, *more, **options):\n    y = x + len(more)\n    return y\n", SIX, "R3"),
    "module": ("import os\ndef module(x):\n    y = os.path.join('a', str(x))\n    return y\n", SIX, "R6"),
    "package": ("def package(x):\n    import yaml\n    y = yaml.safe_load(str(x))\n    return y\n", SIX, "R5"),
    "decorated": ("import functools\n@functools.cache\ndef decorated(x):\n    return -x\n", SIX, "R2"),
    "stateful": ("seen = []\ndef stateful(x):\n    global seen\n    seen = [x]\n    return seen\n", SIX, "R7"),
}  # fmt: skip
SWITCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "drop_constant": ({"drop_constant": False}, {"constant"}),
    "max_error_share": ({"max_error_share": 1.0}, {"errors"}),
    "min_distinct": ({"min_distinct": 1}, {"few_outputs"}),
    "min_cases": ({"min_cases": 2}, {"few_cases"}),
    "undefined_names": ({"undefined_names": True}, {"undefined"}),
    "max_result_chars": ({"max_result_chars": 1_000_000}, {"long"}),
    "drop_addresses": ({"drop_addresses": False}, {"address"}),
    "rules": ({"rules": "none"},
              {"one_line", "seven", "stars", "module", "package", "decorated", "stateful", "undefined"}),
}  # fmt: skip
ALL = {key: value for changes, _ in SWITCHES.values() for key, value in changes.items()}


def results_of(name: str) -> dict[str, Any]:
    code, inputs, _ = ROWS[name]
    return p.filtered(name, name, code, inputs)


def prepared(
    rows: Iterable[dict[str, Any]], folder: Path, stage: Stage = "executed", **switches: Any
) -> tuple[dict[str, Function], dict[str, str]]:
    """Kept functions and reasons of the others, beside a function that always stays."""
    good = (p.training if stage == "prompted" else p.filtered)("shout", "shout", *p.GOOD["shout"])
    file = p.write(folder / "rows.jsonl", [good, *rows])
    settings = RealSettings(sources=[str(file)], call_seconds=0.1, workers=1, **switches)
    out = build_in(folder / "out", settings, build_key(settings, stage), stage)
    kept = {function.id: function for function in stored_functions(out)}
    assert kept.pop("shout")
    return kept, {row["id"]: row["reason"] for row in stored_rows(out / "rejected.jsonl")}


def test_without_switches_every_row_is_rejected_for_its_reason(tmp_path: Path) -> None:
    kept, reasons = prepared(map(results_of, ROWS), tmp_path)
    assert kept == {} and reasons == {name: reason for name, (_, _, reason) in ROWS.items()}


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_alone_decides(switch: str, tmp_path: Path) -> None:
    changes, wanted = SWITCHES[switch]
    kept, reasons = prepared(map(results_of, ROWS), tmp_path, **changes)
    assert set(kept) == wanted and set(reasons) == set(ROWS) - wanted


def test_all_switches_together_keep_every_row_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs, results and signatures are those of the rows, and none of it is run."""

    def run(self: Any, programs: Any) -> Any:
        assert not list(programs)
        return iter(())

    monkeypatch.setattr(pipeline.Executor, "run", run)
    kept, reasons = prepared(map(results_of, ROWS), tmp_path, **ALL)
    assert set(kept) == set(ROWS) and reasons == {}
    for name, function in kept.items():
        code, inputs, _ = ROWS[name]
        assert function.code.strip() == code.strip()
        assert len(function.cases) == len(inputs) and function.shown and function.hidden
    assert kept["seven"].params == ("x", "b", "c", "d", "e", "f", "g") and kept["stars"].params == ("x",)
    assert max(len(case.output) for case in kept["long"].cases) > 3000
    assert "<list_iterator object at 0x" in kept["address"].cases[-1].output


def test_training_rows_are_final(tmp_path: Path) -> None:
    """Prompted rows without results are judged by the same rules, and taken as they are where none is asked."""
    broken = [name for name, (_, _, reason) in ROWS.items() if reason.startswith("R")]
    rows = [p.training(name, name, *ROWS[name][:2]) for name in broken]
    (tmp_path / "one").mkdir()
    assert prepared(rows, tmp_path / "one", "prompted")[1] == {name: ROWS[name][2] for name in broken}
    (tmp_path / "two").mkdir()
    kept, reasons = prepared(rows, tmp_path / "two", "prompted", rules="none")
    assert set(kept) == set(broken) and reasons == {}
    assert kept["stars"].output == rows[broken.index("stars")]["output"]


def test_rules_stay_where_functions_are_run(tmp_path: Path) -> None:
    """A row of a source that brings results is taken as it is, one that would be run here is not."""
    file = p.write(tmp_path / "rows.jsonl", [results_of("one_line"), p.raw("module", ROWS["module"][0])])
    found = harvest([str(file)], rules=HarvestRules(of_stored=False))
    assert [candidate.id for candidate in found.kept] == ["one_line"] and found.rejected == {"R6": 1}
    for stage, n in (("raw", 1), ("written", 1), ("executed", 0), ("prompted", 0)):
        given = {"release_path": str(file), "release_stage": stage, "real": {"rules": "none"}}
        problems = dict(Case2CodeReleaseDataModule.check_config(given))
        message = "`none` is for rows that bring results: release_stage executed, prompted"
        assert (problems.get("real.rules") == message) == bool(n)


def test_evaluation_sets_are_kept_out_of_rows_taken_as_they_are(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"code": "def f(p):\n    y = os.path.join('a', str(p))\n    return y\n"}) + "\n")
    kept, reasons = prepared([results_of("module")], tmp_path, rules="none", evaluation_sets=[str(exam)])
    assert kept == {} and reasons == {"module": "R10"}


def test_results_longer_than_the_sandbox_passes_on_are_a_mistake() -> None:
    (problem,) = RealSettings(sources=[], max_result_chars=1 << 25).problems()
    assert problem == ("max_result_chars", f"must be at most {1 << 24}, got {1 << 25}")
