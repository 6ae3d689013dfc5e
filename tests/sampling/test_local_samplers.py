"""Both local samplers against a slow, obvious reference: one unpadded row at a time, without a cache."""

from dataclasses import replace

import pytest
import torch
from transformers import DynamicCache

from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings, transformers_sampler
from lit_reason.sampling.fast import attention
from lit_reason.sampling.fast.cache import Store
from lit_reason.sampling.fast.schedule import Schedule
from tests.sampling.tiny import decode_slowly, drawn, texts

GREEDY = SamplingSettings(max_new_tokens=24)
SAMPLED = SamplingSettings(n=2, temperature=0.9, max_new_tokens=24, seed=3)


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_padded_batches_equal_single_unpadded_rows(make_sampler, asked, settings):
    sampler = make_sampler(keep_tokens=True)
    samples = drawn(sampler, asked, settings)
    assert len(samples) == len(asked) * settings.n
    lengths = set()
    for question in asked:
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


def ones_for_the_mask(monkeypatch):
    padded = transformers_sampler._left_padded

    def broken(*arguments):
        ids, mask = padded(*arguments)
        return ids, torch.ones_like(mask)

    monkeypatch.setattr(transformers_sampler, "_left_padded", broken)


def all_rows_stay(monkeypatch):
    select = DynamicCache.batch_select_indices
    monkeypatch.setattr(DynamicCache, "batch_select_indices", lambda self, keep: select(self, torch.arange(len(keep))))


def nothing_is_hidden(monkeypatch):
    beyond = attention._beyond
    monkeypatch.setattr(attention, "_beyond", lambda *arguments: torch.zeros_like(beyond(*arguments)))


def moved_texts_leave_their_keys_behind(monkeypatch):
    monkeypatch.setattr(Store, "move", lambda *_: None)


def siblings_change_seats(monkeypatch):
    seating = Schedule._seating

    def broken(self, device):
        right = seating(self, device)
        return replace(right, places=right.places.roll(1))

    monkeypatch.setattr(Schedule, "_seating", broken)


BREAKS = [
    ("transformers", ones_for_the_mask),
    ("transformers", all_rows_stay),
    ("fast", nothing_is_hidden),
    ("fast", moved_texts_leave_their_keys_behind),
    ("fast", siblings_change_seats),
]


@pytest.mark.parametrize(("make_sampler", "defect"), BREAKS, indirect=["make_sampler"])
def test_what_a_batch_can_get_wrong_would_be_noticed(make_sampler, asked, monkeypatch, defect):
    right = texts(drawn(make_sampler(batch_size=6), asked, SAMPLED))
    defect(monkeypatch)
    assert texts(drawn(make_sampler(batch_size=6), asked, SAMPLED)) != right


VARIANTS = [({"batch_size": 1}, list), ({"batch_size": 5}, lambda asked: asked[::-1]), ({"batch_tokens": 200}, list)]


def test_batch_size_order_and_resume_change_nothing(make_sampler, asked):
    settings = SamplingSettings(n=3, temperature=1.0, max_new_tokens=20, seed=7)
    expected = drawn(make_sampler(), asked, settings)
    assert len({s.text for s in expected.values()}) > len(asked)
    for options, order in VARIANTS:
        assert texts(drawn(make_sampler(**options), order(asked), settings)) == texts(expected)
    done = {key for i, key in enumerate(sorted(expected)) if i % 3}
    rest = drawn(make_sampler(batch_size=4), asked, settings, done)
    assert texts(rest) == {key: value for key, value in texts(expected).items() if key not in done}


def test_a_stop_string_ends_a_row_and_cuts_what_follows(make_sampler, asked):
    settings = SamplingSettings(temperature=1.0, max_new_tokens=40, seed=1)
    plain = drawn(make_sampler(), asked, settings)
    text = max((s.text for s in plain.values()), key=len)
    stop = text[len(text) // 2 : len(text) // 2 + 2]
    stopped = drawn(make_sampler(), asked, replace(settings, stop=(stop,)))
    for key, sample in plain.items():
        head, found, _ = sample.text.partition(stop)
        assert stopped[key].text == head + found
        assert stopped[key].finish_reason == ("stop" if found else sample.finish_reason)
        assert stopped[key].n_tokens <= sample.n_tokens
    assert sum(s.n_tokens for s in stopped.values()) < sum(s.n_tokens for s in plain.values()), "stopping saves work"


def test_prompts_without_room_get_an_empty_answer_and_stop_nobody(make_sampler):
    asked = [Question("long", "x" * 300), Question("tight", "y" * 250), Question("short", "hi")]
    sampler = make_sampler()
    samples = drawn(sampler, asked, SamplingSettings(max_new_tokens=12))
    assert (samples["long", 0].text, samples["long", 0].n_tokens, samples["long", 0].finish_reason) == ("", 0, "length")
    room = 256 - len(sampler.chat.prompt_ids("y" * 250))
    assert 0 < samples["tight", 0].n_tokens <= room < 12
    assert samples["short", 0].n_tokens > room or samples["short", 0].finish_reason == "stop"


def test_sampling_leaves_the_global_random_state_alone(make_sampler, asked):
    torch.manual_seed(11)
    state = torch.get_rng_state()
    drawn(make_sampler(), asked, SamplingSettings(n=2, temperature=1.0, max_new_tokens=4))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_models_own_generation_defaults_do_not_shape_the_answers(make_sampler, asked, monkeypatch):
    settings = SamplingSettings(max_new_tokens=24)
    sampler = make_sampler()
    expected = texts(drawn(sampler, asked, settings))
    monkeypatch.setattr(sampler.model.generation_config, "repetition_penalty", 3.0)
    monkeypatch.setattr(sampler.model.generation_config, "no_repeat_ngram_size", 1)
    assert texts(drawn(sampler, asked, settings)) == expected


def test_the_token_cap_holds_over_all_calls_and_what_it_leaves_out_is_counted(make_sampler, asked):
    settings = SamplingSettings(n=3, temperature=1.0, max_new_tokens=6, seed=1)
    free = drawn(make_sampler(), asked, settings)
    sampler = make_sampler(max_total_tokens=150)
    found = drawn(sampler, asked, settings)
    spent = sum(sample.n_prompt_tokens + sample.n_tokens for sample in found.values())
    assert spent <= 150 and 0 < len(found) < len(free)
    assert texts(found) == {key: text for key, text in texts(free).items() if key in found}
    assert sampler.dropped == {"samples that failed: not asked, the token cap is reached": len(free) - len(found)}
    keys = [(question.id, index) for question in asked for index in range(3)]
    assert set(found) == set(keys[: len(found)]), "in the order of the questions"
    again = drawn(sampler, asked, settings, done=frozenset(found))
    assert spent + sum(sample.n_prompt_tokens + sample.n_tokens for sample in again.values()) <= 150
