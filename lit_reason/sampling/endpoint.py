"""Sampling from a server that speaks OpenAI's chat protocol: vLLM, SGLang, llama.cpp, `transformers serve`, or a
hosted one.

Messages are sent as messages; the server applies its template. Each sample is one request with a seed of its own, so
an interrupted run asks for exactly what is missing.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from lit_reason.errors import PlainError
from lit_reason.progress import Job
from lit_reason.records import Message, Question, Sample
from lit_reason.sampling.chat_requests import Failure, Requests
from lit_reason.sampling.protocol import SampleKey, SamplingSettings, missing

FLUSH_SAMPLES, FLUSH_SECONDS = 64, 5.0
"""A list of samples is yielded when it is this long, or the oldest has waited this long at the arrival of another."""

GIVE_UP = 20
"""Requests in a row whose failure is the endpoint's before the run stops."""

NO_LOGPROBS = "log-probabilities that the endpoint did not send"

log = logging.getLogger(__name__)


class EndpointError(PlainError, RuntimeError):
    """An endpoint that cannot be used as asked; the message is one line and holds no key."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served.

    Args:
        base_url: up to and with `/v1`.
        model: the name it is asked for by.
        api_key_env: the environment variable that holds the key; a server without keys needs none.
        max_concurrency: requests under way at once.
        timeout: seconds to wait for an answer, which comes whole.
        retries: how often a failed request is repeated, after growing pauses or the pause that the server asks for.
        logprobs: ask for the log-probabilities of the sampled tokens.
        served_as: the name in the replies, where the server calls the model otherwise than it is asked for.
        limit_name: what the server calls the limit of new tokens; OpenAI's newer models refuse `max_tokens`.

    Raises:
        ValueError: a setting is out of its range or may hold a key; the message names the setting.
    """

    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    max_concurrency: int = 8
    timeout: float = 120.0
    retries: int = 5
    logprobs: bool = False
    served_as: str | None = None
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        wrong = {
            "base_url must be an http or https address": url.scheme not in ("http", "https") or not url.hostname,
            "base_url holds a password or a query, and would be stored with it; put the key into the variable that "
            "api_key_env names": "@" in url.netloc or bool(url.query),
            "model must not be empty": not self.model,
            # the value is not shown: it may be the key itself
            "api_key_env must be the name of an environment variable, not the key": not re.fullmatch(
                r"[A-Za-z_][A-Za-z0-9_]{0,63}", self.api_key_env
            ) or self.api_key_env.startswith("sk"),
            f"max_concurrency must be at least 1, not {self.max_concurrency}": self.max_concurrency < 1,
            f"timeout must be above 0 seconds, not {self.timeout}": not 0 < self.timeout < math.inf,
            f"retries must be at least 0, not {self.retries}": self.retries < 0,
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"endpoint: {message}")

    def serves(self, name: str) -> bool:
        """Whether `name`, found in a reply, is the model that was asked for, possibly with its version attached."""
        asked = self.served_as or self.model
        return bool(re.fullmatch(re.escape(asked) + r"(@.+|-\d[\d-]*)?", name))


class EndpointSampler:
    """Samples from an endpoint.

    A request that fails for good leaves its sample out, is counted in `dropped`, and stops no other. What makes every
    request fail stops the run with one `EndpointError`: no connection, a refused key, another model than asked, or
    `GIVE_UP` failures of the endpoint in a row.

    Stop strings are cut off by most servers, where local samplers keep them. What settings do not say (`top_k: 0`) is
    not sent, and the server's own defaults hold: start vLLM with `--generation-config vllm`.

    Args:
        endpoint: where the model is.
        system: system message put before conversations that bring none.
        max_total_tokens: prompt and new tokens that all calls of `sample` together may spend; what would exceed it is
            not asked and counted. Prompts are estimated at three bytes a token until the server has counted them.
    """

    def __init__(self, endpoint: Endpoint, system: str | None = None, max_total_tokens: int | None = None) -> None:
        self.endpoint, self.system, self.max_total_tokens = endpoint, system, max_total_tokens
        self.identity: dict[str, Any] = {"endpoint_model": endpoint.model, "system": system}
        self._has_answered = False
        self._spent = 0
        self.dropped: Counter[str] = Counter()
        """Why the latest call of `sample` left samples out, and how many."""

    def messages(self, question: Question) -> list[Message]:
        """What is sent for a question."""
        prompt = question.prompt
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self.system is not None and messages[:1] and messages[0]["role"] != "system":
            return [{"role": "system", "content": self.system}, *messages]
        return messages

    def sample(
        self, questions: Sequence[Question], settings: SamplingSettings, done: AbstractSet[SampleKey] = frozenset()
    ) -> Iterator[list[Sample]]:
        """Yield the missing samples in lists of up to `FLUSH_SAMPLES`, as they come in.

        Raises:
            EndpointError: see the class.
        """
        self.dropped = Counter()
        wanted = missing(questions, settings.n, done)
        if not wanted:
            return
        left = None if self.max_total_tokens is None else max(self.max_total_tokens - self._spent, 0)
        requests = Requests(self.endpoint, settings, self.messages, left)
        patience = _Patience(self.endpoint, self._has_answered or bool(done))
        ready: list[Sample] = []
        began = time.monotonic()
        with Job("asking the endpoint", total=len(wanted), unit="samples") as job:
            for outcome in requests.outcomes(wanted):
                if isinstance(outcome, Failure):
                    self._count(outcome)
                else:
                    ready.append(outcome)
                    if self.endpoint.logprobs and outcome.logprob is None:
                        self.dropped[NO_LOGPROBS] += 1
                job.update(job.done + 1, lambda: f"{requests.spent:,} tokens spent")
                if patience.ends_with(outcome):
                    break
                self._has_answered |= isinstance(outcome, Sample)
                if len(ready) >= FLUSH_SAMPLES or (ready and time.monotonic() - began > FLUSH_SECONDS):
                    yield ready
                    ready, began = [], time.monotonic()
        self._spent += requests.spent
        if ready:
            yield ready
        patience.conclude()

    def _count(self, failure: Failure) -> None:
        why = f"samples that failed: {failure.reason}"
        if why not in self.dropped:  # the first of a kind is shown, all are counted
            log.warning("question %s has no sample %d: %s", failure.question_id, failure.sample_index, failure)
        self.dropped[why] += 1


class _Patience:
    """Tells a question that fails from an endpoint that does."""

    def __init__(self, endpoint: Endpoint, answered_before: bool) -> None:
        self._endpoint, self._answered = endpoint, answered_before
        self._in_a_row = 0
        self._last: Failure | None = None
        self._over = False

    def ends_with(self, outcome: Sample | Failure) -> bool:
        """Whether the run ends with this outcome."""
        if isinstance(outcome, Sample):
            self._answered, self._in_a_row = True, 0
            return False
        self._last = outcome
        self._in_a_row += outcome.fault == "endpoint"
        unreachable = outcome.reason == "no connection" and not self._answered
        self._over = outcome.fault == "setup" or unreachable or self._in_a_row >= GIVE_UP
        return self._over

    def conclude(self) -> None:
        """Raise an EndpointError where the run ended early, or where nothing was ever answered."""
        if self._last is None or (self._answered and not self._over):
            return
        hint = ""
        if self._last.reason in ("HTTP 401", "HTTP 403"):
            hint = f" (the key is taken from ${self._endpoint.api_key_env})"
        raise EndpointError(f"{self._endpoint.base_url}, model {self._endpoint.model}: {self._last}{hint}")
