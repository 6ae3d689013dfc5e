"""All aggregators on one graded pool, as figures: accuracy at k samples, tokens, and differences to the majority."""

from __future__ import annotations

from collections.abc import Sequence

from lit_reason import results
from lit_reason.aggregation.scores import Majority, VoteRule
from lit_reason.aggregation.subsets import AtK, accuracy, accuracy_at_k
from lit_reason.aggregation.table import VoteTable
from lit_reason.results import Figure


def doublings(n: int) -> list[int]:
    """1, 2, 4 and so on, and n itself."""
    return sorted({*(1 << i for i in range(n.bit_length())), n}) if n else []


def curves(
    table: VoteTable, rules: Sequence[VoteRule], ks: Sequence[int] | None = None, *, seed: int = 0
) -> dict[str, list[AtK]]:
    """Each rule's accuracy and tokens as k grows; `ks` by default doubles up to the samples that every question has."""
    ks = doublings(int(table.n_samples.min())) if ks is None else ks
    at = [accuracy_at_k(table, rules, k, seed=seed) for k in ks]
    return {rule.name: [found[i] for found in at] for i, rule in enumerate(rules)}


def figures(
    table: VoteTable, rules: Sequence[VoteRule], *, split: str = "", when: str = "", seed: int = 0
) -> list[Figure]:
    """Accuracy of each rule over all samples of each question, with ties broken at random in expectation, its paired
    difference to the majority, the share of tied questions, and tokens a question."""
    shown: list[Figure] = []
    (majority,) = accuracy(table, [Majority()])
    for at in accuracy(table, rules):
        shown.append(results.mean(f"accuracy, {at.name}", split, when, at.values, seed=seed))
        shown.append(results.mean(f"tokens, {at.name}", split, when, at.tokens, seed=seed))
        shown.append(results.share(f"tied questions, {at.name}", split, when, int(at.tied.sum()), len(at.tied)))
        if at.name != majority.name:
            shown.append(results.difference(f"{at.name} - majority", split, majority.values, at.values, seed=seed))
    return shown
