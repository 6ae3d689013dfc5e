"""Many chat requests at once: each ends as a sample, or as a failure that says whose fault it is."""

from __future__ import annotations

import asyncio
import json
import math
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from lit_reason.files import stable_hash
from lit_reason.records import FinishReason, Message, Question, Sample
from lit_reason.sampling.protocol import SamplingSettings
from lit_reason.sampling.stopping import end_of_answer

if TYPE_CHECKING:
    from lit_reason.sampling.endpoint import Endpoint

Fault = Literal["question", "endpoint", "setup"]
"""Whose a failure is: `setup` would meet every request alike, so the run stops at once."""

FINISH: dict[str | None, FinishReason] = {"stop": "stop", "eos": "stop", "length": "length", "max_tokens": "length"}
"""Finish reasons of the protocol and of its dialects; a sample that ended otherwise, cut by a filter, fails."""

REFUSED = {401, 403, 404, 405}
"""Status codes that every request would get: a wrong key, path or model."""

UNSUITABLE = {400, 413, 422}
"""Status codes by which a server refuses one request, for example for its length."""

BYTES_A_TOKEN = 3
"""For the estimate of a prompt that no server has counted yet."""

LONGEST_PAUSE = 8.0


@dataclass(eq=False)
class Failure(Exception):
    """A sample that could not be had. `reason` is short, to count by; `detail` is what was heard, without the key."""

    question_id: str
    sample_index: int
    reason: str
    detail: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class _Malformed(ValueError):
    """A reply that is not what the protocol promises."""


class Requests:
    """The requests of one run.

    Args:
        endpoint: where they go.
        settings: how samples are drawn.
        messages: what is sent for a question.
        max_total_tokens: requests that might exceed this sum of prompt and new tokens are not made; None: no limit.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: SamplingSettings,
        messages: Callable[[Question], list[Message]],
        max_total_tokens: int | None = None,
    ) -> None:
        self.endpoint, self.settings, self.messages = endpoint, settings, messages
        self.max_total_tokens = max_total_tokens
        self.spent = 0
        """Prompt and new tokens of all replies so far."""
        self._reserved = 0
        self._settled = asyncio.Condition()
        self._key = os.environ.get(endpoint.api_key_env) or "none"

    def outcomes(self, wanted: Sequence[tuple[Question, int]]) -> Iterator[Sample | Failure]:
        """One outcome for each (question, sample index), as they come in. Ended early, it drops what is under way."""
        yield from _in_background(lambda put: self._run(wanted, put))

    async def _run(self, wanted: Sequence[tuple[Question, int]], put: Callable[[Sample | Failure], None]) -> None:
        import openai

        waiting = iter(wanted)

        async def work() -> None:
            for question, index in waiting:  # all workers draw from one iterator
                try:
                    put(await self._afford(client, question, index))
                except Failure as failure:
                    put(failure)

        address: dict[str, Any] = {"base_url": self.endpoint.base_url, "timeout": self.endpoint.timeout}
        async with openai.AsyncOpenAI(api_key=self._key, **address) as client, asyncio.TaskGroup() as workers:
            for _ in range(min(self.endpoint.max_concurrency, len(wanted))):
                workers.create_task(work())

    async def _afford(self, client: Any, question: Question, index: int) -> Sample:
        """Ask if the tokens that the answer may take are still there once those under way have come."""
        messages = self.messages(question)
        expected = n_bytes(messages) // BYTES_A_TOKEN + self.settings.max_new_tokens
        cap = math.inf if self.max_total_tokens is None else self.max_total_tokens
        async with self._settled:
            await self._settled.wait_for(lambda: not self._reserved or self.spent + self._reserved + expected <= cap)
            if self.spent + self._reserved + expected > cap:
                raise Failure(question.id, index, "not asked, the token cap is reached", "", "question")
            self._reserved += expected
        try:
            return await self._ask(client, question.id, index, messages)
        finally:
            self._reserved -= expected
            async with self._settled:
                self._settled.notify_all()

    async def _ask(self, client: Any, question_id: str, index: int, messages: list[Message]) -> Sample:
        """Ask until the reply is well formed; the client itself repeats what did not arrive."""
        import openai

        body = self._body(messages, sample_seed(self.settings.seed, question_id, index))
        for attempt in range(self.endpoint.retries + 1):
            patient = client.with_options(max_retries=self.endpoint.retries - attempt)
            try:
                reply = await patient.chat.completions.with_raw_response.create(**body)
                return self._sample(question_id, index, body["seed"], _parsed(reply.text))
            except _Malformed as error:
                if attempt == self.endpoint.retries:
                    raise Failure(question_id, index, "broken reply", self._redact(str(error)), "endpoint") from None
                await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**attempt))
            except openai.APIError as error:
                raise self._failure(question_id, index, error) from None
        raise AssertionError("the last attempt returns or raises")

    def _body(self, messages: list[Message], seed: int) -> dict[str, Any]:
        settings = self.settings
        extra = {"top_k": settings.top_k or None, "min_p": getattr(settings, "min_p", 0.0) or None}
        optional = {
            "stop": list(settings.stop) or None,
            "logprobs": self.endpoint.logprobs or None,
            "extra_body": {name: value for name, value in extra.items() if value is not None} or None,
        }
        return {
            "model": self.endpoint.model,
            "messages": messages,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            self.endpoint.limit_name: settings.max_new_tokens,
            "seed": seed,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _sample(self, question_id: str, index: int, seed: int, reply: dict[str, Any]) -> Sample:
        served = reply.get("model")
        if isinstance(served, str) and not self.endpoint.serves(served):
            detail = f"asked for {self.endpoint.model}; set `model`, or `served_as` where both are the same"
            raise Failure(question_id, index, f"the endpoint answers as {served}", detail, "setup")
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        if not isinstance(usage.get("completion_tokens"), int):
            raise Failure(question_id, index, "the endpoint counts no tokens", "its replies have no usage", "setup")
        n_prompt_tokens = usage.get("prompt_tokens") or 0
        self.spent += n_prompt_tokens + usage["completion_tokens"]
        if choice.get("finish_reason") not in FINISH:
            raise Failure(question_id, index, f"finish reason {choice.get('finish_reason')}", "", "question")
        text, logprobs = _text(choice), _logprobs(choice)
        if logprobs is not None and not all(map(math.isfinite, logprobs)):
            raise Failure(question_id, index, "a log-probability that is no finite number", "", "question")
        return Sample(
            pool_key="",
            question_id=question_id,
            sample_index=index,
            text=text[: end_of_answer(text, self.settings)],
            n_prompt_tokens=n_prompt_tokens,
            n_tokens=usage["completion_tokens"],
            finish_reason=FINISH[choice["finish_reason"]],
            logprob=math.fsum(logprobs) if logprobs is not None else None,
            token_logprobs=logprobs,
            seed=seed,
        )

    def _failure(self, question_id: str, index: int, error: Any) -> Failure:
        import openai

        reason, fault, detail = "broken reply", "endpoint", str(error)
        if isinstance(error, openai.APIStatusError):
            reason, detail = f"HTTP {error.status_code}", error.response.text  # servers word their errors in many ways
            fault = "setup" if error.status_code in REFUSED else "endpoint"
            if error.status_code in UNSUITABLE:
                fault = "question"
        elif isinstance(error, openai.APITimeoutError) and "Connect" not in type(error.__cause__).__name__:
            reason, detail = "timed out", f"no answer within {self.endpoint.timeout:g} s"
        elif isinstance(error, openai.APIConnectionError):
            reason, detail = "no connection", f"{error} {error.__cause__ or ''}"
        return Failure(question_id, index, reason, self._redact(detail), cast(Fault, fault))

    def _redact(self, text: str) -> str:
        """One short line without the key, which some servers repeat."""
        line = " ".join(text.replace(self._key, "<key>").split()) if self._key != "none" else " ".join(text.split())
        return line if len(line) <= 300 else line[:300] + " ..."


def n_bytes(messages: Sequence[Message]) -> int:
    """Length of a conversation's contents in UTF-8."""
    return sum(len(message["content"].encode("utf-8", "replace")) for message in messages)


