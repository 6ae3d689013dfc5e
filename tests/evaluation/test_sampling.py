"""Local sampling against slow, obvious references: one unpadded row at a time, without a cache."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from transformers import DynamicCache

from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings, local
from lit_reason.sampling.draws import draw_tokens, restrict, uniforms


def decode_slowly(model, prompt, settings, question_id="", index=0):
    """Token by token, the whole text through the model each time: no padding, no cache, no batch."""
    tokens, logprobs = [], []
    drawn = uniforms(settings.seed, question_id, index, settings.max_new_tokens)
    for u in drawn:
        with torch.no_grad():
            logits = model(torch.tensor([prompt + tokens]), use_cache=False).logits[0, -1]
        if settings.greedy:
            token = int(logits.argmax())
        else:
            kept = restrict(logits[None], settings.temperature, settings.top_k, settings.top_p)[0]
            probabilities = torch.softmax(kept, 0).numpy()
            token = int(np.flatnonzero(np.cumsum(probabilities) > u * probabilities.sum())[0])
            logits = torch.tensor(np.log(np.maximum(probabilities, 1e-300)))
        logprobs.append(float(torch.log_softmax(logits, 0)[token]))
        tokens.append(token)
        if token in model.generation_config.eos_token_id:
            break
    return tokens, logprobs


def drawn_samples(sampler, questions, settings, done=frozenset()):
    return {(s.question_id, s.sample_index): s for batch in sampler.sample(questions, settings, done) for s in batch}


def texts(samples):
    return {key: (sample.text, sample.n_tokens, sample.finish_reason) for key, sample in samples.items()}


GREEDY = SamplingSettings(max_new_tokens=24)
SAMPLED = SamplingSettings(n=2, temperature=0.9, max_new_tokens=24, seed=3)


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_padded_batches_equal_single_unpadded_rows(make_sampler, questions, settings):
    sampler = make_sampler(keep_tokens=True)
    samples = drawn_samples(sampler, questions, settings)
    assert len(samples) == len(questions) * settings.n
    lengths = set()
    for question in questions:
        prompt = sampler.chat.prompt_ids(question.prompt)
        for index in range(settings.n):
            sample = samples[question.id, index]
            tokens, logprobs = decode_slowly(sampler.model, prompt, settings, question.id, index)
            assert sample.token_ids == tokens
            assert sample.token_logprobs == pytest.approx(logprobs, abs=1e-5)
            assert sample.logprob == pytest.approx(sum(logprobs), abs=1e-4)
            assert (sample.n_prompt_tokens, sample.n_tokens) == (len(prompt), len(tokens))
            ended = tokens[-1] in sampler.model.generation_config.eos_token_id
            assert sample.finish_reason == ("stop" if ended else "length")
            lengths.add(len(tokens))
    assert settings.greedy or len(lengths) > 2, "rows should end at different steps, or retiring them is not tested"


def test_attending_to_the_padding_would_be_noticed(make_sampler, questions, monkeypatch):
    right = texts(drawn_samples(make_sampler(), questions, GREEDY))
    padded = local._left_padded

    def broken(*arguments):
        ids, mask = padded(*arguments)
        return ids, torch.ones_like(mask)

    monkeypatch.setattr(local, "_left_padded", broken)
    assert texts(drawn_samples(make_sampler(), questions, GREEDY)) != right


def test_forgetting_which_rows_stay_would_be_noticed(make_sampler, questions, monkeypatch):
    right = texts(drawn_samples(make_sampler(), questions, SAMPLED))
    select = DynamicCache.batch_select_indices
    monkeypatch.setattr(DynamicCache, "batch_select_indices", lambda self, keep: select(self, torch.arange(len(keep))))
    assert texts(drawn_samples(make_sampler(), questions, SAMPLED)) != right


VARIANTS = [({"batch_size": 1}, list), ({"batch_size": 5}, lambda asked: asked[::-1]), ({"batch_tokens": 200}, list)]


def test_batch_size_order_and_resume_change_nothing(make_sampler, questions):
    settings = SamplingSettings(n=3, temperature=1.0, max_new_tokens=20, seed=7)
    expected = drawn_samples(make_sampler(), questions, settings)
    assert len({s.text for s in expected.values()}) > len(questions)
    for options, order in VARIANTS:
        assert texts(drawn_samples(make_sampler(**options), order(questions), settings)) == texts(expected)
    done = {key for i, key in enumerate(sorted(expected)) if i % 3}
    rest = drawn_samples(make_sampler(batch_size=4), questions, settings, done)
    assert texts(rest) == {key: value for key, value in texts(expected).items() if key not in done}


def test_random_numbers_of_the_batch_instead_of_the_sample_would_be_noticed(make_sampler, questions, monkeypatch):
    generator = np.random.default_rng(0)
    monkeypatch.setattr(local, "uniforms", lambda seed, question_id, index, count: generator.random(count))
    seen = [texts(drawn_samples(make_sampler(**options), order(questions), SAMPLED)) for options, order in VARIANTS]
    assert seen[0] != seen[1]


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


def test_a_stop_string_ends_a_row_and_cuts_what_follows(make_sampler, questions):
    settings = SamplingSettings(temperature=1.0, max_new_tokens=40, seed=1)
    plain = drawn_samples(make_sampler(), questions, settings)
    text = max((s.text for s in plain.values()), key=len)
    stop = text[len(text) // 2 : len(text) // 2 + 2]
    stopped = drawn_samples(make_sampler(), questions, replace(settings, stop=(stop,)))
    for key, sample in plain.items():
        head, found, _ = sample.text.partition(stop)
        assert stopped[key].text == head + found
        assert stopped[key].finish_reason == ("stop" if found else sample.finish_reason)
        assert stopped[key].n_tokens <= sample.n_tokens
    assert sum(s.n_tokens for s in stopped.values()) < sum(s.n_tokens for s in plain.values()), "stopping saves work"


def test_prompts_without_room_get_an_empty_answer_and_stop_nobody(make_sampler):
    asked = [Question("long", "x" * 300), Question("tight", "y" * 250), Question("short", "hi")]
    sampler = make_sampler()
    samples = drawn_samples(sampler, asked, SamplingSettings(max_new_tokens=12))
    assert (samples["long", 0].text, samples["long", 0].n_tokens, samples["long", 0].finish_reason) == ("", 0, "length")
    room = 256 - len(sampler.chat.prompt_ids("y" * 250))
    assert 0 < samples["tight", 0].n_tokens <= room < 12
    assert samples["short", 0].n_tokens > room or samples["short", 0].finish_reason == "stop"


def test_sampling_leaves_the_global_random_state_alone(make_sampler, questions):
    torch.manual_seed(11)
    state = torch.get_rng_state()
    drawn_samples(make_sampler(), questions, SamplingSettings(n=2, temperature=1.0, max_new_tokens=4))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_models_own_generation_defaults_do_not_shape_the_answers(make_sampler, questions, monkeypatch):
    settings = SamplingSettings(max_new_tokens=24)
    sampler = make_sampler()
    expected = texts(drawn_samples(sampler, questions, settings))
    monkeypatch.setattr(sampler.model.generation_config, "repetition_penalty", 3.0)
    monkeypatch.setattr(sampler.model.generation_config, "no_repeat_ngram_size", 1)
    assert texts(drawn_samples(sampler, questions, settings)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"temperature": -1}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_p": 0}, "top_p must lie"),
        ({"top_k": -2}, "top_k must be"),
        ({"max_new_tokens": 0}, "max_new_tokens must be"),
        ({"n": 4}, "at temperature 0 all samples"),
        ({"stop": "abc"}, "stop must be a list"),
        ({"stop": [""]}, "stop must be a list"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=f"sampling: .*{message}"):
        SamplingSettings(**options)


def test_the_identity_holds_what_shapes_a_sample_and_nothing_else():
    sampled = SamplingSettings(n=4, temperature=0.8, stop=["x"])
    assert sampled.identity() == SamplingSettings(n=8, temperature=0.8, stop=("x",)).identity()
    assert sampled.identity() != SamplingSettings(n=4, temperature=0.8, stop=("x",), seed=1).identity()
    assert SamplingSettings(seed=1).identity() == SamplingSettings(seed=2).identity(), "greedy sampling draws nothing"
