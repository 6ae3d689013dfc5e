"""The unbiased estimate of pass@k."""

from __future__ import annotations

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that `k` of `n` samples, drawn at random, hold one of the `c` right ones: 1 - C(n-c, k) / C(n, k).

    Raises:
        ValueError: unless 1 <= k <= n and 0 <= c <= n; with k > n there is nothing to estimate it from.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {max(k, 1)} samples and k >= 1, got {n} samples")
    if not 0 <= c <= n:
        raise ValueError(f"{c} right samples of {n}")
    return 1 - math.comb(n - c, k) / math.comb(n, k)
