"""All aggregators on one graded pool, as figures: accuracy at k samples, tokens, and differences to the majority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

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
    table: VoteTable, rules: Sequence[VoteRule], *, when: str = "", seeds: Sequence[int] = ()
) -> list[Figure]:
    """For each rule, as the figure's split: accuracy over all samples of each question, with ties broken at random in
    expectation, its paired difference to the majority, tokens a question, and the share of tied questions."""
    (majority,) = accuracy(table, [Majority()])
    found = accuracy(table, rules)
    shown = [_estimate("accuracy", at, when, seeds) for at in found]
    for at in found:
        if at.name != majority.name:
            gain = results.difference("accuracy minus the majority's", at.name, majority.values, at.values, seeds)
            shown.append(replace(gain, when=when, kind="share_difference"))
    shown += [results.mean("vote/tokens a question", at.name, when, at.tokens, seeds) for at in found]
    return shown + [
        results.share("vote/tied questions", at.name, when, int(at.tied.sum()), len(at.tied), seeds) for at in found
    ]


def figures_at_k(
    along_k: Mapping[str, Sequence[AtK]], *, when: str = "", seeds: Sequence[int] = ()
) -> list[Figure]:
    """The accuracy of each rule at each k, over all subsets of k samples; of the coverage this is pass@k."""
    return [_estimate(f"at k/{at.k}", at, when, seeds) for curve in along_k.values() for at in curve]


def _estimate(name: str, at: AtK, when: str, seeds: Sequence[int]) -> Figure:
    """Where each question is right or wrong its interval is Wilson's, which has a length even if none is right."""
    if np.isin(at.values, (0, 1)).all():
        return results.share(name, at.name, when, int(at.values.sum()), len(at.values), seeds)
    return replace(results.mean(name, at.name, when, at.values, seeds), kind="share")
