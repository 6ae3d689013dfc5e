"""Bytes a rank holds, counted by hand on a network of 44 weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lit_reason.model_states import CannotEstimate, Held, ModelStates, Strategy

BUCKET, BOTH_BUCKETS = 200_000_000, 400_000_000
ZERO1, ZERO2, ZERO3 = (Strategy("zero", stage) for stage in (1, 2, 3))


class Network(nn.Module):
    """Two blocks of 12 weights, and outside them a head of 15 and a bias of 5."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.net = nn.Module()
        self.net.layers = nn.ModuleList(nn.Linear(4, 3, bias=False, dtype=dtype) for _ in range(2))
        self.net.head = nn.Linear(3, 5, dtype=dtype)


def states(precision: str = "32-true", frozen: bool = False, optimizer: type = torch.optim.AdamW) -> ModelStates:
    """Of the network on the meta device; frozen, only its head trains."""
    with torch.device("meta"):
        network = Network(torch.bfloat16 if precision.endswith("true") and precision != "32-true" else torch.float32)
    network.net.layers.requires_grad_(not frozen)
    return ModelStates(network, optimizer([p for p in network.parameters() if p.requires_grad], lr=0.1), precision)


ADAMW = {
    "one process": (Strategy("one"), Held(weights=176, gradients=176, states=2 * 176 + 4 * 4)),
    "buckets": (Strategy("ddp"), Held(weights=176, gradients=176, states=2 * 176 + 4 * 4, working=176)),
    "views of buckets": (Strategy("ddp", bucket_view=True), Held(weights=176, gradients=176, states=2 * 176 + 16)),
    # rows 3, 3, 5, 5 become 2, 2, 3, 3: 8 + 8 + 9 + 3 weights; gathered are the head, both blocks, gradients twice
    "rows shared out": (
        Strategy("fsdp2"),
        Held(weights=112, gradients=112, states=2 * 112 + 4 * 4, working=80 + 96 + 2 * 80),
    ),
    # 22 weights a rank; the second updates some of the second block, head and bias, whose gradients are 32
    "ZeRO 2": (
        ZERO2,
        Held(weights=176, master=88, gradients=4 * 32 + 88, states=2 * 88 + 4, working=4 * (BOTH_BUCKETS + 15)),
    ),
    "ZeRO 1": (
        ZERO1,
        Held(weights=176, master=88, gradients=176 + 4 * 32, states=2 * 88 + 4, working=4 * (BOTH_BUCKETS + 15)),
    ),
    # parts of 6, 6, 8 and 3, and all of it beside them, for so small weights stay whole
    "ZeRO 3": (
        ZERO3,
        Held(weights=92 + 176, master=92, gradients=92 + 92, states=2 * 92 + 4, working=4 * (BUCKET + 15)),
    ),
    "ZeRO 3, nothing stays whole": (
        Strategy("zero", 3, persistent=0, live=20),
        Held(weights=92, master=92, gradients=92 + 92, states=2 * 92 + 4, working=4 * (BUCKET + 20 + 15)),
    ),
}


@pytest.mark.parametrize("case", ADAMW)
def test_adamw_in_float32_on_two_processes(case: str) -> None:
    strategy, by_hand = ADAMW[case]
    assert states().under(strategy, 2) == (by_hand, Held())


@pytest.mark.parametrize(
    ("strategy", "by_hand"),
    [
        (Strategy("ddp"), Held(weights=176, gradients=176, states=2 * 176 + 16, working=176 + 88)),
        (ZERO2, Held(88, master=88, gradients=2 * 32 + 88, states=2 * 88 + 4, working=2 * (BOTH_BUCKETS + 15))),
        (ZERO3, Held(46 + 88, master=92, gradients=46 + 92, states=2 * 92 + 4, working=2 * (BUCKET + 15))),
    ],
)
def test_mixed_precision_copies_weights_and_under_deepspeed_keeps_16_bits(strategy: Strategy, by_hand: Held) -> None:
    assert states("bf16-mixed").under(strategy, 2)[0] == by_hand


def test_a_module_in_bfloat16_has_gradients_and_moments_in_it() -> None:
    assert states("bf16-true").under(Strategy("one"), 1)[0] == Held(weights=88, gradients=88, states=2 * 88 + 16)


def test_frozen_weights_have_no_gradient_and_no_state() -> None:
    only_head = states(frozen=True)
    assert only_head.under(Strategy("one"), 1)[0] == Held(weights=176, gradients=80, states=2 * 80 + 8)
    assert only_head.under(ZERO2, 2)[0].master == only_head.under(ZERO2, 2)[0].gradients // 3 == 40


def test_offloading_moves_to_the_host() -> None:
    device, host = states().under(Strategy("zero", 3, offload_optimizer=True, offload_parameters=True), 2)
    assert device == Held(weights=176, working=4 * (BUCKET + 15))
    assert host == Held(weights=92, master=92, gradients=92 + 92, states=2 * 92 + 4)
    device, host = states().under(Strategy("zero", 2, offload_optimizer=True), 2)
    assert device == Held(weights=176, working=4 * (BOTH_BUCKETS + 15 + 15))
    assert host == Held(master=88, gradients=88, states=2 * 88 + 4, working=4 * (22 + 15))


@pytest.mark.parametrize(
    ("optimizer", "by_hand"),
    [(torch.optim.SGD, 0), (torch.optim.Adagrad, 176 + 16), (torch.optim.Adamax, 2 * 176 + 16)],
)
def test_any_optimizer_is_asked_by_a_step_on_a_tiny_weight(optimizer: type, by_hand: int) -> None:
    assert states(optimizer=optimizer).under(Strategy("one"), 1)[0].states == by_hand


def test_states_that_do_not_grow_with_the_weight_are_refused() -> None:
    with pytest.raises(CannotEstimate, match=r"^Adafactor keeps a state of shape \(4, 1\) for a weight \(4, 6\)$"):
        states(optimizer=torch.optim.Adafactor).under(Strategy("one"), 1)
