"""A small fit with an evaluation before and after: random weights, planted functions, the real sandbox.

As a script, `python small_run.py FOLDER`, it ends as by a power failure in the third batch of its first evaluation.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer, seed_everything

from callbacks.case2code_evaluation import Case2CodeEvaluation
from datamodules.case2code import Case2CodeDataModule
from lit_reason import language_model
from lit_reason.backbones import Backbone, Lora
from lit_reason.batches import Loading
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.language_model import CausalLanguageModel
from lit_reason.optim import OptimizerSettings, Schedule
from lit_reason.records import Sample
from lit_reason.sampling.local import local_sampler

N_QUESTIONS = 12


def data_module() -> Case2CodeDataModule:
    """16 planted functions to train on, 12 to be asked."""
    return Case2CodeDataModule(
        PlantedSettings(n_train=16, n_val=N_QUESTIONS, n_test=6),
        RealSettings(n_train=0, n_val=0, n_test=0),
        PromptSettings(style="short", k_max=3),
        loading=Loading(row_tokens=1024, rows=4),
    )


def evaluation(folder: Path, **options: Any) -> Case2CodeEvaluation:
    """Short answers in small batches, so that there are several part files."""
    return Case2CodeEvaluation(**{"max_new_tokens": 12, "batch_size": 3, "pools": str(folder / "pools"), **options})


def module(lora: Lora | None = Lora(r=4, dropout=0.3)) -> CausalLanguageModel:
    """The tiny backbone; dropout makes training depend on the random state."""
    backbone = Backbone("llama-tiny", dtype="float32", tokenizer="bytes")
    return CausalLanguageModel(backbone, lora, OptimizerSettings(lr=1e-3), Schedule("constant"))


def trainer(folder: Path, callbacks: list[Callback], **options: Any) -> Trainer:
    """Two steps on the CPU, with a checkpoint at the end of each."""
    settings = {
        "max_steps": 2, "num_sanity_val_steps": 0, "limit_val_batches": 0, "use_distributed_sampler": False,
        "reload_dataloaders_every_n_epochs": 1,
        "logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False,
    }
    return Trainer(accelerator="cpu", default_root_dir=folder, callbacks=callbacks, **{**settings, **options})


def fit(folder: Path, callbacks: list[Callback], ckpt_path: Path | None = None, **options: Any) -> CausalLanguageModel:
    """Train; returns the module."""
    seed_everything(0, verbose=False)
    model = module()
    trainer(folder, callbacks, **options).fit(model, data_module(), ckpt_path=ckpt_path)
    return model


class KilledSampler:
    """`kill -9` once the third batch of three is decoded, before it is written."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.sampler = local_sampler(*arguments, **options)
        self.identity = self.sampler.identity

    def sample(self, *arguments: Any) -> Iterator[list[Sample]]:
        samples = [sample for batch in self.sampler.sample(*arguments) for sample in batch]
        yield samples[:3]
        yield samples[3:6]
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    language_model.local_sampler = KilledSampler
    fit(Path(sys.argv[1]), [evaluation(Path(sys.argv[1]))])
