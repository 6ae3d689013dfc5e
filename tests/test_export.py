"""An exported model, loaded by plain transformers and peft in a fresh process, has the logits of the one that
trained."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM

from lit_reason.backbones import Backbone, Lora, load_model, load_tokenizer
from lit_reason.export import export_model
from lit_reason.language_model import CausalLanguageModel

LOAD = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, kind, result = sys.argv[1:]
if kind == "adapter":
    from peft import AutoPeftModelForCausalLM as Auto
else:
    Auto = AutoModelForCausalLM
model, tokenizer = Auto.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)
asked = [{"role": "user", "content": "ab"}]
ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")["input_ids"]
torch.save({"ids": ids, "logits": model(ids).logits.detach()}, result)
assert not [name for name in sys.modules if name.startswith("lit_reason")]
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory, tiny_backbone) -> Backbone:
    """A base model in a folder: an adapter names where its base lies."""
    folder = tmp_path_factory.mktemp("base model")
    load_model(tiny_backbone).save_pretrained(folder)
    load_tokenizer(tiny_backbone).save_pretrained(folder)
    return Backbone(str(folder), dtype="float32", chat_template="plain")


def module(base: Backbone, lora: Lora | None) -> CausalLanguageModel:
    return shaken(CausalLanguageModel(base, lora=lora))


def shaken(trained: CausalLanguageModel) -> CausalLanguageModel:
    """A module whose weights are not those it started from."""
    trained.configure_model()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return trained


@pytest.mark.parametrize(("kind", "lora"), [("adapter", Lora(r=4)), ("merged", Lora(r=4)), ("full", None)])
def test_logits_survive(tmp_path, base, kind, lora):
    trained = module(base, lora)
    folder = export_model(trained, tmp_path / "a run" / "model", merge=kind == "merged")
    subprocess.run([sys.executable, "-c", LOAD, folder, kind, tmp_path / "out.pt"], check=True, timeout=120)
    out = torch.load(tmp_path / "out.pt", weights_only=True)
    assert out["ids"][0].tolist() == trained.chat.prompt_ids("ab")
    with torch.no_grad():
        logits = trained.target_loss.model.eval()(out["ids"]).logits
    torch.testing.assert_close(out["logits"], logits, rtol=1e-4, atol=1e-5)
    untouched = AutoModelForCausalLM.from_pretrained(base.name).eval()(out["ids"]).logits
    assert (untouched - out["logits"]).abs().max() > 1e-2  # what trained is in the export


def test_a_later_export_replaces_the_earlier_one(tmp_path, base):
    folder = export_model(module(base, None), tmp_path / "model")
    (folder / "stale").touch()
    export_model(module(base, Lora(r=2)), folder)
    assert (folder / "adapter_model.safetensors").is_file() and not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failing_export_leaves_the_earlier_one(tmp_path, base, monkeypatch):
    trained = module(base, None)
    folder = export_model(trained, tmp_path / "model")
    before = (folder / "model.safetensors").read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(trained.tokenizer, "save_pretrained", full)
    with pytest.raises(OSError, match="no space left"):
        export_model(trained, folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
