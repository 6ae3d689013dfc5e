"""What every strategy must train to the same weights. A new trainable module is covered by being listed here."""

from __future__ import annotations

import csv
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

LANGUAGE_MODEL = ("--model=CausalLanguageModel", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes")

MODULES: dict[str, tuple[str, ...]] = {
    "CausalLanguageModel, all weights (tied)": (*LANGUAGE_MODEL, "--model.lora=null"),
    "CausalLanguageModel, LoRA": (*LANGUAGE_MODEL, "--model.lora.r=4"),
    "CausalLanguageModel, LoRA on the top layer, recomputed activations": (
        *LANGUAGE_MODEL, "--model.lora.r=4", "--model.lora.top_layers=1", "--model.gradient_checkpointing=true",
    ),
}  # fmt: skip
"""Name to the settings of its module."""

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


def command(overlay: str, module: str, rows_file: Path, root: Path, name: str, processes: int = 2) -> list[str]:
    """A fit with what hides nothing: SGD (AdamW would forgive a wrong constant), accumulation, clipping, windows whose
    rows are split unequally over ranks, and as many rows a window for any number of processes."""
    return [
        "fit", "--config", f"configs/trainer/{overlay}.yaml", *MODULES[module],
        "--model.backbone.dtype=float32", "--model.optimizer.name=sgd", "--model.optimizer.lr=0.3",
        "--data=InstructionDataModule", f"--data.path={rows_file}", "--data.loading.row_tokens=64",
        f"--data.loading.rows={4 // processes}", "--trainer.accumulate_grad_batches=2",
        "--trainer.accelerator=cpu", f"--trainer.devices={processes}", "--trainer.max_epochs=1",
        "--trainer.log_every_n_steps=1", "--trainer.gradient_clip_val=1.0", "--trainer.enable_progress_bar=false",
        f"--run.root={root}", f"--run.name={name}", "--run.id=only",
    ]  # fmt: skip


def gaps(run: Path, reference: Path) -> tuple[float, float]:
    """The largest relative difference in gradient norm over all steps, and the largest in any exported weight."""
    norms, wanted = (metrics(folder)["train/grad_norm"] for folder in (run, reference))
    assert len(norms) == len(wanted) > 2
    found, expected = weights(run / "model"), weights(reference / "model")
    assert found.keys() == expected.keys()
    by_norm = max(abs(a / b - 1) for a, b in zip(norms, wanted, strict=True))
    return by_norm, max(float((found[name] - expected[name]).abs().max()) for name in found)


def metrics(run: Path) -> dict[str, list[float]]:
    """The columns of metrics.csv, empty cells left out."""
    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


def weights(folder: Path) -> dict[str, Tensor]:
    """What was exported: the adapter, or all weights."""
    return load_file(next(folder.glob("*.safetensors")))
