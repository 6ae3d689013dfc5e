"""Counting the floating-point operations that training really executes, and the hardware's measured matrix-product
peak.

Counted are the products of weight matrices with activations (2 per weight and token), forward and backward, as far as
autograd goes: a frozen layer below the first trainable one has no backward pass, a frozen layer above it has only the
gradient of its input. Attention scores, norms and other elementwise work are left out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class TrainingFlops:
    """Executed operations of a step. `per_token`: each token of a batch, padding included; `per_target`: each target
    token's pass through the head."""

    per_token: float
    per_target: float

    def of(self, n_tokens: int, n_targets: int) -> float:
        """Operations of a micro-batch with so many tokens (with padding) and targets."""
        return self.per_token * n_tokens + self.per_target * n_targets


def training_flops(decoder: nn.Module, head: nn.Parameter, gradient_checkpointing: bool = False) -> TrainingFlops:
    """Operations per token of a decoder stack (its modules in order of execution) and of its head."""
    per_token, backward_reached = 0.0, any(p.requires_grad for p in _embeddings(decoder))
    for module in decoder.modules():
        if not isinstance(module, nn.Linear):
            continue
        trains = module.weight.requires_grad
        passes = 1 + backward_reached + trains + (gradient_checkpointing and backward_reached)
        per_token += 2.0 * module.weight.numel() * passes
        backward_reached = backward_reached or trains
    return TrainingFlops(per_token, 2.0 * head.numel() * (2 + head.requires_grad))


def measured_peak(dtype: torch.dtype, device: torch.device, largest: int = 2048, seconds: float = 0.3) -> float:
    """Operations a second of a square matrix product in `dtype`: the best of repeated trials within about `seconds`.

    Sizes double up to `largest` while there is time: where a dtype is emulated, one product of that size takes minutes.
    """
    best, size, end = 0.0, 128, time.perf_counter() + seconds
    while True:
        taken = _product_seconds(dtype, device, size)
        best = max(best, 2.0 * size**3 / taken)
        if time.perf_counter() > end:
            return best
        if size < largest and 8 * taken < seconds / 4:
            size *= 2


def _product_seconds(dtype: torch.dtype, device: torch.device, size: int) -> float:
    a = torch.ones(size, size, dtype=dtype, device=device)  # random entries would move the run's random state
    b = torch.ones(size, size, dtype=dtype, device=device)
    _synchronize(device)
    start = time.perf_counter()
    a @ b
    _synchronize(device)
    return time.perf_counter() - start


def _embeddings(decoder: nn.Module) -> list[nn.Parameter]:
    return [p for module in decoder.modules() if isinstance(module, nn.Embedding) for p in module.parameters()]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
