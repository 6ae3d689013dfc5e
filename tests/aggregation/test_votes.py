"""The votes by hand (Shortest Majority Vote, checks A and B), and what they refuse."""

from __future__ import annotations

import math
import random

import pytest

from lit_reason.aggregation import majority_vote, shortest_majority_vote
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.votes import (
    best_logprob_vote,
    best_reward_vote,
    centred_vote,
    complexity_vote,
    count_steps,
    diverse_vote,
    expected_accuracy,
    longest_vote,
    oracle_vote,
    power_vote,
    random_vote,
    short_m_vote,
    shortest_vote,
    tied_answers,
    weighted_vote,
)

ANSWERS = list("AAABBBC")
LENGTHS = [900, 1100, 1000, 400, 500, 600, 50]


def test_scores_of_check_a() -> None:
    vote = shortest_majority_vote(ANSWERS, LENGTHS)
    assert vote.scores == pytest.approx({"A": 0.434294, "B": 0.482734, "C": 0.255622}, abs=1e-6)
    assert (vote.answer, vote.tied, vote.support, vote.n, vote.n_parsed, vote.n_tokens) == ("B", False, 3, 7, 7, 4550)
    majority = majority_vote(ANSWERS)
    assert majority.tied and tied_answers(majority) == ["A", "B"]
    assert shortest_vote(ANSWERS, LENGTHS).answer == "C"


@pytest.mark.parametrize(
    ("a", "b", "scores"),
    [
        ((5, 8000), (4, 1000), (0.556347, 0.579059)),
        ((12, 9000), (11, 2500), (1.317960, 1.405922)),
        ((8, 4000), (7, 1000), (0.964547, 1.013354)),
    ],
)
def test_the_shorter_near_tie_wins(a: tuple[int, int], b: tuple[int, int], scores: tuple[float, float]) -> None:
    answers = ["A"] * a[0] + ["B"] * b[0]
    lengths = [a[1]] * a[0] + [b[1]] * b[0]
    vote = shortest_majority_vote(answers, lengths)
    assert (vote.answer, majority_vote(answers).answer) == ("B", "A")
    assert vote.scores == pytest.approx(dict(zip("AB", scores, strict=True)), abs=1e-6)


def test_count_over_length() -> None:
    vote = power_vote(["A"] * 5 + ["B"] * 4, [8000] * 5 + [6000] * 4, p=1)
    assert vote.answer == "B" and vote.scores == pytest.approx({"A": 0.000625, "B": 0.000667}, abs=1e-6)


def test_how_gentle_the_logarithm_is() -> None:
    assert math.log(8000) / math.log(4000) == pytest.approx(1.084, abs=1e-3)
    assert math.log(8000) / math.log(1000) == pytest.approx(1.301, abs=1e-3)


def test_centred_by_hand() -> None:
    # Lengths 1, 1, 4: mean 2, variance (1 + 1 + 4) / 3 = 2. A: 2 exp(-(1 - 2) / sqrt 2), B: exp(-(4 - 2) / sqrt 2).
    vote = centred_vote(["A", "A", "B", None], [1, 1, 4, 999], beta=1)
    assert vote.scores == pytest.approx({"A": 2 * math.exp(1 / math.sqrt(2)), "B": math.exp(-2 / math.sqrt(2))})
    assert centred_vote(["A", "B", "B"], [7, 7, 7]).scores == {"A": 1, "B": 2}


def test_tie_rules() -> None:
    answers, lengths = ["b", "c", "a", "c", "b", "a"], [5, 2, 9, 2, 5, 9]
    winners = [
        majority_vote(answers, lengths=lengths, tie=tie).answer for tie in ("first", "lexicographic", "shortest")
    ]
    assert winners == ["b", "a", "c"]
    # A score tied otherwise: the larger group, then the shorter mean, then the first seen.
    assert shortest_majority_vote(["one", "two", "two"], [10, 100, 100]).answer == "two"  # 1 / ln 10 = 2 / ln 100
    assert shortest_majority_vote(["one", "two", "two"], [10, 100, 100]).tied
    assert power_vote(["long", "short"], [9, 8], p=0).answer == "short"
    assert power_vote(["x", "y"], [8, 8], p=0).answer == "x"


