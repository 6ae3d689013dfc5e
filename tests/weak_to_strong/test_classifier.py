"""The classifier through the command line: every loss is that of the whole batch, however the window is cut."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from lit_reason.weak_to_strong.classifier import WeakToStrongClassifier

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> dict[str, Path]:
    """37 texts of unequal lengths with soft labels, and 20 with gold ones; class 1 is more b than a."""
    draw, found = random.Random(0), {}
    for name, n in (("train", 37), ("test", 20)):
        path = tmp_path_factory.mktemp("items") / f"{name}.jsonl"
        lines = []
        for i in range(n):
            text = "".join(draw.choices("ab", k=draw.randint(3, 24)))
            gold = int(text.count("b") > text.count("a"))
            p = min(0.95, max(0.05, 0.25 + 0.5 * gold + draw.uniform(-0.3, 0.3)))
            label = {"soft_label": [1 - p, p], "gold_label": gold} if name == "train" else {"hard_label": gold}
            lines.append({"id": f"{name}{i}", "text": text, **label})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found[name] = path
    return found


def arguments(folder: Path, rows: dict[str, Path], name: str, loss: str, *overrides: str) -> list[str]:
    return [
        "fit", "--model=WeakToStrongClassifier", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes",
        "--model.backbone.dtype=float64", "--model.optimizer.name=sgd", "--model.optimizer.lr=0.5",
        f"--model.loss.name={loss}", "--data=WeakLabelDataModule", f"--data.path={rows['train']}",
        f"--data.test_path={rows['test']}", "--data.keep_overlap=true", "--data.loading.row_tokens=32",
        "--trainer.accelerator=cpu", "--trainer.precision=64-true", "--trainer.max_epochs=2",
        "--trainer.log_every_n_steps=1", "--trainer.gradient_clip_val=1.0", "--trainer.enable_progress_bar=false",
        f"--run.root={folder}", f"--run.name={name}", "--run.id=only", *overrides,
    ]  # fmt: skip


def fit(folder: Path, rows: dict[str, Path], name: str, loss: str, *overrides: str) -> dict[str, np.ndarray]:
    from lit_reason.cli import main

    assert main(arguments(folder, rows, name, loss, *overrides)) == 0
    return metrics(folder / name / "only")


def metrics(run: Path) -> dict[str, np.ndarray]:
    with (run / "metrics.csv").open() as stream:
        table = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in table if row[name]]) for name in table[0]}


def split(rows: int, accumulate: int, pack: str = "false") -> list[str]:
    return [
        f"--data.loading.rows={rows}",
        f"--trainer.accumulate_grad_batches={accumulate}",
        f"--data.loading.pack={pack}",
    ]


def gap(a: dict, b: dict) -> float:
    assert len(a["train/loss"]) == len(b["train/loss"]) > 3
    return max(np.abs(a[name] / b[name] - 1).max() for name in ("train/loss", "train/grad_norm"))


@pytest.mark.parametrize(
    "loss", [pytest.param(name, marks=pytest.mark.slow) for name in ("xent", "product", "kl")] + ["logconf"]
)
def test_accumulation_changes_nothing(tmp_path, rows, loss):
    whole = fit(tmp_path, rows, "8x1", loss, *split(8, 1))
    assert gap(whole, fit(tmp_path, rows, "2x4", loss, *split(2, 4))) < 1e-6
    assert "val/accuracy" in whole


@pytest.mark.slow
def test_two_processes_are_one(tmp_path, rows):
    whole = fit(tmp_path, rows, "8x1", "logconf", *split(8, 1))
    command = arguments(tmp_path, rows, "ddp", "logconf", *split(2, 2), "--trainer.devices=2", "--trainer.strategy=ddp")
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *command], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert gap(whole, metrics(tmp_path / "ddp" / "only")) < 1e-6


def test_a_threshold_of_the_micro_batch_is_caught(tmp_path, rows, monkeypatch):
    whole = fit(tmp_path, rows, "8x1", "logconf", *split(8, 1))
    original = WeakToStrongClassifier.training_step

    def step(self, batch, batch_idx):
        self._threshold = self._window_threshold([batch]) if len(batch["soft_labels"]) else self._threshold
        return original(self, batch, batch_idx)

    monkeypatch.setattr(WeakToStrongClassifier, "training_step", step)
    assert gap(whole, fit(tmp_path, rows, "broken", "logconf", *split(2, 4))) > 1e-3


def test_bfloat16_weights_take_the_confidence_loss(tmp_path, rows):
    found = fit(tmp_path, rows, "bf16", "logconf", *split(8, 1), "--trainer.precision=bf16-true",
                "--model.backbone.dtype=bfloat16")  # fmt: skip
    assert np.isfinite(found["train/loss"]).all() and found["train/loss"][0] == pytest.approx(np.log(2), abs=1e-2)


def test_the_head_starts_at_zero(tmp_path, rows):
    """So the first loss of xent is ln 2, whatever the labels."""
    found = fit(tmp_path, rows, "first", "xent", *split(8, 1))
    assert found["train/loss"][0] == pytest.approx(np.log(2), abs=1e-6)


@pytest.mark.slow
def test_adapters_train_and_their_export_classifies_as_they_do(tmp_path, rows):
    found = fit(tmp_path, rows, "lora", "xent", *split(8, 1), "--model.lora.r=4", "--trainer.max_epochs=6")
    assert found["train/loss"][-4:].mean() < found["train/loss"][:4].mean()
    folder = tmp_path / "lora" / "only" / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder)
    read = [json.loads(line) for line in rows["test"].read_text().splitlines()]
    texts = [row["text"] + tokenizer.eos_token for row in read]
    said = model(**tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")).logits.argmax(-1)
    assert np.mean(said.numpy() == [row["hard_label"] for row in read]) == pytest.approx(found["val/accuracy"][-1])


@pytest.mark.slow
def test_dropout_is_off_unless_asked_for(tmp_path, rows):
    """Over a validation too, after which Lightning puts modules back into training."""
    found = {}
    for name, share, extra in (("none", 0.0, []), ("off", 0.5, []), ("on", 0.5, ["--model.dropout=true"])):
        adapters = ["--model.lora.r=4", f"--model.lora.dropout={share}"]
        found[name] = fit(tmp_path, rows, name, "xent", *split(8, 1), *adapters, *extra)["train/loss"]
    assert len(found["off"]) > 6 and found["off"].tolist() == found["none"].tolist()
    assert np.abs(found["on"] - found["none"]).max() > 1e-6


def test_a_probe_trains_the_head_alone(tiny_backbone):
    module = WeakToStrongClassifier(tiny_backbone, linear_probe=True)
    module.configure_model()
    assert [name for name, p in module.named_parameters() if p.requires_grad] == ["target_loss.scores.weight"]


def test_one_class_and_a_small_test_are_warned_of(tmp_path, rows, caplog):
    read = [json.loads(line) for line in rows["train"].read_text().splitlines()]
    path = tmp_path / "one.jsonl"
    path.write_text("".join(json.dumps({**row, "soft_label": [0.3, 0.7]}) + "\n" for row in read))
    fit(tmp_path, rows, "one", "xent", *split(8, 1), f"--data.path={path}", "--trainer.max_steps=1")
    assert f"{path}: all labels name one class, so nothing can be learned of the other" in caplog.text
    assert "20 test texts: accuracies have standard errors up to 11.2 points" in caplog.text


def test_bad_input_ends_in_one_line(tmp_path, rows, capsys):
    from lit_reason.cli import main

    assert main(arguments(tmp_path, rows, "bad", "logconf", "--model.n_classes=3")) == 2
    assert "logconf hardens two classes" in capsys.readouterr().err
    assert main(arguments(tmp_path, rows, "bad", "xnet")) == 2
    assert "product" in capsys.readouterr().err
    assert main(arguments(tmp_path, rows, "bad", "xent", "--data.batch_size=10", "--data.loading.rows=4")) == 2
    assert "is not divisible by the micro-batch, loading.rows = 4" in capsys.readouterr().err
