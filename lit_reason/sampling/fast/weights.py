"""A decoder's weights as the loop wants them, read from a transformers model, with or without peft adapters.

What is fused (queries, keys and values; gate and up), has an adapter to be merged or is laid out for the processor is
copied, everything else is a view. For 135M parameters in bfloat16 the copies take 270 MB on CPU for as long as a
sampler lives, and 140 MB (210 MB with adapters on all layers) elsewhere. Views alone would be slower: separate products
for queries, keys and values are too narrow, and an adapter's own small products take longer than its base's. The model
itself is never changed, so it may be under training, and merging never has to be undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lit_reason.sampling.fast.linear import Linear

ARCHITECTURES = frozenset({"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"})
"""Decoders of one build: norm, attention with rotary positions, norm, gated feed-forward. SmolLM2 is a Llama."""

ROPE_THAT_DEPENDS_ON_THE_BATCH = frozenset({"dynamic", "longrope"})
"""Rotary frequencies that change with the longest row in flight, so a row's text would depend on its neighbours."""


@dataclass(frozen=True)
class Layer:
    """One block. The rows of `qkv` are all query heads, then all key heads, then all value heads; those of `gate_up`
    the gate and then the up projection. `query_norm` and `key_norm` are over a head's dimensions (Qwen3)."""

    attention_norm: Tensor
    qkv: Linear
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: Linear
    feed_forward_norm: Tensor
    gate_up: Linear
    down: Linear


@dataclass(frozen=True)
class Weights:
    """A whole decoder. `rotary(x, position_ids)` gives cosines and sines, [B, T, d_head] in the dtype of x."""

    embedding: Tensor
    layers: list[Layer]
    final_norm: Tensor
    head: Linear
    rotary: nn.Module
    activation: Callable[[Tensor], Tensor]
    epsilon: float
    n_heads: int
    n_kv_heads: int
    d_head: int

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in."""
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.embedding.device


def why_unsupported(model: Any) -> str | None:
    """Why this model needs transformers' own loop, in a few words; None where it does not."""
    causal = _causal(model)
    if type(causal).__name__ not in ARCHITECTURES:
        return f"{type(causal).__name__} is none of {', '.join(sorted(ARCHITECTURES))}"
    config = causal.config
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()) or _slides(config):
        return "its attention slides over a window"
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope in ROPE_THAT_DEPENDS_ON_THE_BATCH:
        return f"its rotary frequencies ({rope}) change with the length of the batch"
    if len({parameter.device for parameter in causal.parameters()}) > 1:
        return "its weights lie on several devices"
    if hasattr(model, "peft_config") and any(c.is_prompt_learning for c in model.peft_config.values()):
        return "it has a learned prompt"
    return next(filter(None, map(_why_no_linear, _linears(causal))), None) or _why_wrapped(causal)


@torch.no_grad()
def read_weights(model: Any) -> Weights:
    """The weights of a supported model as it stands, in the dtype in which it would compute here: autocast counts."""
    causal = _causal(model)
    decoder, config = causal.model, causal.config
    embedding = decoder.embed_tokens.weight
    dtype, device = embedding.dtype, embedding.device.type
    if torch.is_autocast_enabled(device) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
    attention = decoder.layers[0].self_attn
    with torch.autocast(device, enabled=False):  # adapters are merged as exactly as their own dtype allows
        layers, head = [_layer(layer, dtype) for layer in decoder.layers], _fused([causal.lm_head], dtype)
    return Weights(
        embedding=embedding.detach().to(dtype),
        layers=layers,
        final_norm=decoder.norm.weight.detach().to(dtype),
        head=head,
        rotary=decoder.rotary_emb,
        activation=decoder.layers[0].mlp.act_fn,
        epsilon=config.rms_norm_eps,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads,
        d_head=attention.head_dim,
    )


def _layer(layer: Any, dtype: torch.dtype) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    query_norm, key_norm = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
    return Layer(
        attention_norm=layer.input_layernorm.weight.detach().to(dtype),
        qkv=_fused([attention.q_proj, attention.k_proj, attention.v_proj], dtype),
        query_norm=None if query_norm is None else query_norm.weight.detach().to(dtype),
        key_norm=None if key_norm is None else key_norm.weight.detach().to(dtype),
        output=_fused([attention.o_proj], dtype),
        feed_forward_norm=layer.post_attention_layernorm.weight.detach().to(dtype),
        gate_up=_fused([mlp.gate_proj, mlp.up_proj], dtype),
        down=_fused([mlp.down_proj], dtype),
    )


def _fused(modules: list[Any], dtype: torch.dtype) -> Linear:
    """The linear maps of `modules` below each other; a single one without an adapter stays the model's own tensor."""
    weights = [_merged(module).to(dtype) for module in modules]
    biases = [_base(module).bias for module in modules]
    bias = None
    if any(bias is not None for bias in biases):
        filled = [
            w.new_zeros(len(w)) if b is None else b.detach().to(dtype) for b, w in zip(biases, weights, strict=True)
        ]
        bias = torch.cat(filled)
    return Linear(weights[0] if len(weights) == 1 else torch.cat(weights), bias)


def _merged(module: Any) -> Tensor:
    """The matrix that the module multiplies by, its active adapters added as a merged export adds them."""
    weight = _base(module).weight.detach()
    for name in _unmerged(module):
        weight = weight + module.get_delta_weight(name).to(weight.dtype)
    return weight


def _unmerged(module: Any) -> list[str]:
    """The adapters of a peft layer that act beside its base weights; none once they are merged into them."""
    if not hasattr(module, "get_base_layer") or module.merged or module.disable_adapters:
        return []
    return [name for name in module.active_adapters if name in module.lora_A]


def _why_no_linear(module: Any) -> str | None:
    """Plain linear maps and plain LoRA can be read; quantised ones and other adapters compute something else."""
    base = _base(module)
    if type(base) is not nn.Linear:
        return f"{type(base).__name__} is no plain linear layer"
    if base is module:
        return None
    from peft.tuners.lora import Linear as LoraLinear

    if type(module) is not LoraLinear:
        return f"{type(module).__module__}.{type(module).__name__} is no plain LoRA"
    if module.merged and module.disable_adapters:
        return "an adapter is merged and switched off"
    names = [name for name in module.active_adapters if name in module.lora_A]
    if any(name in module.lora_variant or module.lora_bias.get(name) for name in names):
        return "its LoRA is of a variant"
    return None


def _why_wrapped(causal: Any) -> str | None:
    """Only linear layers may carry adapters: embeddings and norms are read as they are."""
    decoder = causal.model
    norms = [module for layer in decoder.layers for module in (layer.input_layernorm, layer.post_attention_layernorm)]
    odd = [module for module in [*norms, decoder.norm] if not type(module).__name__.endswith("RMSNorm")]
    odd += [] if type(decoder.embed_tokens) is nn.Embedding else [decoder.embed_tokens]
    return f"{type(odd[0]).__name__} wraps a part of it" if odd else None


def _linears(causal: Any) -> list[Any]:
    linears = [causal.lm_head]
    for layer in causal.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        linears += [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        linears += [mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    return linears


def _causal(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _base(module: Any) -> Any:
    return module.get_base_layer() if hasattr(module, "get_base_layer") else module


def _slides(config: Any) -> bool:
    """Mistral slides in every layer, and says so by the window alone."""
    return config.model_type == "mistral" and getattr(config, "sliding_window", None) is not None
