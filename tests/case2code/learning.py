"""Small trainings from random weights on planted functions, with the real module, DataModule, callback and sandbox.

The recipe is that of configs/case2code/scratch.yaml and of its overlays, which the study uses as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Trainer, seed_everything

from callbacks.case2code_evaluation import Case2CodeEvaluation
from datamodules.case2code import Case2CodeDataModule, settings_of
from lit_reason.answers import read_pools
from lit_reason.backbones import Backbone
from lit_reason.batches import Loading
from lit_reason.case2code.functions import Function
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.language_model import CausalLanguageModel
from lit_reason.optim import OptimizerSettings, Schedule
from lit_reason.pool import SamplePool
from lit_reason.records import Grade
from lit_reason.results import Figure, Results, difference, share

CONFIGS = Path(__file__).parents[2] / "configs" / "case2code"
N_TEST = 480


def recipe(*overlays: str) -> dict[str, Any]:
    """The settings of scratch.yaml under the named overlays."""
    found: dict[str, Any] = {}
    for name in ("scratch", *overlays):
        found = _over(found, yaml.safe_load((CONFIGS / f"{name}.yaml").read_text("utf-8")))
    return found


@dataclass(frozen=True)
class Measured:
    """What one evaluation left in its folder."""

    folder: Path

    def figure(self, name: str = "strict_pass", split: str = "planted") -> Figure:
        """One of its figures."""
        found = Results.load(self.folder).get(name, split, "test")
        assert found is not None, (name, split)
        return found

    def passed(self, what: str = "strict") -> list[bool]:
        """For every function, in one order, whether it was found (`strict`), or one kind of its cases was."""
        return [bool(grade.detail.get(what, False)) for grade in self._grades]

    def hidden_over_shown(self) -> Figure:
        """How much more often the hidden cases pass than the shown ones, function by function."""
        return difference("hidden_over_shown", "planted", self.passed("shown_pass"), self.passed("hidden_pass"))

    @cached_property
    def _grades(self) -> list[Grade]:
        (entry,) = read_pools(self.folder)
        grades = SamplePool(self.folder / entry["folder"]).grades(entry["grader"])
        return sorted(grades, key=lambda grade: grade.question_id)


def _callable(function: Function) -> tuple[int, Callable[..., Any]]:
    """A planted function, whose code is our own and needs no sandbox, with its number of parameters."""
    scope: dict[str, Any] = {}
    exec(function.code, scope)
    return len(function.params), scope[function.name]


def _passes(run: Callable[..., Any], function: Function) -> bool:
    """Whether a program gives all results of a function, its arguments by place."""
    for case in function.cases:
        try:
            if repr(run(*case.arguments().values())) != case.returned:
                return False
        except Exception:  # it was made for arguments of another type
            return False
    return True


def gain(name: str, low: Measured, high: Measured) -> Figure:
    """How many points `high` lies above `low`, function by function."""
    return difference(name, "planted", low.passed(), high.passed())


@dataclass(frozen=True)
class Learner:
    """One training and everything measured with it; all of it happens below `folder`.

    Args:
        folder: where runs and pools go.
        overlays: what the recipe differs in.
        seed: of functions, weights and order; the prompts of a function hang on its id, which holds the seed.
        planted: settings of the functions that differ from the recipe's.
        backbone: another size than the recipe's.
    """

    folder: Path
    overlays: tuple[str, ...] = ()
    seed: int = 0
    planted: dict[str, Any] = field(default_factory=dict)
    backbone: str | None = None

    def model(self) -> CausalLanguageModel:
        """Random weights."""
        seed_everything(self.seed, verbose=False)
        args = self._recipe["model"]["init_args"]
        backbone = Backbone(**args["backbone"])
        return CausalLanguageModel(
            replace(backbone, name=self.backbone or backbone.name),
            None,
            OptimizerSettings(**args["optimizer"]),
            Schedule(**args["schedule"]),
        )

    def trained(self, **options: Any) -> CausalLanguageModel:
        """One epoch over the planted functions."""
        model = self.model()
        self._trainer([], max_epochs=self._recipe["trainer"]["max_epochs"], **options).fit(model, self._data())
        return model

    def measured(self, model: CausalLanguageModel, place: str, **prompts: Any) -> Measured:
        """What the model makes of the functions held out for the test, with prompts that differ in these settings."""
        folder = self.folder / place
        evaluation = Case2CodeEvaluation(max_new_tokens=64, pools=str(self.folder / "pools"))
        data = self._data()
        data.prompts = replace(data.prompts, **prompts)
        self._trainer([evaluation], folder=folder, limit_test_batches=1).test(model, data, verbose=False)
        return Measured(folder)

    def blind(self, n_programs: int = 200) -> Figure:
        """What can be found without looking at a case, as an upper bound: for each number of parameters the best of so
        many training programs, given as the one answer to every function held out for the test."""
        planted = self._data().planted
        programs = list(map(_callable, replace(planted, n_train=n_programs).functions("train")))
        groups: dict[int, list[Function]] = {}
        for function in planted.functions("test"):
            groups.setdefault(len(function.params), []).append(function)
        best = [
            max(sum(map(partial(_passes, run), group)) for n_params, run in programs if n_params == n)
            for n, group in groups.items()
        ]
        return share("blind", "planted", "test", sum(best), sum(map(len, groups.values())))

    @property
    def _recipe(self) -> dict[str, Any]:
        return recipe(*self.overlays)

    def _data(self) -> Case2CodeDataModule:
        args = self._recipe["data"]["init_args"]
        planted = {**args["planted"], "n_val": 0, "n_test": N_TEST, "seed": self.seed, **self.planted}
        return Case2CodeDataModule(
            PlantedSettings(**planted),
            RealSettings(**args["real"]),
            settings_of(PromptSettings, args["prompts"]),
            args.get("shuffled_targets", False),
            loading=Loading(**args["loading"]),
        )

    def _trainer(self, callbacks: list[Any], folder: Path | None = None, **options: Any) -> Trainer:
        settings = {
            "gradient_clip_val": self._recipe["trainer"]["gradient_clip_val"], "num_sanity_val_steps": 0,
            "limit_val_batches": 0, "logger": False, "use_distributed_sampler": False, "enable_progress_bar": False,
            "enable_model_summary": False, "enable_checkpointing": False, "reload_dataloaders_every_n_epochs": 1,
        }  # fmt: skip
        return Trainer(
            accelerator="cpu", default_root_dir=folder or self.folder, callbacks=callbacks, **{**settings, **options}
        )


def line(label: str, found: Figure, seed: int = 0) -> str:
    """A figure for the terminal."""
    return f"{label:<34} {found.text():>8} {found.interval_text():<16} n {found.n}, {found.ci_method}, seed {seed}"


def _over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