def test_expected_accuracy_shares_a_tie() -> None:
    vote = majority_vote(["A", "B", "C"])
    assert expected_accuracy(vote, {"A"}) == pytest.approx(1 / 3)
    assert expected_accuracy(majority_vote([None]), {"A"}) == 0.0


def test_single_samples() -> None:
    answers, lengths = [None, "A", "B", "C"], [1, 30, 20, 40]
    assert shortest_vote(answers, lengths).answer == "B"
    assert longest_vote(answers, lengths).answer == "C"
    assert best_logprob_vote(answers, [None, -9.0, -8.0, -8.8]).answer == "B"
    assert best_logprob_vote(answers, [None, -9.0, -8.0, -8.8], per_token=True, lengths=lengths).answer == "C"
    assert best_reward_vote(answers, [99.0, 0.1, 0.2, 0.7]).answer == "C"
    assert oracle_vote(answers, [True, False, True, False]).answer == "B"


def test_what_early_stopping_costs() -> None:
    lengths = [10, 30, 20, 40]
    assert shortest_vote([None, "A", "B", "C"], lengths).n_tokens == 10 + 20 + 20 + 20  # the first answer ends at 20
    assert short_m_vote([None, "A", "B", "C"], lengths, m=2).n_tokens == 10 + 30 + 20 + 30
    assert short_m_vote([None, "A", "B", "C"], lengths, m=9).n_tokens == 100  # never so many: all run to their end


def test_short_m_asks_the_shortest_only() -> None:
    vote = short_m_vote(["A", "A", "A", "B", "B"], [9, 8, 3, 1, 2], m=3)
    assert (vote.answer, vote.support, vote.scores) == ("B", 2, {"A": 1, "B": 2})


def test_weighted_votes() -> None:
    assert weighted_vote(["A", "B", "B"], [1.0, 0.4, 0.5]).answer == "A"
    vote = diverse_vote(["A", "B", "B", None], [0.9, 0.5, 0.6, None])
    assert vote.answer == "B" and vote.scores == pytest.approx({"A": 0.9, "B": 1.1})


def test_complexity_counts_lines_that_are_not_empty() -> None:
    assert count_steps("one\n\n  \ntwo\r\nthree") == 3
    vote = complexity_vote(["A", "A", "B", "B", "A", "A"], [1, 1, 5, 4, 3, 2])
    assert (vote.answer, vote.scores) == ("B", {"B": 2, "A": 1})  # half of six vote
    assert complexity_vote(["A", "A", "B"], [1, 1, 5], k=3).answer == "A"


def test_random_is_seeded_and_follows_the_counts() -> None:
    answers = ["A", "A", "A", "B", None]
    drawn = [random_vote(answers, seed=seed).answer for seed in range(4000)]
    assert drawn == [random_vote(answers, seed=seed).answer for seed in range(4000)]
    assert drawn.count("A") / 4000 == pytest.approx(0.75, abs=0.03)
    assert random_vote(answers, seed=0).scores == {"A": 0.75, "B": 0.25}


def test_unparsed_never_votes() -> None:
    answers, lengths = [None, None, None, "A"], [5, 0, 5, 5]
    for vote in (majority_vote(answers), shortest_majority_vote(answers, lengths), shortest_vote(answers, lengths)):
        assert (vote.answer, vote.support, vote.n, vote.n_parsed) == ("A", 1, 4, 1)
    nothing = majority_vote([None, None])
    assert (nothing.answer, nothing.scores, nothing.support, nothing.tied) == (None, {}, 0, False)
    assert majority_vote([]).answer is None


