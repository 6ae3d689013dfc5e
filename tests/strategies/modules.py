"""What every strategy must train to the same weights. A new trainable module is covered by being listed here, with the
data that it trains on."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lit_reason.consolidate import trained_module
from lit_reason.run_directory import newest_checkpoint

N_ROWS = 47
"""Of very unequal lengths: the last window of an epoch is partial, and ranks carry unequal target counts."""


def completion(draw: random.Random) -> dict[str, Any]:
    """A row of `InstructionDataModule`."""
    return {"prompt": "p" * draw.randint(1, 12), "completion": "".join(draw.choices("abcdef ", k=draw.randint(2, 40)))}


def weak_label(draw: random.Random) -> dict[str, Any]:
    """A row of `WeakLabelDataModule`."""
    p = draw.random()
    return {"text": "t" + "".join(draw.choices("abcdef ", k=draw.randint(1, 50))), "soft_label": [p, 1 - p]}


@dataclass(frozen=True)
class Listed:
    """A module's settings, the DataModule that feeds it and one row of that DataModule's file."""

    model: tuple[str, ...]
    data: str = "InstructionDataModule"
    row: Callable[[random.Random], dict[str, Any]] = completion

    def rows(self, folder: Path) -> Path:
        """The file of rows, the same whoever asks."""
        path = folder / f"{self.data}.jsonl"
        if not path.exists():
            draw = random.Random(0)
            path.write_text("".join(json.dumps(self.row(draw)) + "\n" for _ in range(N_ROWS)))
        return path


BACKBONE = ("--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes")
LANGUAGE_MODEL = ("--model=CausalLanguageModel", *BACKBONE)
CLASSIFIER = ("--model=WeakToStrongClassifier", *BACKBONE, "--model.loss.name=logconf")

MODULES: dict[str, Listed] = {
    "CausalLanguageModel, all weights (tied)": Listed((*LANGUAGE_MODEL, "--model.lora=null")),
    "CausalLanguageModel, LoRA": Listed((*LANGUAGE_MODEL, "--model.lora.r=4")),
    "CausalLanguageModel, LoRA on the top layer, recomputed activations": Listed(
        (*LANGUAGE_MODEL, "--model.lora.r=4", "--model.lora.top_layers=1", "--model.gradient_checkpointing=true")
    ),
    "WeakToStrongClassifier, all weights, the loss of the whole batch": Listed(
        CLASSIFIER, "WeakLabelDataModule", weak_label
    ),
    "WeakToStrongClassifier, head alone, the loss of the whole batch": Listed(
        (*CLASSIFIER, "--model.linear_probe=true"), "WeakLabelDataModule", weak_label
    ),
}
"""Name to what it trains, and on what."""

STRATEGIES: dict[str, str] = {
    "ddp": "ddp",
    "fsdp2": "fsdp",
    "zero1": "deepspeed_zero1",
    "zero2": "deepspeed_zero2",
    "zero3": "deepspeed_zero3",
    "zero2_offload": "zero2_offload",
    "zero3_offload": "zero3_offload",
}
"""Name to the overlay in configs/trainer/."""


def command(overlay: str, module: str, root: Path, name: str, processes: int = 2) -> list[str]:
    """A fit with what hides nothing: SGD (AdamW would forgive a wrong constant), accumulation, clipping, windows whose
    rows are split unequally over ranks, and as many rows a window for any number of processes."""
    listed = MODULES[module]
    return [
        "fit", "--config", f"configs/trainer/{overlay}.yaml", *listed.model,
        "--model.backbone.dtype=float32", "--model.optimizer.name=sgd", "--model.optimizer.lr=0.3",
        f"--data={listed.data}", f"--data.path={listed.rows(root)}", "--data.loading.row_tokens=64",
        f"--data.loading.rows={4 // processes}", "--trainer.accumulate_grad_batches=2",
        "--trainer.accelerator=cpu", f"--trainer.devices={processes}", "--trainer.max_epochs=1",
        "--trainer.log_every_n_steps=1", "--trainer.gradient_clip_val=1.0", "--trainer.enable_progress_bar=false",
        f"--run.root={root}", f"--run.name={name}", "--run.id=only",
    ]  # fmt: skip


def gaps(run: Path, reference: Path) -> tuple[float, float]:
    """The largest relative difference in gradient norm over all steps, and the largest in any weight that trained."""
    norms, wanted = (metrics(folder)["train/grad_norm"] for folder in (run, reference))
    assert len(norms) == len(wanted) > 2
    found, expected = trained(run), trained(reference)
    assert found.keys() == expected.keys()
    by_norm = max(abs(a / b - 1) for a, b in zip(norms, wanted, strict=True))
    return by_norm, max(float((found[name] - expected[name]).abs().max()) for name in found)


def assert_continues(resumed: Path, whole: Path, step: int) -> None:
    """A run resumed at a step went on as the uninterrupted one: every logged figure and every weight, to the bit."""
    for name in ("train/loss", "train/grad_norm", "train/lr"):
        assert metrics(resumed)[name] == metrics(whole)[name][step:]
    assert len(metrics(resumed)["train/loss"]) > 1
    for name, weight in weights(whole / "model").items():
        assert torch.equal(weight, weights(resumed / "model")[name])


def metrics(run: Path) -> dict[str, list[float]]:
    """The columns of metrics.csv, empty cells left out."""
    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


def trained(run: Path) -> dict[str, Tensor]:
    """What trained, as it is in the run's last checkpoint."""
    module = trained_module(newest_checkpoint(run))
    return {name: parameter.detach() for name, parameter in module.named_parameters() if parameter.requires_grad}


def weights(folder: Path) -> dict[str, Tensor]:
    """What was exported: the adapter, or all weights."""
    return load_file(next(folder.glob("*.safetensors")))
