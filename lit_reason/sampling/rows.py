"""One sample in the making, whoever decodes it: what is to be decoded, when it has ended, and what it is then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from lit_reason.progress import Job
from lit_reason.records import FinishReason, Question, Sample
from lit_reason.sampling.protocol import SampleKey, SamplingSettings, missing
from lit_reason.sampling.stopping import end_of_answer, last_letters, may_end, tail_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lit_reason.chat import Chat


@dataclass(eq=False)
class Row:
    """One sample in the making. `limit` is how many tokens it may have."""

    question_id: str
    sample_index: int
    prompt: list[int]
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None


def plan_rows(model: Any, chat: Chat, wanted: Sequence[tuple[Question, int]], settings: SamplingSettings) -> list[Row]:
    """A row for every sample, the longest prompts first, so that too little memory shows at once; the samples of a
    question are neighbours and share one list of prompt ids.

    A prompt that leaves no room in the model's context is a row that has ended already, cut by length.
    """
    prompts = {question.id: chat.prompt_ids(question.prompt) for question, _ in wanted}
    context = getattr(model.config, "max_position_embeddings", None) or 2**31
    rows = []
    for question, index in wanted:
        prompt = prompts[question.id]
        room = max(0, context - len(prompt)) if prompt else 0
        row = Row(question.id, index, prompt, limit=min(room, settings.max_new_tokens))
        row.finish_reason = None if room else "length"
        rows.append(row)
    return sorted(rows, key=lambda row: (-len(row.prompt), row.question_id, row.sample_index))


class Ends:
    """Decides whether a row has ended with its newest token.

    Most tokens cannot complete a stop string or close a code block, because they lack the last letter of both; which
    ones can is remembered a token id, so that a step of many rows decodes nothing.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings) -> None:
        self.tokenizer, self._settings = tokenizer, settings
        configured = model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        self.end_ids = frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)
        self._tail = tail_tokens(settings)
        self._letters = last_letters(settings)
        self._can_stop: dict[int, bool] = {}

    def note(self, row: Row, token: int, logprob: float) -> None:
        """Add a token to the row and end it where it ends."""
        row.tokens.append(token)
        row.logprobs.append(logprob)
        if token in self.end_ids or (self._tail and self._stopped(row)):
            row.finish_reason = "stop"
        elif len(row.tokens) >= row.limit:
            row.finish_reason = "length"

    def text(self, row: Row) -> str:
        """What the row says, up to where it ends."""
        spoken = row.tokens[:-1] if row.tokens and row.tokens[-1] in self.end_ids else row.tokens
        text = self._decoded(spoken)
        return text[: end_of_answer(text, self._settings)]

    def _stopped(self, row: Row) -> bool:
        if not self._token_can_stop(row.tokens[-1]):
            return False
        if not may_end(self._decoded(row.tokens[-self._tail :]), self._settings):
            return False
        return end_of_answer(self._decoded(row.tokens), self._settings) is not None

    def _token_can_stop(self, token: int) -> bool:
        if token not in self._can_stop:
            letters = set(self._decoded([token]))
            # A piece of a character decodes to U+FFFD, and some tokenizers drop a space at the start of a text.
            self._can_stop[token] = bool(letters & self._letters) or "\ufffd" in letters or " " in self._letters
        return self._can_stop[token]

    def _decoded(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def finished(row: Row, settings: SamplingSettings, ends: Ends, keep_tokens: bool) -> Sample:
    """The row as a sample; the pool that stores it writes its key."""
    return Sample(
        pool_key="",
        question_id=row.question_id,
        sample_index=row.sample_index,
        text=ends.text(row),
        n_prompt_tokens=len(row.prompt),
        n_tokens=len(row.tokens),
        finish_reason=cast(FinishReason, row.finish_reason),
        logprob=float(sum(row.logprobs)),
        token_ids=row.tokens if keep_tokens else None,
        token_logprobs=row.logprobs if keep_tokens else None,
        seed=settings.seed,
    )


class SamplingJob:
    """The progress of decoding rows: how many have ended, and tokens a second."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows, self._began = rows, time.perf_counter()
        self._job = Job("sampling", total=len(rows), unit="samples")

    def report(self) -> None:
        """Look at the rows and show how far they are; cheap enough for every step."""
        self._job.update(sum(row.finish_reason is not None for row in self._rows), self._tokens_per_second)

    def __enter__(self) -> SamplingJob:
        return self

    def __exit__(self, *_: object) -> None:
        self._job.close()

    def _tokens_per_second(self) -> str:
        tokens = sum(len(row.tokens) for row in self._rows)
        return f"{tokens / (time.perf_counter() - self._began):,.0f} tokens/s"


class ModelSampler:
    """Samples from `model` as it stands; a subclass decodes.

    The random numbers of a sample depend on (seed, question, index) only. Its text may still differ with the batch in
    float32 and bfloat16, whose kernels round differently by shape; in float64 it does not.

    A prompt that leaves no room in the model's context gives an empty sample that counts as cut by length.

    Args:
        model: a transformers or peft causal language model.
        tokenizer: its tokenizer.
        chat: builds prompts from questions.
        identity: what names model, weights and template in a pool's key.
        batch_size: rows decoded together.
        batch_tokens: upper limit of tokens in the cache, which bounds its memory; null takes the class's own.
        keep_tokens: store token ids and their log-probabilities with each sample.
        max_total_tokens: prompt and new tokens that all calls of `sample` together may spend. What might exceed it is
            not decoded, in the order of the questions, and counted in `dropped`. Null sets no limit.
    """

    usual_batch_tokens: int

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        chat: Chat,
        *,
        identity: dict[str, Any],
        batch_size: int = 64,
        batch_tokens: int | None = None,
        keep_tokens: bool = False,
        max_total_tokens: int | None = None,
    ) -> None:
        self.model, self.tokenizer, self.chat, self.identity = model, tokenizer, chat, identity
        self.batch_size, self.keep_tokens = batch_size, keep_tokens
        self.batch_tokens = batch_tokens or self.usual_batch_tokens
        self.max_total_tokens, self._spent = max_total_tokens, 0
        self.dropped: Counter[str] = Counter()
        """Why the latest call of `sample` left samples out, and how many."""

    def sample(
        self, questions: Sequence[Question], settings: SamplingSettings, done: AbstractSet[SampleKey] = frozenset()
    ) -> Iterator[list[Sample]]:
        """Yield the missing samples in lists, each as soon as its samples are finished."""
        self.dropped = Counter()
        wanted = missing(questions, settings.n, done)
        left = plan_rows(self.model, self.chat, wanted, settings)
        order = {(question.id, index): place for place, (question, index) in enumerate(wanted)}
        ends = Ends(self.model, self.tokenizer, settings)
        with SamplingJob(left) as job:
            while rows := self._affordable(left, order):
                chosen = set(rows)
                left = [row for row in left if row not in chosen]
                for batch in self._ended(rows, settings, ends, job):
                    self._spent += sum(len(row.prompt) + len(row.tokens) for row in batch)
                    yield [finished(row, settings, ends, self.keep_tokens) for row in batch]
        if left:
            self.dropped["samples that failed: not asked, the token cap is reached"] = len(left)

    def _affordable(self, left: list[Row], order: dict[SampleKey, int]) -> list[Row]:
        """The rows that the cap allows even if each takes all it may: all of them, or the first by `order`."""
        if self.max_total_tokens is None:
            return left
        found, most = set(), self._spent
        for row in sorted(left, key=lambda row: order[row.question_id, row.sample_index]):
            most += len(row.prompt) + row.limit
            if most > self.max_total_tokens:
                break
            found.add(row)
        return [row for row in left if row in found]

    def _ended(self, rows: list[Row], settings: SamplingSettings, ends: Ends, job: SamplingJob) -> Iterator[list[Row]]:
        """Decode the rows, and yield them as they end."""
        raise NotImplementedError
