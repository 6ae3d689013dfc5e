"""Attention of one new token a row to its prompt, which its siblings share, and to its own tokens so far.

The scores of both parts meet in one softmax, so the result is that of attention to the whole text. A fused kernel would
read each row's copy of the prompt and pad all rows to the longest text; on CPU it was three times slower than these
batched products (128 rows, 200 tokens, bfloat16).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lit_reason.sampling.fast.cache import Cache, Seating


class Attention:
    """What one step's attention is in every layer: widths, masks and the table of seats.

    Args:
        cache: where keys and values lie.
        seating: who is in flight.
        n_kv_heads: key and value heads; each serves `n_heads / n_kv_heads` query heads, G below.
    """

    def __init__(self, cache: Cache, seating: Seating, n_kv_heads: int) -> None:
        self._cache, self._seating = cache, seating
        self._prompt_width, self._own_width = (
            int(lengths.max()) for lengths in (seating.prompt_lengths, seating.own_lengths)
        )
        self._columns = (seating.own_lengths - 1).repeat_interleave(n_kv_heads)
        self._hidden = torch.cat(
            [_beyond(seating.prompt_lengths, self._prompt_width), _beyond(seating.own_lengths, self._own_width)], -1
        )[:, None, None]
        self._is_full = torch.equal(seating.places, torch.arange(len(seating.seats), device=seating.places.device))

    def __call__(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Write the new keys and values, and attend.

        Args:
            layer: which layer.
            queries: [B, n_kv_heads, G, d_head], scaled.
            keys: [B, n_kv_heads, d_head].
            values: [B, n_kv_heads, d_head].

        Returns:
            [B, n_kv_heads, G, d_head].
        """
        cache, width, n_rows = self._cache, self._prompt_width, len(queries)
        cache.write_own(layer, self._columns, keys, values)
        prompt_keys = cache.prompt_keys[layer, : self._seating.n_prompts, :, :, :width]
        own_keys = cache.own_keys[layer, :n_rows, :, :, : self._own_width]
        scores = torch.cat([self._by_prompt(queries, prompt_keys), _product(queries, own_keys)], -1)
        weights = scores.masked_fill_(self._hidden, -torch.inf).softmax(-1)
        prompt_values = cache.prompt_values[layer, : self._seating.n_prompts, :, :width]
        own_values = cache.own_values[layer, :n_rows, :, : self._own_width]
        return self._by_prompt(weights[..., :width], prompt_values) + _product(weights[..., width:], own_values)

    def _by_prompt(self, rows: Tensor, shared: Tensor) -> Tensor:
        """One product a prompt and head for all of the prompt's rows.

        rows: [B, H, G, N]; shared: [P, H, N, M]; returns [B, H, G, M].
        """
        n_prompts, n_heads, group = len(shared), rows.shape[1], rows.shape[2]
        seated = rows if self._is_full else rows.index_select(0, self._seating.seats)
        seated = seated.view(n_prompts, -1, *rows.shape[1:]).transpose(1, 2)  # [P, H, S, G, N]
        product = _product(seated.reshape(n_prompts, n_heads, -1, rows.shape[-1]), shared)
        product = product.view(n_prompts, n_heads, -1, group, shared.shape[-1]).transpose(1, 2)
        product = product.reshape(-1, n_heads, group, shared.shape[-1])
        return product if self._is_full else product.index_select(0, self._seating.places)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """[A, H, G, N] times [A, H, N, M]."""
    return torch.bmm(left.flatten(0, 1), right.flatten(0, 1)).view(*left.shape[:-1], right.shape[-1])


def _beyond(lengths: Tensor, width: int) -> Tensor:
    """Which of `width` columns a row does not have; bool [B, width]."""
    return torch.arange(width, device=lengths.device) >= lengths[:, None]