def test_short_lengths_are_clamped_and_counted() -> None:
    vote = shortest_majority_vote(["A", "B", "B", None], [1, 5, 5, 0])
    assert vote.n_clamped == 1
    assert vote.scores == pytest.approx({"A": 1 / math.log(2), "B": 2 / math.log(5)})


def draws(seed: int) -> tuple[list[str | None], list[int]]:
    """A random small pool with unparsed samples."""
    rng = random.Random(seed)
    n = rng.randint(1, 9)
    return [rng.choice(["A", "B", "C", None]) for _ in range(n)], [rng.randint(2, 40) for _ in range(n)]


def test_power_zero_is_the_majority() -> None:
    for seed in range(10_000):
        answers, lengths = draws(seed)
        assert power_vote(answers, lengths, 0).answer == majority_vote(answers, lengths=lengths, tie="shortest").answer


def test_invariances() -> None:
    every = (shortest_majority_vote, power_vote, centred_vote, shortest_vote, longest_vote)
    for seed in range(2_000):
        answers, lengths = draws(seed)
        order = random.Random(-seed).sample(range(len(answers)), len(answers))
        shuffled = [answers[i] for i in order], [lengths[i] for i in order]
        padded = [*answers, None], [*lengths, 3]
        for vote in every:
            plain = vote(answers, lengths)
            assert vote(*shuffled).scores == pytest.approx(plain.scores)
            assert vote(*padded).scores == pytest.approx(plain.scores)
            if not plain.tied:
                assert vote(*shuffled).answer == vote(*padded).answer == plain.answer
            if len(set(answers) - {None}) == 1:
                assert plain.answer in answers and plain.answer is not None
        longer = [13 * length for length in lengths]
        assert power_vote(answers, longer, 0.5).answer == power_vote(answers, lengths, 0.5).answer


def test_a_change_of_unit_changes_the_shortest_majority_vote() -> None:
    answers, lengths = ["A"] * 5 + ["B"] * 4, [80] * 5 + [10] * 4
    assert shortest_majority_vote(answers, lengths).answer == "B"
    assert shortest_majority_vote(answers, [10**6 * length for length in lengths]).answer == "A"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: majority_vote(["A"], lengths=[0]), "sample 0: the length is 0, not a positive"),
        (lambda: shortest_majority_vote(["A", "B"], [3, -1]), "sample 1: the length is -1"),
        (lambda: shortest_majority_vote([None], [-1]), "sample 0: the length is -1"),
        (lambda: shortest_majority_vote(["A"], [None]), "sample 0: the length is missing"),
        (lambda: shortest_majority_vote(["A"], [math.nan]), "sample 0: the length is nan"),
        (lambda: shortest_majority_vote(["A", "B"], [3]), "2 answers, but 1 lengths"),
        (lambda: majority_vote(["A", 7]), "sample 1: the answer is 7, not a text"),
        (lambda: majority_vote(["A"], tie="longest"), "tie must be first, lexicographic or shortest"),
        (lambda: majority_vote(["A"], tie="shortest"), "needs lengths"),
        (lambda: best_logprob_vote(["A", "B"], [-1.0, math.nan]), "sample 1: the log-probability is nan"),
        (lambda: best_logprob_vote(["A", "B"], [-math.inf, -1.0]), "sample 0: the log-probability is -inf"),
        (lambda: best_logprob_vote(["A"], [None]), "sample 0: the log-probability is missing"),
        (lambda: best_reward_vote(["A"], []), "sample 0: the reward is missing"),
        (lambda: weighted_vote(["A"], [-0.1]), "sample 0: the weight is -0.1"),
        (lambda: diverse_vote(["A"], [1.5]), "sample 0: the probability is 1.5, not in 0..1"),
        (lambda: short_m_vote(["A"], [3], m=0), "m must be at least 1"),
        (lambda: complexity_vote(["A"], [3], k=0), "k must be at least 1"),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(AggregationError, match=message):
        call()
