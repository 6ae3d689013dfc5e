"""The command line as a user drives it: overlays, saved configurations, checkpoints, help."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> list[str]:
    """A run of seconds, in a folder whose name has a space."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rows = [{"prompt": "p" * i, "completion": "c" * (9 - i)} for i in range(1, 9)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "model": {
            "class_path": "CausalLanguageModel",
            "init_args": {"backbone": {"name": "llama-tiny", "tokenizer": "bytes", "dtype": "float32"}},
        },
        "data": {
            "class_path": "InstructionDataModule",
            "init_args": {"path": "rows.jsonl", "validation_share": 0.0, "loading": {"rows": 1, "row_tokens": 32}},
        },
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "limit_val_batches": 0,
        },
        "run": {"name": "tiny", "id": "one"},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(config))
    return ["fit", "--config", "tiny.yaml"]


def printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict:
    capsys.readouterr()
    assert main([*arguments, "--print_config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)


def test_later_files_and_the_command_line_win(tiny, capsys):
    Path("overlay.yaml").write_text("model:\n  init_args:\n    lora: {r: 4}\n    optimizer: {lr: 0.5}\n")
    config = printed(capsys, [*tiny, "--config", "overlay.yaml", "--model.lora.r", "2"])
    settings = config["model"]["init_args"]
    assert (settings["lora"]["r"], settings["optimizer"]["lr"], settings["backbone"]["name"]) == (2, 0.5, "llama-tiny")
    assert printed(capsys, [*tiny, "--model.lora", "null"])["model"]["init_args"]["lora"] is None


def test_callbacks_of_an_overlay_join_those_of_the_base(tiny, capsys):
    Path("a.yaml").write_text("trainer:\n  callbacks:\n    - class_path: LearningRateMonitor\n")
    Path("b.yaml").write_text("trainer:\n  callbacks:\n    - class_path: DeviceStatsMonitor\n")
    config = printed(capsys, [*tiny, "--config", "a.yaml", "--config", "b.yaml"])
    names = [item["class_path"].rpartition(".")[2] for item in config["trainer"]["callbacks"]]
    assert names[-2:] == ["LearningRateMonitor", "DeviceStatsMonitor"] and "RandomState" in names


def test_the_saved_configuration_alone_repeats_the_run(tiny):
    assert main(tiny) == 0
    assert main(["fit", "--config", "runs/tiny/one/config.yaml", "--run.id", "two"]) == 0
    first, second = (Path("runs/tiny") / id for id in ("one", "two"))
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    a, b = (load_file(run / "model" / "adapter_model.safetensors") for run in (first, second))
    assert all((a[name] == b[name]).all() for name in a)
    for name in ("environment.json", "report.html", "speed.csv", "checkpoints"):
        assert (first / name).exists()
    with (first / "metrics.csv").open() as stream:
        assert not [name for name in next(csv.reader(stream)) if name.startswith("speed/")]


def test_a_run_without_validation_rows_does_not_warn(tiny, recwarn):
    assert main([*tiny, "--trainer.limit_val_batches", "1.0"]) == 0
    assert not [str(found.message) for found in recwarn if "Total length" in str(found.message)]


def test_a_checkpoint_never_overrides_the_command_line(tiny, capsys):
    constant = ["--model.schedule.name", "constant", "--model.schedule.warmup", "0"]
    assert main([*tiny, *constant, "--model.optimizer.lr", "0.01"]) == 0
    (checkpoint,) = Path("runs/tiny/one/checkpoints").glob("*.ckpt")
    again = ["--run.id", "two", "--ckpt_path", str(checkpoint), "--trainer.max_epochs", "2"]
    assert main([*tiny, *constant, *again, "--model.optimizer.lr", "0.002"]) == 0
    with open("runs/tiny/two/metrics.csv") as stream:
        assert all(float(row["train/lr"]) == pytest.approx(0.002) for row in csv.DictReader(stream) if row["train/lr"])
    assert "optimizer.lr" in capsys.readouterr().out.partition("changed setting:")[2]


def test_a_checkpoint_of_another_model_is_refused(tiny, capsys):
    assert main(tiny) == 0
    (checkpoint,) = Path("runs/tiny/one/checkpoints").glob("*.ckpt")
    capsys.readouterr()
    assert main([*tiny, "--run.id", "two", "--ckpt_path", str(checkpoint), "--model.backbone.name", "llama-1m"]) == 2
    line = capsys.readouterr().err
    assert "llama-tiny" in line and "llama-1m" in line and "ckpt_path" in line


OF_A_METHOD = ["fit", "--help", "--config", "configs/case2code/smollm2.yaml"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["fit", "--help"], OF_A_METHOD, ["fit", "--help", "trainer"], ["fti"]]
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        f"import sys; from lit_reason.cli import main; main({arguments!r}); "
        "print([m for m in ('torch', 'lightning', 'transformers', 'jsonargparse') if m in sys.modules])"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_trainers_options_and_any_classs(capsys):
    assert main(["fit", "--help", "trainer"]) == 0
    assert "--trainer.accumulate_grad_batches  (int; default 1)" in capsys.readouterr().out
    assert main(["fit", "--help", "Checkpoints"]) == 0
    assert "  every_n_steps  (PositiveInt; default 50)\n      optimizer steps between" in capsys.readouterr().out


def test_help_lists_what_there_is(capsys):
    assert main(["fit", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--model CausalLanguageModel" in text and "--data InstructionDataModule" in text
    assert "TokenDataModule" not in text and "--run.seed  (NonNegativeInt; default 0)" in text


def test_help_shows_defaults_and_what_a_configuration_says(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main([*OF_A_METHOD, "--model.lora.r", "3"]) == 0
    text = capsys.readouterr().out
    assert "--model.lora.r  (PositiveInt; default 16; here 3)\n      rank.\n" in text
    assert "--model.backbone.name  (str; default smollm2-135m" in text
    assert "--model.schedule.name  (cosine | linear | constant; default cosine" in text
    assert "--data.loading.rows  (PositiveInt" in text  # a dataclass that the DataModule's file imports


def test_a_methods_own_options_come_first(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["fit", "--help", "--config", "configs/case2code/smollm2.yaml"]) == 0
    text = capsys.readouterr().out
    assert text.index("--model.lora.r") < text.index("--data.planted.n_train")
    assert "--trainer.barebones" not in text
