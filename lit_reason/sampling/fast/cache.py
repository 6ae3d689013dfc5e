"""Keys and values of everything in flight: a prompt's once for all of its samples, a row's own beside them.

Both are allocated once and written in place. Live prompts and live rows are a prefix of their places, so that products
read views and nothing is gathered. Keys lie transposed, because a product with a few queries is read fastest so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_reason.sampling.fast.weights import Weights


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


class Cache:
    """Places for `n_prompts` prompts of `prompt_tokens` and `n_rows` rows of `new_tokens`, in every layer.

    Attributes:
        prompt_keys: [layers, n_prompts, n_kv_heads, d_head, prompt_tokens]; prompt_values has the last two swapped.
        own_keys: [layers, n_rows, n_kv_heads, d_head, new_tokens]; own_values likewise.
    """

    def __init__(self, weights: Weights, n_prompts: int, prompt_tokens: int, n_rows: int, new_tokens: int) -> None:
        self.n_prompts, self.n_rows = n_prompts, n_rows

        def zeros(places: int, *rest: int) -> Tensor:
            # Zeros, because memory that holds NaN by chance would survive a weight of zero.
            shape = (len(weights.layers), places, weights.n_kv_heads, *rest)
            return torch.zeros(shape, dtype=weights.dtype, device=weights.device)

        self.prompt_keys = zeros(n_prompts, weights.d_head, prompt_tokens)
        self.prompt_values = zeros(n_prompts, prompt_tokens, weights.d_head)
        self.own_keys = zeros(n_rows, weights.d_head, new_tokens)
        self.own_values = zeros(n_rows, new_tokens, weights.d_head)

    def write_prompts(self, layer: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Keep what a prefill computed for the prompts at places `start` and following.

        Args:
            layer: which layer.
            start: the first prompt's place.
            keys: [P, n_kv_heads, T, d_head], whatever lies past a prompt's end included.
            values: likewise.
        """
        n_prompts, _, n_tokens, _ = keys.shape
        self.prompt_keys[layer, start : start + n_prompts, :, :, :n_tokens] = keys.transpose(2, 3)
        self.prompt_values[layer, start : start + n_prompts, :, :n_tokens] = values

    def write_own(self, layer: int, columns: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write one token a row. columns: int64 [B * n_kv_heads]; keys, values: [B, n_kv_heads, d_head]."""
        n_rows, n_heads, d_head = keys.shape
        index = torch.arange(n_rows * n_heads, device=keys.device)
        self.own_keys[layer].flatten(0, 1)[index, :, columns] = keys.reshape(-1, d_head)
        self.own_values[layer].flatten(0, 1)[index, columns] = values.reshape(-1, d_head)

    def move_row(self, source: int, target: int, n_tokens: int) -> None:
        """Copy a row to another place, for a hole that no new row fills."""
        self.own_keys[:, target, :, :, :n_tokens] = self.own_keys[:, source, :, :, :n_tokens]
        self.own_values[:, target, :, :n_tokens] = self.own_values[:, source, :, :n_tokens]

    def move_prompt(self, source: int, target: int, n_tokens: int) -> None:
        """Copy a prompt to another place."""
        self.prompt_keys[:, target, :, :, :n_tokens] = self.prompt_keys[:, source, :, :, :n_tokens]
        self.prompt_values[:, target, :, :n_tokens] = self.prompt_values[:, source, :, :n_tokens]
