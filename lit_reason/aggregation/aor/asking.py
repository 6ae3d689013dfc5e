"""Asking the judge: prompts out, scores in, repeated attempts, and what it all cost (sections 5 and 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lit_reason.aggregation.aor.calls import Call, Scores
from lit_reason.aggregation.aor.judge import Judge, Reply
from lit_reason.aggregation.aor.log import JudgeLog, call_key
from lit_reason.aggregation.aor.parser import Reading, read_scores
from lit_reason.aggregation.aor.prompts import judge_prompt, parse_prompt
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.files import stable_hash
from lit_reason.records import Message, Question


@dataclass
class Usage:
    """What one phase of one question cost: attempts made, tokens read and written, replies that could not be read,
    labels in them that nobody asked about. What a log answered counts as if it were paid again."""

    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unreadable: int = 0
    unknown_labels: int = 0


@dataclass
class Ask:
    """A call on behalf of a question; `usage` is the question's, by phase, and is added to."""

    question: Question
    call: Call
    usage: dict[str, Usage]
    reading: Reading = field(default_factory=lambda: Reading(None))


@dataclass(frozen=True)
class _Prompt:
    ask: Ask
    phase: str
    attempt: int
    messages: list[Message]
    seed: int

    @cached_property
    def key(self) -> str:
        return call_key(self.messages, self.seed)


class Asker:
    """Puts calls to a judge, many questions' at once, and remembers the replies.

    Args:
        judge: replies.
        settings: how to ask and how to read.
        log: replies known already.
        calls_at_once: prompts handed to the judge together, and then written: what a kill can lose.
    """

    def __init__(self, judge: Judge, settings: AorSettings, log: JudgeLog, calls_at_once: int = 64) -> None:
        self.judge, self.settings, self.log, self.calls_at_once = judge, settings, log, calls_at_once
        self.attempts = 1 if getattr(judge, "deterministic", False) else settings.attempts

    def scores(self, asks: Sequence[Ask]) -> list[Scores]:
        """The scores of each call, None where no attempt gave a reply that can be read."""
        waiting = list(asks)
        for attempt in range(1, self.attempts + 1):
            replies = self._replies([self._judgement(ask, attempt) for ask in waiting])
            if self.settings.parser == "llm":
                pairs = zip(waiting, replies, strict=True)
                replies = self._replies([self._parsing(ask, reply, attempt) for ask, reply in pairs])
            for ask, reply in zip(waiting, replies, strict=True):
                self._read(ask, reply)
            waiting = [ask for ask in waiting if ask.reading.scores is None]
        return [ask.reading.scores for ask in asks]

    def _judgement(self, ask: Ask, attempt: int) -> _Prompt:
        messages = judge_prompt(ask.call, ask.question, self.settings)
        return _Prompt(ask, ask.call.phase, attempt, messages, self._seed(ask, "judge", attempt))

    def _parsing(self, ask: Ask, reply: Reply, attempt: int) -> _Prompt:
        messages = parse_prompt(reply.text, ask.call.labels)
        return _Prompt(ask, "parse", attempt, messages, self._seed(ask, "parse", attempt))

    def _seed(self, ask: Ask, purpose: str, attempt: int) -> int:
        """A seed of the call's own, so that the k rounds are k draws; 31 bits, which every server takes."""
        call = ask.call
        parts = [self.settings.seed, ask.question.id, purpose, call.phase, call.step, call.number, attempt]
        return int(stable_hash(parts), 16) & 0x7FFF_FFFF

    def _read(self, ask: Ask, reply: Reply) -> None:
        ask.reading = read_scores(reply.text, ask.call.labels, allow_fraction=self.settings.allow_fraction)
        usage = ask.usage[ask.call.phase]
        usage.unreadable += ask.reading.scores is None
        usage.unknown_labels += ask.reading.n_unknown

    def _replies(self, prompts: Sequence[_Prompt]) -> list[Reply]:
        """From the log where it has them, else from the judge, in chunks that are written as they come."""
        new = [prompt for prompt in prompts if self.log.get(prompt.key) is None]
        for start in range(0, len(new), self.calls_at_once):
            chunk = new[start : start + self.calls_at_once]
            replies = self.judge.reply([prompt.messages for prompt in chunk], [prompt.seed for prompt in chunk])
            self.log.put(self._row(prompt, reply) for prompt, reply in zip(chunk, replies, strict=True))
        found = [self.log.get(prompt.key) or Reply("", 0, 0) for prompt in prompts]
        for prompt, reply in zip(prompts, found, strict=True):
            usage = prompt.ask.usage.setdefault(prompt.phase, Usage())
            usage.attempts += 1
            usage.tokens_in += reply.n_prompt_tokens
            usage.tokens_out += reply.n_tokens
        return found

    def _row(self, prompt: _Prompt, reply: Reply) -> dict[str, Any]:
        call = prompt.ask.call
        reading = read_scores(reply.text, call.labels, allow_fraction=self.settings.allow_fraction)
        return {
            "call": prompt.key, "id": prompt.ask.question.id, "phase": prompt.phase, "step": call.step,
            "round": call.number, "labels": call.labels, "chains": [chain.index for chain in call.chains],
            "raw": reply.text, "scores": reading.scores, "problem": reading.problem, "attempt": prompt.attempt,
            "tokens_in": reply.n_prompt_tokens, "tokens_out": reply.n_tokens,
        }  # fmt: skip