def sample_seed(seed: int, question_id: str, sample_index: int) -> int:
    """The seed that is sent for a sample: 31 bits, as some servers take no more."""
    return int(stable_hash([seed, question_id, sample_index]), 16) % 2**31


def _parsed(text: str) -> dict[str, Any]:
    try:
        reply = json.loads(text)
    except ValueError:
        raise _Malformed(f"no JSON: {text[:80]!r}") from None
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise _Malformed(f"no choices: {text[:80]!r}")
    message = choices[0].get("message")
    if not (isinstance(message, dict) and isinstance(message.get("content"), str | None)):
        raise _Malformed(f"no message: {text[:80]!r}")
    return reply


def _text(choice: dict[str, Any]) -> str:
    """The answer, with what a server split off as the thinking put back before it."""
    message = choice["message"]
    thinking = message.get("reasoning_content") or message.get("reasoning")
    text = message.get("content") or ""
    if isinstance(choice.get("stop_reason"), str) and not text.endswith(choice["stop_reason"]):
        text += choice["stop_reason"]  # vLLM says which stop string it has cut off
    return f"<think>\n{thinking}\n</think>\n\n{text}" if thinking else text


def _logprobs(choice: dict[str, Any]) -> list[float] | None:
    """Log-probabilities of the sampled tokens, None where the server sent none."""
    tokens = (choice.get("logprobs") or {}).get("content")
    return [float(token["logprob"]) for token in tokens] if tokens else None


def _in_background(main: Callable[[Callable[[Any], None]], Coroutine[Any, Any, None]]) -> Iterator[Any]:
    """What `main(put)` puts, while it runs in the event loop of a thread of its own.

    A thread, because the caller may be inside an event loop already, and writes files between two items.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    end = object()
    loop = asyncio.new_event_loop()
    task = loop.create_task(main(results.put))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            results.put(end)
        except BaseException as error:
            results.put(error)
        else:
            results.put(end)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="requests", daemon=True)
    thread.start()
    try:
        while (item := results.get()) is not end:
            if isinstance(item, BaseException) and not isinstance(item, Failure):
                raise item
            yield item
    finally:
        with suppress(RuntimeError):  # the loop has just closed
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
