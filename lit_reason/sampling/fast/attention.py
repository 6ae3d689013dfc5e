"""Attention of one new token a row to its prompt, which its siblings share, and to its own tokens so far.

The scores of both parts meet in one softmax, so the result is that of attention to the whole text. A fused kernel would
read each row's copy of the prompt; on CPU it also took three times as long as these products (128 rows, 200 tokens,
bfloat16), because it is made for many queries a text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lit_reason.sampling.fast.cache import BLOCK, Seating, Store


class Attention:
    """What one step's attention is in every layer: lengths, masks and the table of seats.

    Args:
        prompts: keys and values of the prompts in flight.
        own: those of the rows.
        seating: who is in flight.
    """

    def __init__(self, prompts: Store, own: Store, seating: Seating) -> None:
        self._prompts, self._own, self._seating = prompts, own, seating
        self._longest_prompt, self._longest = int(seating.prompt_lengths.max()), int(seating.own_lengths.max())
        self._slots = own.slots(seating.own_lengths - 1)
        hidden = [_beyond(seating.prompt_lengths, self._longest_prompt), _beyond(seating.own_lengths, self._longest)]
        self._hidden = torch.cat(hidden, -1)[:, None, None]
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
        self._own.write(layer, self._slots, keys, values)
        shared = self._prompts.blocks(layer, self._seating.n_prompts, self._longest_prompt)
        own = self._own.blocks(layer, len(queries), self._longest)
        by_prompt = self._unseated(_scores(self._seated(queries), shared))
        scores = torch.cat([by_prompt, _scores(queries, own)], -1)
        weights = scores.masked_fill_(self._hidden, -torch.inf).softmax(-1)
        width = by_prompt.shape[-1]
        mixed = self._unseated(_mixed(self._seated(weights[..., :width]), shared))
        return mixed + _mixed(weights[..., width:], own)

    def _seated(self, x: Tensor) -> Tensor:
        """[B, H, G, N] -> [P, H, S * G, N]: the rows of a prompt beside each other."""
        seated = x if self._is_full else x.index_select(0, self._seating.seats)
        seated = seated.reshape(self._seating.n_prompts, -1, *x.shape[1:])
        return seated.transpose(1, 2).flatten(2, 3)

    def _unseated(self, x: Tensor) -> Tensor:
        """The inverse of `_seated`."""
        n_seats = len(self._seating.seats) // len(x)
        rows = x.unflatten(2, (n_seats, -1)).transpose(1, 2).flatten(0, 1)
        return rows if self._is_full else rows.index_select(0, self._seating.places)


def _scores(queries: Tensor, blocks: list[tuple[Tensor, Tensor]]) -> Tensor:
    """[A, H, Q, d] against the keys of all blocks: [A, H, Q, tokens of the blocks]."""
    flat = queries.flatten(0, 1)
    scores = torch.cat([torch.bmm(flat, keys.transpose(1, 2)) for keys, _ in blocks], -1)
    return scores.unflatten(0, queries.shape[:2])


def _mixed(weights: Tensor, blocks: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The values of all blocks under [A, H, Q, tokens of the blocks]: [A, H, Q, d]."""
    parts = weights.flatten(0, 1).split(BLOCK, -1)
    mixed = torch.bmm(parts[0], blocks[0][1])
    for part, (_, values) in zip(parts[1:], blocks[1:], strict=True):
        mixed += torch.bmm(part, values)
    return mixed.unflatten(0, weights.shape[:2])


def _beyond(lengths: Tensor, longest: int) -> Tensor:
    """Which columns of the blocks that hold `longest` tokens a row does not have; bool [B, columns]."""
    return torch.arange(-(-longest // BLOCK) * BLOCK, device=lengths.device) >= lengths[:, None]
