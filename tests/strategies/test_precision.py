"""bfloat16 on two processes: near float32, resumed exactly, exported in the dtype that trained."""

from __future__ import annotations

import pytest
import torch

from tests.strategies.conftest import EVERY, IN_16_BITS, OLDEST_KEPT
from tests.strategies.modules import assert_continues, metrics, weights

NEAR = 0.02
"""Relative difference of losses; bfloat16 rounds to a part in 256."""


@pytest.mark.parametrize("strategy", EVERY)
def test_all_weights_in_bfloat16_train_as_in_float32(strategy, pairs):
    """Near its losses, and not the very same: a strategy that ignored the precision would train in float32."""
    rounded, exact = (metrics(pairs.run(strategy, what))["train/loss"] for what in ("bf16-true", "32-true"))
    assert rounded == pytest.approx(exact, rel=NEAR)
    assert exact[-1] < exact[0] - 1
    assert min(abs(a / b - 1) for a, b in zip(rounded, exact, strict=True)) > 1e-6


@pytest.mark.parametrize("strategy", EVERY)
def test_adapters_over_a_bfloat16_base_train_as_in_float32(strategy, pairs, one_process):
    mixed = metrics(pairs.run(strategy, "bf16-mixed"))["train/loss"]
    exact = metrics(one_process["adapters"])["train/loss"]
    assert mixed == pytest.approx(exact, rel=NEAR)
    assert exact[-1] < exact[0] - 0.3 and mixed != exact


@pytest.mark.parametrize("strategy", EVERY)
def test_exported_is_what_trained(strategy, pairs):
    """Under mixed precision adapters train in float32, but DeepSpeed computes in 16 bits and keeps float32 apart."""
    adapters_in = torch.bfloat16 if strategy.startswith("zero") else torch.float32
    for what, dtype in {"32-true": torch.float32, "bf16-true": torch.bfloat16, "bf16-mixed": adapters_in}.items():
        assert {weight.dtype for weight in weights(pairs.run(strategy, what) / "model").values()} == {dtype}


@pytest.mark.parametrize("strategy", IN_16_BITS)
def test_a_resumed_run_is_the_uninterrupted_one(strategy, pairs):
    assert_continues(pairs.run(strategy, "resumed-bf16"), pairs.run(strategy, "bf16-true"), OLDEST_KEPT)
