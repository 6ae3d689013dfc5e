"""Confidence thresholds: checked as fractions, applied to whole votes."""

from __future__ import annotations

import math

from lit_reason.errors import PlainError


class WeakToStrongError(PlainError, ValueError):
    """Settings or data that cannot be used; one line names the field, and the row where there is one."""


def check_threshold(field: str, tau: float) -> None:
    """Raise a WeakToStrongError for a threshold outside 0..1; a per cent gets a hint."""
    if not 0 <= tau <= 1:  # NaN fails, too
        hint = f"; thresholds are fractions, so write {tau / 100:g}" if 1 < tau <= 100 else ""
        raise WeakToStrongError(f"{field} is {tau:g}, not a share from 0 to 1{hint}")


def needed_votes(tau: float, n: int) -> int:
    """The least number of n votes that is at least the share tau, on whole numbers: 0.7 x 10 is 7, not 7.000...01."""
    if n < 1:
        raise WeakToStrongError(f"n is {n}: a confidence needs at least one sample")
    return math.ceil(tau * n - 1e-9)
