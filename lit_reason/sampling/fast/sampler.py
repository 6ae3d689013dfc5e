"""The fast decoder as a sampler."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import torch

from lit_reason.records import Question, Sample
from lit_reason.sampling.fast.decoder import Decoder
from lit_reason.sampling.fast.schedule import Schedule
from lit_reason.sampling.fast.weights import read_weights
from lit_reason.sampling.protocol import SampleKey, SamplingSettings, missing
from lit_reason.sampling.rows import Ends, Row, SamplingJob, finished, plan_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lit_reason.chat import Chat

HOLD_SECONDS = 1.0
"""How long a finished sample may wait for others, so that a pool need not write a file for every one."""


class FastSampler:
    """Samples from `model` as it stands, adapters merged into copies; the model is read once a call and never changed.

    The random numbers of a sample depend on (seed, question, index) only. Its text may still differ with the batch in
    float32 and bfloat16, whose kernels round differently by shape; in float64 it does not.

    A prompt that leaves no room in the model's context gives an empty sample that counts as cut by length.

    Args:
        model: a transformers or peft causal language model for which `why_unsupported` has no reason.
        tokenizer: its tokenizer.
        chat: builds prompts from questions.
        identity: what names model, weights and template in a pool's key.
        batch_size: rows decoded together.
        batch_tokens: upper limit of tokens in the cache, which bounds its memory.
        keep_tokens: store token ids and their log-probabilities with each sample.

    Attributes:
        n_prefilled: prompt tokens that went through the model in all calls so far.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        chat: Chat,
        *,
        identity: dict[str, Any],
        batch_size: int = 64,
        batch_tokens: int = 98_304,
        keep_tokens: bool = False,
    ) -> None:
        self.model, self.tokenizer, self.chat, self.identity = model, tokenizer, chat, identity
        self.batch_size, self.batch_tokens, self.keep_tokens = batch_size, batch_tokens, keep_tokens
        self.n_prefilled = 0

    def sample(
        self, questions: Sequence[Question], settings: SamplingSettings, done: AbstractSet[SampleKey] = frozenset()
    ) -> Iterator[list[Sample]]:
        """Yield the missing samples as they are finished, those of about a second in one list."""
        rows = plan_rows(self.model, self.chat, missing(questions, settings.n, done), settings)
        ends = Ends(self.model, self.tokenizer, settings)
        with SamplingJob(rows) as job:
            for batch in self._ended(rows, settings, ends, job):
                yield [finished(row, settings, ends, self.keep_tokens) for row in batch]

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
        decoder = Decoder(read_weights(self.model))
        return Schedule(decoder, rows, settings, ends, self.batch_size, self.batch_tokens)

    @torch.inference_mode()
    def _advance(self, schedule: Schedule) -> bool:
        before = schedule.n_prefilled
        with torch.autocast(self.model.device.type, enabled=False):
            goes_on = schedule.advance()
        self.n_prefilled += schedule.n_prefilled - before
        return goes_on
