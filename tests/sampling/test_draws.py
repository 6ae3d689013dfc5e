"""What is drawn: one uniform number a row through the inverse distribution function."""

import numpy as np
import pytest
import scipy.stats
import torch
from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from lit_reason.sampling.draws import draw_tokens, restrict, uniforms


def test_samples_differ_by_seed_question_and_index():
    names = [(seed, question, index) for seed in (0, 1) for question in ("a", "b") for index in (0, 1)]
    assert len({tuple(uniforms(*name, 4).tolist()) for name in names}) == 8
    assert uniforms(5, "q", 2, 6)[:3].tolist() == uniforms(5, "q", 2, 3).tolist()
    assert uniforms(1, "1", 11, 2).tolist() != uniforms(1, "11", 1, 2).tolist()


def test_drawn_tokens_follow_the_distribution():
    logits = restrict(torch.tensor([[2.0, 0.0, 1.0, -1.0, 0.5]]), temperature=0.7, top_k=4, top_p=0.95)
    expected = logits.double().softmax(-1)[0].numpy()
    n = 20_000
    drawn = draw_tokens(logits.expand(n, -1), torch.from_numpy(uniforms(0, "q", 0, n)))
    counts = np.bincount(drawn.numpy(), minlength=5)
    assert counts[expected == 0].sum() == 0 and (expected == 0).any()
    kept = expected > 0
    assert scipy.stats.chisquare(counts[kept], expected[kept] * n).pvalue > 1e-3


def test_the_last_sliver_of_probability_never_draws_a_forbidden_token():
    logits = torch.tensor([[0.0, 0.1, -torch.inf]], dtype=torch.float32)
    assert int(draw_tokens(logits, torch.tensor([1 - 2**-54], dtype=torch.float64))) == 1
    assert int(draw_tokens(logits, torch.tensor([0.0]))) == 0


@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0], ids=["flat", "usual", "peaked"])
def test_a_draw_is_the_plain_search_of_the_cumulative_distribution(spread):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(50, 1000, generator=generator, dtype=torch.float64) * spread
    uniform = torch.rand(50, generator=generator, dtype=torch.float64)
    cumulative = logits.softmax(-1).cumsum(-1).numpy()
    plain = [int(np.searchsorted(row, u * row[-1], side="right")) for row, u in zip(cumulative, uniform.numpy())]
    assert draw_tokens(logits, uniform).tolist() == plain


CUTS = {"top_k": TopKLogitsWarper, "top_p": TopPLogitsWarper, "min_p": MinPLogitsWarper}


@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0], ids=["flat", "usual", "peaked"])
@pytest.mark.parametrize(
    ("name", "value"), [("top_k", 5), ("top_k", 5000), ("top_p", 0.9), ("top_p", 0.2), ("min_p", 0.1)]
)
def test_cuts_are_those_of_transformers(name, value, spread):
    logits = torch.randn(20, 3000, generator=torch.Generator().manual_seed(2)) * spread
    cuts = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, name: value}
    expected = CUTS[name](value)(torch.empty(0, dtype=torch.long), logits / 0.8)
    torch.testing.assert_close(restrict(logits, 0.8, **cuts), expected)
