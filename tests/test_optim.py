"""Schedules by hand, and what is decayed."""

from __future__ import annotations

import pytest
import torch

from lit_reason.optim import OptimizerSettings, Schedule, build_optimizer, learning_rate


def rates(schedule: Schedule, n: int) -> list[float]:
    return [learning_rate(step, n, 1.0, schedule) for step in range(n)]


def test_cosine_with_warmup_by_hand():
    assert rates(Schedule("cosine", warmup=0.4, floor=0.0), 5) == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])


def test_linear_with_floor_by_hand():
    assert rates(Schedule("linear", warmup=0.0, floor=0.2), 5) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_constant():
    assert rates(Schedule("constant", warmup=0.0), 3) == [1.0, 1.0, 1.0]


def test_steps_past_the_end_stay_at_the_floor():
    assert learning_rate(99, 5, 1.0, Schedule("cosine", 0.0, 0.1)) == pytest.approx(0.1)


def test_vectors_are_not_decayed_and_frozen_weights_are_left_out():
    matrix, vector = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    frozen = torch.nn.Parameter(torch.ones(3, 3), requires_grad=False)
    groups = build_optimizer([matrix, vector, frozen], OptimizerSettings(weight_decay=0.1)).param_groups
    assert [(g["weight_decay"], [tuple(p.shape) for p in g["params"]]) for g in groups] == [
        (0.1, [(2, 2)]),
        (0.0, [(2,)]),
    ]
