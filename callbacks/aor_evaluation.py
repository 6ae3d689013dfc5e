"""Aggregation of Reasoning beside every vote on the same chains (paper 2405.12939)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from callbacks.sampled_evaluation import Asked, SampledEvaluation
from lit_reason.aggregation.aor import AggregationOfReasoning, SamplerJudge
from lit_reason.aggregation.aor.driver import AorResult, write_results
from lit_reason.aggregation.aor.findings import aor_findings
from lit_reason.aggregation.aor.judge import JudgeSettings
from lit_reason.aggregation.aor.log import JudgeLog
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.findings import Findings
from lit_reason.answers import all_gather
from lit_reason.evaluation import Row, evaluate
from lit_reason.grading.protocol import Grader
from lit_reason.records import Question
from lit_reason.sampling.endpoint import EndpointSampler


class AorEvaluation(SampledEvaluation):
    """What `SampledEvaluation` does; then AoR chooses among the same chains: it takes a question's first `aor.n`, and
    up to `aor.n_max` where its judge is undecided. With n = aor.n more are drawn only where AoR asks for them; with
    n = aor.n_max all are there, and the majority of as many is compared, too.

    The judge's replies are kept below the pool: a run that was killed, or is repeated, pays for none of them twice.

    Args:
        grader: reads an answer from each sample and judges it. AoR itself never sees what is right.
        aor: how chains are scored and compared.
        judge: who scores.
        **kwargs: the settings of `SampledEvaluation`.
    """

    def __init__(
        self, grader: Grader, aor: AorSettings = AorSettings(), judge: JudgeSettings = JudgeSettings(), **kwargs: Any
    ) -> None:
        super().__init__(grader, **kwargs)
        self.aor, self.judge = aor, judge
        self._run_dir = Path()

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for settings out of their range, and for fewer samples than AoR begins with."""
        found = super().check_config(init_args)
        given = init_args.get("aor") or {}
        try:
            aor = given if isinstance(given, AorSettings) else AorSettings(**dict(given))
        except AggregationError as error:
            return [*found, ("aor", str(error).removeprefix("aor: "))]
        n = init_args.get("n", 8)
        return found if n >= aor.n else [*found, ("n", f"is {n}, but AoR begins with aor.n = {aor.n} chains")]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note where the results go."""
        self._run_dir = Path(trainer.default_root_dir)

    def further(self, asked: Asked) -> Findings:
        """AoR on this process' questions, then the figures of all."""
        judge = self.judge.judge(asked.sampler)
        if isinstance(judge.sampler, EndpointSampler):
            endpoint = judge.sampler.endpoint
            rank_zero_info(f"AoR: judging by {endpoint.model} at {endpoint.base_url}; {_cap(judge.sampler)}")
        found, rows = self._aggregate(asked, judge)
        everything = all_gather((found, rows))
        results = sorted((r for part, _ in everything for r in part), key=lambda result: result.question_id)
        if asked.rank == 0:
            write_results(self._run_dir / f"aor-{asked.when}.jsonl", results)
        return aor_findings(results, [row for _, part in everything for row in part], self.aor, when=asked.when)

    def _aggregate(self, asked: Asked, judge: SamplerJudge) -> tuple[list[AorResult], list[Row]]:
        """Results, and all rows that were there in the end."""
        folder = asked.pool.folder / "judge" / (f"process-{asked.rank}" if asked.rank else "")
        aor = AggregationOfReasoning(judge, log=JudgeLog.of(folder, judge), **asdict(self.aor))
        rows = list(asked.rows)

        def draw(wanted: list[tuple[Question, int]]) -> Iterator[Row]:
            for row in self._drawn(asked, wanted, rows):
                rows.append(row)
                yield row

        return aor.run(asked.questions, rows[:], draw=draw), rows

    def _drawn(self, asked: Asked, wanted: list[tuple[Question, int]], rows: list[Row]) -> list[Row]:
        """So many more samples of each question, from the pool where it has them."""
        n_there = {question.id: 0 for question, _ in wanted}
        for row in rows:
            if row.question.id in n_there:
                n_there[row.question.id] += 1
        found = []
        for n in sorted({n_there[question.id] + more for question, more in wanted}):
            own = [question for question, more in wanted if n_there[question.id] + more == n]
            settings = replace(self.settings, n=n)
            drawn = evaluate(own, asked.sampler, [self.grader], asked.pool, settings).rows
            found += [row for row in drawn if row.sample.sample_index >= n_there[row.question.id]]
        return found


def _cap(sampler: EndpointSampler) -> str:
    cap = sampler.max_total_tokens
    return "no token cap (judge.max_total_tokens)" if cap is None else f"stops at {cap:,} tokens"
