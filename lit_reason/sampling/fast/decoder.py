"""The forward pass: prompts into the cache, then one token a row at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lit_reason.sampling.fast.attention import Attention
from lit_reason.sampling.fast.cache import Seating, Store
from lit_reason.sampling.fast.weights import Layer, Weights

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, queries [N, n_kv_heads, G, d_head], keys [N, n_kv_heads, d_head], values) -> [N, n_kv_heads, G, d_head]"""


class Decoder:
    """A model's weights and what is computed with them. Nothing here keeps a gradient or a state."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def prefill(self, prompts: Store, start: int, ids: Tensor, lengths: Tensor) -> Tensor:
        """Compute the keys and values of prompts once, into the places from `start` on.

        Args:
            prompts: where they go.
            start: the first prompt's place.
            ids: int64 [P, T], padded on the right, which nothing before the padding can see.
            lengths: int64 [P].

        Returns:
            logits [P, vocabulary] of each prompt's successor.
        """
        n_prompts, n_tokens = ids.shape
        positions = torch.arange(n_tokens, device=ids.device).expand(n_prompts, -1).reshape(-1)

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            keys, values = (x.view(n_prompts, n_tokens, *x.shape[1:]).transpose(1, 2) for x in (keys, values))
            prompts.write_texts(layer, start, keys, values)
            queries = queries.view(n_prompts, n_tokens, -1, self.weights.d_head).transpose(1, 2)
            groups = queries.shape[1] // keys.shape[1]
            keys, values = (x.repeat_interleave(groups, 1) for x in (keys, values))
            mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=1.0)
            return mixed.transpose(1, 2).reshape(n_prompts * n_tokens, self.weights.n_kv_heads, groups, -1)

        hidden = self._hidden(ids.reshape(-1), positions, attend).view(n_prompts, n_tokens, -1)
        return self._logits(hidden[torch.arange(n_prompts, device=ids.device), lengths - 1])

    def step(self, prompts: Store, own: Store, seating: Seating, tokens: Tensor) -> Tensor:
        """Logits [B, vocabulary] of what follows each row's newest token, int64 [B], which joins the cache."""
        positions = seating.prompt_lengths + seating.own_lengths - 1
        return self._logits(self._hidden(tokens, positions, Attention(prompts, own, seating)))

    def _hidden(self, ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """[N, d_model] after the last block, for N tokens of any rows."""
        x = functional.embedding(ids, self.weights.embedding)
        cosines, sines = (table.squeeze(0)[:, None] for table in self.weights.rotary(x, positions[None]))
        for index, layer in enumerate(self.weights.layers):
            queries, keys, values = self._heads(layer, self._norm(x, layer.attention_norm), cosines, sines)
            x = x + layer.output(attend(index, queries, keys, values).flatten(1))
            gate, up = layer.gate_up(self._norm(x, layer.feed_forward_norm)).chunk(2, -1)
            x = x + layer.down(self.weights.activation(gate) * up)
        return x

    def _heads(self, layer: Layer, x: Tensor, cosines: Tensor, sines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [N, n_kv_heads, G, d_head], rotated and scaled; keys, rotated, and values [N, n_kv_heads, d_head]."""
        w = self.weights
        heads = layer.qkv(x).view(len(x), -1, w.d_head)
        if layer.query_norm is not None and layer.key_norm is not None:
            heads[:, : w.n_heads] = self._norm(heads[:, : w.n_heads], layer.query_norm)
            heads[:, w.n_heads : -w.n_kv_heads] = self._norm(heads[:, w.n_heads : -w.n_kv_heads], layer.key_norm)
        rotated = _rotate(heads[:, : -w.n_kv_heads], cosines, sines)
        queries = (rotated[:, : w.n_heads] * w.d_head**-0.5).view(len(x), w.n_kv_heads, -1, w.d_head)
        return queries, rotated[:, w.n_heads :], heads[:, -w.n_kv_heads :]

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, weight.shape, weight, self.weights.epsilon)

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.weights.head(self._norm(hidden, self.weights.final_norm))


def _rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions: dimension i and i + d/2 of every head turn as a pair.

    x: [N, heads, d_head]; cosines, sines: [N, 1, d_head].
    """
    half = x.shape[-1] // 2
    rotated = x * cosines
    rotated[..., :half].addcmul_(x[..., half:], sines[..., :half], value=-1)
    rotated[..., half:].addcmul_(x[..., :half], sines[..., half:])
    return rotated
