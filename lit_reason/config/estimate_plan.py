"""What a configuration plans: the module with shapes alone, its optimizer's states, and how they are shared out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric.connector import _convert_precision_to_unified_args
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import _configure_optimizers
from torch.optim import Optimizer

from lit_reason.config.estimate_strategies import Origins, asked_strategy
from lit_reason.config.mistakes import Mistake, UserMistakes
from lit_reason.errors import PlainError
from lit_reason.model_config import module_of
from lit_reason.model_states import CannotEstimate, ModelStates, Strategy

MODULE_DTYPES = {"bf16-true": torch.bfloat16, "16-true": torch.float16}
"""What Lightning casts a whole module to."""

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", *MODULE_DTYPES)

UNUSABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
"""What transformers raises of a config.json that describes no model."""


@dataclass(frozen=True)
class Plan:
    """A model, a strategy by name, and the processes that share the work."""

    module: str
    states: ModelStates
    name: str
    strategy: Strategy
    nodes: int
    per_node: int

    @property
    def processes(self) -> int:
        """Of all nodes."""
        return self.nodes * self.per_node


def planned(config: Mapping[str, Any], origin: Origins = lambda path: None) -> Plan:
    """The plan of a complete configuration. Nothing is loaded: the module is built on the meta device.

    Args:
        config: as config.yaml holds it.
        origin: where a setting was written, for messages about it.

    Raises:
        UserMistakes: nothing is known of the strategy or precision.
        CannotEstimate: the model cannot be built from its configuration.
    """
    trainer = config["trainer"]
    nodes, per_node = int(trainer["num_nodes"]), _processes(trainer)
    name, strategy = asked_strategy(trainer, nodes * per_node, origin)
    module = config["model"]["class_path"].rpartition(".")[2]
    states = _states(_for_its_hardware(config), module, _precision(trainer, origin))
    return Plan(module, states, name, strategy, nodes, per_node)


def _for_its_hardware(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A backbone's `dtype: auto` as a GPU takes it where one is asked for, since this machine may have none."""
    arguments = config["model"].get("init_args", {})
    backbone = arguments.get("backbone") or {}
    if config["trainer"]["accelerator"] not in ("gpu", "cuda") or backbone.get("dtype") != "auto":
        return config
    arguments = {**arguments, "backbone": {**backbone, "dtype": "bfloat16"}}
    return {**config, "model": {**config["model"], "init_args": arguments}}


def _states(config: Mapping[str, Any], name: str, precision: str) -> ModelStates:
    """The model's states, in the dtypes that training would give them."""
    try:
        with torch.device("meta"):
            module = module_of(config)
            module.configure_model()
    except PlainError:
        raise
    except UNUSABLE as error:
        place = config["model"].get("init_args", {}).get("backbone", {}).get("name", "")
        raise CannotEstimate(f"{name} {place}: cannot be built from its configuration: {_line(error)}") from None
    if precision in MODULE_DTYPES:
        module.to(MODULE_DTYPES[precision])
    return ModelStates(module, _optimizer(module, name), precision)


def _optimizer(module: LightningModule, name: str) -> Optimizer:
    """The only one that the module configures."""
    try:
        configured: Any = module.configure_optimizers()
    except RuntimeError as error:
        raise CannotEstimate(f"{name} makes its optimizer in a run only: {_line(error)}") from None
    optimizers = _configure_optimizers(configured)[0] if configured is not None else []
    if len(optimizers) != 1:
        some = f"{len(optimizers)} optimizers" if optimizers else "no optimizer"
        raise CannotEstimate(f"{name} has {some}, and exactly one can be estimated")
    return optimizers[0]


def _processes(trainer: Mapping[str, Any]) -> int:
    """Processes of a node: devices in Lightning's words (a number, `auto`, or which ones)."""
    devices, here = trainer["devices"], torch.cuda.device_count() if trainer["accelerator"] != "cpu" else 0
    if isinstance(devices, list):
        return len(devices)
    if "," in str(devices):
        return len([part for part in str(devices).split(",") if part.strip()])
    return max(1, here) if str(devices) in ("auto", "-1") else max(1, int(devices))


def _precision(trainer: Mapping[str, Any], origin: Origins) -> str:
    given = trainer["precision"]
    precision = str(_convert_precision_to_unified_args(given)) if given is not None else "32-true"
    if precision not in PRECISIONS:
        problem, where = f"estimate knows {', '.join(PRECISIONS)}", origin(("trainer", "precision"))
        raise UserMistakes([Mistake("trainer.precision", problem, given, None, where)])
    return precision


def _line(error: Exception) -> str:
    """The first line of a message that may be long."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
