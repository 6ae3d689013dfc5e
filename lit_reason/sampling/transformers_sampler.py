"""Sampling from a model in this process with transformers' own `generate`.

Prompts are sorted by length, padded on the left with explicit positions, and decoded together. Rows that have ended
leave the batch once they are a quarter of it, so a few long answers do not keep many finished ones in every product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from lit_reason.sampling.draws import choose, uniforms
from lit_reason.sampling.protocol import SamplingSettings
from lit_reason.sampling.rows import Ends, ModelSampler, Row, SamplingJob

RETIRE_SHARE = 0.25
"""The share of a running batch that must have ended before the batch is cut down, which costs a copy of its cache."""


class TransformersSampler(ModelSampler):
    """Samples from any model, adapters included; put it into eval mode first. Samples are yielded a batch at a time.

    `batch_tokens` limits rows times (longest prompt + new tokens).
    """

    usual_batch_tokens = 65_536

    def _ended(self, rows: list[Row], settings: SamplingSettings, ends: Ends, job: SamplingJob) -> Iterator[list[Row]]:
        for batch in self._batches(rows, settings):
            self._decode(batch, settings, ends, job.report)
            yield batch

    def _batches(self, rows: list[Row], settings: SamplingSettings) -> Iterator[list[Row]]:
        """Consecutive rows of about one length, the longest first, so that too little memory shows at once."""
        start = 0
        while start < len(rows):
            width = len(rows[start].prompt) + settings.max_new_tokens
            count = max(1, min(self.batch_size, self.batch_tokens // width))
            yield rows[start : start + count]
            start += count

    @torch.no_grad()
    @torch.compiler.set_stance("force_eager")  # every step has another shape, and would be compiled anew
    def _decode(self, rows: list[Row], settings: SamplingSettings, ends: Ends, report: Callable[[], None]) -> None:
        """Generate until every row of the batch has ended; `report` is called after each token."""
        live = [row for row in rows if row.finish_reason is None]
        ids, mask = _left_padded([row.prompt for row in live], self._padding_id(), self.model.device)
        cache = None
        while live:
            chooser = _Chooser(live, settings)
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                position_ids=_positions(mask),
                past_key_values=cache,
                logits_processor=[chooser],
                stopping_criteria=[_Retire(live, chooser, ends, report)],
                max_new_tokens=max(row.limit - len(row.tokens) for row in live),
                do_sample=False,
                eos_token_id=sorted(ends.end_ids) or None,
                pad_token_id=self._padding_id(),
                repetition_penalty=1.0,
                no_repeat_ngram_size=0,  # a model's own defaults must not shape the answers
                use_cache=True,
                return_dict_in_generate=True,
            )
            keep = torch.tensor([i for i, row in enumerate(live) if row.finish_reason is None], device=ids.device)
            live = [row for row in live if row.finish_reason is None]
            if not live:
                return
            ids = output.sequences[keep]
            mask = torch.nn.functional.pad(mask[keep], (0, ids.shape[1] - mask.shape[1]), value=1)
            cache = output.past_key_values
            if cache is not None:  # a model without a cache object reads the whole text again
                cache.batch_select_indices(keep)

    def _padding_id(self) -> int:
        """Any id will do: padding is told by the mask, and SmolLM2 pads with its end token."""
        return self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0


class _Chooser:
    """A logits processor that chooses each row's next token itself and leaves `generate` nothing else to take.

    Keeps the token's log-probability: under the distribution that is sampled, or the model's own where it is greedy.
    """

    def __init__(self, rows: list[Row], settings: SamplingSettings) -> None:
        self._settings = settings
        self.latest_logprobs: list[float] = []
        if not settings.greedy:
            drawn = np.zeros((max(row.limit for row in rows), len(rows)))
            for i, row in enumerate(rows):
                drawn[: row.limit, i] = uniforms(settings.seed, row.question_id, row.sample_index, row.limit)
            self._uniforms = iter(torch.from_numpy(drawn[len(rows[0].tokens) :]))  # all rows have come equally far

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = None if self._settings.greedy else next(self._uniforms).to(scores.device)
        chosen, logprobs = choose(scores, self._settings, uniform)
        self.latest_logprobs = logprobs.tolist()
        if self._settings.greedy:
            return scores
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)


class _Retire:
    """A stopping criterion that notes every row's new token, and ends the call once enough rows have ended."""

    def __init__(self, rows: list[Row], chooser: _Chooser, ends: Ends, report: Callable[[], None]) -> None:
        self._rows, self._chooser, self._ends, self._report = rows, chooser, ends, report

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        newest = zip(self._rows, input_ids[:, -1].tolist(), self._chooser.latest_logprobs, strict=True)
        for row, token, logprob in newest:
            if row.finish_reason is None:
                self._ends.note(row, token, logprob)
        self._report()
        ended = sum(row.finish_reason is not None for row in self._rows)
        return torch.full((len(self._rows),), ended >= RETIRE_SHARE * len(self._rows), device=input_ids.device)


def _left_padded(prompts: list[list[int]], padding: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, int64 [rows, tokens], with every prompt's end in the last column."""
    width = max(map(len, prompts), default=0)
    ids = [[padding] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Positions counted from a row's first real token, int64 [rows, tokens]; 0 in the padding."""
    return (mask.cumsum(-1) - 1).clamp(min=0)
