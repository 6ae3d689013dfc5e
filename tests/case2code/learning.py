"""Small trainings from random weights on planted functions, with the real module, DataModule, callback and sandbox."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer, seed_everything

from callbacks.case2code_evaluation import Case2CodeEvaluation
from datamodules.case2code import Case2CodeDataModule
from lit_reason.answers import read_pools
from lit_reason.backbones import Backbone
from lit_reason.batches import Loading
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.tokenizer import write_tokenizer
from lit_reason.language_model import CausalLanguageModel
from lit_reason.optim import OptimizerSettings, Schedule
from lit_reason.pool import SamplePool
from lit_reason.results import Figure, Results, difference

FAMILIES = [
    "count", "remove", "replace", "strip", "pad", "suffix", "prefix", "default", "describe",
    "add", "multiply", "subtract_from", "modulo", "at_most", "at_least", "greater", "range_from", "linear", "label",
    "count_value", "sum_plus", "append", "stride", "keep_other",
]  # fmt: skip
"""24 of the 50 families, those with short cases: templates of texts, numbers and lists."""

PLANTED = PlantedSettings(n_train=32_000, n_val=240, families=FAMILIES, n_cases=16, n_shown=8, made_up_names=True)
PROMPTS = PromptSettings(style="short", k_min=1, k_max=8, name_share=1.0, lead_in="")


@dataclass(frozen=True)
class Measured:
    """What one evaluation left in its folder."""

    folder: Path

    def figure(self, name: str = "strict_pass", split: str = "planted") -> Figure:
        """One of its figures."""
        found = Results.load(self.folder).get(name, split, "validate")
        assert found is not None, (name, split)
        return found

    def right(self) -> list[bool]:
        """For every function, in one order, whether it was found."""
        (entry,) = read_pools(self.folder)
        grades = SamplePool(self.folder / entry["folder"]).grades(entry["grader"])
        return [grade.status == "right" for grade in sorted(grades, key=lambda grade: grade.question_id)]


def gain(name: str, low: Measured, high: Measured) -> Figure:
    """How many points `high` lies above `low`, function by function."""
    return difference(name, "planted", low.right(), high.right())


@dataclass(frozen=True)
class Learner:
    """One training and everything measured with it; all of it happens below `folder`."""

    folder: Path
    planted: PlantedSettings = PLANTED
    prompts: PromptSettings = PROMPTS
    shuffled: bool = False
    loss_on: Literal["target", "all"] = "target"
    backbone: str = "llama-1m"
    seed: int = 0

    def model(self) -> CausalLanguageModel:
        """Random weights."""
        seed_everything(self.seed, verbose=False)
        tokenizer = self.folder / "tokenizer"
        if not tokenizer.exists():
            write_tokenizer(self.folder)
        backbone = Backbone(
            self.backbone, dtype="float32", tokenizer=str(tokenizer), chat_template="plain", init_std=0.088
        )
        return CausalLanguageModel(
            backbone, None, OptimizerSettings(lr=1.5e-3, betas=(0.9, 0.98)), Schedule("cosine", warmup=0.03)
        )

    def trained(self, **options: Any) -> CausalLanguageModel:
        """One epoch over the planted functions."""
        model = self.model()
        self._trainer([], max_epochs=1, **options).fit(model, self._data())
        return model

    def measured(self, model: CausalLanguageModel, place: str, **prompts: Any) -> Measured:
        """What the model makes of the held-out functions, with prompts that differ in these settings."""
        folder = self.folder / place
        evaluation = Case2CodeEvaluation(max_new_tokens=64, pools=str(self.folder / "pools"))
        data = self._data()
        data.prompts = replace(data.prompts, **prompts)
        self._trainer([evaluation], folder=folder, limit_val_batches=1).validate(model, data, verbose=False)
        return Measured(folder)

    def _data(self) -> Case2CodeDataModule:
        real, loading = RealSettings(sources=[]), Loading(row_tokens=256, rows=8)
        return Case2CodeDataModule(self.planted, real, self.prompts, self.shuffled, self.loss_on, loading)

    def _trainer(self, callbacks: list[Any], folder: Path | None = None, **options: Any) -> Trainer:
        settings = {
            "gradient_clip_val": 1.0, "num_sanity_val_steps": 0, "limit_val_batches": 0, "logger": False,
            "use_distributed_sampler": False, "enable_progress_bar": False, "enable_model_summary": False,
            "enable_checkpointing": False, "reload_dataloaders_every_n_epochs": 1,
        }  # fmt: skip
        return Trainer(
            accelerator="cpu", default_root_dir=folder or self.folder, callbacks=callbacks, **{**settings, **options}
        )


def line(label: str, found: Figure, seed: int = 0) -> str:
    """A figure for the terminal."""
    return f"{label:<34} {found.text():>8} {found.interval_text():<16} n {found.n}, {found.ci_method}, seed {seed}"
