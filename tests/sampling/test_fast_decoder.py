"""What the fast decoder reads, refuses, computes once and leaves alone."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from lit_reason.backbones import Lora, add_lora, load_model
from lit_reason.chat import Chat
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.fast.cache import BLOCK
from lit_reason.sampling.fast.sampler import FastSampler
from lit_reason.sampling.fast.schedule import Schedule
from lit_reason.sampling.fast.weights import read_weights, why_unsupported
from lit_reason.sampling.local import local_sampler
from lit_reason.sampling.transformers_sampler import TransformersSampler
from tests.sampling.tiny import decode_slowly, drawn, texts, tiny_model

GREEDY = SamplingSettings(max_new_tokens=24)
SAMPLED = SamplingSettings(n=4, temperature=1.0, max_new_tokens=24, seed=5)

BUILDS = {
    "llama": ("llama", {}),
    "untied": ("llama", {"tie_word_embeddings": False}),
    "biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "one key-value head": ("llama", {"num_key_value_heads": 1}),
    "no groups": ("llama", {"num_key_value_heads": 4}),
    "wide heads": ("llama", {"head_dim": 16}),
    "scaled rope": ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
    "yarn": ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}}),
    "llama3 rope": (
        "llama",
        {"rope_parameters": {
            "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }},
    ),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "mistral": ("mistral", {"sliding_window": None}),
}  # fmt: skip


def fast(model, tokenizer, **options):
    return FastSampler(model, tokenizer, Chat(tokenizer), identity={}, keep_tokens=True, **options)


@pytest.mark.parametrize("name", BUILDS)
def test_every_build_decodes_as_its_own_forward_pass(name, byte_tokenizer, asked):
    kind, options = BUILDS[name]
    sampler = fast(tiny_model(kind, byte_tokenizer, **options), byte_tokenizer, batch_size=5)
    assert why_unsupported(sampler.model) is None
    for settings in (GREEDY, SAMPLED):
        samples = drawn(sampler, asked[:4], settings)
        for (question, index), sample in samples.items():
            prompt = sampler.chat.prompt_ids(next(q.prompt for q in asked if q.id == question))
            assert sample.token_ids == decode_slowly(sampler.model, prompt, settings, question, index)[0]


def test_a_text_longer_than_several_blocks_is_decoded_as_by_the_model(byte_tokenizer):
    model = tiny_model("llama", byte_tokenizer)
    model.generation_config.eos_token_id = [byte_tokenizer.eos_token_id]
    sampler = fast(model, byte_tokenizer)
    settings = SamplingSettings(n=4, temperature=1.0, max_new_tokens=140, seed=2)
    question = Question("long", "y" * 80)
    samples = drawn(sampler, [question], settings)
    for (_, index), sample in samples.items():
        expected, _ = decode_slowly(model, sampler.chat.prompt_ids(question.prompt), settings, "long", index)
        assert sample.token_ids == expected
    assert max(sample.n_tokens for sample in samples.values()) > 2 * BLOCK


@pytest.fixture
def adapted(tiny_backbone, byte_tokenizer):
    torch.manual_seed(0)
    model = add_lora(load_model(tiny_backbone), Lora(dropout=0.5)).double().train()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_adapters_count_merged_or_not_and_switched_off_they_do_not(adapted, byte_tokenizer, asked):
    apart = texts(drawn(fast(adapted, byte_tokenizer), asked, SAMPLED))
    assert apart == texts(drawn(TransformersSampler(copy.deepcopy(adapted).eval(), byte_tokenizer,
                                                    Chat(byte_tokenizer), identity={}), asked, SAMPLED))  # fmt: skip
    with adapted.disable_adapter():
        base = texts(drawn(fast(adapted, byte_tokenizer), asked, SAMPLED))
    assert base != apart
    adapted.merge_adapter()
    assert texts(drawn(fast(adapted, byte_tokenizer), asked, SAMPLED)) == apart


def test_a_model_under_training_is_left_as_it_was_even_when_sampling_is_broken_off(adapted, byte_tokenizer, asked):
    before = copy.deepcopy(adapted.state_dict())
    version = {name: parameter._version for name, parameter in adapted.named_parameters()}
    sampler = fast(adapted, byte_tokenizer, batch_size=2)
    batches = sampler.sample(asked, SAMPLED)
    next(batches)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    batches.close()
    assert adapted.training and not adapted.base_model.model.model.layers[0].self_attn.q_proj.merged
    assert {name: parameter._version for name, parameter in adapted.named_parameters()} == version
    after = adapted.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(after[name], before[name]) for name in before)
    adapted(torch.arange(5)[None]).logits.sum().backward()
    assert any(parameter.grad is not None for parameter in adapted.parameters())


def test_what_needs_no_copy_is_a_view_of_the_model(tiny_llama):
    weights = read_weights(tiny_llama)
    assert weights.embedding.data_ptr() == tiny_llama.model.embed_tokens.weight.data_ptr()
    assert weights.layers[0].down._weight.data_ptr() == tiny_llama.model.layers[0].mlp.down_proj.weight.data_ptr()


def test_under_autocast_it_computes_in_the_lower_precision(tiny_backbone):
    model = load_model(tiny_backbone).eval()
    assert read_weights(model).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert read_weights(model).dtype == torch.bfloat16


def test_bfloat16_stays_close_to_the_model(byte_tokenizer, asked):
    """Log-probabilities of the sampled tokens, against the model's own in bfloat16 and in float64."""
    exact = tiny_model("llama", byte_tokenizer)
    model = copy.deepcopy(exact).bfloat16()
    sampler = fast(model, byte_tokenizer)
    errors, own_errors = [], []
    for (question, _), sample in drawn(sampler, asked, SAMPLED).items():
        prompt = sampler.chat.prompt_ids(next(q.prompt for q in asked if q.id == question))
        text = torch.tensor([prompt + sample.token_ids])
        with torch.no_grad():
            true, own = (
                m(text).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1).gather(1, text[0, len(prompt) :, None])
                for m in (exact, model)
            )
        errors.append((torch.tensor(sample.token_logprobs) - true[:, 0]).abs())
        own_errors.append((own - true).abs()[:, 0])
    assert torch.cat(errors).mean() < 1.5 * torch.cat(own_errors).mean() + 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_prompts_are_computed_once_whatever_the_batch(tiny_llama, byte_tokenizer, asked, batch_size):
    sampler = fast(tiny_llama, byte_tokenizer, batch_size=batch_size)
    drawn(sampler, asked, SAMPLED)
    assert sampler.n_prefilled == sum(len(sampler.chat.prompt_ids(question.prompt)) for question in asked)
    drawn(sampler, asked[:1], SAMPLED, done={(asked[0].id, i) for i in range(4)})
    assert sampler.n_prefilled == sum(len(sampler.chat.prompt_ids(question.prompt)) for question in asked)


