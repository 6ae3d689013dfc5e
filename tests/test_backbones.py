"""Names, paths and sizes become models with the dtype that was asked for."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import torch

from lit_reason import backbones
from lit_reason.backbones import Backbone, BackboneError, Lora, add_lora, load_model, load_tokenizer


def test_random_sizes_depend_on_the_seed_only(tiny_backbone):
    torch.rand(7)
    first, again, other = (load_model(tiny_backbone, seed) for seed in (1, 1, 2))
    weight = [m.get_input_embeddings().weight for m in (first, again, other)]
    assert torch.equal(weight[0], weight[1]) and not torch.equal(weight[0], weight[2])
    assert first.training


def test_loading_leaves_the_global_random_state_alone(tiny_backbone):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_model(tiny_backbone)
    assert torch.equal(torch.rand(1), expected)


def test_the_embedded_model_knows_the_capital_of_france(embedded_model):
    model, tokenizer = load_model(Backbone(dtype="float32")).eval(), load_tokenizer(Backbone())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    ids = tokenizer("The capital of France is", return_tensors="pt")
    assert tokenizer.decode(model(**ids).logits[0, -1].argmax()) == " Paris"


def test_two_processes_convert_once(tmp_path, embedded_model):
    """Both ask for the model in an empty cache; one converts, the other waits, both get the same whole folder."""
    code = (
        "import lit_reason.backbones as b, sys, pathlib\n"
        "def convert(gguf, folder):\n"
        "    import time; print('converted'); temporary = folder.with_name('t'); temporary.mkdir(); time.sleep(1)\n"
        "    (temporary / 'model.safetensors').write_bytes(b'x'); temporary.rename(folder)\n"
        "b._convert_gguf = convert\n"
        "print(b.embedded_model_dir())\n"
    )
    import os

    environment = {**os.environ, "LIT_REASON_CACHE": str(tmp_path / "a cache")}
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=60)[0].split("\n") for process in both]
    assert sum("converted" in lines for lines in printed) == 1
    assert printed[0][-2] == printed[1][-2] == str(tmp_path / "a cache" / "models" / "smollm2-135m")


def test_lora_trains_float32_adapters_on_the_top_layers_only(tiny_backbone):
    backbone = Backbone("llama-tiny", dtype="bfloat16", tokenizer="bytes")
    model = add_lora(load_model(backbone), Lora(r=4, top_layers=1, targets="attention"))
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trainable.values()} == {torch.float32}
    assert len(trainable) == 8 and all("layers.1.self_attn" in name for name in trainable)


def test_too_many_top_layers_are_refused(tiny_backbone):
    with pytest.raises(BackboneError, match="lora.top_layers is 3, but the model has 2 layers"):
        add_lora(load_model(tiny_backbone), Lora(top_layers=3))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c"])
def test_a_missing_path_is_one_line_and_asks_no_hub(name):
    start = time.monotonic()
    with pytest.raises(BackboneError, match=f"no folder {name}"):
        load_model(Backbone(name))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", ["my-org/small", "no repository!"])
def test_a_hub_id_that_cannot_be_had_is_one_line(name):
    for load in (load_model, load_tokenizer):
        with pytest.raises(BackboneError, match=f"^{name} is no folder, and is not to be had from the hub") as refused:
            load(Backbone(name))
        assert "\n" not in str(refused.value)


def test_a_folder_without_model_is_named(tmp_path):
    with pytest.raises(BackboneError, match="a folder without config.json"):
        load_model(Backbone(str(tmp_path)))


def test_auto_dtype_follows_the_hardware(monkeypatch):
    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(backbones, "has_fast_bfloat16", lambda fast=fast: fast)
        assert backbones.resolve_dtype("auto") == dtype


def test_bytes_are_reversible():
    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    text = "naïve\n\t日本 \x00"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer("é")["input_ids"]) == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [("lit_reason.no_such:f", "No module named 'lit_reason.no_such'"), ("lit_reason.chat:no_such", "no attribute")],
)
def test_a_function_that_builds_the_tokenizer_must_exist(name: str, why: str) -> None:
    with pytest.raises(BackboneError, match=f"^no tokenizer {name}: .*{why}"):
        load_tokenizer(Backbone("llama-tiny", tokenizer=name))


def test_random_weights_have_the_spread_that_is_asked_for() -> None:
    for std in (0.02, 0.125):
        model = load_model(Backbone("llama-tiny", dtype="float32", tokenizer="bytes", init_std=std), seed=3)
        matrices = [p for p in model.parameters() if p.ndim == 2]
        assert all(abs(matrix.std().item() / std - 1) < 0.1 for matrix in matrices)
