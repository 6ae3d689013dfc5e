"""What an evaluation through an endpoint is about to spend, said before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from lit_reason.records import Message, Question
from lit_reason.sampling.chat_requests import BYTES_A_TOKEN, n_bytes
from lit_reason.sampling.endpoint import EndpointError, EndpointSampler
from lit_reason.sampling.protocol import SampleKey, SamplingSettings, missing

N_PROMPTS = 3


def spending_notice(
    sampler: EndpointSampler,
    questions: Sequence[Question],
    settings: SamplingSettings,
    done: AbstractSet[SampleKey] = frozenset(),
) -> str:
    """Requests, tokens at most, the cap, and three final prompts: for a person to read, printed by the caller.

    An empty text where everything is done and nothing will be asked.

    Raises:
        EndpointError: the cap does not even allow one answer.
    """
    wanted = missing(questions, settings.n, done)
    if not wanted:
        return ""
    endpoint, cap = sampler.endpoint, sampler.max_total_tokens
    if cap is not None and cap < settings.max_new_tokens:
        raise EndpointError(
            f"max_total_tokens is {cap}, but one answer may take max_new_tokens, {settings.max_new_tokens}"
        )
    prompts = sum(n_bytes(sampler.messages(question)) for question, _ in wanted) // BYTES_A_TOKEN
    lines = [
        f"{endpoint.base_url}, model {endpoint.model}: {len(wanted):,} samples of {len({q.id for q, _ in wanted}):,} "
        f"questions, {len(questions) * settings.n - len(wanted):,} are there already",
        f"at most {len(wanted) * settings.max_new_tokens:,} new tokens and about {prompts:,} prompt tokens; "
        + ("no token cap (max_total_tokens)" if cap is None else f"stops at {cap:,} tokens (max_total_tokens)"),
    ]
    asked = list({question.id: question for question, _ in wanted}.values())
    shown = sorted({0, len(asked) // 2, len(asked) - 1})[:N_PROMPTS]
    return "\n".join(lines + [_shown(asked[i], sampler.messages(asked[i])) for i in shown])


def _shown(question: Question, messages: Sequence[Message]) -> str:
    turns = [f"[{message['role']}] {message['content']}" for message in messages]
    return "\n".join([f"--- final prompt of question {question.id}", *turns])
