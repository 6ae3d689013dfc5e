"""Optimizers and learning-rate schedules by name. The rate is a pure function of the step: nothing of it is stored in a
checkpoint, so a changed rate is what runs after a resume."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, PositiveFloat
from torch.nn import Parameter


@dataclass(frozen=True)
class OptimizerSettings:
    """Which optimizer, and its constants.

    Args:
        name: `adamw` or `sgd` (plain, for equality checks: adaptive optimizers hide a wrong loss constant).
        lr: peak learning rate.
        betas: AdamW's decay rates of the two moments.
        eps: AdamW's denominator term.
        weight_decay: decoupled decay, applied to matrices only.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: PositiveFloat = 2e-4
    betas: tuple[ClosedUnitInterval, ClosedUnitInterval] = (0.9, 0.95)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.0


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a run.

    Args:
        name: shape after the warm-up: `cosine`, `linear` or `constant`.
        warmup: share of all steps in which the rate rises linearly from 0.
        floor: final rate as a share of the peak.
    """

    name: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: ClosedUnitInterval = 0.03
    floor: ClosedUnitInterval = 0.0


def learning_rate(step: int, n_steps: int, peak: float, schedule: Schedule) -> float:
    """The rate of optimizer step `step`, counted from 0, in a run of `n_steps`.

    The warm-up's first step is already above 0 and its last is the peak; the last step of the run is at the floor.
    """
    warmup = round(schedule.warmup * n_steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, n_steps - 1 - warmup))
    shape = {"cosine": (1 + math.cos(math.pi * progress)) / 2, "linear": 1 - progress, "constant": 1.0}[schedule.name]
    return peak * (schedule.floor + (1 - schedule.floor) * shape)


def build_optimizer(parameters: Iterable[Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer over the trainable parameters; vectors (norms, biases) are never decayed."""
    trainable = [p for p in parameters if p.requires_grad]
    if settings.name == "sgd":
        return torch.optim.SGD(trainable, lr=settings.lr)
    groups = [
        {"params": [p for p in trainable if _is_matrix(p)], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if not _is_matrix(p)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.lr, betas=settings.betas, eps=settings.eps)


def _is_matrix(parameter: Parameter) -> bool:
    """ZeRO 3 leaves an empty vector where a parted weight was, and its shape beside it."""
    return len(getattr(parameter, "ds_shape", parameter.shape)) >= 2
