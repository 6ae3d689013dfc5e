"""The head's loss and its gradients: `linear_cross_entropy_sum` beside torch's own ways to compute the same.

    python benchmarks/linear_cross_entropy.py

One micro-batch's target rows against SmolLM2's head (vocabulary 49,152, width 576), forward and backward, the head
frozen as under LoRA and then trained. The peers are `cross_entropy` over all logits in float32, and torch's own chunked
`linear_cross_entropy` where this torch has it (without its options it is `cross_entropy` over bfloat16 logits: less
work and another result). Implementations take turns, so that a slow moment of the machine meets all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from lit_reason.backbones import has_fast_bfloat16
from lit_reason.linear_cross_entropy import linear_cross_entropy_sum

ROWS, D_MODEL, VOCABULARY, ROUNDS = 450, 576, 49_152, 7

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def whole_logits(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """All logits at once, in float32 before the softmax, as transformers computes its loss."""
    return functional.cross_entropy((hidden @ weight.T).float(), labels, reduction="sum")


def contenders() -> dict[str, Loss]:
    """Ours first, then the peers that this torch has."""
    found: dict[str, Loss] = {"ours, chunked": linear_cross_entropy_sum, "torch, all logits": whole_logits}
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):
        options = torch.nn.LinearCrossEntropyOptions()
        found["torch, chunked"] = lambda hidden, weight, labels: functional.linear_cross_entropy(
            hidden, weight, labels, reduction="sum", options=options
        )
    return found


def seconds(loss: Loss, hidden: Tensor, weight: Tensor, labels: Tensor) -> float:
    """Wall time of one forward and backward pass."""
    hidden.grad = weight.grad = None
    began = time.perf_counter()
    loss(hidden, weight, labels).backward()
    return time.perf_counter() - began


def main() -> None:
    """Time every contender and print the ratios of the medians."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if has_fast_bfloat16() else torch.float32
    table = Table("head", "loss", "median s", "range", "times ours", title=f"{ROWS} rows, {dtype}")
    ratios = []
    for head in ("frozen", "trained"):
        hidden = torch.randn(ROWS, D_MODEL, dtype=dtype, requires_grad=True)
        weight = (0.05 * torch.randn(VOCABULARY, D_MODEL)).to(dtype).requires_grad_(head == "trained")
        labels = torch.randint(VOCABULARY, (ROWS,))
        losses = contenders()
        values = [float(loss(hidden, weight, labels).detach()) for loss in losses.values()]
        assert max(values) / min(values) < 1.01, f"the contenders disagree: {values}"
        times: dict[str, list[float]] = {name: [] for name in losses}
        for _ in range(ROUNDS):
            for name, loss in losses.items():
                times[name].append(seconds(loss, hidden, weight, labels))
        ours = statistics.median(times["ours, chunked"])
        for name, several in times.items():
            median = statistics.median(several)
            spread = f"{min(several):.3f}-{max(several):.3f}"
            table.add_row(head, name, f"{median:.3f}", spread, f"{median / ours:.1f}")
        ratios.append(min(statistics.median(several) / ours for name, several in times.items() if "ours" not in name))
    Console().print(table)
    print(f"ratio: {min(ratios):.1f} (against the best peer; head frozen {ratios[0]:.1f}, trained {ratios[1]:.1f})")


if __name__ == "__main__":
    main()
