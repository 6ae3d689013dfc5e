"""The chunked head loss against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lit_reason.linear_cross_entropy import BLOCK_ROWS, CHUNK_ROWS, linear_cross_entropy_sum


@pytest.mark.parametrize("n", [1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS - 5, BLOCK_ROWS + CHUNK_ROWS + 1])
@pytest.mark.parametrize("head_trains", [False, True])
def test_equals_torch_in_value_and_gradient(n, head_trains):
    torch.manual_seed(n)
    hidden = torch.randn(n, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 16, dtype=torch.float64, requires_grad=head_trains)
    labels = torch.randint(0, 50, (n,))
    inputs = [hidden, weight] if head_trains else [hidden]
    ours = linear_cross_entropy_sum(hidden, weight, labels)
    theirs = F.cross_entropy(hidden @ weight.T, labels, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs), strict=True):
        torch.testing.assert_close(a, b)


def test_by_hand():
    hidden = torch.tensor([[1.0, 0.0]], requires_grad=True)
    weight = torch.tensor([[0.0, 0.0], [2.0, 5.0]])  # logits 0 and 2
    loss = linear_cross_entropy_sum(hidden, weight, torch.tensor([1]))
    assert loss.item() == pytest.approx(0.126928, abs=1e-6)  # ln(1 + e^-2)
    loss.backward()
    assert hidden.grad.tolist() == [pytest.approx([-0.238406, -0.596015], abs=1e-5)]  # (sigma(2) - 1) * (2, 5)


def test_extreme_logits_stay_finite():
    hidden = torch.tensor([[200.0]], requires_grad=True)
    loss = linear_cross_entropy_sum(hidden, torch.tensor([[1.0], [-1.0]]), torch.tensor([1]))
    loss.backward()
    assert loss.item() == 400.0 and hidden.grad.item() == 2.0


def test_no_rows_is_a_zero_that_belongs_to_the_graph():
    hidden = torch.zeros(0, 4, requires_grad=True)
    loss = linear_cross_entropy_sum(hidden, torch.zeros(9, 4), torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0 and hidden.grad.shape == (0, 4)
