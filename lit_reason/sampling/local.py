"""Sampling from a model in this process: the fast decoder where it knows the architecture, else transformers' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lit_reason.sampling.protocol import Sampler
from lit_reason.sampling.transformers_sampler import TransformersSampler

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lit_reason.chat import Chat


def local_sampler(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chat: Chat,
    *,
    identity: dict[str, Any],
    batch_size: int = 64,
    keep_tokens: bool = False,
    max_total_tokens: int | None = None,
) -> Sampler:
    """A sampler of `model` as it stands, adapters included, trained or not; the model is only read.

    Both kinds draw the same random numbers for a sample, so they differ by rounding alone. A note says so where the
    slower one is taken, and why.

    Args:
        model: a transformers or peft causal language model.
        tokenizer: its tokenizer.
        chat: builds prompts from questions.
        identity: what names model, weights and template in a pool's key.
        batch_size: rows decoded together.
        keep_tokens: store token ids and their log-probabilities with each sample.
        max_total_tokens: prompt and new tokens that the sampler may spend; null sets no limit.
    """
    from lightning.pytorch.utilities import rank_zero_info

    from lit_reason.sampling.fast.sampler import FastSampler
    from lit_reason.sampling.fast.weights import why_unsupported

    reason = why_unsupported(model)
    if reason:
        rank_zero_info(f"sampling with transformers' generate, which is several times slower: {reason}")
    kind = TransformersSampler if reason else FastSampler
    return kind(
        model, tokenizer, chat, identity=identity, batch_size=batch_size, keep_tokens=keep_tokens,
        max_total_tokens=max_total_tokens,
    )  # fmt: skip
