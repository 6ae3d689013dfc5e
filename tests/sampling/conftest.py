"""A tiny random language model in float64, where the same text does not depend on the shape of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.records import Question
from lit_reason.sampling.fast.sampler import FastSampler
from lit_reason.sampling.transformers_sampler import TransformersSampler
from tests.sampling.tiny import tiny_model

KINDS = {"fast": FastSampler, "transformers": TransformersSampler}


@pytest.fixture(scope="session")
def byte_tokenizer() -> Any:
    return load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))


@pytest.fixture(scope="session")
def tiny_llama(byte_tokenizer) -> Any:
    return tiny_model("llama", byte_tokenizer)


@pytest.fixture(params=list(KINDS))
def make_sampler(request, tiny_llama, byte_tokenizer) -> Callable[..., Any]:
    """Both samplers in turn."""

    def make(**options: Any) -> Any:
        return KINDS[request.param](
            tiny_llama, byte_tokenizer, Chat(byte_tokenizer), identity={"model": "tiny"}, **options
        )

    return make


@pytest.fixture
def asked() -> list[Question]:
    words = ["a", "some longer words here", "bc", "x" * 40, "what is it?", "", "again and again", "z"]
    return [Question(f"q{i}", word) for i, word in enumerate(words)]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
