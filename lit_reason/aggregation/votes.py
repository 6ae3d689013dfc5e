"""Every vote over the samples of one question, as a plain function (Shortest Majority Vote, section 3).

In all of them `answers[i]` is the canonical answer of sample i, or None where none was read: such a sample never
votes. Equal answers form a group g of c_g samples with mean length L_g, and the group of the best score wins. Equal
scores go to the larger group, then the shorter mean length, then the answer that came first; `Vote.tied` reports it,
and `expected_accuracy` is what a random choice among them would give.

Lengths are positive token counts. The logarithm in the shortest majority vote makes its result depend on that unit:
characters or words give other winners. Its effect is gentle: twice the mean length (8000 tokens, not 4000) costs a
factor of 1.084 in votes, so it decides ties and near-ties.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median, pstdev
from typing import Any, Literal

from lit_reason.aggregation.errors import AggregationError
from lit_reason.records import Vote

Answers = Sequence[str | None]
Lengths = Sequence[float | None]
Tie = Literal["first", "lexicographic", "shortest"]
Statistic = Literal["mean", "median"]
Groups = Mapping[str, list[int]]
"""Positions of the samples of each answer, answers in order of first appearance."""

SHORTEST_LENGTH = 2
"""Lengths below it are counted as 2 where a logarithm is taken: ln 1 = 0 would make a score infinite."""

TIE_TOLERANCE = 1e-12
"""Scores within this relative distance are equal: 2 / ln 100 and 1 / ln 10 differ by rounding only."""


def majority_vote(answers: Answers, *, lengths: Lengths | None = None, tie: Tie = "first") -> Vote:
    """The most frequent answer.

    Args:
        answers: canonical answers.
        lengths: needed for `tie="shortest"`; otherwise they only tell the cost.
        tie: among equally frequent answers take the `first` seen, the `lexicographic` least, or the `shortest` on
            average.

    Raises:
        AggregationError: an answer is no text, an answered sample has no positive length, or `tie` is unknown.
    """
    if tie not in ("first", "lexicographic", "shortest"):
        raise AggregationError(f"tie must be first, lexicographic or shortest, not {tie!r}")
    if tie == "shortest" and lengths is None:
        raise AggregationError('tie="shortest" needs lengths')
    groups = _groups(answers, lengths)
    prefer: dict[str, Callable[[str], Any]] = {
        "first": lambda answer: groups[answer][0],
        "lexicographic": lambda answer: answer,
        "shortest": lambda answer: (_mean_length(groups[answer], lengths), groups[answer][0]),
    }
    return _elect(answers, groups, lambda members: len(members), lengths, prefer=prefer[tie])


def shortest_majority_vote(answers: Answers, lengths: Lengths, statistic: Statistic = "mean") -> Vote:
    """The answer of the largest c_g / ln(L_g), where L_g is the mean (or median) length; lengths are clamped to 2.

    Raises:
        AggregationError: an answered sample has no positive length.
    """
    groups = _groups(answers, lengths)
    clamped = [max(length or 0, SHORTEST_LENGTH) for length in lengths]
    n_clamped = sum((lengths[i] or 0) < SHORTEST_LENGTH for members in groups.values() for i in members)
    average = fmean if statistic == "mean" else median
    return _elect(
        answers, groups, lambda m: len(m) / math.log(average([clamped[i] for i in m])), lengths, n_clamped=n_clamped
    )


def power_vote(answers: Answers, lengths: Lengths, p: float = 1.0) -> Vote:
    """The answer of the largest c_g / L_g^p: p = 0 is the majority, p = 1 penalises length fully."""
    groups = _groups(answers, lengths)
    return _elect(answers, groups, lambda m: len(m) / _mean_length(m, lengths) ** p, lengths)


def centred_vote(answers: Answers, lengths: Lengths, beta: float = 1.0) -> Vote:
    """The answer of the largest c_g exp(-beta (L_g - mean) / sd), mean and sd over the answered samples of the
    question; where all lengths are equal the factor is 1."""
    groups = _groups(answers, lengths)
    known = [float(lengths[i] or 0) for members in groups.values() for i in members]
    centre, spread = (fmean(known), pstdev(known)) if known else (0.0, 0.0)

    def score(members: list[int]) -> float:
        away = (_mean_length(members, lengths) - centre) / spread if spread else 0.0
        return len(members) * math.exp(-beta * away)

    return _elect(answers, groups, score, lengths)


def shortest_vote(answers: Answers, lengths: Lengths) -> Vote:
    """The answer of the single shortest answered sample; the others need not run longer than it, and cost no more."""
    groups = _groups(answers, lengths)
    chosen = _elect(answers, groups, lambda m: -min(float(lengths[i] or 0) for i in m), lengths)
    return replace(chosen, n_tokens=_tokens_until(lengths, groups, 1))


def short_m_vote(answers: Answers, lengths: Lengths, m: int) -> Vote:
    """short-m@n (paper 2505.17813): the majority among the m shortest answered samples, earlier ones first where
    lengths are equal. All samples stop when the m-th has ended, which the cost counts."""
    if m < 1:
        raise AggregationError(f"m must be at least 1, not {m}")
    groups = _groups(answers, lengths)
    order = sorted((i for members in groups.values() for i in members), key=lambda i: (lengths[i], i))
    voters = _only(groups, order[:m])
    return replace(_elect(answers, voters, len, lengths), n_tokens=_tokens_until(lengths, groups, m))


def longest_vote(answers: Answers, lengths: Lengths) -> Vote:
    """The answer of the single longest answered sample."""
    groups = _groups(answers, lengths)
    return _elect(answers, groups, lambda m: max(float(lengths[i] or 0) for i in m), lengths)


def random_vote(answers: Answers, *, seed: int, lengths: Lengths | None = None) -> Vote:
    """The answer of one answered sample drawn at random; the scores are the chances of the answers."""
    groups = _groups(answers, lengths)
    answered = sorted(i for members in groups.values() for i in members)
    drawn = answers[random.Random(seed).choice(answered)] if answered else None
    vote = _elect(answers, groups, lambda m: len(m) / len(answered), lengths)
    support = len(groups[drawn]) if drawn is not None else 0
    return replace(vote, answer=drawn, support=support, tied=False)


def best_logprob_vote(
    answers: Answers, logprobs: Sequence[float | None], *, per_token: bool = False, lengths: Lengths | None = None
) -> Vote:
    """The answer of the sample whose log-probability is highest, in sum or (`per_token`, needs lengths) on average."""
    groups = _groups(answers, lengths)
    values = _numbers(logprobs, groups, "log-probability")
    if per_token:
        if lengths is None:
            raise AggregationError("per_token needs lengths")
        values = {i: value / float(lengths[i] or 0) for i, value in values.items()}
    return _elect(answers, groups, lambda m: max(values[i] for i in m), lengths)


def best_reward_vote(answers: Answers, rewards: Sequence[float | None], *, lengths: Lengths | None = None) -> Vote:
    """The answer of the sample of the highest reward: best of n."""
    groups = _groups(answers, lengths)
    values = _numbers(rewards, groups, "reward")
    return _elect(answers, groups, lambda m: max(values[i] for i in m), lengths)


def weighted_vote(answers: Answers, weights: Sequence[float | None], *, lengths: Lengths | None = None) -> Vote:
    """The answer of the largest sum of non-negative weights."""
    groups = _groups(answers, lengths)
    values = _numbers(weights, groups, "weight")
    for i, value in values.items():
        if value < 0:
            raise AggregationError(f"sample {i}: the weight is {value}, and a vote cannot count less than nothing")
    return _elect(answers, groups, lambda m: math.fsum(values[i] for i in m), lengths)


def diverse_vote(answers: Answers, probabilities: Sequence[float | None], *, lengths: Lengths | None = None) -> Vote:
    """Votes weighted by a verifier's probability of being right, as in DiVeRSe (AoR, section 7)."""
    groups = _groups(answers, lengths)
    for i, value in _numbers(probabilities, groups, "probability").items():
        if not 0 <= value <= 1:
            raise AggregationError(f"sample {i}: the probability is {value}, not in 0..1")
    return weighted_vote(answers, probabilities, lengths=lengths)


