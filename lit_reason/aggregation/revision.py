"""Driving a model through revisions of its own solutions, and asking for its answer at a budget (Shortest Majority
Vote, section 6).

The model is a function that continues texts: `continue_with` makes one of any sampler whose chat continues an answer
that has begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.sequential import CUES, END_OF_THINKING, backtrack, choose_cue, end_thinking
from lit_reason.files import append_jsonl, read_jsonl
from lit_reason.progress import Job
from lit_reason.records import Message, Question, Sample
from lit_reason.sampling.protocol import Sampler, SamplingSettings


class Prefix(NamedTuple):
    """The beginning of an answer, to be continued; `id` names the continuation, and so its random numbers."""

    id: str
    question: Question
    text: str


class Continuation(NamedTuple):
    """What was added; `failed` if there was no room for it."""

    text: str
    n_tokens: int
    failed: bool = False


Continue = Callable[[Sequence[Prefix]], Sequence[Continuation]]
Prefer = Callable[[Sequence[Prefix], Sequence[str]], Sequence[Mapping[str, float]]]
"""The log-probability of each cue after each prefix."""


@dataclass(frozen=True)
class Round:
    """A solution after `round` revisions: its text, the cue, the tokens this round generated, and whether it failed,
    which keeps the solution of the round before."""

    question_id: str
    sample_index: int
    round: int
    cue: str
    solution: str
    n_tokens: int
    failed: bool


def revise(
    chains: Sequence[tuple[Question, Sample]],
    rounds: int,
    continue_: Continue,
    *,
    prefer: Prefer | None = None,
    cues: Sequence[str] = CUES,
    end_of_thinking: str = END_OF_THINKING,
    store: Path | str | None = None,
    at_once: int = 64,
) -> list[list[Round]]:
    """Each chain's rounds 1 to `rounds`: backtrack, append a cue, continue.

    Args:
        chains: questions with their first solutions.
        rounds: revisions of each.
        continue_: the model.
        prefer: how likely the model finds each cue; without it the first cue is taken.
        cues: to choose from.
        end_of_thinking: what a model writes before its answer.
        store: JSON-lines file of finished rounds, written every `at_once` continuations; a second call goes on there.
        at_once: texts continued together.

    Raises:
        AggregationError: a chain occurs twice.
    """
    done = _stored(store)
    keys = [(question.id, sample.sample_index) for question, sample in chains]
    for key, n in Counter(keys).items():
        if n > 1:
            raise AggregationError(f"sample {key[1]} of question {key[0]!r} occurs twice")
    with Job("revising", total=rounds * len(chains), unit="solutions", done=0) as job:
        for r in range(1, rounds + 1):
            todo = [chain for chain, key in zip(chains, keys, strict=True) if (*key, r) not in done]
            for start in range(0, len(todo), at_once):
                new = list(_one_round(todo[start : start + at_once], r, done, continue_, prefer, cues, end_of_thinking))
                if store is not None:
                    append_jsonl(store, [vars(round_) for round_ in new])
                done |= {(round_.question_id, round_.sample_index, r): round_ for round_ in new}
                job.update((r - 1) * len(chains) + len(chains) - len(todo) + start + len(new))
    return [[done[(*key, r)] for r in range(1, rounds + 1)] for key in keys]


def as_samples(chains: Sequence[tuple[Question, Sample]], revised: Sequence[Sequence[Round]]) -> list[list[Sample]]:
    """Each chain's solutions, the first one included, as samples for a grader. `n_tokens` is what was generated so far:
    the cost of having come to this solution."""
    found = []
    for (_, first), rounds in zip(chains, revised, strict=True):
        samples, tokens = [first], first.n_tokens
        for round_ in rounds:
            tokens += round_.n_tokens
            samples.append(
                replace(first, text=round_.solution, n_tokens=tokens, logprob=None, token_ids=None, token_logprobs=None)
            )
        found.append(samples)
    return found


def answers_at_budgets(
    chains: Sequence[tuple[Question, Sample]],
    budgets: Sequence[int],
    continue_: Continue,
    cut: Callable[[str, int], str],
    **forcing: Any,
) -> dict[int, list[Sample]]:
    """Budget forcing: each chain cut after `budget` tokens of thinking and made to answer.

    Args:
        chains: questions with full solutions.
        budgets: in tokens.
        continue_: the model; it only writes the answer, so give it few tokens.
        cut: (text, n) -> the first n tokens of the text, in the model's tokenizer.
        forcing: settings of `end_thinking`.

    Returns:
        For each budget one sample a chain, for a grader; `n_tokens` counts the thinking used and the answer.
    """
    found: dict[int, list[Sample]] = {}
    for budget in budgets:
        kept = [cut(sample.text, budget) for _, sample in chains]
        prefixes = [
            Prefix(
                f"{question.id}\x1f{sample.sample_index}\x1fbudget {budget}", question, end_thinking(text, **forcing)
            )
            for (question, sample), text in zip(chains, kept, strict=True)
        ]
        found[budget] = [
            replace(
                sample, text=prefix.text + more.text, n_tokens=min(budget, sample.n_tokens) + more.n_tokens,
                logprob=None, token_ids=None, token_logprobs=None,
            )
            for (_, sample), prefix, more in zip(chains, prefixes, continue_(prefixes), strict=True)
        ]  # fmt: skip
    return found


def continue_with(sampler: Sampler, settings: SamplingSettings) -> Continue:
    """Continuations by a sampler: the answer so far is the last message, which the chat leaves open."""

    def continue_(prefixes: Sequence[Prefix]) -> list[Continuation]:
        asked = [Question(prefix.id, begun(prefix)) for prefix in prefixes]
        found = {
            sample.question_id: Continuation(sample.text, sample.n_tokens, failed=sample.n_tokens == 0)
            for batch in sampler.sample(asked, replace(settings, n=1))
            for sample in batch
        }
        return [found.get(prefix.id, Continuation("", 0, failed=True)) for prefix in prefixes]

    return continue_


def _one_round(
    chains: Sequence[tuple[Question, Sample]], r: int, done: Mapping[tuple[str, int, int], Round],
    continue_: Continue, prefer: Prefer | None, cues: Sequence[str], end_of_thinking: str,
) -> Iterator[Round]:  # fmt: skip
    before = [s.text if r == 1 else done[q.id, s.sample_index, r - 1].solution for q, s in chains]
    open_ = [
        Prefix(f"{question.id}\x1f{sample.sample_index}\x1fround {r}", question, backtrack(text, end_of_thinking))
        for (question, sample), text in zip(chains, before, strict=True)
    ]
    chosen = [choose_cue(likely) for likely in prefer(open_, cues)] if prefer else [cues[0]] * len(open_)
    begun = [prefix._replace(text=prefix.text + cue) for prefix, cue in zip(open_, chosen, strict=True)]
    for (question, sample), text, prefix, cue, more in zip(
        chains, before, begun, chosen, continue_(begun), strict=True
    ):
        solution = text if more.failed else prefix.text + more.text
        yield Round(question.id, sample.sample_index, r, cue, solution, more.n_tokens, more.failed)


def begun(prefix: Prefix) -> list[Message]:
    """The conversation in which the answer has begun: the assistant's message comes last."""
    prompt = prefix.question.prompt
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return [*asked, {"role": "assistant", "content": prefix.text}]


def _stored(store: Path | str | None) -> dict[tuple[str, int, int], Round]:
    """Rounds finished by an earlier run; a line that a kill cut short is made again."""
    if store is None or not Path(store).exists():
        return {}
    found = [Round(**row) for _, row in read_jsonl(store, on_bad=lambda path, line, reason: None)]
    return {(round_.question_id, round_.sample_index, round_.round): round_ for round_ in found}
