"""Several answers to every question, and every way to choose one of them, compared on the same samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt, PositiveInt
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lit_reason.aggregation.findings import Findings, compare_votes
from lit_reason.aggregation.markers import CUES
from lit_reason.aggregation.scores import VoteRule
from lit_reason.answers import Answers, write_examples, write_pools
from lit_reason.charts import save_charts
from lit_reason.errors import PlainError
from lit_reason.evaluation import Row, evaluate
from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool
from lit_reason.question_scores import save_scores
from lit_reason.records import Question
from lit_reason.results import Results
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.endpoint import EndpointSampler
from lit_reason.sampling.protocol import Sampler
from lit_reason.sampling.spending import spending_notice

NO_GOLD = {
    "no_gold": "questions without a gold answer",
    "gold_unreadable": "questions whose gold answer is unreadable",
}
"""Kinds of grades that say nothing about right and wrong, and what is reported of their questions."""


class NothingToCompare(PlainError, ValueError):
    """No question, or none with a gold answer; the message says which."""


class Answering(Protocol):
    """What the evaluation needs of a module: `CausalLanguageModel` and `SamplerModule` have it."""

    def sampling(self, batch_size: int, merge_adapter: bool, max_total_tokens: int | None) -> Any:
        """A context that gives a function from a chat template (None for the module's own) to a sampler."""


@dataclass(frozen=True)
class Asked:
    """This process' share of an evaluation while its sampler is still there.

    Args:
        sampler: which answered.
        pool: where all answers are.
        rows: of this process' questions that have a gold answer.
        when: `validate` or `test`.
        rank: of this process.
    """

    sampler: Sampler
    pool: SamplePool
    rows: list[Row]
    when: str
    rank: int

    @property
    def questions(self) -> list[Question]:
        """Those of the rows, each once."""
        return list({row.question.id: row.question for row in self.rows}.values())


class SampledEvaluation(Callback):
    """In validate and test, draws n answers to every question of the DataModule, grades each once, and compares all
    rules that choose one answer, as the number of samples grows (Shortest Majority Vote, sections 3 to 8).

    Samples and grades go to a pool, so a run that was killed goes on where it stopped, and another comparison of the
    same samples costs nothing. Figures go to results.json, curves and histograms to charts.json.

    Args:
        grader: reads an answer from each sample and judges it.
        n: samples a question.
        temperature: 0 is greedy, which makes sense for n = 1 only.
        top_p: share of probability that is sampled from.
        top_k: tokens that are sampled from; 0 for all.
        min_p: drop tokens below this share of the most probable one's probability.
        max_new_tokens: length limit of a sample.
        stop: texts at which a sample ends.
        seed: of the samples.
        rules: what is compared; null for every rule that the samples allow.
        cues: words by which a chain turns on itself, counted in any case.
        batch_size: answers generated at once.
        merge_adapter: merge a LoRA adapter into a copy of the base weights while sampling, as the fast decoder always
            does.
        max_total_tokens: prompt and new tokens that all processes together may spend on samples, of a local model or
            at an endpoint; what might exceed it is not asked, and counted. Null sets no limit.
        pools: folder of the sample pools.
        n_examples: answers that the report shows.
    """

    def __init__(
        self,
        grader: Grader,
        n: PositiveInt = 8,
        temperature: NonNegativeFloat = 0.7,
        top_p: ClosedUnitInterval = 0.95,
        top_k: NonNegativeInt = 0,
        min_p: ClosedUnitInterval = 0.0,
        max_new_tokens: PositiveInt = 512,
        stop: list[str] | None = None,
        seed: NonNegativeInt = 0,
        rules: list[VoteRule] | None = None,
        cues: list[str] | None = None,
        batch_size: PositiveInt = 64,
        merge_adapter: bool = True,
        max_total_tokens: PositiveInt | None = None,
        pools: str = "pools",
        n_examples: NonNegativeInt = 10,
    ) -> None:
        self.grader = grader
        self.settings = SamplingSettings(
            n=n, temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p, max_new_tokens=max_new_tokens,
            stop=tuple(stop or ()), seed=seed,
        )  # fmt: skip
        self.rules, self.cues = rules, tuple(cues or CUES)
        self.batch_size, self.merge_adapter = batch_size, merge_adapter
        self.max_total_tokens = max_total_tokens
        self.pools, self.n_examples = Path(pools), n_examples

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for settings that their types cannot exclude."""
        found = [("top_p", "must be above 0")] if init_args.get("top_p") == 0 else []
        if init_args.get("min_p") == 1:
            found.append(("min_p", "must be below 1"))
        if init_args.get("temperature") == 0 and init_args.get("n", 8) != 1:
            found.append(("temperature", "is 0, so all samples of a question are the same: set n to 1"))
        cap, longest = init_args.get("max_total_tokens"), init_args.get("max_new_tokens", 512)
        if cap is not None and cap < longest:
            found.append(("max_total_tokens", f"is {cap}, but one answer may take max_new_tokens, {longest}"))
        return found

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure in `validate`; validation during fit is left alone."""
        if trainer.state.fn == "validate":
            self._measure(trainer, pl_module, "validate")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure in `test`, on the questions held out for it."""
        self._measure(trainer, pl_module, "test")

    def further(self, asked: Asked) -> Findings:
        """What a subclass finds beside the votes, in every process, which all call it; those of the first are kept."""
        return Findings()

    def _measure(self, trainer: Trainer, module: LightningModule, when: str) -> None:
        questions = trainer.datamodule.questions("test" if when == "test" else "val")
        if not questions:
            raise NothingToCompare(f"{type(trainer.datamodule).__name__} has no questions to {when}")
        answers, further = self._answers(trainer, module, questions, when)
        if not trainer.is_global_zero:
            return
        kept, left_out = with_gold(answers.rows)
        found = compare_votes(kept, self.rules, self.cues, when=when, seed=self.settings.seed) + further
        found.dropped |= {**trainer.datamodule.dropped, **left_out}
        self._write(Path(trainer.default_root_dir), answers, found, when)
        for warning in found.warnings:
            rank_zero_warn(warning)
        accuracies = {f"accuracy/{f.split}": float(f.value) for f in found.figures if f.name == "accuracy"}
        module.log_dict(accuracies, rank_zero_only=True)

    def _answers(
        self, trainer: Trainer, module: Answering, questions: list[Question], when: str
    ) -> tuple[Answers, Findings]:
        """Each process asks its share of the questions, and all of them get all answers."""
        with module.sampling(self.batch_size, self.merge_adapter, self.max_total_tokens) as sampler_of:
            sampler = sampler_of(None)
            pool = SamplePool.open(self.pools, sampler.identity, self.settings, questions)
            own = questions[trainer.global_rank :: trainer.world_size]
            announce(sampler, questions, own, pool, self.settings, when)
            evaluation = evaluate(own, sampler, [self.grader], pool, self.settings)
            answers = Answers.gather(evaluation, pool, self.settings, [question.id for question in questions])
            if not with_gold(answers.rows)[0]:
                raise NothingToCompare("no question has a gold answer that can be read, so there is nothing to compare")
            asked = Asked(sampler, pool, with_gold(evaluation.rows)[0], when, trainer.global_rank)
            return answers, self.further(asked)

    def _write(self, run_dir: Path, answers: Answers, found: Findings, when: str) -> None:
        results = Results.load(run_dir)
        results.run = results.run or f"{run_dir.parent.name}/{run_dir.name}"
        for figure in found.figures:
            results.put(figure)
        answers.account(results, when)
        results.cost |= {f"{when}, {what}": value for what, value in found.cost.items()}
        results.dropped |= {f"{when}: {why}": n for why, n in found.dropped.items()}
        write_pools(run_dir, when, [answers])
        write_examples(run_dir, when, answers.rows, self.n_examples)
        save_charts(run_dir, found.charts)
        save_scores(run_dir, found.scores)
        results.save(run_dir)


def with_gold(rows: Sequence[Row]) -> tuple[list[Row], dict[str, int]]:
    """The rows of questions whose answers can be right or wrong, and how many questions were left out for which
    reason."""
    reasons = {row.question.id: row.grade.detail["kind"] for row in rows if row.grade.detail.get("kind") in NO_GOLD}
    kept = [row for row in rows if row.question.id not in reasons]
    return kept, dict(Counter(NO_GOLD[kind] for kind in reasons.values()))


def announce(
    sampler: Sampler, questions: Sequence[Question], own: Sequence[Question], pool: SamplePool,
    settings: SamplingSettings, when: str,
) -> None:  # fmt: skip
    """Say what is about to be asked; of an endpoint also what it may cost, with three final prompts."""
    rank_zero_info(f"{when}: asking {len(questions)} questions, {settings.n} answer(s) each")
    if isinstance(sampler, EndpointSampler):
        notice = spending_notice(sampler, own, settings, pool.done())
        if notice:
            rank_zero_info(notice)
