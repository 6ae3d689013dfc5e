import copy

import pytest
import torch

from lit_reason.backbones import Lora, add_lora, load_model
from lit_reason.sampling.adapters import merged_adapter


@pytest.fixture
def adapted(tiny_backbone):
    torch.manual_seed(0)
    model = add_lora(load_model(tiny_backbone), Lora(dropout=0.1)).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


@torch.no_grad()
def logits(model):
    return model(torch.arange(12)[None]).logits


def test_a_merged_adapter_gives_the_same_logits_from_other_weights(adapted):
    apart = logits(adapted)
    base = adapted.get_base_model().model.layers[0].self_attn.q_proj.base_layer.weight
    before = base.data
    with merged_adapter(adapted):
        assert not torch.equal(base.data, before)
        torch.testing.assert_close(logits(adapted), apart, atol=1e-4, rtol=1e-4)
    with adapted.disable_adapter():
        unadapted = logits(adapted)
    assert (apart - unadapted).abs().max() > 0.1, "the adapter must matter for the comparison to mean something"


def test_the_weights_are_afterwards_what_they_were_to_the_bit(adapted):
    adapted.to(torch.bfloat16)
    before = copy.deepcopy(adapted.state_dict())
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    with pytest.raises(KeyError), merged_adapter(adapted):
        raise KeyError
    after = adapted.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [name for name, p in adapted.named_parameters() if p.requires_grad] == trained

    adapted.merge_adapter()
    adapted.unmerge_adapter()
    plain = adapted.state_dict()
    assert not all(torch.equal(plain[name], before[name]) for name in before), "merging and unmerging alone is inexact"


def test_a_model_without_adapters_is_left_alone(tiny_backbone):
    model = load_model(tiny_backbone).eval()
    weight = model.model.embed_tokens.weight.data_ptr()
    with merged_adapter(model):
        assert model.model.embed_tokens.weight.data_ptr() == weight