def test_a_finished_rows_place_is_taken_before_the_next_step(tiny_llama, byte_tokenizer, asked, monkeypatch):
    """While anything waits, every step is full; rows end at different steps, so this needs replacing at once."""
    fullness = []
    seating = Schedule._seating

    def watched(self, device):
        waiting = any(prompt.waiting for prompt in [*self._ready, *self._queue])
        fullness.append((len(self._flights), waiting))
        return seating(self, device)

    monkeypatch.setattr(Schedule, "_seating", watched)
    drawn(fast(tiny_llama, byte_tokenizer, batch_size=6), asked, SAMPLED)
    assert all(n_rows == 6 for n_rows, waiting in fullness if waiting) and sum(waiting for _, waiting in fullness) > 3
    assert fullness[-1][0] < 6


def test_little_memory_means_fewer_rows_in_flight_and_the_same_texts(tiny_llama, byte_tokenizer, asked):
    expected = texts(drawn(fast(tiny_llama, byte_tokenizer), asked, SAMPLED))
    assert texts(drawn(fast(tiny_llama, byte_tokenizer, batch_tokens=1), asked, SAMPLED)) == expected


REFUSED = {
    "slides over a window": ("mistral", {"sliding_window": 8}),
    "change with the length": (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_would_get_wrong_goes_to_transformers_with_a_note(reason, byte_tokenizer, caplog):
    kind, options = REFUSED[reason]
    model = tiny_model(kind, byte_tokenizer, **options)
    with caplog.at_level("INFO"):
        sampler = local_sampler(model, byte_tokenizer, Chat(byte_tokenizer), identity={})
    assert isinstance(sampler, TransformersSampler) and reason in caplog.text


def test_other_architectures_and_adapters_go_to_transformers(tiny_llama, byte_tokenizer):
    from transformers import GPT2Config, GPT2LMHeadModel

    assert "GPT2LMHeadModel is none of" in why_unsupported(GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=32, n_head=2)))
    model = tiny_model("llama", byte_tokenizer)
    assert "variant" in why_unsupported(get_peft_model(model, LoraConfig(target_modules=["q_proj"], use_dora=True)))
    model = tiny_model("llama", byte_tokenizer)
    saved = LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens"])
    assert "wraps" in why_unsupported(get_peft_model(model, saved))
    assert isinstance(local_sampler(tiny_llama, byte_tokenizer, Chat(byte_tokenizer), identity={}), FastSampler)
