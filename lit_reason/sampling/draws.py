"""Random numbers that belong to a sample, not to the batch it happens to be decoded in.

Sample k of a question draws the same numbers whatever the batch, its order, or the point from which a run resumed.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def uniforms(seed: int, question_id: str, sample_index: int, count: int) -> np.ndarray:
    """`count` uniform numbers in [0, 1) of one sample, the i-th for its i-th token; float64 [count]."""
    name = f"{seed}\x1f{sample_index}\x1f{question_id}".encode("utf-8", "surrogatepass")
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def draw_tokens(logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One token a row by inverting the distribution function at the row's uniform number.

    One number a row costs next to nothing; exponential noise over the whole vocabulary would cost as much as attention.

    Args:
        logits: float [rows, vocabulary]; -inf for tokens that must not be drawn.
        uniform: float [rows], in [0, 1).

    Returns:
        int64 [rows].
    """
    cumulative = logits.softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    target = uniform.to(cumulative)[:, None] * total
    # Rounding may lift the target onto the total, which no token exceeds.
    target = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)


def restrict(logits: torch.Tensor, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """Logits of the distribution that is sampled: tempered, then cut to the `top_k` best, then to the share `top_p`.

    float [rows, vocabulary] in and out; what is cut becomes -inf.
    """
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    logits = logits / temperature
    no_ids = torch.empty(0, dtype=torch.long)  # the warpers take the ids and ignore them
    if top_k:
        logits = TopKLogitsWarper(top_k)(no_ids, logits)
    if top_p < 1:
        logits = TopPLogitsWarper(top_p)(no_ids, logits)
    return logits
