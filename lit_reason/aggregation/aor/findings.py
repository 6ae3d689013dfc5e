"""What a report says about one run of AoR: its figures, two charts, its costs, and the warnings that belong on top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lit_reason import results
from lit_reason.aggregation.aor import metrics
from lit_reason.aggregation.aor.driver import AorResult
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.aggregation.findings import Findings
from lit_reason.charts import Chart, Series
from lit_reason.evaluation import Row
from lit_reason.results import Figure

ACCURACY = "AoR accuracy"


def aor_findings(found: Sequence[AorResult], rows: Sequence[Row], settings: AorSettings, *, when: str) -> Findings:
    """AoR beside the majority of the same chains.

    Args:
        found: one result a question.
        rows: every graded chain of these questions, in the order of drawing: by index.
        settings: of the run; SC(n_max) is shown where every question has so many chains.
        when: of the figures.
    """
    all_drawn = min(Counter(row.question.id for row in rows).values()) >= settings.n_max
    largest = settings.n_max if all_drawn else settings.n
    figures = metrics.figures(found, rows, n=settings.n, n_max=largest)
    figures = [replace(figure, when=when) for figure in [*figures, *_judge_figures(found)]]
    equal = metrics.majority_at_equal_tokens(found, rows)
    if equal is not None:
        figures.append(results.value("SC accuracy at AoR's tokens", "", when, equal))
    warnings = [text for text in (metrics.degraded_warning(found), weak_judge(figures)) if text]
    charts = [_accuracies(figures, warnings, when), _chains(found, when)]
    right = metrics.right_answers(rows)
    scores = {r.question_id: float(r.outcome.answer in right.get(r.question_id, set())) for r in found}
    return Findings(figures, charts, {(ACCURACY, "", when): scores}, metrics.cost(found), warnings=warnings)


def weak_judge(figures: Sequence[Figure]) -> str | None:
    """One line where the judge is not shown to put right answers above wrong ones: AoR then loses to the majority."""
    quality = [figure for figure in figures if figure.name == "judge's pairwise accuracy, global"]
    if quality and quality[0].ci95 is not None and quality[0].ci95[0] > 0.5:
        return None
    measured = f" (pairwise accuracy {quality[0].text()} {quality[0].interval_text()})" if quality else ""
    return (
        f"The judge does not tell right answers from wrong ones{measured}: with such a judge AoR is expected to be "
        "worse than the majority."
    )


def _judge_figures(found: Sequence[AorResult]) -> list[Figure]:
    """Replies that could not be read, of all attempts, by phase."""
    phases = sorted({phase for result in found for phase in result.usage})
    shown = []
    for phase in phases:
        usages = [result.usage[phase] for result in found if phase in result.usage]
        n, bad = sum(usage.attempts for usage in usages), sum(usage.unreadable for usage in usages)
        if n and phase != "parse":
            shown.append(results.share("unreadable judge replies", phase, "", bad, n))
    return shown


def _accuracies(figures: Sequence[Figure], warnings: Sequence[str], when: str) -> Chart:
    shown = [figure for figure in figures if figure.name.endswith(" accuracy") and figure.ci95 is not None]
    names = [figure.name.removesuffix(" accuracy") for figure in shown]
    note = " ".join(["SC(n) is the majority of a question's first n chains, the same that AoR saw.", *warnings])
    series = [Series.of_figures("accuracy", names, shown)]
    return Chart("bars", f"AoR beside the majority, {when}", "", "accuracy", series, "share", note=note)


def _chains(found: Sequence[AorResult], when: str) -> Chart:
    counts = Counter(result.outcome.n_used for result in found)
    names = [str(n) for n in sorted(counts)]
    series = Series("questions", names, [counts[int(name)] for name in names])
    return Chart("bars", f"Chains that AoR used, {when}", "chains", "questions", [series])
