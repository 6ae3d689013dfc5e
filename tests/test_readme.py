"""What the README says is there is there, and its commands run as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LINKS = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
OURS = re.compile(r"`((?:configs|tests|lit_reason|datamodules|callbacks|benchmarks)/[\w./-]+|constraints\.txt)`")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of one language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def commands() -> list[str]:
    """Every command line in its bash blocks, comments cut."""
    return [line.split("  #")[0].strip() for block in blocks("bash") for line in block.splitlines() if line.strip()]


TRAIN = [
    command
    for command in commands()
    if command.startswith("python train.py") and not command.startswith("python train.py report")  # needs two runs
]


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_path_it_names_exists() -> None:
    layout = [line.split()[0] for line in blocks("")[-1].splitlines()]
    configs = re.findall(r"configs/[\w./-]+\.yaml", README)
    named = {*LINKS, *layout, *configs, *OURS.findall(README)}
    assert {"train.py", "CONTRIBUTING.md", "lit_reason/", "configs/case2code/smollm2.yaml"} <= named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_make_target_it_names_exists() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"demo", "test", "help"} <= named <= targets


def test_every_method_of_the_table_is_named_once_and_only_what_is_here_is_said_to_be() -> None:
    rows = [line.split("|")[1:-1] for line in README.splitlines() if re.match(r"\| .*arxiv\.org", line)]
    assert len(rows) == len({name.strip() for name, *_ in rows}) == 10
    here = [name.strip() for name, _, _, state in rows if not state.strip().startswith("not yet")]
    rooms = {
        "Case2Code": "case2code",
        "Shortest majority vote": "aggregation",
        "Aggregation of reasoning (AoR)": "aggregation/aor",
        "Weak-to-strong generalization": "weak_to_strong",
    }
    assert set(here) == {name for name, room in rooms.items() if (ROOT / "lit_reason" / room).is_dir()} == set(rooms)


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A folder with the README's own example as JSON lines and CSV, and the tree's configs."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    (tmp_path / "my.jsonl").write_text(blocks("json")[0], "utf-8")
    (tmp_path / "my.csv").write_text("question,answer\nq,a\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize("command", TRAIN)
def test_every_command_parses(
    command: str, own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(own_file)
    words = shlex.split(command)[2:]
    if words[0] == "study":
        planned = run([sys.executable, "train.py", *dict.fromkeys([*words, "--dry_run"])], own_file)
        assert planned.returncode == 0, planned.stderr
        return
    if not {"--help", "--print_config"} & set(words):
        words.append("--print_config")
    code = main(words)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert ("--model" if "--help" in words else "backbone:") in printed.out


@pytest.mark.slow
def test_one_trains_on_its_example_and_asks_the_result(own_file: Path) -> None:
    fit = next(command for command in TRAIN if " fit " in command and "my.jsonl" in command)
    done = run([sys.executable, *shlex.split(fit)[1:], "--trainer.max_steps", "1", "--run.id", "x"], own_file)
    assert done.returncode == 0, done.stderr[-2000:]
    script = next(block for block in blocks("python") if block.startswith("# ask.py"))
    (own_file / "ask.py").write_text(script, "utf-8")
    asked = run([sys.executable, "ask.py", "runs/instruction-smollm2/x/model"], own_file)
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert re.search(r"\w", asked.stdout)
