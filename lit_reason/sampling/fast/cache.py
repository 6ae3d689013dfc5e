"""Keys and values of everything in flight: a prompt's once for all of its samples, a row's own beside them.

They are allocated once and written in place, in blocks of tokens: a product then reads whole, contiguous blocks as far
as the longest row has come. A cache in one piece per row would be copied for every product, because its rows' free
space makes it a view with gaps. On CPU, a block's memory is taken from the system when it is first written.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_reason.sampling.fast.weights import Weights

BLOCK = 64
"""Tokens a block: half of one is read in vain, and smaller ones make products slower (measured on CPU)."""


@dataclass(frozen=True)
class Seating:
    """Which rows are in flight, for which prompts, and how far each has come; what one step needs of the schedule.

    Attention to prompts is one product a prompt over a table of seats, as many a prompt as the fullest one has rows.

    Args:
        own_lengths: int64 [B], tokens of each row so far; the newest is not in the cache yet.
        prompt_lengths: int64 [B], tokens of each row's prompt.
        seats: int64 [P * S], the row that sits there; an empty seat names row 0, and what it computes is not used.
        places: int64 [B], the seat of each row.
        n_prompts: P.
    """

    own_lengths: Tensor
    prompt_lengths: Tensor
    seats: Tensor
    places: Tensor
    n_prompts: int


class Store:
    """Keys and values of up to `n_places` texts of up to `n_tokens`; those in use are the first places.

    Attributes:
        keys: [layers, blocks, places, n_kv_heads, BLOCK, d_head].
        values: likewise.
    """

    def __init__(self, weights: Weights, n_places: int, n_tokens: int) -> None:
        n_blocks = -(-n_tokens // BLOCK)
        shape = (len(weights.layers), n_blocks, n_places, weights.n_kv_heads, BLOCK, weights.d_head)
        # Zeros, because memory that holds NaN by chance would survive a weight of zero.
        self.keys, self.values = (torch.zeros(shape, dtype=weights.dtype, device=weights.device) for _ in range(2))
        self.n_places = n_places

    def blocks(self, layer: int, n_places: int, n_tokens: int) -> list[tuple[Tensor, Tensor]]:
        """The keys and values of the first places, block by block up to `n_tokens`; [n_places * heads, BLOCK, d]."""
        keys, values = (store[layer, : -(-n_tokens // BLOCK), :n_places] for store in (self.keys, self.values))
        return [(k.flatten(0, 1), v.flatten(0, 1)) for k, v in zip(keys, values, strict=True)]

    def slots(self, columns: Tensor) -> Tensor:
        """Where the token at `columns`, int64 [B], of each of the first B places lies; int64 [B * n_kv_heads]."""
        n_heads = self.keys.shape[3]
        rows = torch.arange(len(columns), device=columns.device)
        heads = torch.arange(n_heads, device=columns.device)
        place = ((columns // BLOCK) * self.n_places + rows)[:, None] * n_heads + heads
        return (place * BLOCK + (columns % BLOCK)[:, None]).flatten()

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write one token a row at the `slots` of its heads; keys, values: [B, n_kv_heads, d_head]."""
        for store, new in ((self.keys, keys), (self.values, values)):
            store[layer].view(-1, new.shape[-1]).index_copy_(0, slots, new.reshape(-1, new.shape[-1]))

    def write_texts(self, layer: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Write whole texts, padding included, to the places from `start` on; [texts, n_kv_heads, T, d_head]."""
        for store, new in ((self.keys, keys), (self.values, values)):
            for block, part in enumerate(new.split(BLOCK, 2)):
                store[layer, block, start : start + len(new), :, : part.shape[2]] = part

    def move(self, source: int, target: int, n_tokens: int) -> None:
        """Copy a text of `n_tokens` to another place."""
        n_blocks = -(-n_tokens // BLOCK)
        for store in (self.keys, self.values):
            store[:, :n_blocks, target] = store[:, :n_blocks, source]
