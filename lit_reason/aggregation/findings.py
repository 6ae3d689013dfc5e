"""What one evaluation of graded samples says: figures, charts, each question's scores, costs, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lit_reason import results
from lit_reason.aggregation.columns import table_from_records
from lit_reason.aggregation.comparison import curves, figures, figures_at_k
from lit_reason.aggregation.drawing import accuracy_charts, length_chart, rank_chart, revision_chart
from lit_reason.aggregation.lengths import Contrast, by_level, length_halves, length_ranks, within_question
from lit_reason.aggregation.markers import CUES, count_markers, total_markers
from lit_reason.aggregation.scores import VoteRule, usual_rules
from lit_reason.aggregation.subsets import AtK, accuracy
from lit_reason.aggregation.table import VoteTable
from lit_reason.charts import Chart
from lit_reason.evaluation import Row
from lit_reason.question_scores import FigureKey
from lit_reason.results import Figure

RATIO = "length, wrong / right of one question"
"""Above 1, right samples are shorter than wrong ones of the same question."""


@dataclass
class Findings:
    """Figures for results.json, charts for charts.json, scores for scores.jsonl; costs and drops by name; warnings, one
    line each, that a reader must see first."""

    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    scores: dict[FigureKey, dict[str, float]] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __add__(self, other: Findings) -> Findings:
        """Both, these first."""
        return Findings(
            self.figures + other.figures, self.charts + other.charts, self.scores | other.scores,
            self.cost | other.cost, self.dropped | other.dropped, self.warnings + other.warnings,
        )  # fmt: skip


def compare_votes(
    rows: Sequence[Row], rules: Sequence[VoteRule] | None = None, cues: Sequence[str] = CUES, *, when: str, seed: int
) -> Findings:
    """Every rule on the same samples as their number grows, and what length and revisions say about being right.

    Args:
        rows: all of questions that have a gold answer; an answer that never came is one that votes for nothing.
        rules: null for all that the samples allow.
        cues: words of revision.
        when: of the figures.
        seed: of the samples.
    """
    table = vote_table(rows)
    rules = list(rules or usual_rules(logprobs=_all_known(table), steps=True))
    along_k = curves(table, rules)
    markers = [total_markers(count_markers(row.sample.text, cues)) for row in rows]
    right = [row.grade.status == "right" for row in rows]
    charts = [
        *accuracy_charts(along_k, when), length_chart(table, when),
        rank_chart(length_ranks(table), when) if _has_chains(table) else None, revision_chart(markers, right, when),
    ]  # fmt: skip
    return Findings(
        [*figures(table, rules, when=when, seeds=[seed]), *figures_at_k(along_k, when=when, seeds=[seed]),
         *_unusable(rows, when, seed), *_lengths(table, rows, markers, when)],
        [chart for chart in charts if chart is not None], question_scores(table, accuracy(table, rules), when),
        dropped=table.counts(),
    )  # fmt: skip


def vote_table(rows: Sequence[Row]) -> VoteTable:
    """The rows as columns. What never came was not cut by the limit; and a verdict is no reward: best of n by it would
    be the oracle, so rewards stay with graders that score without the gold answer."""
    samples = [replace(row.sample, finish_reason="stop") if is_missing(row) else row.sample for row in rows]
    grades = [replace(row.grade, score=None) for row in rows]
    return table_from_records(samples, grades, with_text=True)


def question_scores(table: VoteTable, found: Sequence[AtK], when: str) -> dict[FigureKey, dict[str, float]]:
    """What each question scored under each rule, for paired comparisons of runs."""
    return {
        ("accuracy", at.name, when): dict(zip(table.questions, map(float, at.values), strict=True)) for at in found
    }


def is_missing(row: Row) -> bool:
    """Whether the sample never came."""
    return row.grade.detail.get("kind") == "missing"


def _unusable(rows: Sequence[Row], when: str, seed: int) -> list[Figure]:
    came = [row for row in rows if not is_missing(row)]
    if not came:
        return []
    counted = {
        "samples without an answer": sum(row.grade.status in ("unparsed", "timed_out") for row in came),
        "samples cut by the limit": sum(row.sample.finish_reason == "length" for row in came),
    }
    return [results.share(name, "", when, n, len(came), [seed]) for name, n in counted.items()]


def _lengths(table: VoteTable, rows: Sequence[Row], markers: Sequence[int], when: str) -> list[Figure]:
    """Wrong over right lengths within questions: of all samples, without cut ones, and by difficulty; beside it the
    pooled ratio, which difficulty confounds. Then accuracy and revisions of the shorter and the longer half."""
    if not _has_chains(table):
        return []
    found = []
    for split, contrast in _contrasts(table, rows).items():
        found.append(Figure(RATIO, split, when, contrast.ratio, contrast.n, contrast.ci95, "bootstrap"))
    whole = within_question(table)
    if whole is not None:
        found.append(results.value("lengths/wrong / right of all samples, confounded", "", when, whole.pooled_ratio))
        found.append(results.value("lengths/questions with shorter right samples", "", when, whole.right_is_shorter))
        found.append(results.value("lengths/p-value of the sign test", "", when, whole.sign_test))
    for half in length_halves(table, _grid(table, markers)):
        for name, mean in {"accuracy": half.accuracy, "tokens": half.length, "revisions": half.markers}.items():
            if mean is not None:
                figure = Figure(f"lengths/{name}", str(half.rank), when, mean.value, mean.n, mean.ci95, "bootstrap")
                found.append(replace(figure, kind="share") if name == "accuracy" else figure)
    return found


def _contrasts(table: VoteTable, rows: Sequence[Row]) -> dict[str, Contrast]:
    found = {"": within_question(table), "not cut": within_question(table, without_truncated=True)}
    levels = {row.question.id: str(row.question.meta.get("difficulty", "")) for row in rows}
    own = [levels[question] for question in table.questions]
    if len(set(own)) > 1:
        found |= {f"difficulty {level.level}": level.contrast for level in by_level(table, own)}
    # One question alone has no interval.
    return {split: contrast for split, contrast in found.items() if contrast is not None and contrast.n > 1}


def _grid(table: VoteTable, values: Sequence[int]) -> np.ndarray:
    """One value a row, in the order of the rows, which is the table's: questions, then samples."""
    grid = np.zeros(table.present.shape)
    grid[table.present] = values
    return grid


def _has_chains(table: VoteTable) -> bool:
    return bool((table.present & (table.lengths > 0)).any())


def _all_known(table: VoteTable) -> bool:
    """Whether every answered sample has a log-probability."""
    return table.logprobs is not None and not bool(np.isnan(table.logprobs[table.answered]).any())
