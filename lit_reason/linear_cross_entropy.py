"""Cross entropy of a linear head without ever holding all logits: the head and its gradient, a few rows at a time.

At a vocabulary of 49,152 the float32 logits of one micro-batch and their gradient are larger than the model's
activations, and on CPU a third of a training step went into them. Here each chunk of rows is projected, normalised and
turned into its gradient while it is still in cache. `benchmarks/linear_cross_entropy.py` holds it against torch's own,
chunked and not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK_ROWS = 128
"""Rows whose logits are held in float32 at once."""

BLOCK_ROWS = 2048
"""Rows whose logit gradients are held in the head's dtype, where the head trains: its own gradient is as large as the
head, and adding to it once a chunk would cost more than all products."""


def linear_cross_entropy_sum(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Sum over rows of -log softmax(hidden @ weight.T)[label], in float32 (float64 for float64 inputs).

    Args:
        hidden: [n, d_model], may require a gradient. n = 0 gives a zero that still belongs to the graph.
        weight: [vocabulary, d_model], may require a gradient.
        labels: int64 [n], each below the vocabulary.
    """
    return _LinearCrossEntropySum.apply(hidden, weight, labels)


class _LinearCrossEntropySum(torch.autograd.Function):
    """The gradient of a cross entropy needs nothing but its forward pass, so both are computed in it, and kept is only
    d loss / d hidden (and d loss / d weight, where the head trains)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        wants_hidden, wants_weight, _ = ctx.needs_input_grad
        loss = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = None
        for start in range(0, len(hidden), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            kept = weight.new_empty(len(labels[block]), len(weight)) if wants_weight else None
            loss += _block(
                hidden[block], weight, labels[block], None if grad_hidden is None else grad_hidden[block], kept
            )
            if kept is not None:
                update = kept.T @ hidden[block]
                grad_weight = update if grad_weight is None else grad_weight.add_(update)
        if wants_weight and grad_weight is None:
            grad_weight = torch.zeros_like(weight)
        ctx.save_for_backward(grad_hidden, grad_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * grad_loss.to(grad_hidden.dtype),
            None if grad_weight is None else grad_weight * grad_loss.to(grad_weight.dtype),
            None,
        )


def _block(hidden: Tensor, weight: Tensor, labels: Tensor, grad_hidden: Tensor | None, kept: Tensor | None) -> Tensor:
    """The loss of some rows; fills their `grad_hidden`, and keeps d loss / d logits in `kept`, if given."""
    losses = []
    for start in range(0, len(hidden), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        grad_logits, loss = _chunk(hidden[rows], weight, labels[rows])
        losses.append(loss)
        if grad_hidden is not None:
            grad_hidden[rows] = grad_logits @ weight
        if kept is not None:
            kept[rows] = grad_logits
    return torch.stack(losses).sum()


def _chunk(hidden: Tensor, weight: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """d loss / d logits in the head's dtype, and the loss, of a few rows."""
    wide = torch.promote_types(hidden.dtype, torch.float32)
    log_probs = torch.log_softmax(hidden @ weight.T, dim=-1, dtype=wide)
    index = labels.unsqueeze(1)
    loss = -log_probs.gather(1, index).sum()
    probs = log_probs.exp_()
    probs.scatter_add_(1, index, probs.new_full((), -1.0).expand_as(index))
    return probs.to(weight.dtype), loss
