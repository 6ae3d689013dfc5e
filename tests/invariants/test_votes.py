"""Invariant 7: unparsed never votes, ties follow a written rule, and k of n is the exact expectation over all subsets,
never the first k."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lit_reason.aggregation import subsets, votes
from lit_reason.aggregation.columns import table_from_records
from lit_reason.aggregation.scores import Majority, ShortestMajority
from lit_reason.aggregation.subsets import accuracy_at_k
from lit_reason.aggregation.votes import majority_vote
from lit_reason.records import Grade, Sample

ANSWERS = ["A", "A", None, "B", "B", "B", None, None]  # the first two are right: the first k flatter


@pytest.fixture
def table():
    samples = [Sample("", "q", i, "", 1, 10, "stop") for i in range(len(ANSWERS))]
    status = {"A": "right", "B": "wrong", None: "unparsed"}
    grades = [Grade("", "q", i, "g@1", status[a], a, a or "[invalid]") for i, a in enumerate(ANSWERS)]
    return table_from_records(samples, grades)


def expectation(k: int) -> float:
    """By hand: over every subset, the share of the most frequent answers that are right; 0 without an answer."""
    values = []
    for subset in combinations(ANSWERS, k):
        counts = {answer: subset.count(answer) for answer in subset if answer is not None}
        best = [answer for answer, count in counts.items() if count == max(counts.values())]
        values.append(best.count("A") / len(best) if best else 0.0)
    return sum(values) / len(values)


def follows(table) -> bool:
    return all(accuracy_at_k(table, [Majority()], k)[0].accuracy == pytest.approx(expectation(k)) for k in range(1, 9))


def test_k_of_n_is_the_exact_expectation(table):
    assert follows(table)


def test_the_first_k_are_caught(table, monkeypatch):
    def first_k(n: int, k: int, seed: int) -> tuple[np.ndarray, bool]:
        return np.arange(k)[None, :], True

    monkeypatch.setattr(subsets, "_subsets", first_k)
    assert not follows(table)


def test_unparsed_never_votes(table):
    # Three of eight are unparsed, as many as there are Bs: counted as an answer, they would tie.
    assert majority_vote(ANSWERS).scores == {"A": 2, "B": 3}
    assert list(table.answers) == ["A", "B"]
    assert accuracy_at_k(table, [Majority(), ShortestMajority()], 8)[0].tied.sum() == 0


def test_a_fallback_text_that_votes_is_caught(monkeypatch):
    groups = votes._groups
    monkeypatch.setattr(votes, "_groups", lambda answers, lengths: groups([a or "[invalid]" for a in answers], lengths))
    assert majority_vote(ANSWERS).scores != {"A": 2, "B": 3}


RULED = [("first", "b"), ("lexicographic", "a"), ("shortest", "c")]


def winners() -> list[str | None]:
    answers, lengths = ["b", "c", "a"], [5, 2, 9]
    return [majority_vote(answers, lengths=lengths, tie=tie).answer for tie, _ in RULED]


def test_ties_follow_the_written_rule():
    assert winners() == [winner for _, winner in RULED]


def test_ties_broken_by_insertion_are_caught(monkeypatch):
    elect = votes._elect
    monkeypatch.setattr(votes, "_elect", lambda *a, prefer=None, **k: elect(*a, prefer=lambda answer: 0, **k))
    assert winners() != [winner for _, winner in RULED]
