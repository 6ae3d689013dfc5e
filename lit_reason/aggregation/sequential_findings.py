"""What revisions did to answers, and whether independent samples would have done better for the same tokens (Shortest
Majority Vote, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lit_reason import results
from lit_reason.aggregation.comparison import curves
from lit_reason.aggregation.findings import Findings, vote_table
from lit_reason.aggregation.protocol import answer_keys
from lit_reason.aggregation.scores import Majority, Oracle
from lit_reason.aggregation.sequential import Share, Transition, equal_tokens, transitions
from lit_reason.aggregation.subsets import AtK
from lit_reason.charts import Chart, Series
from lit_reason.evaluation import Row
from lit_reason.records import Grade, Sample
from lit_reason.results import Figure

Solutions = Sequence[Sequence[tuple[Sample, Grade]]]
"""For each chain its graded solutions: the first, then one a round. `n_tokens` counts all that was generated so far."""

_TRANSITIONS = {
    "accuracy": "accuracy", "wrong to right": "wrong_to_right", "right to wrong": "right_to_wrong",
    "initially wrong to right": "initially_wrong_to_right", "initially right to wrong": "initially_right_to_wrong",
    "ever right": "coverage", "keeps its wrong first answer": "sticking",
}  # fmt: skip


def sequential_findings(
    solutions: Solutions, rows: Sequence[Row], *, n_failed: int, when: str, seeds: Sequence[int] = ()
) -> Findings:
    """Rounds of revision, beside the majority and the coverage of independent samples at equal tokens.

    Args:
        solutions: of every chain that was revised.
        rows: all first solutions, in parallel.
        n_failed: rounds that had no room to continue, which kept the solution of the round before.
        when: of the figures.
        seeds: of the samples.
    """
    table = vote_table(rows)
    parallel = curves(table, [Majority(), Oracle()])
    rounds = transitions(
        [answer_keys([grade for _, grade in chain]) for chain in solutions],
        [[grade.status == "right" for _, grade in chain] for chain in solutions],
        [[sample.n_tokens for sample, _ in chain] for chain in solutions],
    )
    figures = [figure for found in rounds for figure in _figures(found, when, seeds)]
    figures += _at_equal_tokens(rounds, parallel, when)
    dropped = {"revisions that failed and kept the earlier solution": n_failed} if n_failed else {}
    return Findings(figures, [_by_tokens(rounds, parallel, when), _by_round(rounds, when)], dropped=dropped)


def budget_findings(answers: Mapping[int, Sequence[Grade]], *, when: str, seeds: Sequence[int] = ()) -> Findings:
    """Budget forcing: the accuracy of answers that were asked for after so many tokens of thinking."""
    figures = [
        results.share("accuracy at a budget", f"{budget} tokens", when, _n_right(grades), len(grades), seeds)
        for budget, grades in answers.items()
    ]
    series = Series.of_figures("answer asked for", list(answers), figures)
    note = "Each chain is cut after so many tokens and made to answer. Wilson intervals over chains."
    title = f"Accuracy at a budget of thinking, {when}"
    return Findings(figures, [Chart("lines", title, "tokens of thinking", "accuracy", [series], "share", note=note)])


def _n_right(grades: Sequence[Grade]) -> int:
    return sum(grade.status == "right" for grade in grades)


def _figures(found: Transition, when: str, seeds: Sequence[int]) -> list[Figure]:
    """A round's shares, over chains; what has no chain to speak of is left out."""
    shares: dict[str, Share] = {name: getattr(found, field) for name, field in _TRANSITIONS.items()}
    if found.round == 0:
        shares = {"accuracy": found.accuracy}
    return [
        results.share(f"revisions: {name}", f"round {found.round}", when, share.count, share.n, seeds)
        for name, share in shares.items()
        if share.n
    ]


def _at_equal_tokens(
    rounds: Sequence[Transition], parallel: Mapping[str, Sequence[AtK]], when: str
) -> list[Figure]:
    """What parallel samples give for the tokens of each round, where so many were drawn."""
    sequential = [(found.length, float(found.accuracy.value or 0)) for found in rounds]
    return [
        results.value(f"parallel {name} at the tokens of revision", f"round {i}", when, at.parallel)
        for name, curve in parallel.items()
        for i, at in enumerate(equal_tokens(sequential, curve))
        if at.parallel is not None
    ]


def _by_tokens(rounds: Sequence[Transition], parallel: Mapping[str, Sequence[AtK]], when: str) -> Chart:
    tokens = [found.length for found in rounds]
    series = [
        Series("revised", tokens, [float(found.accuracy.value or 0) for found in rounds]),
        Series("revised, ever right", tokens, [float(found.coverage.value or 0) for found in rounds]),
    ]
    for name, curve in parallel.items():
        costs = [float(at.tokens.mean()) for at in curve]
        series.append(Series(f"parallel, {name}", costs, [at.accuracy for at in curve]))
    note = "One chain that is revised again and again, beside independent chains, at equal tokens a question."
    title = f"Revising against sampling, {when}"
    return Chart("lines", title, "generated tokens a question", "accuracy", series, "share", log_x=True, note=note)


def _by_round(rounds: Sequence[Transition], when: str) -> Chart:
    later = rounds[1:]
    names = {"wrong to right": "wrong_to_right", "right to wrong": "right_to_wrong"}
    series = [
        Series(name, [found.round for found in later], [float(getattr(found, field).value or 0) for found in later])
        for name, field in names.items()
    ]
    note = "Of the chains that were wrong (right) in the round before, those that are right (wrong) now."
    return Chart("lines", f"What a revision changes, {when}", "round", "share of chains", series, "share", note=note)
