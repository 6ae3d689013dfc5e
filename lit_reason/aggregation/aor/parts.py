"""Parts of AoR on their own, to see what each contributes (section 7): all on the first n chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lit_reason.aggregation.aor.calls import Machine, Score, seeded
from lit_reason.aggregation.aor.machine import Run, aggregate
from lit_reason.aggregation.aor.settings import AorSettings

Rank = Callable[[list[Score]], Score]
"""Of an answer, from the local scores of its chains."""


def machine(settings: AorSettings, question_id: str) -> Machine:
    """The machine of `settings.method`."""
    if settings.method == "aor":
        return aggregate(settings, question_id)
    if settings.method == "global":
        return _global_only(settings, question_id)
    # The best chain's answer is that of the largest maximum: only what a tie prefers differs from local_max.
    return _local_only(settings, question_id, sum if settings.method == "local_sum" else max)


def _local_only(settings: AorSettings, question_id: str, rank: Rank) -> Machine:
    run = Run(settings, question_id)
    yield from run.draw(settings.n)
    if len(run.groups) <= 1:
        return run.undisputed()
    yield from run.score(run.chains)
    scores = {
        answer: [run.local_scores[c.index] for c in chains if c.index in run.local_scores]
        for answer, chains in run.groups.items()
    }
    ranks = {answer: rank(found) for answer, found in scores.items() if found}
    if not ranks:
        return run.outcome(run.majority(run.groups), "judge_failed", None)
    best = [answer for answer in ranks if ranks[answer] == max(ranks.values())]
    if settings.method == "best_chain":  # the first chain of the best score
        best_score = max(ranks.values())
        winner = next(str(c.answer) for c in run.chains if run.local_scores.get(c.index) == best_score)
    else:
        winner = max(best, key=lambda answer: len(run.groups[answer]))
    outcome = run.outcome(winner, "budget", None, tied=len(best) > 1)
    return replace(outcome, averages={answer: float(score) for answer, score in ranks.items()})


def _global_only(settings: AorSettings, question_id: str) -> Machine:
    run = Run(settings, question_id)
    yield from run.draw(settings.n)
    if len(run.groups) <= 1:
        return run.undisputed()
    for answer, chains in run.groups.items():
        order = seeded(settings.seed, question_id, "members", list(run.groups).index(answer))
        members = order.sample(chains, min(settings.k, len(chains)))
        run.kept[answer] = [(len(chains), chain) for chain in members]  # too many answers: the most frequent compete
    if not (yield from run.compare()):
        return run.outcome(run.majority(run.groups), "judge_failed", None)
    return run.outcome(run.leader, "budget", run.margin)