def complexity_vote(
    answers: Answers, steps: Sequence[int | None], k: int | None = None, *, lengths: Lengths | None = None
) -> Vote:
    """CC: the majority among the k answered samples of most steps, by default half of all n (AoR, section 7)."""
    k = max(1, len(answers) // 2) if k is None else k
    if k < 1:
        raise AggregationError(f"k must be at least 1, not {k}")
    groups = _groups(answers, lengths)
    values = _numbers(steps, groups, "number of steps")
    order = sorted(values, key=lambda i: (-values[i], i))
    return _elect(answers, _only(groups, order[:k]), len, lengths)


def oracle_vote(answers: Answers, right: Sequence[bool], *, lengths: Lengths | None = None) -> Vote:
    """The right answer if any sample gave it: an upper bound, since it knows which answer is right."""
    groups = _groups(answers, lengths)
    return _elect(answers, groups, lambda m: float(any(right[i] for i in m)), lengths)


def count_steps(text: str) -> int:
    """Steps of a chain: its lines that are not empty."""
    return sum(bool(line.strip()) for line in text.splitlines())


def tied_answers(vote: Vote) -> list[str]:
    """The answers that share the best score."""
    best = max(vote.scores.values(), default=0.0)
    return [answer for answer, score in vote.scores.items() if _equal(score, best)]


def expected_accuracy(vote: Vote, right: Collection[str]) -> float:
    """The chance that the vote names one of the `right` answers if ties were broken at random; 0 without an answer."""
    tied = tied_answers(vote)
    return sum(answer in right for answer in tied) / len(tied) if tied else 0.0


def _groups(answers: Answers, lengths: Lengths | None) -> dict[str, list[int]]:
    """Samples by answer; checks what every vote relies on."""
    if lengths is not None and len(lengths) != len(answers):
        raise AggregationError(f"{len(answers)} answers, but {len(lengths)} lengths")
    groups: dict[str, list[int]] = {}
    for i, answer in enumerate(answers):
        if answer is not None and not isinstance(answer, str):
            raise AggregationError(f"sample {i}: the answer is {answer!r}, not a text or None")
        if lengths is not None:
            _check_length(i, lengths[i], answered=answer is not None)
        if answer is not None:
            groups.setdefault(answer, []).append(i)
    return groups


def _check_length(i: int, length: float | None, answered: bool) -> None:
    """A sample without an answer may be empty; one with an answer has at least a token."""
    if length is None or not math.isfinite(length) or length < 0 or (answered and length == 0):
        found = "missing" if length is None else f"{length}"
        raise AggregationError(f"sample {i}: the length is {found}, not a positive number of tokens")


def _numbers(values: Sequence[float | None], groups: Groups, what: str) -> dict[int, float]:
    """The values of the answered samples, each checked to be a finite number."""
    answered = sorted(i for members in groups.values() for i in members)
    found: dict[int, float] = {}
    for i in answered:
        value = values[i] if i < len(values) else None
        if value is None or not math.isfinite(value):
            raise AggregationError(f"sample {i}: the {what} is {'missing' if value is None else value}")
        found[i] = float(value)
    return found


def _elect(
    answers: Answers,
    groups: Groups,
    score: Callable[[list[int]], float],
    lengths: Lengths | None,
    *,
    prefer: Callable[[str], Any] | None = None,
    n_clamped: int = 0,
) -> Vote:
    def usual(answer: str) -> tuple[float, ...]:
        members = groups[answer]
        return -len(members), _mean_length(members, lengths) if lengths is not None else 0.0, members[0]

    scores = {answer: float(score(members)) for answer, members in groups.items()}
    best = max(scores.values(), default=0.0)
    tied = [answer for answer in groups if _equal(scores[answer], best)]
    winner = min(tied, key=prefer or usual, default=None)
    tokens = None if lengths is None else round(math.fsum(length or 0 for length in lengths))
    n_parsed = sum(answer is not None for answer in answers)
    support = len(groups[winner]) if winner is not None else 0
    return Vote(winner, scores, support, len(tied) > 1, len(answers), n_parsed, tokens, n_clamped)


def _equal(score: float, best: float) -> bool:
    return math.isclose(score, best, rel_tol=TIE_TOLERANCE)


def _mean_length(members: list[int], lengths: Lengths | None) -> float:
    return math.fsum(lengths[i] or 0 for i in members) / len(members) if lengths is not None else 0.0


def _only(groups: Groups, chosen: Collection[int]) -> dict[str, list[int]]:
    wanted = set(chosen)
    kept = {answer: [i for i in members if i in wanted] for answer, members in groups.items()}
    return {answer: members for answer, members in kept.items() if members}


def _tokens_until(lengths: Lengths, groups: Groups, m: int) -> int:
    """Tokens generated until the m-th answered sample has ended, all samples running side by side."""
    ended = sorted(float(lengths[i] or 0) for members in groups.values() for i in members)
    last = ended[m - 1] if len(ended) >= m else math.inf
    return round(math.fsum(min(length or 0, last) for length in lengths))
