"""Losses on soft labels (Burns et al., 2312.09390, as released), as plain functions of logits.

Shapes: logits and labels are float [B, K], B items and K classes; a loss is the mean over the B items, computed in
float32 at least: half precision has no quantile, and loses labels in its sums. Every loss but
`kl` is the cross-entropy with a target that is computed without gradient, so a module may take the targets of a whole
optimizer window first and the loss of each micro-batch later: `targets` below, then `cross_entropy_sum`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat
from torch import Tensor

from lit_reason.errors import PlainError

LossName = Literal["xent", "product", "logconf", "kl"]
Ramp = Literal["linear", "legacy"]


class LossError(PlainError, ValueError):
    """A loss that cannot be taken of these labels."""


@dataclass(frozen=True)
class LossSettings:
    """Which loss, and its constants.

    Args:
        name: `xent`, `product` (of weak label and own prediction), `logconf` (confidence loss; two classes), or `kl`.
        alpha: product: weight of the weak label.
        beta: product: weight of the model's own prediction.
        aux_coef: logconf: weight of the model's own hardened prediction after the warm-up.
        warmup: logconf: share of the run over which that weight rises.
        ramp: logconf: `linear` rises to the full weight; `legacy`, for parity, is the release's, which jumps.
    """

    name: LossName = "xent"
    alpha: NonNegativeFloat = 1.0
    beta: NonNegativeFloat = 1.0
    aux_coef: ClosedUnitInterval = 0.5
    warmup: ClosedUnitInterval = 0.1
    ramp: Ramp = "linear"


def xent_loss(logits: Tensor, weak_labels: Tensor) -> Tensor:
    """Cross-entropy with the weak labels."""
    return _mean(logits, weak_labels)


def product_loss(logits: Tensor, weak_labels: Tensor, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """Cross-entropy with `product_targets`."""
    return _mean(logits, product_targets(logits, weak_labels, alpha, beta))


def logconf_loss(
    logits: Tensor,
    weak_labels: Tensor,
    *,
    progress: float,
    aux_coef: float = 0.5,
    warmup: float = 0.1,
    ramp: Ramp = "linear",
) -> Tensor:
    """The confidence loss of a whole batch: cross-entropy with `logconf_targets`. `progress` is the share of the run's
    steps that are done."""
    threshold = quantile_threshold(logits, weak_labels)
    coefficient = aux_coef * ramp_value(progress, warmup, ramp)
    return _mean(logits, logconf_targets(logits, weak_labels, threshold, coefficient))


def kl_loss(logits: Tensor, weak_labels: Tensor) -> Tensor:
    """KL(weak label || prediction): the gradient of `xent_loss`, and 0 where both agree."""
    return kl_sum(logits, weak_labels) / len(logits)


def targets(settings: LossSettings, logits: Tensor, weak_labels: Tensor, threshold: Tensor, progress: float) -> Tensor:
    """What the cross-entropy compares predictions with; `threshold` is that of the whole window, used by `logconf`."""
    if settings.name == "product":
        return product_targets(logits, weak_labels, settings.alpha, settings.beta)
    if settings.name == "logconf":
        coefficient = settings.aux_coef * ramp_value(progress, settings.warmup, settings.ramp)
        return logconf_targets(logits, weak_labels, threshold, coefficient)
    return weak_labels


@torch.no_grad()
def product_targets(logits: Tensor, weak_labels: Tensor, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """p^beta y^alpha, normalised over classes; taken in logarithms, for p and y may both be tiny."""
    labels = _wide(weak_labels)
    log_labels = torch.where(labels > 0, labels, torch.nan).log().nan_to_num(-torch.inf)
    # A weight of zero leaves a factor out; 0 * -inf would be NaN.
    logs = (alpha * log_labels if alpha else 0.0) + beta * _wide(logits).log_softmax(-1)
    return logs.softmax(-1)


@torch.no_grad()
def logconf_targets(logits: Tensor, weak_labels: Tensor, threshold: Tensor, coefficient: float) -> Tensor:
    """(1 - c) y + c h, where h is the model's own prediction, hardened at the threshold."""
    _check_two_classes(logits)
    labels = _wide(weak_labels)
    first = (_wide(logits).softmax(-1)[:, 0] >= threshold).to(labels.dtype)
    hardened = torch.stack([first, 1 - first], -1)
    return (1 - coefficient) * labels + coefficient * hardened


@torch.no_grad()
def quantile_threshold(logits: Tensor, weak_labels: Tensor) -> Tensor:
    """The p_0 above which items count as class 0, so that hardened predictions have the weak labels' class balance: the
    m-quantile of p_0 with m the mean weak label of class 1. Scalar; B is the whole batch."""
    _check_two_classes(logits)
    p_first = _wide(logits).softmax(-1)[:, 0]
    return torch.quantile(p_first, _wide(weak_labels)[:, 1].mean().clamp(0, 1).to(p_first.dtype))


def ramp_value(progress: float, warmup: float, ramp: Ramp = "linear") -> float:
    """The confidence term's share of its full weight. The released ramp (`legacy`) is `progress` during the warm-up and
    then jumps to 1; the intended one reaches 1 at its end. Without a warm-up both are 1, the released one after the
    first step."""
    if ramp not in get_args(Ramp):
        raise LossError(f"ramp is {ramp!r}; known: {', '.join(get_args(Ramp))}")
    if ramp == "legacy":
        return progress if progress <= warmup else 1.0
    return min(1.0, progress / warmup) if warmup > 0 else 1.0


def cross_entropy_sum(logits: Tensor, target: Tensor) -> Tensor:
    """-sum over items and classes of t log p."""
    return -(target * _wide(logits).log_softmax(-1)).sum()


def kl_sum(logits: Tensor, weak_labels: Tensor) -> Tensor:
    """The sum of KL(y || p) over items."""
    labels = _wide(weak_labels)
    entropy = -torch.special.xlogy(labels, labels).sum()
    return cross_entropy_sum(logits, weak_labels) - entropy


def check_loss(name: str, n_classes: int = 2) -> None:
    """Raise a LossError for an unknown loss, and for one that cannot take so many classes."""
    known = get_args(LossName)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise LossError(f"loss: {name!r} is no loss; {hint}known: {', '.join(known)}")
    if name == "logconf" and n_classes != 2:
        raise LossError(f"loss: logconf hardens two classes, but the labels have {n_classes}")


def _wide(values: Tensor) -> Tensor:
    """float32 where it was less, else as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _mean(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy_sum(logits, target) / len(logits)


def _check_two_classes(logits: Tensor) -> None:
    if logits.shape[-1] != 2:
        raise LossError(f"loss: logconf hardens two classes, but the labels have {logits.shape[-1]}")
