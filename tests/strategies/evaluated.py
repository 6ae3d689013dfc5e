"""A fit that asks questions before and after."""

from __future__ import annotations

from pathlib import Path

from tests.strategies.modules import LANGUAGE_MODEL

N_QUESTIONS = 7
"""Odd, so that two processes have unequal shares."""


def command(overlay: str, root: Path, name: str, processes: int = 2, n_questions: int = N_QUESTIONS) -> list[str]:
    """Planned on Case2Code's planted functions, with the real sandbox; pools apart for each run."""
    return [
        "fit", "--config", f"configs/trainer/{overlay}.yaml", *LANGUAGE_MODEL, "--model.lora.r=4",
        "--model.backbone.dtype=float32", "--data=Case2CodeDataModule", "--data.planted.n_train=16",
        f"--data.planted.n_val={n_questions}", "--data.planted.n_test=0", "--data.real.n_train=0",
        "--data.real.n_val=0", "--data.real.n_test=0", "--data.prompts.style=short", "--data.prompts.k_max=3",
        "--data.loading.row_tokens=1024", f"--data.loading.rows={4 // processes}",
        "--trainer.callbacks=Case2CodeEvaluation", "--trainer.callbacks.max_new_tokens=12",
        "--trainer.callbacks.batch_size=3", f"--trainer.callbacks.pools={root / 'pools' / name}",
        "--trainer.accelerator=cpu", f"--trainer.devices={processes}", "--trainer.max_steps=2",
        "--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false",
        f"--run.root={root}", f"--run.name={name}", "--run.id=only",
    ]  # fmt: skip
