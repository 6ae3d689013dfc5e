"""Samplers turn questions into samples: a local model here; endpoints and replays meet the same protocol."""

from lit_reason.sampling.protocol import Sampler, SamplingSettings

__all__ = ["Sampler", "SamplingSettings"]
