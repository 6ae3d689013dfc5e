"""Turning the graded samples of one question into one answer or one estimate."""

from lit_reason.aggregation.aor import AggregationOfReasoning
from lit_reason.aggregation.pass_at_k import pass_at_k
from lit_reason.aggregation.protocol import Aggregator, NeedMore
from lit_reason.aggregation.votes import majority_vote, shortest_majority_vote

__all__ = [
    "AggregationOfReasoning",
    "Aggregator",
    "NeedMore",
    "majority_vote",
    "pass_at_k",
    "shortest_majority_vote",
]
