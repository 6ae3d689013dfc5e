"""The recipe in CONTRIBUTING.md works as it stands: its files, in a copy of the tree, are a method that trains."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREE = ("train.py", "lit_reason", "datamodules", "callbacks", "configs", "tests", "pyproject.toml", "Makefile",
        "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FILE_BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipe() -> dict[str, str]:
    """The files that the recipe writes: path -> text."""
    return dict(FILE_BLOCK.findall(TEXT))


def commands() -> list[str]:
    """The recipe's command lines."""
    return [line for block in COMMAND_BLOCK.findall(TEXT) for line in block.splitlines()]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, in a path with a space, with the recipe's files written into it."""
    folder = tmp_path_factory.mktemp("contributing") / "a tree"
    folder.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, folder / name)
    for path, text in recipe().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def run(command: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the recipe's lines with this interpreter; the tree it imports is the copy's."""
    words = shlex.split(command)
    assert words[0] == "python"
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, *words[1:], *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_recipe_touches_no_shared_file() -> None:
    files = recipe()
    assert {path.split("/")[0] for path in files} == {"lit_reason", "datamodules", "configs", "tests"}
    assert [path for path in files if (ROOT / path).exists()] == []


def test_the_recipe_trains(copy: Path) -> None:
    shared = digests(copy)
    done = run(commands()[0], copy, "--run.id", "here")
    assert done.returncode == 0, done.stderr[-3000:]
    with (copy / "runs/more_ones-tiny/here/metrics.csv").open(newline="") as stream:
        accuracies = [float(row["val/accuracy"]) for row in csv.DictReader(stream) if row.get("val/accuracy")]
    assert len(accuracies) == 15
    assert accuracies[-1] > 0.9 > accuracies[0]  # on inputs that were never trained on; guessing is 0.5
    assert (copy / "runs/more_ones-tiny/here/report.html").is_file()
    assert digests(copy) == shared


def test_the_recipes_settings_are_options(copy: Path) -> None:
    done = run(commands()[1], copy, "--print_config")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "width: 64" in done.stdout
    assert "max_epochs: 5" in done.stdout


def test_the_recipe_keeps_the_rules_of_the_house(copy: Path) -> None:
    tests = ["tests/more_ones", "tests/test_architecture.py"]
    done = run("python -m pytest -q -p no:cacheprovider -k 'not breach'", copy, *tests)
    assert done.returncode == 0, done.stdout[-3000:]
    linted = run("python -m ruff check lit_reason/more_ones datamodules/more_ones.py tests/more_ones", copy)
    assert linted.returncode == 0, linted.stdout


def digests(folder: Path) -> dict[str, str]:
    """Every source file's digest: running a method changes none."""
    files = [path for name in TREE for path in (folder / name, *(folder / name).rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files if "__pycache__" not in path.parts
    }
