"""Studies of functions that take no time, run through `main` in an empty directory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_reason.cli import main

FUNCTIONS = '''
import json, os, time
from pathlib import Path
from lit_reason.charts import Chart, Series
from lit_reason.results import Results, share
from lit_reason.study_results import FinishedRuns, StudyResults, Table, judged, over_seeds

def write(out: Path, text: str = "", seed: int = 0, fails: bool = False) -> None:
    with open("calls.txt", "a") as calls:
        calls.write(f"{text} {seed}\\n")
    (out / "word.txt").write_text(f"{text}{seed}")
    print("halfway")
    if fails and not Path("repaired").exists():
        raise RuntimeError("no luck")

def join(out: Path, first: Path, second: Path, right: int = 30) -> None:
    with open("calls.txt", "a") as calls:
        calls.write(f"join {first.read_text()} {second.read_text()}\\n")
    (out / "pair.txt").write_text(first.read_text() + second.read_text())
    found = Results(run="join")
    found.put(share("accuracy", "test", "", right, 40))
    found.save(out)

def slow(out: Path, seconds: float = 30.0) -> None:
    with open("calls.txt", "a") as calls:
        calls.write("slow\\n")
    (out / "begun").touch()
    if not Path("quick").exists():
        time.sleep(seconds)

def tables(runs: FinishedRuns) -> StudyResults:
    figures = [run.figure("accuracy", "test") for run in runs.of("pair")]
    mean = over_seeds("accuracy", "test", "", figures)
    rows = [[run.variables["seed"], run.figure("accuracy", "test")] for run in runs.of("pair")]
    return StudyResults([Table("By seed", ["seed", "accuracy"], rows)], [], [
        judged("It is above a half.", "here", "above 50 %", mean, above=0.5),
        judged("It is above nine tenths.", "here", "above 90 %", mean, above=0.9),
    ])
'''

_numbers = itertools.count()


class Folder:
    """A working directory with a study in it."""

    def __init__(self, path: Path, module: str) -> None:
        self.path, self.module = path, module
        (path / f"{module}.py").write_text(FUNCTIONS)

    def write(self, study: dict[str, Any]) -> None:
        """Write study.yaml; `@name` stands for a function of this directory's module."""
        text = yaml.safe_dump(study, sort_keys=False).replace("@", f"{self.module}.")
        (self.path / "study.yaml").write_text(text)

    def run(self, *arguments: str) -> int:
        """`train.py study --config study.yaml ...`; the exit code."""
        return main(["study", "--config", "study.yaml", *arguments])

    def calls(self) -> list[str]:
        """What the functions noted since the last look, in order."""
        file = self.path / "calls.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def results(self) -> dict[str, Any]:
        """The study's results.json."""
        return json.loads((self.path / "runs/studies/study/results.json").read_text())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty working directory, its functions importable here and in processes started here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return Folder(tmp_path, f"functions_{next(_numbers)}")


@pytest.fixture
def three() -> Callable[..., dict[str, Any]]:
    """A study of three runs: `a` and `b` write a word, `pair` joins them."""

    def study(**changes: Any) -> dict[str, Any]:
        return {
            "seeds": [0, 1],
            "tables": "@tables",
            "runs": {
                "a": {"call": "@write", "set": {"text": "a", "seed": "${seed}"}},
                "b": {"call": "@write", "once": True, "set": {"text": "b"}},
                "pair": {"call": "@join", "set": {"first": "${a.word}", "second": "${b.word.txt}"}},
            },
            **changes,
        }

    return study
