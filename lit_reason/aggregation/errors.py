"""What is wrong with the samples or settings of an aggregation, in one line."""

from __future__ import annotations

from lit_reason.errors import PlainError


class AggregationError(PlainError, ValueError):
    """Samples or settings that no aggregation can work with; the message names the row or the setting."""
