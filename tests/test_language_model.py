"""TargetLoss against transformers' own loss, and what a module saves and checks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Trainer

from lit_reason.backbones import Backbone, Lora, load_model
from lit_reason.batches import collate
from lit_reason.flops import training_flops
from lit_reason.language_model import CausalLanguageModel, TargetLoss


@pytest.fixture(scope="module")
def module(tiny_backbone) -> CausalLanguageModel:
    module = CausalLanguageModel(tiny_backbone, lora=Lora(r=2))
    module.configure_model()
    return module


def documents(module: CausalLanguageModel, n: int = 4):
    return [
        module.chat.document(
            f"d{i}", [{"role": "user", "content": "q" * i}, {"role": "assistant", "content": f"answer {i}"}]
        )
        for i in range(1, n + 1)
    ]


def test_the_loss_is_that_of_transformers_at_target_positions(module):
    document = documents(module, 1)[0]
    batch = collate([[document]], 1, 0)
    loss_sum, n_targets = module.target_loss(batch)
    theirs = module.target_loss.model(input_ids=batch["input_ids"], labels=batch["labels"]).loss
    assert n_targets == document.n_targets == len("answer 1") + 1
    torch.testing.assert_close(loss_sum / n_targets, theirs)


def test_gradients_reach_only_the_adapter(module):
    module.target_loss(collate([documents(module)], 1, 0))[0].backward()
    touched = {name for name, p in module.named_parameters() if p.grad is not None}
    assert touched and all("lora_" in name for name in touched)
    assert touched == set(module.state_dict())


@pytest.mark.parametrize("lora", [None, Lora(r=2)])
def test_generation_uses_fused_attention_and_puts_everything_back(tiny_backbone, lora):
    module = CausalLanguageModel(replace(tiny_backbone, attention="eager"), lora=lora)
    module.configure_model()
    module.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batch = collate([documents(module)], 1, 0)

    def state() -> tuple:
        config = module.target_loss.causal.config
        return config._attn_implementation, module.target_loss.model.config.use_cache, module.target_loss.model.training

    before, loss = state(), module.target_loss(batch)[0]
    assert before == ("eager", False, True)
    with module.generation() as model:
        assert state() == ("sdpa", True, False)
        answers = model.generate(batch["input_ids"], min_new_tokens=2, max_new_tokens=2, do_sample=False)
        assert answers.shape[1] == 2 + batch["input_ids"].shape[1]
    assert state() == before
    torch.testing.assert_close(module.target_loss(batch)[0], loss, rtol=0, atol=0)


def test_configure_model_builds_once(module):
    before = module.target_loss
    module.configure_model()
    assert module.target_loss is before


def test_a_cast_to_bfloat16_leaves_rotary_frequencies_alone(tiny_backbone):
    module = CausalLanguageModel(tiny_backbone)
    module.configure_model()
    exact = {name: buffer.clone() for name, buffer in module.named_buffers()}
    assert any((buffer != buffer.bfloat16().float()).any() for buffer in exact.values())  # they would be rounded
    module.to(torch.bfloat16)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    for name, buffer in module.named_buffers():
        assert torch.equal(buffer, exact[name])
    assert {buffer.dtype for buffer in module.double().buffers()} == {torch.float64}


def test_a_checkpoint_of_other_weights_is_refused(module):
    state = dict(module.state_dict())
    module.on_load_checkpoint({"state_dict": state})
    state["extra"] = state.pop(next(iter(state)))
    with pytest.raises(ValueError, match="does not fit this model: 2 weights differ in name"):
        module.on_load_checkpoint({"state_dict": state})


@pytest.mark.parametrize("trains", [True, False])
def test_weights_have_an_identity(module, trains):
    """Trained or frozen, one changed weight is another model."""
    before = module.weights_identity()
    assert before == module.weights_identity() and before.startswith("llama-tiny+")
    parameter = next(p for p in module.parameters() if p.requires_grad == trains)
    original = parameter.detach().clone()
    with torch.no_grad():
        parameter.view(-1)[0] += 1
    assert module.weights_identity() != before
    with torch.no_grad():
        parameter.copy_(original)
    assert module.weights_identity() == before


def test_an_untrained_model_is_as_good_as_guessing(tiny_backbone):
    module = CausalLanguageModel(tiny_backbone, lora=None)
    module.configure_model()
    loss_sum, n_targets = module.target_loss(collate([documents(module)], 1, 0))
    assert (loss_sum / n_targets).item() == pytest.approx(
        math.log(module.target_loss.model.config.vocab_size), rel=0.05
    )


def test_flops_count_executed_products():
    """llama-tiny by hand: a layer's weights are q, o: 64 x 64; k, v: 64 x 32; gate, up, down: 64 x 128."""
    target_loss = TargetLoss(load_model(Backbone("llama-tiny", dtype="float32", tokenizer="bytes")))
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128
    flops = training_flops(target_loss.decoder, target_loss.head)
    assert flops.per_token == 2 * 3 * 2 * layer  # forward, input gradient, weight gradient
    assert flops.per_target == 2 * 3 * 64 * target_loss.head.shape[0]
    for p in target_loss.parameters():
        p.requires_grad_(False)
    for p in target_loss.decoder.layers[1].parameters():
        p.requires_grad_(True)
    flops = training_flops(target_loss.decoder, target_loss.head)
    first = 64 * 64  # q_proj has no gradient of its input to compute: nothing below it trains
    assert flops.per_token == 2 * layer + 2 * 3 * layer - 2 * first
    assert flops.per_target == 2 * 2 * 64 * target_loss.head.shape[0]
