"""Which Python computed stored outputs (section 9.3): nothing is invented, and another one is refused in time."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_reason.case2code import published_test
from lit_reason.case2code.functions import PYTHON, Function
from lit_reason.case2code.pipeline import build_in, build_key, stored_functions
from lit_reason.case2code.release import Stage
from lit_reason.case2code.settings import RealSettings
from lit_reason.cli import main
from tests.case2code import published as p

UNKNOWN = f"3 of 3 questions do not say which Python computed their outputs; this is {PYTHON}, whose results may differ"
NAMES = ("clip_sum", "shout", "inverse")


def published_row(name: str) -> dict[str, Any]:
    code, inputs = p.GOOD[name]
    return p.test_row(name, name, code, inputs[:6], inputs[6:], [4, 0, 2])


def own_row(i: int, **more: Any) -> dict[str, Any]:
    cases = [{"kwargs": f"{{'x': {x}}}", "return": str(x - i)} for x in range(8)]
    return {"id": f"f{i}", "func_name": "less", "code": f"def less(x):\n    return x - {i}\n", "cases": cases, **more}


@pytest.mark.parametrize(("row", "stage", "python"), [
    (p.raw("shout", p.GOOD["shout"][0]), "raw", PYTHON),  # run here
    (p.written("shout", *p.GOOD["shout"]), "written", PYTHON),
    (p.executed("shout", "shout", *p.GOOD["shout"]), "executed", None),
    (p.filtered("shout", "shout", *p.GOOD["shout"]), "executed", None),
    ({**p.filtered("shout", "shout", *p.GOOD["shout"]), "python": "2.7"}, "executed", "2.7"),
    (published_row("shout"), "prompted", None),
    (p.training("shout", "shout", *p.GOOD["shout"]), "prompted", None),
    (own_row(1), "executed", None),
    (own_row(1, python="2.7"), "executed", "2.7"),
    (own_row(1, python=PYTHON), "executed", PYTHON),
])  # fmt: skip
def test_a_function_says_which_python_computed_its_outputs(
    row: dict[str, Any], stage: Stage, python: str | None, tmp_path: Path
) -> None:
    settings = RealSettings(sources=[str(p.write(tmp_path / "rows.jsonl", [row]))], call_seconds=0.1)
    folder = build_in(tmp_path / "out", settings, build_key(settings, stage), stage)
    (function,) = stored_functions(folder)
    assert function.python == python
    assert Function.from_row(json.loads(json.dumps(function.to_row()))).python == python


def scored(rows: list[dict[str, Any]], tmp_path: Path, *more: str) -> int:
    answers = [{"id": name, "output": p.GOOD[name][0]} for name in NAMES]
    files = [p.write(tmp_path / name, found) for name, found in (("t.jsonl", rows), ("a.jsonl", answers))]
    return published_test.main([*map(str, files), *more])


def test_published_rows_are_compared_and_the_unknown_is_counted(tmp_path: Path, capsys) -> None:
    assert scored([published_row(name) for name in NAMES], tmp_path) == 0
    found = capsys.readouterr().out.splitlines()
    assert "strict: 1.0000" in found and UNKNOWN in found


def test_test_rows_of_another_python_are_refused(tmp_path: Path, capsys) -> None:
    assert scored([{**published_row(name), "python": "2.7"} for name in NAMES], tmp_path) == 2
    said = f"error: clip_sum: outputs were computed by Python 2.7, this is {PYTHON}; "
    assert capsys.readouterr().err == f"{said}results may differ (allow_other_python compares them anyway)\n"


def validate(python: str | None, tmp_path: Path) -> int:
    """Ask an untrained model for three functions whose outputs that Python computed."""
    rows = p.write(tmp_path / "rows.jsonl", [own_row(i, python=python) for i in range(12)])
    real = {"sources": [str(rows)], "held_out_share": 0.8, "near_duplicates": None, "evaluation_sets": [], "n_val": 3}
    evaluation = {
        "class_path": "Case2CodeEvaluation",
        "init_args": {"max_new_tokens": 4, "pools": str(tmp_path / "pools")},
    }
    config = {
        "model": {"class_path": "CausalLanguageModel",
                  "init_args": {"backbone": {"name": "llama-tiny", "tokenizer": "bytes"}, "lora": None}},
        "data": {"class_path": "Case2CodeDataModule", "init_args": {
            "planted": {"n_train": 0, "n_val": 0, "n_test": 0}, "real": real, "loading": {"row_tokens": 4096}}},
        "trainer": {"accelerator": "cpu", "limit_val_batches": 1, "callbacks": [evaluation]},
        "run": {"root": str(tmp_path / "runs"), "name": "python"},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return main(["validate", "--config", str(tmp_path / "config.yaml")])


def test_an_evaluation_on_another_pythons_outputs_is_refused_before_anything_is_sampled(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert validate("2.7", tmp_path) == 2
    error = capfd.readouterr().err
    assert f"outputs were computed by Python 2.7, this is {PYTHON}" in error and "Traceback" not in error
    assert not (tmp_path / "pools").exists()


def test_unknown_outputs_are_asked_about_with_one_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert validate(None, tmp_path) == 0
    assert [str(warning.message) for warning in caught].count(UNKNOWN) == 1
    assert (tmp_path / "pools").exists()
