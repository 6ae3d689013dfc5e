"""Invariant 4: batch size, order and point of resuming change a sample's random numbers never, and its distribution
never; a cache changes nothing.

Texts are compared in float64 on a tiny model. In float32 and bfloat16 kernels round by shape, so there the numbers that
are drawn are the same and the distribution of what they draw is tested.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import scipy.stats
import torch

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings, transformers_sampler
from lit_reason.sampling.fast import attention, schedule
from lit_reason.sampling.fast.sampler import FastSampler
from lit_reason.sampling.transformers_sampler import TransformersSampler
from tests.sampling.tiny import decode_slowly, drawn, texts, tiny_model

SETTINGS = SamplingSettings(n=3, temperature=1.0, max_new_tokens=20, seed=7)
KINDS = {"fast": FastSampler, "transformers": TransformersSampler}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_model("llama", tokenizer)


@pytest.fixture
def asked() -> list[Question]:
    return [Question(f"q{i}", "ab " * (i % 4 + 1)) for i in range(8)]


def sampled(kind, model, tokenizer, asked, settings=SETTINGS, done=frozenset(), **options):
    sampler = KINDS[kind](model, tokenizer, Chat(tokenizer), identity={}, keep_tokens=True, **options)
    return drawn(sampler, asked, settings, done)


def variants(kind, model, tokenizer, asked):
    """The same samples in other batches, in other orders, and in two parts."""
    yield texts(sampled(kind, model, tokenizer, asked, batch_size=1))
    yield texts(sampled(kind, model, tokenizer, asked[::-1], batch_size=5))
    keys = [(question.id, index) for question in asked for index in range(SETTINGS.n)]
    first = {key for i, key in enumerate(keys) if i % 3 == 0}
    parts = [sampled(kind, model, tokenizer, asked, done=done, batch_size=4) for done in (first, set(keys) - first)]
    yield texts(parts[0] | parts[1])


@pytest.mark.parametrize("kind", KINDS)
def test_batch_order_and_resuming_change_no_text(kind, model, tokenizer, asked):
    expected = texts(sampled(kind, model, tokenizer, asked))
    assert len({text for text, *_ in expected.values()}) > len(asked)
    assert all(variant == expected for variant in variants(kind, model, tokenizer, asked))


def test_both_samplers_and_a_model_without_cache_say_the_same(model, tokenizer, asked):
    fast, slow = (sampled(kind, model, tokenizer, asked) for kind in KINDS)
    assert texts(fast) == texts(slow)
    for (question, index), sample in fast.items():
        prompt = Chat(tokenizer).prompt_ids(next(q.prompt for q in asked if q.id == question))
        assert sample.token_ids == decode_slowly(model, prompt, SETTINGS, question, index)[0]


@pytest.mark.parametrize(("kind", "module"), [("fast", schedule), ("transformers", transformers_sampler)])
def test_random_numbers_of_the_batch_are_caught(kind, module, model, tokenizer, asked, monkeypatch):
    """The usual mistake: one generator, asked whenever a row needs numbers."""
    generator = np.random.default_rng(0)
    monkeypatch.setattr(module, "uniforms", lambda seed, question_id, index, n: generator.random(n))
    expected = texts(sampled(kind, model, tokenizer, asked))
    assert any(variant != expected for variant in variants(kind, model, tokenizer, asked))


def test_rows_that_see_what_others_left_in_the_cache_are_caught(model, tokenizer, asked, monkeypatch):
    beyond = attention._beyond
    monkeypatch.setattr(attention, "_beyond", lambda *arguments: torch.zeros_like(beyond(*arguments)))
    expected = texts(sampled("fast", model, tokenizer, asked))
    assert any(variant != expected for variant in variants("fast", model, tokenizer, asked))


@pytest.fixture(scope="module")
def few_letters(tokenizer):
    """A model of few likely tokens, so that two tokens have a distribution that a few thousand samples show."""
    model = tiny_model("llama", tokenizer)
    with torch.no_grad():
        model.model.embed_tokens.weight[12:] *= 0.2
    return model


def first_two(model, prompt, temperature) -> dict[tuple[int, ...], float]:
    """The probability of every possible beginning of two tokens, computed without any sampler."""
    with torch.no_grad():
        first = (model(torch.tensor([prompt])).logits[0, -1].double() / temperature).softmax(-1)
        going = [t for t in range(len(first)) if t not in model.generation_config.eos_token_id]
        logits = model(torch.tensor([[*prompt, t] for t in going])).logits[:, -1].double()
    second = (logits / temperature).softmax(-1) * first[going, None]
    found = {(t,): float(first[t]) for t in model.generation_config.eos_token_id}
    return found | {(t, u): float(second[i, u]) for i, t in enumerate(going) for u in range(len(first))}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch_size", [7, 256])
def test_the_distribution_is_the_models_in_every_precision_and_batch(few_letters, tokenizer, dtype, batch_size):
    n = 3000
    settings = SamplingSettings(n=n, temperature=1.3, max_new_tokens=2, seed=1)
    question = Question("q", "abc")
    model = tiny_model("llama", tokenizer)
    model.load_state_dict(few_letters.state_dict())
    model = model.to(dtype)
    samples = sampled("fast", model, tokenizer, [question], settings, batch_size=batch_size)
    counts = Counter(tuple(sample.token_ids) for sample in samples.values())
    expected = first_two(few_letters, Chat(tokenizer).prompt_ids("abc"), settings.temperature)
    assert chi_square(counts, expected, n) > 1e-3
    assert chi_square(counts, first_two(few_letters, Chat(tokenizer).prompt_ids("abc"), 1.0), n) < 1e-3


def chi_square(counts: Counter, expected: dict, n: int) -> float:
    """The p-value; cells with fewer than eight samples expected are put together."""
    large = [key for key, p in expected.items() if p * n >= 8]
    observed = [counts[key] for key in large]
    theory = [expected[key] * n for key in large]
    assert len(large) > 5
    rest = n - sum(theory)
    return scipy.stats.chisquare([*observed, n - sum(observed)], [*theory, rest]).pvalue
