"""Which steps a study has, in which order, and what changes their ids."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_reason.cli import main
from lit_reason.study.file import read_study
from lit_reason.study.plan import Step, plan, wanted_steps
from lit_reason.study.references import artifact_path

ROOT = Path(__file__).resolve().parents[2]

STUDY: dict[str, Any] = {
    "seeds": [0, 1],
    "runs": {
        "strong": {
            "command": "fit", "config": "base.yaml", "each": {"tau": [0.5, 0.9]},
            "set": {"data.path": "${labels.rows}", "model.backbone.name": "${weak.model}", "trainer.max_steps": 3},
        },
        "labels": {
            "call": "own.label", "each": {"tau": [0.5, 0.9]}, "set": {"tau": "${tau}", "model": "${weak.model}"}
        },
        "weak": {"command": "fit", "config": "base.yaml", "once": True, "set": {"data.path": "rows.jsonl"}},
        "apart": {"call": "own.nothing", "set": {"text": "seed ${seed}"}},
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text("model: {class_path: CausalLanguageModel, lora: null}\ndata: InstructionDataModule\n")
    Path("rows.jsonl").write_text('{"prompt": "p", "completion": "c"}\n')


def planned(study: dict[str, Any] = STUDY, *overrides: tuple[str, str], smoke: bool = False) -> list[Step]:
    Path("s.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return plan(read_study("s.yaml", list(overrides), smoke), Path("runs/studies/s"))


def ids(steps: list[Step]) -> dict[str, str]:
    return {step.label: step.id for step in steps}


def changed(before: list[Step], after: list[Step]) -> set[str]:
    """Names of the runs whose ids differ."""
    one, two = ids(before), ids(after)
    return {label.partition(",")[0] for label in {**one, **two} if one.get(label) != two.get(label)}


def test_runs_come_after_what_they_build_on_else_in_the_order_of_the_file():
    steps = planned()
    assert list(dict.fromkeys(step.spec.name for step in steps)) == ["weak", "labels", "strong", "apart"]
    assert [step.label for step in steps if step.spec.name == "strong"] == [
        "strong, tau 0.5, seed 0", "strong, tau 0.5, seed 1", "strong, tau 0.9, seed 0", "strong, tau 0.9, seed 1"
    ]  # fmt: skip


def test_a_step_builds_on_the_steps_of_its_own_seed_and_values():
    steps = {step.label: step for step in planned()}
    needs = steps["strong, tau 0.9, seed 1"].needs
    assert {name: step.label for name, step in needs.items()} == {"labels": "labels, tau 0.9, seed 1", "weak": "weak"}


def test_the_command_line_holds_files_settings_seed_and_place():
    step = next(step for step in planned() if step.label == "strong, tau 0.5, seed 1")
    weak = step.needs["weak"].run_dir
    assert step.arguments() == [
        str(ROOT / "train.py"), "fit", "--config", "base.yaml", "--data.path", "${labels.rows}",
        "--model.backbone.name", f"{weak}/model", "--trainer.max_steps", "3", "--run.seed", "1",
        "--run.root", "runs/studies/s", "--run.name", "strong", "--run.id", step.id, "--ckpt_path", "auto",
    ]  # fmt: skip
    labels = step.needs["labels"]
    assert labels.arguments()[2:] == [
        "own.label", "--out", str(labels.run_dir), "--tau", "0.5", "--model", f"{weak}/model"
    ]  # fmt: skip


def with_change(path: str, value: Any) -> dict[str, Any]:
    study = copy.deepcopy(STUDY)
    node = study["runs"]
    *above, last = path.split("/")
    for part in above:
        node = node[part]
    node[last] = value
    return study


@pytest.mark.parametrize(
    ("path", "value", "runs"),
    [
        ("strong/set/trainer.max_steps", 4, {"strong"}),
        ("labels/set/n", 5, {"labels", "strong"}),
        ("weak/set/model.optimizer.lr", 0.5, {"weak", "labels", "strong"}),
        ("apart/set/text", "other", {"apart"}),
    ],
)
def test_a_changed_setting_changes_the_run_and_what_builds_on_it(path, value, runs):
    assert changed(planned(), planned(with_change(path, value))) == runs


def test_a_changed_line_of_a_file_or_of_its_input_counts_and_a_comment_does_not():
    before = planned()
    Path("base.yaml").write_text("# tuned\n" + Path("base.yaml").read_text())
    assert changed(before, planned()) == set()
    Path("rows.jsonl").write_text('{"prompt": "q", "completion": "c"}\n')
    assert changed(before, planned()) == {"weak", "labels", "strong"}


def test_a_default_written_out_is_the_same_run_and_a_changed_default_another(monkeypatch):
    before = planned()
    written = with_change("weak/set/data.validation_share", 0.05)
    assert changed(before, planned(written)) == set()
    from lit_reason.config import resolved

    class_options = resolved.declared_options

    def other_default(*arguments):
        for key, option, value in class_options(*arguments):
            text = "0.1" if key == "data.validation_share" else option.default
            yield key, type(option)(option.name, option.annotation, text, option.text), value

    monkeypatch.setattr(resolved, "declared_options", other_default)
    assert changed(before, planned()) == {"weak", "labels", "strong"}


def test_inputs_count_by_their_content():
    Path("corpus").mkdir()
    Path("corpus/a.txt").write_text("one")
    study = with_change("apart/inputs", ["corpus"])
    before = planned(study)
    assert changed(before, planned(study)) == set()
    Path("corpus/a.txt").write_text("two")
    assert changed(before, planned(study)) == {"apart"}


def test_the_root_and_the_order_of_the_file_do_not_count():
    before = ids(planned())
    study = {**STUDY, "runs": dict(reversed(STUDY["runs"].items()))}
    Path("s.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    assert ids(plan(read_study("s.yaml", []), Path("elsewhere"))) == before


def test_overrides_and_the_short_form():
    short = {"seeds": [7], "runs": {"strong": {"each": {"tau": [0.5]}, "set": {"trainer": {"max_steps": 1}}}}}
    steps = planned({**STUDY, "smoke": short}, ("runs.weak.set.trainer.max_steps", "2"), smoke=True)
    assert read_study("s.yaml", [], smoke=True).name == "s-smoke" and read_study("s.yaml", []).name == "s"
    strong = [step for step in steps if step.spec.name == "strong"]
    assert [step.label for step in strong] == ["strong, tau 0.5, seed 7"]
    assert strong[0].arguments()[8:10] == ["--trainer.max_steps", "1"]
    assert "--trainer.max_steps 2" in " ".join(strong[0].needs["weak"].arguments())
    assert {step.variables.get("seed") for step in planned(STUDY, ("seeds", "[3, 4]"))} == {None, 3, 4}


def test_a_variable_of_the_study_stands_in_every_run_and_in_file_names():
    study = with_change("strong/set/trainer.max_steps", "${budget}")
    study["runs"]["weak"] |= {"config": "${which}.yaml", "set": {"data.path": "rows.jsonl", "run.seed": "${budget}"}}
    study |= {"variables": {"budget": 3, "which": "base"}, "smoke": {"variables": {"budget": 1}}}
    said = {
        smoke: {step.spec.name: " ".join(step.arguments()) for step in planned(study, *given, smoke=smoke)}
        for smoke, given in ((False, [("variables.budget", "9")]), (True, []))
    }
    assert "--trainer.max_steps 9" in said[False]["strong"] and "--run.seed 9" in said[False]["weak"]
    assert "--config base.yaml" in said[True]["weak"] and "--trainer.max_steps 1" in said[True]["strong"]
    assert changed(planned(study), planned(study, ("variables.budget", "3"))) == set()
    assert changed(planned(study), planned(study, ("variables.budget", "4"))) == {"weak", "labels", "strong"}


def test_only_a_run_brings_what_it_builds_on():
    names = [step.spec.name for step in wanted_steps(planned(), ["labels"])]
    assert list(dict.fromkeys(names)) == ["weak", "labels"]


def test_artifacts_by_name(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("rows.jsonl", "table.csv", "table.json", "model"):
        (run / name).touch()
    assert artifact_path(run, "rows") == artifact_path(run, "rows.jsonl") == run / "rows.jsonl"
    assert artifact_path(run, "run_dir") == run and artifact_path(run, "model") == run / "model"
    with pytest.raises(Exception, match="'table' names several things, table.csv, table.json: say which"):
        artifact_path(run, "table")
    with pytest.raises(Exception, match="the run left no 'checkpoint'; there is"):
        artifact_path(run, "checkpoint")
    (run / "pools.json").write_text(
        '[{"when": "before", "answers": "greedy", "key": "k1", "folder": "../pools/k1"},'
        ' {"when": "after", "answers": "greedy", "key": "k2", "folder": "../pools/k2"}]'
    )
    (tmp_path / "pools" / "k2").mkdir(parents=True)
    assert artifact_path(run, "pool.after.greedy") == artifact_path(run, "pool.after") == tmp_path / "pools" / "k2"
    with pytest.raises(Exception, match="several pools: say which of pool.before.greedy, pool.after.greedy"):
        artifact_path(run, "pool")


OWN = """
from pathlib import Path

