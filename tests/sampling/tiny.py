"""Tiny random decoders of every supported build, and the slow, obvious way to decode them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.records import Sample
from lit_reason.sampling.draws import restrict, uniforms

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}


def tiny_model(kind: str, tokenizer: Any, **options: Any) -> Any:
    """Random weights in float64. Several end tokens, as chat models have them, and enough of them that random rows
    end at different steps."""
    import transformers

    configs = {"llama": "LlamaConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config", "mistral": "MistralConfig"}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = getattr(transformers, configs[kind])(vocab_size=len(tokenizer), **{**SIZE, **ids, **options})
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).double().eval()
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "norm.weight")):  # ones and zeros would hide that they are not read
            torch.nn.init.normal_(parameter, mean=1.0, std=0.2)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(1, 12)]
    return model


def scripted_model(pieces: Sequence[str]) -> tuple[Any, Any]:
    """A model that says these texts one after the other, then the last one for ever, and its tokenizer: each is one
    token, attention and feed-forward add nothing, and a token's embedding names the one that follows."""
    import transformers

    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    tokenizer.add_tokens(list(pieces))
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **{**SIZE, **ids})
    model = transformers.AutoModelForCausalLM.from_config(config).double().eval()
    states = torch.eye(SIZE["hidden_size"], dtype=torch.float64)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(states[0].expand(len(tokenizer), -1))
        model.lm_head.weight.zero_()
        for i, token in enumerate(tokenizer.convert_tokens_to_ids(list(pieces))):
            model.model.embed_tokens.weight[token] = states[min(i + 1, len(pieces) - 1)]
            model.lm_head.weight[token] = states[i]
    return model, tokenizer


def decode_slowly(model, prompt, settings, question_id="", index=0) -> tuple[list[int], list[float]]:
    """Token by token, the whole text through the model each time: no padding, no cache, no batch."""
    tokens, logprobs = [], []
    for u in uniforms(settings.seed, question_id, index, settings.max_new_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + tokens]), use_cache=False).logits[0, -1]
        if settings.greedy:
            token = int(logits.argmax())
        else:
            kept = restrict(logits[None], settings.temperature, settings.top_k, settings.top_p, settings.min_p)[0]
            probabilities = torch.softmax(kept, 0).numpy()
            token = int(np.flatnonzero(np.cumsum(probabilities) > u * probabilities.sum())[0])
            logits = torch.tensor(np.log(np.maximum(probabilities, 1e-300)))
        logprobs.append(float(torch.log_softmax(logits, 0)[token]))
        tokens.append(token)
        if token in model.generation_config.eos_token_id:
            break
    return tokens, logprobs


def drawn(sampler, questions, settings, done=frozenset()) -> dict[tuple[str, int], Sample]:
    """All samples by their key; none may come twice."""
    samples = [sample for batch in sampler.sample(questions, settings, done) for sample in batch]
    by_key = {(sample.question_id, sample.sample_index): sample for sample in samples}
    assert len(by_key) == len(samples)
    return by_key


def texts(samples) -> dict[tuple[str, int], tuple[str, int, str]]:
    """What must not depend on the batch."""
    return {key: (sample.text, sample.n_tokens, sample.finish_reason) for key, sample in samples.items()}
