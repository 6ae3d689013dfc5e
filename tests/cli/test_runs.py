"""Run directories and resuming, seen from outside: which directory, which checkpoint, which rows, which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lit_reason.run_directory import lock, newest_checkpoint
from tests.cli.conftest import TOY, runs

ROOT = Path(__file__).resolve().parents[2]
OFTEN = "--trainer.callbacks=[{class_path: Checkpoints, init_args: {every_n_steps: 2}}]"


def trouble(kind: str, step: int, hook: str = "train_batch_end") -> list[str]:
    arguments = f"{{kind: {kind}, step: {step}, hook: {hook}}}"
    return [f"--trainer.callbacks+={{class_path: tests.cli.toy.Trouble, init_args: {arguments}}}"]


def metrics(run: Path) -> bytes:
    return (run / "metrics.csv").read_bytes()


@pytest.fixture
def whole(toy) -> bytes:
    """metrics.csv of the run that nothing disturbs."""
    assert toy("fit", OFTEN, "--run.name=whole") == 0
    return metrics(*runs("whole"))


def test_every_start_has_its_own_directory(toy):
    assert toy("fit", "--trainer.max_epochs=1") == 0
    assert toy("fit", "--trainer.max_epochs=1") == 0
    first, second = runs()
    assert metrics(first) == metrics(second)
    environment = json.loads((first / "environment.json").read_text())
    assert environment["command"] == "fit" and environment["versions"]["torch"] and environment["cpu"]["cores"] >= 1


def test_seeds_differ(toy):
    assert [toy("fit", f"--run.seed={seed}", f"--run.name=s{seed}") for seed in (1, 2)] == [0, 0]
    assert metrics(*runs("s1")) != metrics(*runs("s2"))


def test_last_continues_the_same_run_for_longer(toy, whole, capsys):
    assert toy("fit", OFTEN, "--trainer.max_epochs=2") == 0
    capsys.readouterr()
    assert toy("fit", OFTEN, "--ckpt_path=last") == 0
    (run,) = runs()
    assert metrics(run) == whole
    printed = capsys.readouterr().out.splitlines()
    assert f"from checkpoint: {run}/checkpoints/step=000008.ckpt (step 8)" in printed
    assert "changed setting: trainer.max_epochs: 2 -> 3" in printed


def test_last_finds_no_run_of_other_settings_and_says_what_differs(toy, capsys):
    assert toy("fit", "--ckpt_path=last") == 2
    assert "nothing to continue: there is no run in runs/toy (got last) [command line]" in capsys.readouterr().err
    assert toy("fit", "--trainer.max_epochs=1") == 0
    capsys.readouterr()
    assert toy("fit", "--ckpt_path=last", "--model.lr=0.5") == 2
    error = capsys.readouterr().err
    assert (
        f"no run in runs/toy has these settings; the newest, {runs()[0].name}, differs in model.lr: 0.1 -> 0.5" in error
    )


def test_auto_starts_then_continues(toy, whole):
    assert toy("fit", OFTEN, "--ckpt_path=auto", "--trainer.max_epochs=1") == 0
    assert toy("fit", OFTEN, "--ckpt_path=auto") == 0
    assert metrics(*runs()) == whole
    assert yaml.safe_load((runs()[0] / "config.yaml").read_text())["ckpt_path"] is None


def test_a_path_branches_into_a_new_directory(toy, capsys):
    assert toy("fit", OFTEN, "--trainer.max_epochs=1") == 0
    (first,) = runs()
    before = metrics(first)
    assert toy("fit", OFTEN, f"--ckpt_path={first}/checkpoints/step=000002.ckpt", "--model.lr=0.5") == 0
    assert "changed setting: model.lr: 0.1 -> 0.5" in capsys.readouterr().out
    assert len(runs()) == 2 and metrics(first) == before


def test_a_trained_run_is_not_overwritten(toy, capsys):
    assert toy("fit", "--run.id=one", "--trainer.max_epochs=1") == 0
    assert toy("fit", "--run.id=one", "--trainer.max_epochs=1") == 2
    assert "holds a trained run already; continue it with --ckpt_path last" in capsys.readouterr().err


def test_a_slurm_job_finds_itself_when_requeued(toy, whole, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert toy("fit", OFTEN, "--ckpt_path=auto", "--trainer.max_epochs=1") == 0
    assert (
        toy("fit", OFTEN, "--ckpt_path=auto", "--model.lr=0.5", "--trainer.max_epochs=1") == 0
    )  # the job's second step
    assert toy("fit", OFTEN, "--ckpt_path=auto") == 0
    first, second = runs()
    assert first.name.startswith("17-") and second.name.startswith("17-")
    assert whole in (metrics(first), metrics(second))


@pytest.mark.parametrize(
    "hook, step", [("train_batch_end", 6), ("train_batch_end", 7), ("validation_end", 4), ("validation_end", 8)]
)
def test_a_kill_at_any_moment_leaves_no_hole(forked, toy, whole, hook, step):
    """At `train_batch_end` of step 6 the checkpoint is written and the step's row is not; at `validation_end` of steps
    4 and 8 the row of the validation is not."""
    assert forked("fit", OFTEN, *trouble("kill", step, hook)) == -9
    (run,) = runs()
    with (run / "metrics.csv").open("a") as stream:
        stream.write("7,0.12")  # a row that the kill cut short
    assert toy("fit", OFTEN, "--ckpt_path=last") == 0
    assert runs() == [run] and metrics(run) == whole


def test_a_run_killed_before_its_first_checkpoint_starts_anew_in_its_directory(forked, toy, whole):
    assert forked("fit", OFTEN, "--run.id=one", *trouble("kill", 1)) == -9
    assert toy("fit", OFTEN, "--run.id=one", "--ckpt_path=auto") == 0
    assert [metrics(run) for run in runs()] == [whole]


def test_validation_in_place_leaves_the_fit_as_it_is(toy):
    assert toy("fit", "--trainer.max_epochs=1") == 0
    (run,) = runs()
    before = {
        path: path.read_bytes()
        for path in run.iterdir()
        if path.name in ("config.yaml", "environment.json", "metrics.csv")
    }
    for _ in range(2):
        assert toy("validate", "--ckpt_path=last", "--data.n=2", "--trainer.max_epochs=1") == 0
    assert runs() == [run] and len(before) == 3
    assert before == {path: path.read_bytes() for path in before}
    assert yaml.safe_load((run / "config.validate.yaml").read_text())["data"]["init_args"]["n"] == 2
    header, row = (run / "metrics.validate.csv").read_text().splitlines()
    assert header.startswith("step,val/weight") and row.startswith("0,")


def test_an_evaluation_never_falls_back_to_untrained_weights(toy, capsys):
    assert toy("validate", "--ckpt_path=auto") == 2
    assert "nothing to continue" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_evaluation_of_untrained_weights_has_its_own_directory(toy, command):
    assert toy(command) == 0
    (run,) = runs()
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["class_path"] == "tests.cli.toy.Toy"


@pytest.mark.parametrize("kind, code", [("raise", 1), ("interrupt", 130), ("terminate", 143), ("preempt", 143)])
def test_exit_codes(toy, whole, capsys, kind, code):
    assert toy("fit", OFTEN, *trouble(kind, 3)) == code
    (run,) = runs()
    kept = newest_checkpoint(run)
    assert kept is not None
    assert kept.name == ("step=000004.ckpt" if code == 143 else "step=000002.ckpt")
    error = capsys.readouterr().err
    assert f"run directory: {run}; --ckpt_path last continues at step {int(kept.stem[-6:])}" in error
    assert ("Traceback" in error) == (kind == "raise")
    assert toy("fit", OFTEN, "--ckpt_path=last") == 0
    assert metrics(run) == whole


def test_a_run_being_trained_is_left_alone(toy, capsys):
    assert toy("fit", "--run.id=one", "--trainer.max_epochs=1") == 0
    held = lock(Path("runs/toy/one"))
    assert held is not None
    with held:
        assert toy("fit", "--run.id=one", "--ckpt_path=last") == 2
    assert "runs/toy/one is being trained by another process" in capsys.readouterr().err


def test_what_only_the_trainer_knows_is_one_line_and_leaves_no_directory(toy, capsys):
    assert toy("fit", "--trainer.overfit_batches=2.5") == 2
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("config error: trainer: You have passed invalid value 2.5")
    )
    assert runs() == []


def test_what_only_a_class_knows_is_one_line_too(toy, capsys):
    mode = ["--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=x", "--trainer.callbacks.mode=sideways"]
    assert toy("fit", *mode) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("config error: EarlyStopping: `mode` can be") and "sideways" in line
    assert runs() == []


def test_a_bug_in_a_class_keeps_its_own_traceback(toy, capsys, tmp_path):
    text = "from tests.cli.toy import Toy\n\n\nclass Bug(Toy):\n    def __init__(self):\n        {}['key']\n"
    (tmp_path / "bug_of_the_user.py").write_text(text)
    assert toy("fit", "--model=bug_of_the_user.Bug") == 1
    assert "bug_of_the_user.py" in (error := capsys.readouterr().err) and "KeyError: 'key'" in error


def test_built_in_callbacks_can_be_left_out_and_replaced(toy):
    for name, arguments in {
        "fewer": ["--run.without=[Checkpoints]", "--trainer.logger=false"],
        "csv": ["--run.without=[MetricsCSV]", "--trainer.logger=CSVLogger", "--trainer.callbacks=Checkpoints"],
    }.items():
        assert toy("fit", f"--run.name={name}", "--trainer.max_epochs=1", *arguments) == 0
    (fewer,), (csv,) = runs("fewer"), runs("csv")
    assert not (fewer / "checkpoints").exists() and not (fewer / "metrics.csv").exists()
    assert list(csv.rglob("metrics.csv")) == [csv / "lightning_logs" / "version_0" / "metrics.csv"]
    callbacks = [
        item["class_path"] for item in yaml.safe_load((csv / "config.yaml").read_text())["trainer"]["callbacks"]
    ]
    assert callbacks.count("callbacks.checkpoints.Checkpoints") == 1 and not (csv / "tensorboard").exists()


def test_classes_in_the_working_directory_are_found(toy, tmp_path):
    (tmp_path / "mine_of_the_user.py").write_text("from tests.cli.toy import Toy\n\n\nclass Mine(Toy):\n    pass\n")
    assert toy("fit", "--model=mine_of_the_user.Mine", "--trainer.max_epochs=1") == 0
    assert yaml.safe_load((runs()[0] / "config.yaml").read_text())["model"]["class_path"] == "mine_of_the_user.Mine"


def outside(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`train.py` as its own process."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=tmp_path, capture_output=True, timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


def test_two_processes_share_one_directory_and_rank_zero_writes(tmp_path, monkeypatch):
    done = outside(tmp_path, "fit", *TOY, "--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.max_epochs=1")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    monkeypatch.chdir(tmp_path)
    (run,) = runs()
    steps = [line.partition(b",")[0] for line in metrics(run).splitlines()[1:]]
    assert len(steps) == len(set(zip(steps, metrics(run).splitlines()[1:], strict=True))) and b"0" in steps
    assert done.stdout.count(b"run directory:") == 1


def test_a_locale_without_unicode_and_no_terminal(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "日本", "completion": "東京 ✓"}\n' * 3, "utf-8")
    model = ["--model=CausalLanguageModel", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes"]
    data = [
        "--data=InstructionDataModule",
        "--data.path=rows.jsonl",
        "--data.validation_share=0",
        "--trainer.accelerator=cpu",
    ]
    done = outside(tmp_path, "prepare", *model, *data, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert b"train: 3 documents" in done.stdout and b"Tip" not in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()
