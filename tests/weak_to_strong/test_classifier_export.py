"""An exported classifier, head included, has the logits of the one that trained; loaded as its module's head says."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from lit_reason.backbones import Backbone, Lora
from lit_reason.batches import collate
from lit_reason.export import export_model
from lit_reason.weak_to_strong.classifier import WeakToStrongClassifier, text_documents
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from tests.test_export import shaken

TEXTS = ["ab", "a much longer text!", "b"]


def module(backbone: Backbone, lora: Lora | None = None) -> WeakToStrongClassifier:
    return shaken(WeakToStrongClassifier(backbone, n_classes=3, lora=lora))


def logits(trained: WeakToStrongClassifier) -> torch.Tensor:
    documents = text_documents(TEXTS, TEXTS, trained.tokenizer)
    with torch.no_grad():
        return trained.target_loss.eval()(collate([[document] for document in documents], 0, 0))


@pytest.mark.parametrize("lora", [None, Lora(r=4)])
@pytest.mark.parametrize("tokenizer", ["bytes", None])
def test_logits_survive_in_one_padded_batch(tmp_path, tokenizer, lora):
    """`None` is the embedded model's tokenizer, which pads with its end token."""
    trained = module(Backbone("llama-tiny", dtype="float32", tokenizer=tokenizer), lora)
    folder = export_model(trained, tmp_path / "model")
    tokenizer, model = (auto.from_pretrained(folder) for auto in (AutoTokenizer, AutoModelForSequenceClassification))
    texts = [text + tokenizer.eos_token for text in TEXTS]
    found = model(**tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(found, logits(trained), rtol=1e-4, atol=1e-5)
    assert found.std(0).min() > 1e-3  # the texts differ


def test_without_a_token_to_pad_with_the_head_lies_beside_the_language_model(tiny_backbone, tmp_path):
    """As GPT-2's tokenizer has only its end token."""
    trained = module(tiny_backbone)
    trained.tokenizer.pad_token = trained.tokenizer.eos_token
    folder = export_model(trained, tmp_path / "model")
    tokenizer, trunk = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    for text, wanted in zip(TEXTS, logits(trained), strict=True):
        ids = torch.tensor([[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]])
        last = trunk(ids).last_hidden_state[:, -1]
        found = last @ load_file(f"{folder}/head.safetensors")["weight"].T
        torch.testing.assert_close(found[0], wanted, rtol=1e-4, atol=1e-5)


def test_the_trained_module_is_as_it_was(tiny_backbone, tmp_path):
    trained = module(tiny_backbone, Lora(r=2))
    before, names = logits(trained), [name for name, _ in trained.named_parameters()]
    export_model(trained, tmp_path / "model")
    assert torch.equal(logits(trained), before) and [name for name, _ in trained.named_parameters()] == names


def test_a_tokenizer_without_an_end_token_is_refused(tiny_backbone):
    tokenizer = module(tiny_backbone).tokenizer
    tokenizer.eos_token = None
    with pytest.raises(WeakToStrongError, match="has no end token"):
        text_documents(["a"], ["a"], tokenizer)
