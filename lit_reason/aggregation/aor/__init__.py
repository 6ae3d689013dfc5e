"""Aggregation of Reasoning: choosing an answer by scoring reasoning chains, not by counting them (paper 2405.12939)."""

from lit_reason.aggregation.aor.aggregator import AggregationOfReasoning
from lit_reason.aggregation.aor.judge import Judge, Reply, SamplerJudge

__all__ = ["AggregationOfReasoning", "Judge", "Reply", "SamplerJudge"]
