"""Sampling from a module under training: its adapter is merged once, its weights stay, and pools are told the truth."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning.pytorch import Trainer

from lit_reason.backbones import Lora
from lit_reason.language_model import CausalLanguageModel
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.fast import sampler as fast_sampler
from lit_reason.sampling.fast import weights as fast_weights
from tests.sampling.tiny import drawn, texts

ASKED = [Question(f"q{i}", "what is " * i) for i in range(1, 4)]
GREEDY = SamplingSettings(max_new_tokens=12)


@pytest.fixture
def module(tiny_backbone) -> CausalLanguageModel:
    """In float64, where merging moves no near tie, with an adapter that matters."""
    module = CausalLanguageModel(tiny_backbone, lora=Lora(r=2))
    module.configure_model()
    module.target_loss.double()
    module.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    torch.manual_seed(0)
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return module


def answers(module: CausalLanguageModel, merge_adapter: bool) -> tuple[dict, str]:
    with module.sampling(merge_adapter=merge_adapter) as sampler_of:
        sampler = sampler_of(None)
        return texts(drawn(sampler, ASKED, GREEDY)), sampler.identity["adapter"]


def test_the_fast_decoder_merges_once_and_says_so_whatever_is_asked_for(module, monkeypatch):
    read = []
    monkeypatch.setattr(
        fast_sampler, "read_weights", lambda model: read.append(model) or fast_weights.read_weights(model)
    )
    before = {name: (p.data_ptr(), p._version, p.clone()) for name, p in module.named_parameters()}
    found = []
    for merge_adapter in (True, False):
        with module.sampling(merge_adapter=merge_adapter) as sampler_of:
            sampler = sampler_of(None)
            found.append((texts(drawn(sampler, ASKED, GREEDY)), sampler.identity))
            assert texts(drawn(sampler, ASKED, GREEDY)) == found[-1][0]
            assert {name: p.data_ptr() for name, p in module.named_parameters()} == {n: b[0] for n, b in before.items()}
    assert found[0] == found[1] and found[0][1]["adapter"] == "merged"
    assert len(read) == 2, "once for each sampler, not for each of its calls"
    after = {name: (p.data_ptr(), p._version) for name, p in module.named_parameters()}
    assert after == {name: b[:2] for name, b in before.items()}
    assert all(torch.equal(p, before[name][2]) for name, p in module.named_parameters())


def test_the_adapter_matters_to_what_is_sampled(module):
    with_adapter, _ = answers(module, True)
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            parameter.data.zero_()
    assert answers(module, True)[0] != with_adapter


def test_transformers_own_loop_merges_where_asked_and_gives_the_same_texts(module, monkeypatch):
    fast, _ = answers(module, True)
    monkeypatch.setattr(fast_weights, "why_unsupported", lambda model: "it is a test")
    before = copy.deepcopy(module.target_loss.state_dict())
    found = {merge_adapter: answers(module, merge_adapter) for merge_adapter in (True, False)}
    assert {merge_adapter: adapter for merge_adapter, (_, adapter) in found.items()} == {True: "merged", False: "apart"}
    assert found[True][0] == found[False][0] == fast
    after = module.target_loss.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
