"""The measured peak is the hardware's, and takes no longer than it may where a dtype is emulated."""

from __future__ import annotations

import time

import pytest
import torch

from lit_reason import flops


@pytest.mark.parametrize(("rate", "largest"), [(1e12, 2048), (1e9, 256), (1e6, 128)])
def test_sizes_grow_only_while_there_is_time(rate: float, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sizes = [0.0], []

    def product(dtype: torch.dtype, device: torch.device, size: int) -> float:
        sizes.append(size)
        clock[0] += 2 * size**3 / rate
        return 2 * size**3 / rate

    monkeypatch.setattr(flops, "_product_seconds", product)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert flops.measured_peak(torch.bfloat16, torch.device("cpu")) == pytest.approx(rate)
    assert max(sizes) == largest and clock[0] < 0.3 + 2 * largest**3 / rate


def test_a_real_product_is_measured() -> None:
    assert flops.measured_peak(torch.float32, torch.device("cpu"), largest=256, seconds=0.02) > 1e7
