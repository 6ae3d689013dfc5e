"""Who scores: anything that replies to prompts, and the judge that any sampler makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from jsonargparse.typing import NonNegativeFloat, PositiveInt

from lit_reason.aggregation.errors import AggregationError
from lit_reason.files import stable_hash
from lit_reason.records import Message, Question
from lit_reason.sampling.endpoint import Endpoint, EndpointSampler
from lit_reason.sampling.protocol import Sampler, SamplingSettings
from lit_reason.sampling.replay import ReplaySampler


class Reply(NamedTuple):
    """What a judge wrote, and the tokens it read and wrote for it."""

    text: str
    n_prompt_tokens: int
    n_tokens: int


class Judge(Protocol):
    """Replies to prompts.

    Optionally it has `context_tokens`, how many tokens of chains one prompt may hold, and `deterministic`, whether
    asking again gives the same reply, so that repeated attempts would be wasted.
    """

    @property
    def identity(self) -> dict[str, Any]:
        """What names the judge in a log: model, weights, template, sampling."""
        ...

    def reply(self, prompts: Sequence[list[Message]], seeds: Sequence[int]) -> list[Reply]:
        """One reply a prompt, in order; equal prompts with equal seeds may be answered equally."""
        ...


class SamplerJudge:
    """A judge that samples its replies from a model, an endpoint, or a stored pool.

    Args:
        sampler: answers the prompts.
        settings: one sample a prompt; at temperature 0 a repeated attempt would repeat the reply, so there is none.
        context_tokens: most tokens of chains in one prompt; null for no limit.
    """

    def __init__(
        self,
        sampler: Sampler,
        settings: SamplingSettings = SamplingSettings(max_new_tokens=1024),
        context_tokens: int | None = None,
    ) -> None:
        if sampler is None:
            raise AggregationError("aor: the judge has no sampler")
        self.sampler, self.settings, self.context_tokens = sampler, replace(settings, n=1), context_tokens

    @property
    def identity(self) -> dict[str, Any]:
        """The sampler's identity and the settings of the replies."""
        return {"judge": self.sampler.identity, "settings": self.settings.identity()}

    @property
    def deterministic(self) -> bool:
        """Whether replies are greedy."""
        return self.settings.greedy

    def reply(self, prompts: Sequence[list[Message]], seeds: Sequence[int]) -> list[Reply]:
        """One sample a prompt; a seed enters the id that its random numbers belong to. A lost reply is empty."""
        ids = [stable_hash([prompt, seed], length=32) for prompt, seed in zip(prompts, seeds, strict=True)]
        asked = {id: Question(id, prompt) for id, prompt in zip(ids, prompts, strict=True)}
        found = {
            sample.question_id: Reply(sample.text, sample.n_prompt_tokens, sample.n_tokens)
            for batch in self.sampler.sample(list(asked.values()), self.settings)
            for sample in batch
        }
        return [found.get(id, Reply("", 0, 0)) for id in ids]


@dataclass(frozen=True)
class JudgeSettings:
    """Who judges, and how it replies.

    Args:
        endpoint: an OpenAI-compatible server; null for the model that answers the questions.
        temperature: of its replies; 0 asks each call once, since a repeated attempt would repeat the reply.
        max_new_tokens: length limit of a reply.
        context_tokens: most tokens of chains in one prompt; null for no limit.
        max_total_tokens: an endpoint reads and writes at most this many tokens in all; null for no limit.
    """

    endpoint: Endpoint | None = None
    temperature: NonNegativeFloat = 0.0
    max_new_tokens: PositiveInt = 1024
    context_tokens: PositiveInt | None = None
    max_total_tokens: PositiveInt | None = None

    def judge(self, sampler: Sampler) -> SamplerJudge:
        """The judge; `sampler` is the one that answers the questions."""
        settings = SamplingSettings(temperature=self.temperature, max_new_tokens=self.max_new_tokens)
        if self.endpoint is not None:
            sampler = EndpointSampler(self.endpoint, max_total_tokens=self.max_total_tokens)
        if isinstance(sampler, ReplaySampler):
            raise AggregationError("aor: a judge is missing: stored samples judge nothing, so set judge.endpoint")
        return SamplerJudge(sampler, settings, self.context_tokens)