def label(out: Path, tau: float, model: str) -> None: pass
def nothing(out: Path, text: str) -> None: pass
"""


def test_a_dry_run_prints_the_plan_and_imports_nothing_heavy(capsys):
    """The runs are checked in another process."""
    planned()
    Path("own.py").write_text(OWN)
    for arguments in (["--help"], ["--config", "s.yaml", "--dry_run"]):
        code = (
            f"import sys; from lit_reason.cli import main; assert main({['study', *arguments]!r}) == 0; "
            "print([m for m in ('torch', 'lightning', 'transformers', 'scipy') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]", done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "[1/11] weak: run (new)" and lines[2] == "[2/11] labels, tau 0.5, seed 0: run (builds on weak)"
    assert lines[1].endswith("--ckpt_path auto") and "11 of 11 runs would run" in lines
    assert main(["study", "--config", "s.yaml", "--dry_run", "--only", "weak"]) == 0 and not Path("runs").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 runs would run"


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/studies/*.yaml")), ids=lambda path: path.stem)
def test_every_study_of_the_tree_is_planned_in_any_process(path, monkeypatch, tmp_path):
    """In this one, too, where the test runner's import hook refuses names that Python's own lets pass."""
    monkeypatch.chdir(ROOT)
    assert plan(read_study(str(path), [], False), tmp_path)
