"""Several answers to every question, and every way to choose one of them, compared on the same samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt, PositiveInt
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from lit_reason.aggregation.columns import table_from_records
from lit_reason.aggregation.comparison import curves, figures
from lit_reason.aggregation.drawing import accuracy_charts, length_chart, revision_chart
from lit_reason.aggregation.lengths import by_level, shares, within_question
from lit_reason.aggregation.markers import CUES, count_markers, total_markers
from lit_reason.aggregation.scores import VoteRule, usual_rules
from lit_reason.aggregation.subsets import accuracy
from lit_reason.aggregation.table import VoteTable
from lit_reason.answers import Answers, write_examples, write_pools
from lit_reason.charts import Chart, save_charts
from lit_reason.errors import PlainError
from lit_reason.evaluation import Row, evaluate
from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool
from lit_reason.question_scores import FigureKey, save_scores
from lit_reason.records import Question
from lit_reason.results import Figure, Results, share
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
    """No question with a gold answer, or no sample; the message says which."""


class Answering(Protocol):
    """What the evaluation needs of a module: `CausalLanguageModel` and `SamplerModule` have it."""

    def sampling(self, batch_size: int, merge_adapter: bool) -> Any:
        """A context that gives a function from a chat template (None for the module's own) to a sampler."""


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
        merge_adapter: merge a LoRA adapter into a copy of the base weights while sampling.
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
        self.pools, self.n_examples = Path(pools), n_examples

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for settings that their types cannot exclude."""
        found = [("top_p", "must be above 0")] if init_args.get("top_p") == 0 else []
        if init_args.get("temperature") == 0 and init_args.get("n", 8) != 1:
            found.append(("temperature", "is 0, so all samples of a question are the same: set n to 1"))
        return found

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure in `validate`; validation during fit is left alone."""
        if trainer.state.fn == "validate":
            self._measure(trainer, pl_module, "validate")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure in `test`, on the questions held out for it."""
        self._measure(trainer, pl_module, "test")

    def _measure(self, trainer: Trainer, pl_module: LightningModule, when: str) -> None:
        questions = trainer.datamodule.questions("test" if when == "test" else "val")
        if not questions:
            raise NothingToCompare(f"{type(trainer.datamodule).__name__} has no questions to {when}")
        answers = self._answers(trainer, pl_module, questions, when)
        kept, dropped = with_gold(answers.rows)
        comparison = Comparison(kept, self.rules, self.cues, when, self.settings.seed)
        if trainer.is_global_zero:
            self._write(trainer, answers, comparison, dropped, when)
        accuracies = {f.split: float(f.value) for f in comparison.figures if f.name == "accuracy"}
        pl_module.log_dict({f"accuracy/{rule}": value for rule, value in accuracies.items()}, rank_zero_only=True)

    def _answers(self, trainer: Trainer, module: Answering, questions: list[Question], when: str) -> Answers:
        """Each process asks its share of the questions, and all of them get all answers."""
        with module.sampling(self.batch_size, self.merge_adapter) as sampler_of:
            sampler = sampler_of(None)
            pool = SamplePool.open(self.pools, sampler.identity, self.settings, questions)
            own = questions[trainer.global_rank :: trainer.world_size]
            announce(sampler, questions, own, pool, self.settings, when)
            evaluation = evaluate(own, sampler, [self.grader], pool, self.settings)
        return Answers.gather(evaluation, pool, self.settings, [question.id for question in questions])

    def _write(
        self, trainer: Trainer, answers: Answers, comparison: Comparison, dropped: dict[str, int], when: str
    ) -> None:
        run_dir = Path(trainer.default_root_dir)
        results = Results.load(run_dir)
        results.run = results.run or f"{run_dir.parent.name}/{run_dir.name}"
        for figure in comparison.figures:
            results.put(figure)
        answers.account(results, when)
        for why, n in {**trainer.datamodule.dropped, **dropped, **comparison.table.counts()}.items():
            results.dropped[f"{when}: {why}"] = n
        write_pools(run_dir, when, [answers])
        write_examples(run_dir, when, answers.rows, self.n_examples)
        save_charts(run_dir, comparison.charts)
        save_scores(run_dir, comparison.scores)
        results.save(run_dir)


class Comparison:
    """Everything that is said about the graded samples of some questions.

    Args:
        rows: one a sample, all of questions with a gold answer.
        rules: null for all that the samples allow.
        cues: words of revision.
        when: of the figures.
        seed: of the samples.

    Raises:
        NothingToCompare: there is no row.
    """

    def __init__(
        self, rows: Sequence[Row], rules: Sequence[VoteRule] | None, cues: Sequence[str], when: str, seed: int
    ) -> None:
        if not rows:
            raise NothingToCompare("no question has a gold answer that can be read, so there is nothing to compare")
        self.rows, self.cues, self.when, self.seed = rows, cues, when, seed
        self.table = table_from_records([r.sample for r in rows], [r.grade for r in rows], with_text=True)
        # A verdict is no reward: best of n by it would be the oracle. Rewards are for graders that score unseen.
        self.rules = list(rules or usual_rules(logprobs=_all_known(self.table), steps=True))
        self.figures = self._figures()
        self.charts = self._charts()

    @property
    def scores(self) -> dict[FigureKey, dict[str, float]]:
        """What each question scored under each rule, for paired comparisons of runs."""
        found = accuracy(self.table, self.rules)
        return {
            ("accuracy", at.name, self.when): dict(zip(self.table.questions, map(float, at.values), strict=True))
            for at in found
        }

    def _figures(self) -> list[Figure]:
        counts = shares(self.table)
        found = figures(self.table, self.rules, when=self.when, seeds=[self.seed])
        found.append(share("samples without an answer", "", self.when, counts.unparsed, counts.n, [self.seed]))
        if counts.truncated is not None:
            found.append(share("samples cut by the limit", "", self.when, counts.truncated, counts.n, [self.seed]))
        return found + self._contrasts()

    def _contrasts(self) -> list[Figure]:
        """Length of wrong over right samples of the same question: of all, without cut ones, and by difficulty."""
        found = []
        parts = {"": within_question(self.table), "not cut": within_question(self.table, without_truncated=True)}
        levels = {row.question.id: str(row.question.meta.get("difficulty", "")) for row in self.rows}
        own = [levels[question] for question in self.table.questions]
        if len(set(own)) > 1:
            parts |= {f"difficulty {level.level}": level.contrast for level in by_level(self.table, own)}
        for split, contrast in parts.items():
            if contrast is not None:
                name = "length, wrong / right of one question"
                found.append(Figure(name, split, self.when, contrast.ratio, contrast.n, contrast.ci95, "bootstrap"))
        return found

    def _charts(self) -> list[Chart]:
        revisions = [total_markers(count_markers(row.sample.text, self.cues)) for row in self.rows]
        right = [row.grade.status == "right" for row in self.rows]
        drawn = [length_chart(self.table, self.when), revision_chart(revisions, right, self.when)]
        return accuracy_charts(curves(self.table, self.rules), self.when) + [c for c in drawn if c is not None]


def with_gold(rows: Sequence[Row]) -> tuple[list[Row], dict[str, int]]:
    """The rows of questions whose answers can be right or wrong, and how many questions were left out for which
    reason."""
    reasons = {row.question.id: row.grade.detail["kind"] for row in rows if row.grade.detail.get("kind") in NO_GOLD}
    kept = [row for row in rows if row.question.id not in reasons]
    counts = Counter(NO_GOLD[kind] for kind in reasons.values())
    return kept, dict(counts)


def announce(
    sampler: Sampler, questions: Sequence[Question], own: Sequence[Question], pool: SamplePool,
    settings: SamplingSettings, when: str,
) -> None:
    """Say what is about to be asked; of an endpoint also what it may cost, with three final prompts."""
    rank_zero_info(f"{when}: asking {len(questions)} questions, {settings.n} answer(s) each")
    if isinstance(sampler, EndpointSampler):
        notice = spending_notice(sampler, own, settings, pool.done())
        if notice:
            rank_zero_info(notice)


def _all_known(table: VoteTable) -> bool:
    """Whether every answered sample has a log-probability."""
    return table.logprobs is not None and not bool((table.logprobs != table.logprobs)[table.answered].any())
