"""Random numbers that belong to a sample, not to the batch it happens to be decoded in, and what is drawn with them.

Sample k of a question draws the same numbers whatever the batch, its order, or the point from which a run resumed.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch

from lit_reason.sampling.protocol import SamplingSettings

CHUNK = 128
"""Tokens whose probabilities are added up first, so that a draw searches hundreds of sums and not all tokens."""

CACHED_LOGITS = 2**20
"""Logits that are looked at together."""


def uniforms(seed: int, question_id: str, sample_index: int, count: int) -> np.ndarray:
    """`count` uniform numbers in [0, 1) of one sample, the i-th for its i-th token; float64 [count]."""
    name = f"{seed}\x1f{sample_index}\x1f{question_id}".encode("utf-8", "surrogatepass")
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def choose(
    logits: torch.Tensor, settings: SamplingSettings, uniform: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of every row and its log-probability: under the distribution that is sampled, or the model's own
    where the settings are greedy.

    Args:
        logits: [rows, vocabulary], in any float dtype.
        settings: greedy, or how the distribution is shaped.
        uniform: float [rows], in [0, 1); not used where greedy.

    Returns:
        tokens: int64 [rows].
        logprobs: float32 or float64 [rows].
    """
    # A few rows at a time stay in the processor's cache, where whole batches would go through memory at every pass.
    n_rows = max(1, CACHED_LOGITS // logits.shape[-1])
    chosen = [
        _choose(part, settings, None if uniform is None else uniform[i * n_rows : (i + 1) * n_rows])
        for i, part in enumerate(logits.split(n_rows))
    ]
    tokens, logprobs = zip(*chosen, strict=True)
    return torch.cat(tokens), torch.cat(logprobs)


def _choose(
    logits: torch.Tensor, settings: SamplingSettings, uniform: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if settings.greedy:
        chosen = logits.argmax(-1)
        best = logits.gather(1, chosen[:, None]).squeeze(1)
        return chosen, best - logits.logsumexp(-1)
    assert uniform is not None
    kept = restrict(logits, settings.temperature, settings.top_k, settings.top_p, settings.min_p)
    probabilities = kept.softmax(-1)
    chosen = _invert(probabilities, uniform)
    return chosen, probabilities.gather(1, chosen[:, None]).squeeze(1).log()


def draw_tokens(logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One token a row by inverting the distribution function at the row's uniform number.

    One number a row costs next to nothing; exponential noise over the whole vocabulary would cost as much as attention.

    Args:
        logits: float [rows, vocabulary]; -inf for tokens that must not be drawn.
        uniform: float [rows], in [0, 1).

    Returns:
        int64 [rows].
    """
    return _invert(logits.softmax(-1), uniform)


def restrict(logits: torch.Tensor, temperature: float, top_k: int, top_p: float, min_p: float = 0.0) -> torch.Tensor:
    """Logits of the distribution that is sampled: tempered, then cut to the `top_k` best, to the share `top_p`, and to
    what is at least `min_p` times as probable as the best.

    float [rows, vocabulary] in and out; what is cut becomes -inf. Tokens as probable as the last one kept stay.
    """
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        logits = _cut_below(logits, logits.topk(top_k).values[:, -1:])
    if top_p < 1:
        logits = _cut_below(logits, _nucleus_end(logits, top_p))
    if min_p > 0:
        logits = _cut_below(logits, logits.amax(-1, keepdim=True) + math.log(min_p))
    return logits


def _cut_below(logits: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    return logits.masked_fill(logits < least, -torch.inf)


def _nucleus_end(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """The least logit of the smallest set that reaches the share `top_p`; [rows, 1].

    Sorting a vocabulary takes longer than the model does. The set is nearly always small, so only the best tokens are
    sorted, and more of them where they do not reach the share.
    """
    total = logits.logsumexp(-1, keepdim=True)
    count = min(256, logits.shape[-1])
    while True:
        best = logits.topk(count).values
        cumulative = (best - total).exp().cumsum(-1)
        if count == logits.shape[-1] or bool((cumulative[:, -1] >= top_p).all()):
            last = (cumulative < top_p).sum(-1, keepdim=True).clamp(max=count - 1)
            return best.gather(1, last)
        count = min(8 * count, logits.shape[-1])


def _invert(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Search the sums of whole chunks first, then inside the chunk that holds the target."""
    rows, vocabulary = probabilities.shape
    padded = torch.nn.functional.pad(probabilities, (0, -vocabulary % CHUNK)).view(rows, -1, CHUNK)
    sums = padded.sum(-1)
    chunk, target = _search(sums, uniform.to(sums) * sums.sum(-1))
    inside = padded[torch.arange(rows, device=chunk.device), chunk]
    token, _ = _search(inside, target)
    return chunk * CHUNK + token


def _search(weights: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first place whose cumulative weight exceeds the target, and how far into its weight the target lies.

    Rounding may lift a target onto the total, which no place exceeds; then it is the last place that has any weight.
    """
    cumulative = weights.cumsum(-1)
    target = target[:, None]
    total = cumulative[:, -1:]
    target = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))
    place = torch.searchsorted(cumulative, target, right=True)
    before = cumulative.gather(1, place) - weights.gather(1, place)
    return place.squeeze(1), (target - before).clamp(min=0).squeeze(1)
