"""What every sampler accepts and gives back, whether it holds a model, calls an endpoint or replays a file."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from lit_reason.records import Question, Sample

SampleKey = tuple[str, int]
"""What names a sample within its pool: question id and sample index."""


@dataclass(frozen=True)
class SamplingSettings:
    """How samples are drawn.

    Args:
        n: samples a question.
        temperature: 0 is greedy; otherwise logits are divided by it.
        top_p: keep the smallest set of tokens whose probability reaches this share.
        top_k: keep this many most probable tokens; 0 keeps all.
        min_p: keep tokens that are at least this share as probable as the most probable one; 0 keeps all.
        max_new_tokens: length limit of a sample in tokens.
        stop: a sample ends with the first of these texts; it keeps the text itself, and what follows is cut.
        stop_after_block: language tags of a Markdown code block, for example `[python, py]`: a sample ends when its
            first block with one of these tags is closed, because nothing after it can change which block that is.
        seed: with the question's id and the sample's index it fixes the random numbers of a sample, whatever the batch.

    Raises:
        ValueError: a setting is out of its range; the message names it.
    """

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    stop_after_block: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("stop", "stop_after_block"):  # YAML gives lists; a list would make two equal settings differ
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        wrong = {
            f"n must be at least 1, not {self.n}": self.n < 1,
            f"temperature must be finite and at least 0, not {self.temperature}": not 0 <= self.temperature < math.inf,
            f"top_p must lie in (0, 1], not {self.top_p}": not 0 < self.top_p <= 1,
            f"min_p must lie in [0, 1), not {self.min_p}": not 0 <= self.min_p < 1,
            f"top_k must be at least 0, not {self.top_k}": self.top_k < 0,
            f"max_new_tokens must be at least 1, not {self.max_new_tokens}": self.max_new_tokens < 1,
            f"n is {self.n}, but at temperature 0 all samples of a question are the same": self.n > 1 and self.greedy,
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"sampling: {message}")

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is taken at each step."""
        return self.temperature == 0

    def identity(self) -> dict[str, Any]:
        """What these settings contribute to a pool's key: all that shapes a single sample.

        `n` is left out: more samples of the same kind belong into the same pool. Greedy sampling draws nothing, so what
        only shapes the draw is left out too, and so is a `min_p` of 0, which older pools do not name.
        """
        shaping = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        without = {"n", "seed", "top_p", "top_k", "min_p"} if self.greedy else {"n"}
        without |= set() if self.min_p else {"min_p"}
        return {name: value for name, value in shaping.items() if name not in without}


class Sampler(Protocol):
    """Turns questions into samples."""

    @property
    def identity(self) -> dict[str, Any]:
        """Which model, weights and template answer: with the settings and the questions it names the pool."""
        ...

    def sample(
        self, questions: Sequence[Question], settings: SamplingSettings, done: AbstractSet[SampleKey] = frozenset()
    ) -> Iterator[list[Sample]]:
        """Yield every sample of every question that is not in `done`, in lists that are ready to be written.

        A list appears as soon as its samples are finished, in any order, and what was yielded is never yielded again.
        The samples carry an empty `pool_key`: the pool that stores them writes its own.
        """
        ...


def missing(questions: Collection[Question], n: int, done: AbstractSet[SampleKey]) -> list[tuple[Question, int]]:
    """The (question, sample index) pairs that are still to be sampled, in the order of the questions."""
    return [(question, index) for question in questions for index in range(n) if (question.id, index) not in done]


def _texts(name: str, value: Collection[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(text, str) and text for text in value):
        raise ValueError(f"sampling: {name} must be a list of non-empty texts, not {value!r}")
    return tuple(value)
