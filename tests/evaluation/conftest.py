"""A tiny random language model in float64, where the same text does not depend on the shape of the batch."""

import pytest
import torch

from lit_reason.chat import Chat
from lit_reason.records import Question
from lit_reason.sampling.local import TransformersSampler


@pytest.fixture(scope="session")
def model_and_tokenizer():
    from transformers import LlamaConfig, LlamaForCausalLM

    from lit_reason.backbones import Backbone, load_tokenizer

    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.3,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config).double().eval()
    # Several end tokens, as chat models have them, and enough of them that random rows end at different steps.
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(1, 12)]
    return model, tokenizer


@pytest.fixture
def make_sampler(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer

    def make(**options):
        return TransformersSampler(model, tokenizer, Chat(tokenizer), identity={"model": "tiny"}, **options)

    return make


@pytest.fixture
def questions():
    words = ["a", "some longer words here", "bc", "x" * 40, "what is it?", "", "again and again", "z"]
    return [Question(f"q{i}", word) for i, word in enumerate(words)]
