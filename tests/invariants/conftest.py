"""A small run through the real command line, and what it wrote."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Fit = Callable[..., Path]


def metrics(run: Path) -> dict[str, list[float]]:
    """The columns of metrics.csv, empty cells left out."""
    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory) -> Path:
    """47 rows of very unequal lengths: the last window of an epoch is partial, and ranks carry unequal target
    counts."""
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [
        {"prompt": "p" * draw.randint(1, 12), "completion": "".join(draw.choices("abcdef ", k=draw.randint(2, 40)))}
        for _ in range(47)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def arguments(tmp_path, rows_file) -> Callable[..., list[str]]:
    """The command line of a run named `name`: SGD (AdamW would hide a wrong constant), clipping on, float64."""

    def build(name: str, *overrides: str) -> list[str]:
        return [
            "fit", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny",
            "--model.backbone.tokenizer=bytes",
            "--model.backbone.dtype=float64", "--model.lora=null", "--model.optimizer.name=sgd",
            "--model.optimizer.lr=0.3",
            "--data=InstructionDataModule", f"--data.path={rows_file}", "--data.loading.row_tokens=64",
            "--trainer.accelerator=cpu", "--trainer.precision=64-true", "--trainer.max_epochs=2",
            "--trainer.log_every_n_steps=1",
            "--trainer.gradient_clip_val=1.0", "--trainer.enable_progress_bar=false",
            f"--run.root={tmp_path / 'runs'}", f"--run.name={name}", "--run.id=only", *overrides,
        ]  # fmt: skip

    return build


@pytest.fixture
def fit(tmp_path, arguments) -> Fit:
    """Run it in this process; returns the run directory."""

    def run(name: str, *overrides: str) -> Path:
        from lit_reason.cli import main

        assert main(arguments(name, *overrides)) == 0
        return tmp_path / "runs" / name / "only"

    return run
