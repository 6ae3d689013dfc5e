"""The fast decoder as a sampler."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from lit_reason.sampling.fast.decoder import Decoder
from lit_reason.sampling.fast.schedule import Schedule
from lit_reason.sampling.fast.weights import read_weights
from lit_reason.sampling.protocol import SamplingSettings
from lit_reason.sampling.rows import Ends, ModelSampler, Row, SamplingJob

HOLD_SECONDS = 1.0
"""How long a finished sample may wait for others, so that a pool need not write a file for every one."""


class FastSampler(ModelSampler):
    """Samples from a model for which `why_unsupported` has no reason, adapters merged into copies. The model is read at
    the first call and never changed: once its weights have changed, make a new sampler. Samples are yielded as they
    are finished, those of about a second in one list.

    Attributes:
        n_prefilled: prompt tokens that went through the model in all calls so far.
    """

    usual_batch_tokens = 98_304
    n_prefilled = 0
    _decoder: Decoder | None = None

    def _ended(self, rows: list[Row], settings: SamplingSettings, ends: Ends, job: SamplingJob) -> Iterator[list[Row]]:
        """Rows as they end. Modes of torch are set within a step only: the caller's stay its own while it has them."""
        ended = [row for row in rows if row.finish_reason]
        pending = [row for row in rows if not row.finish_reason]
        schedule = self._schedule(pending, settings, ends) if pending else None
        yielded = time.perf_counter()
        while schedule is not None and self._advance(schedule):
            ended += [row for row in pending if row.finish_reason]
            pending = [row for row in pending if not row.finish_reason]
            job.report()
            if ended and time.perf_counter() - yielded > HOLD_SECONDS:
                yield ended
                ended, yielded = [], time.perf_counter()
        ended += [row for row in pending if row.finish_reason]  # of their first token, when nothing was left to decode
        if ended:
            yield ended

    @torch.inference_mode()
    def _schedule(self, rows: list[Row], settings: SamplingSettings, ends: Ends) -> Schedule:
        if self._decoder is None:
            self._decoder = Decoder(read_weights(self.model))
        return Schedule(self._decoder, rows, settings, ends, self.batch_size, self.batch_tokens)

    @torch.inference_mode()
    def _advance(self, schedule: Schedule) -> bool:
        before = schedule.n_prefilled
        with torch.autocast(self.model.device.type, enabled=False):
            goes_on = schedule.advance()
        self.n_prefilled += schedule.n_prefilled - before
        return goes_on
