"""Check A: losses against numbers computed by hand."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.weak_to_strong import kl_loss, logconf_loss, product_loss, xent_loss
from lit_reason.weak_to_strong.losses import (
    LossError,
    check_loss,
    logconf_targets,
    product_targets,
    quantile_threshold,
    ramp_value,
)

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.5, 0.4], [-1.0, 1.0]], dtype=torch.float64)
WEAK = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], dtype=torch.float64)


def test_xent():
    assert xent_loss(LOGITS, WEAK).item() == pytest.approx(0.562879, abs=1e-5)


def test_product_and_its_targets():
    assert product_loss(LOGITS, WEAK).item() == pytest.approx(0.368159, abs=1e-5)
    first = product_targets(LOGITS, WEAK)[:, 0].tolist()
    assert first == pytest.approx([0.985186, 0.084224, 0.623743, 0.054821], abs=1e-5)


def test_threshold_is_the_interpolated_quantile():
    assert quantile_threshold(LOGITS, WEAK).item() == pytest.approx(0.396960, abs=1e-5)


@pytest.mark.parametrize(
    ("progress", "linear", "legacy"),
    [(0.0, 0.562879, 0.562879), (0.05, 0.497879, 0.556379), (0.1, 0.432879, 0.549879), (0.5, 0.432879, 0.432879)],
)
def test_logconf_ramps(progress, linear, legacy):
    for ramp, wanted in (("linear", linear), ("legacy", legacy)):
        loss = logconf_loss(LOGITS, WEAK, progress=progress, aux_coef=0.5, warmup=0.1, ramp=ramp)
        assert loss.item() == pytest.approx(wanted, abs=1e-5)


def test_a_warmup_of_zero_divides_nothing():
    assert ramp_value(0.0, 0.0) == ramp_value(0.01, 0.0, "legacy") == 1.0
    assert ramp_value(0.0, 0.0, "legacy") == 0.0, "the share of steps done while within the warm-up"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "loss", [xent_loss, product_loss, kl_loss, lambda logits, weak: logconf_loss(logits, weak, progress=0.5)]
)
def test_half_precision_gives_what_float32_gives_of_the_same_numbers(loss, dtype):
    logits, weak = LOGITS.to(dtype).requires_grad_(), WEAK.to(dtype)
    found = loss(logits, weak)
    assert found.dtype == torch.float32 and torch.equal(found, loss(logits.detach().float(), weak.float()))
    found.backward()
    assert logits.grad.dtype == dtype and torch.isfinite(logits.grad).all()


def test_hardened_labels_are_constants():
    logits = LOGITS.clone().requires_grad_()
    logconf_loss(logits, WEAK, progress=1.0).backward()
    target = logconf_targets(LOGITS, WEAK, quantile_threshold(LOGITS, WEAK), 0.5)
    assert torch.allclose(logits.grad, (LOGITS.softmax(-1) - target) / len(LOGITS))


def test_burns_own_form_is_the_same():
    """(1 - a) CE(p, y) + a CE(p, h)."""
    hardened = logconf_targets(LOGITS, WEAK, quantile_threshold(LOGITS, WEAK), 1.0)
    wanted = 0.7 * xent_loss(LOGITS, WEAK) + 0.3 * xent_loss(LOGITS, hardened)
    assert torch.allclose(logconf_loss(LOGITS, WEAK, progress=1.0, aux_coef=0.3), wanted)


def test_kl_is_xent_without_the_labels_entropy():
    a, b = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    kl_loss(a, WEAK).backward()
    xent_loss(b, WEAK).backward()
    assert torch.allclose(a.grad, b.grad)
    assert kl_loss(WEAK.log(), WEAK).item() == pytest.approx(0, abs=1e-12)
    assert torch.isfinite(kl_loss(LOGITS, torch.tensor([[1.0, 0.0]] * 4)))


def test_product_survives_underflow():
    logits = torch.tensor([[500.0, -500.0], [0.0, 0.0]], requires_grad=True)
    loss = product_loss(logits, torch.tensor([[0.0, 1.0], [1e-30, 1 - 1e-30]]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


@given(st.integers(1, 40), st.integers(0, 2**31 - 1))
@settings(max_examples=40)
def test_hardening_keeps_the_class_balance(n, seed):
    """Of n items, those of hardened class 1 differ from n times the mean weak label by less than one item."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 2, generator=draw, dtype=torch.float64)
    weak = torch.rand(n, 1, generator=draw, dtype=torch.float64)
    weak = torch.cat([1 - weak, weak], 1)
    hardened = logconf_targets(logits, weak, quantile_threshold(logits, weak), 1.0)
    assert abs(hardened[:, 1].sum() - weak[:, 1].sum()) <= 1.0


def test_three_classes_and_unknown_names_are_refused():
    with pytest.raises(LossError, match="two classes, but the labels have 3"):
        logconf_loss(torch.zeros(2, 3), torch.full((2, 3), 1 / 3), progress=0.5)
    with pytest.raises(LossError, match="two classes, but the labels have 3"):
        check_loss("logconf", 3)
    with pytest.raises(LossError, match="'logcnf' is no loss; did you mean logconf.*xent, product, logconf, kl"):
        check_loss("logcnf")


def test_importing_the_functions_is_cheap():
    heavy = "('transformers', 'peft', 'lightning')"
    code = f"import sys, lit_reason.weak_to_strong; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
