"""Revising an answer again and again beside sampling several (Shortest Majority Vote, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

from jsonargparse.typing import PositiveInt

from callbacks.sampled_evaluation import Asked, SampledEvaluation
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.findings import Findings
from lit_reason.aggregation.revision import (
    Prefer,
    Prefix,
    Round,
    answers_at_budgets,
    as_samples,
    begun,
    continue_with,
    revise,
)
from lit_reason.aggregation.sequential import CUES, ELICITATION, END_OF_THINKING
from lit_reason.aggregation.sequential_findings import budget_findings, sequential_findings
from lit_reason.answers import all_gather
from lit_reason.files import stable_hash
from lit_reason.grading.protocol import Grader
from lit_reason.records import Grade, Question, Sample
from lit_reason.sampling.endpoint import EndpointSampler
from lit_reason.sampling.preference import continuation_logprobs
from lit_reason.sampling.replay import ReplaySampler


@dataclass(frozen=True)
class RevisionSettings:
    """How answers are revised.

    Args:
        rounds: revisions of each chain.
        chains: of each question's samples the first so many are revised.
        max_new_tokens: length limit of a revision.
        cues: the texts that open a revision.
        choose: `likeliest` takes the cue that the model finds likeliest, `first` always the first.
        end_of_thinking: what the model writes between thinking and answer.
        budgets: tokens of thinking after which an answer is asked for; empty for none.
        elicitation: the text that asks for it.
        answer_tokens: length limit of that answer.
    """

    rounds: PositiveInt = 3
    chains: PositiveInt = 1
    max_new_tokens: PositiveInt = 4096
    cues: tuple[str, ...] = CUES
    choose: Literal["likeliest", "first"] = "likeliest"
    end_of_thinking: str = END_OF_THINKING
    budgets: tuple[PositiveInt, ...] = ()
    elicitation: str = ELICITATION
    answer_tokens: PositiveInt = 32


class SequentialEvaluation(SampledEvaluation):
    """What `SampledEvaluation` does; then the model revises its first solutions round by round, and is made to answer
    at each budget of thinking. Finished rounds are kept below the pool, and a run that was killed goes on there.

    Only a model in this process continues an answer that has begun; an endpoint that speaks chat messages does not.

    Args:
        grader: reads an answer from each sample and judges it.
        revisions: how answers are revised.
        **kwargs: the settings of `SampledEvaluation`.
    """

    def __init__(self, grader: Grader, revisions: RevisionSettings = RevisionSettings(), **kwargs: Any) -> None:
        super().__init__(grader, **kwargs)
        self.revisions = revisions

    def further(self, asked: Asked) -> Findings:
        """Revise, grade, and force answers at budgets: each process its own chains; then the figures of all."""
        if isinstance(asked.sampler, EndpointSampler | ReplaySampler):
            raise AggregationError("revisions continue an answer that has begun: only a model in this process can")
        chains = [(row.question, row.sample) for row in asked.rows if row.sample.sample_index < self.revisions.chains]
        rounds = self._revised(asked, chains)
        solutions = self._graded(chains, as_samples(chains, rounds))
        budgets = self._at_budgets(asked, chains)
        parts = all_gather((solutions, sum(r.failed for own in rounds for r in own), budgets, asked.rows))
        names: dict[str, Any] = {"when": asked.when, "seeds": [self.settings.seed]}
        rows = list(chain.from_iterable(part[3] for part in parts))
        graded = list(chain.from_iterable(part[0] for part in parts))
        found = sequential_findings(graded, rows, n_failed=sum(part[1] for part in parts), **names)
        if not budgets:
            return found
        together = {budget: [grade for part in parts for grade in part[2][budget]] for budget in budgets}
        return found + budget_findings(together, **names)

    def _revised(self, asked: Asked, chains: Sequence[tuple[Question, Sample]]) -> list[list[Round]]:
        settings = self.revisions
        sampling = replace(self.settings, n=1, max_new_tokens=settings.max_new_tokens)
        named = stable_hash([sampling.identity(), settings.cues, settings.choose, settings.end_of_thinking])
        return revise(
            chains, settings.rounds, continue_with(asked.sampler, sampling),
            prefer=preference(asked.sampler) if settings.choose == "likeliest" else None, cues=settings.cues,
            end_of_thinking=settings.end_of_thinking,
            store=asked.pool.folder / "revisions" / named / f"process-{asked.rank}.jsonl",
        )  # fmt: skip

    def _at_budgets(self, asked: Asked, chains: Sequence[tuple[Question, Sample]]) -> dict[int, list[Grade]]:
        settings, tokenizer = self.revisions, getattr(asked.sampler, "tokenizer", None)

        def cut(text: str, n: int) -> str:
            return tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"][:n])

        answers = answers_at_budgets(
            chains, settings.budgets,
            continue_with(asked.sampler, replace(self.settings, n=1, max_new_tokens=settings.answer_tokens)), cut,
            end_of_thinking=settings.end_of_thinking, elicitation=settings.elicitation,
        )  # fmt: skip
        graded = {budget: self._graded(chains, [[sample] for sample in own]) for budget, own in answers.items()}
        return {budget: [own[0][1] for own in found] for budget, found in graded.items()}

    def _graded(
        self, chains: Sequence[tuple[Question, Sample]], samples: Sequence[Sequence[Sample]]
    ) -> list[list[tuple[Sample, Grade]]]:
        """Each chain's solutions with their grades; solutions of one chain are told apart by a number of their own."""
        n = max((len(own) for own in samples), default=0)
        numbered = [
            (question, replace(sample, sample_index=i * n + r))
            for i, ((question, _), own) in enumerate(zip(chains, samples, strict=True))
            for r, sample in enumerate(own)
        ]
        grades = {(g.question_id, g.sample_index): g for g in self.grader.grade_all(numbered)}
        return [
            [(sample, grades[question.id, i * n + r]) for r, sample in enumerate(own)]
            for i, ((question, _), own) in enumerate(zip(chains, samples, strict=True))
        ]


def preference(sampler: Any) -> Prefer:
    """The log-probability that the sampler's own model gives to each cue."""

    def prefer(prefixes: Sequence[Prefix], cues: Sequence[str]) -> list[Mapping[str, float]]:
        prompts = [begun(prefix) for prefix in prefixes]
        return list(continuation_logprobs(sampler.model, sampler.chat, prompts, cues))

    return prefer
