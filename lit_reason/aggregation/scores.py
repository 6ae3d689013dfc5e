"""The votes as settings: small classes that a YAML names by class path, for one question or for very many at once.

Each is an `Aggregator` of one question, through its plain function in `votes`, and a rule over `Ballots`, an array
expression that the functions are the oracle of.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lit_reason.aggregation import votes
from lit_reason.aggregation.ballots import Ballots, best_answers, narrow
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.protocol import answer_keys
from lit_reason.records import Grade, Question, Sample, Vote


class VoteRule(ABC):
    """A vote with its settings."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What its figures are called."""

    @abstractmethod
    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        """The vote of one question."""

    @abstractmethod
    def scores(self, ballots: Ballots) -> np.ndarray:
        """float [G, R]: the score of each answer; -inf for an answer without samples."""

    def chances(self, ballots: Ballots) -> np.ndarray:
        """float [G, R]: the chance that an answer wins when ties are broken at random; 0 in a vote without answers."""
        tied = best_answers(self.scores(ballots))
        return tied / np.maximum(tied.sum(axis=0), 1)

    def winners(self, ballots: Ballots) -> np.ndarray:
        """int [R]: the answer that wins by the written rule, -1 without one."""
        tied = best_answers(self.scores(ballots))
        for values in self.preferences(ballots):
            tied = narrow(tied, values)
        return np.where(tied.any(axis=0), tied.argmax(axis=0), -1)

    def preferences(self, ballots: Ballots) -> list[np.ndarray]:
        """What decides a tie, most important first, each [G, R], smaller is better."""
        return [-ballots.counts, ballots.mean_lengths, ballots.first]

    def tokens(self, ballots: Ballots) -> np.ndarray:
        """float [R]: tokens generated before the vote can be held."""
        return ballots.lengths.sum(axis=0)


@dataclass(frozen=True)
class Majority(VoteRule):
    """The most frequent answer.

    Args:
        tie: among equally frequent answers take the first seen, the lexicographic least, or the shortest on average.
    """

    tie: votes.Tie = "first"

    @property
    def name(self) -> str:
        return "majority"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.majority_vote(answer_keys(grades), lengths=_lengths(samples), tie=self.tie)

    def scores(self, ballots: Ballots) -> np.ndarray:
        return _standing(ballots, ballots.counts)

    def preferences(self, ballots: Ballots) -> list[np.ndarray]:
        order = {"first": [], "lexicographic": [ballots.lexical], "shortest": [ballots.mean_lengths]}[self.tie]
        return [*order, ballots.first]


@dataclass(frozen=True)
class ShortestMajority(VoteRule):
    """SMV: the largest count divided by the logarithm of the length.

    Args:
        statistic: length of an answer as the mean or the median over its samples.
    """

    statistic: votes.Statistic = "mean"

    @property
    def name(self) -> str:
        return "shortest majority" if self.statistic == "mean" else "shortest majority (median)"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.shortest_majority_vote(answer_keys(grades), _lengths(samples), self.statistic)

    def scores(self, ballots: Ballots) -> np.ndarray:
        lengths = np.maximum(ballots.lengths, votes.SHORTEST_LENGTH)
        average = ballots.mean_of(lengths) if self.statistic == "mean" else _medians(ballots, lengths)
        return _standing(ballots, ballots.counts / np.log(average))


@dataclass(frozen=True)
class PowerMajority(VoteRule):
    """The largest count divided by length to the power p: 0 is the majority, 1 penalises length fully."""

    p: float = 1.0

    @property
    def name(self) -> str:
        return f"count over length^{self.p:g}"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.power_vote(answer_keys(grades), _lengths(samples), self.p)

    def scores(self, ballots: Ballots) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return _standing(ballots, ballots.counts / ballots.mean_lengths**self.p)


@dataclass(frozen=True)
class CentredMajority(VoteRule):
    """The largest count times exp(-beta z), z being the length in standard deviations of the question's samples."""

    beta: float = 1.0

    @property
    def name(self) -> str:
        return f"centred majority ({self.beta:g})"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.centred_vote(answer_keys(grades), _lengths(samples), self.beta)

    def scores(self, ballots: Ballots) -> np.ndarray:
        n = np.maximum(ballots.voting.sum(axis=0), 1)
        centre = np.where(ballots.voting, ballots.lengths, 0).sum(axis=0) / n
        away = np.where(ballots.voting, ballots.lengths - centre, 0)
        spread = np.broadcast_to(np.sqrt((away**2).sum(axis=0) / n), ballots.counts.shape)
        distance = np.where(ballots.standing, ballots.mean_lengths, centre) - centre
        z = np.divide(distance, spread, out=np.zeros_like(distance), where=spread > 0)
        return _standing(ballots, ballots.counts * np.exp(-self.beta * z))


@dataclass(frozen=True)
class Shortest(VoteRule):
    """The answer of the single shortest answered sample."""

    @property
    def name(self) -> str:
        return "shortest"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.shortest_vote(answer_keys(grades), _lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        return ballots.largest(-ballots.lengths)

    def tokens(self, ballots: Ballots) -> np.ndarray:
        return _tokens_until(ballots, 1)


@dataclass(frozen=True)
class ShortM(VoteRule):
    """short-m@n: the majority among the m shortest answered samples; the others stop when the m-th has ended."""

    m: int = 3

    @property
    def name(self) -> str:
        return f"short-{self.m}"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.short_m_vote(answer_keys(grades), _lengths(samples), self.m)

    def scores(self, ballots: Ballots) -> np.ndarray:
        voters = self._voters(ballots)
        return _standing(voters, voters.counts)

    def preferences(self, ballots: Ballots) -> list[np.ndarray]:
        return super().preferences(self._voters(ballots))

    def tokens(self, ballots: Ballots) -> np.ndarray:
        return _tokens_until(ballots, self.m)

    def _voters(self, ballots: Ballots) -> Ballots:
        return _best_samples(ballots, ballots.lengths, self.m)


@dataclass(frozen=True)
class Longest(VoteRule):
    """The answer of the single longest answered sample."""

    @property
    def name(self) -> str:
        return "longest"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.longest_vote(answer_keys(grades), _lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        return ballots.largest(ballots.lengths)


@dataclass(frozen=True)
class RandomSample(VoteRule):
    """The answer of one answered sample; over many questions its chances are exact, nothing is drawn."""

    seed: int = 0

    @property
    def name(self) -> str:
        return "random"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}\x1f{question.id}".encode()).digest()[:8], "big")
        return votes.random_vote(answer_keys(grades), seed=seed, lengths=_lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        return _standing(ballots, ballots.counts)

    def chances(self, ballots: Ballots) -> np.ndarray:
        return ballots.counts / np.maximum(ballots.counts.sum(axis=0), 1)

    def winners(self, ballots: Ballots) -> np.ndarray:
        raise AggregationError("a random sample has no written rule: use its chances")


@dataclass(frozen=True)
class BestLogprob(VoteRule):
    """The answer of the sample of the highest log-probability.

    Args:
        per_token: compare the mean a token instead of the sum, which favours short samples.
    """

    per_token: bool = False

    @property
    def name(self) -> str:
        return "best mean log-probability" if self.per_token else "best log-probability"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        logprobs = [sample.logprob for sample in samples]
        return votes.best_logprob_vote(
            answer_keys(grades), logprobs, per_token=self.per_token, lengths=_lengths(samples)
        )

    def scores(self, ballots: Ballots) -> np.ndarray:
        logprobs = ballots.known(ballots.logprobs, "log-probability")
        return ballots.largest(logprobs / np.maximum(ballots.lengths, 1) if self.per_token else logprobs)


@dataclass(frozen=True)
class BestReward(VoteRule):
    """Best of n: the answer of the sample with the highest `score` of its grade."""

    @property
    def name(self) -> str:
        return "best reward"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        return votes.best_reward_vote(answer_keys(grades), [g.score for g in grades], lengths=_lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        return ballots.largest(ballots.known(ballots.rewards, "reward"))


@dataclass(frozen=True)
class WeightedVote(VoteRule):
    """The largest sum of weights.

    Args:
        weight: `reward` (a grade's score, which must not be negative), `verifier` (the same, a probability: DiVeRSe),
            or `probability` (the mean probability of the sample's tokens, from its log-probability).
    """

    weight: Literal["reward", "verifier", "probability"] = "reward"

    @property
    def name(self) -> str:
        return "DiVeRSe" if self.weight == "verifier" else f"vote weighted by {self.weight}"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        vote = votes.diverse_vote if self.weight == "verifier" else votes.weighted_vote
        weights = _token_probabilities(samples) if self.weight == "probability" else [g.score for g in grades]
        return vote(answer_keys(grades), weights, lengths=_lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        if self.weight == "probability":
            logprobs = ballots.known(ballots.logprobs, "log-probability")
            return _standing(ballots, ballots.total(np.exp(logprobs / np.maximum(ballots.lengths, 1))))
        rewards = ballots.known(ballots.rewards, "reward")
        voting = rewards[ballots.voting]
        if (voting < 0).any() or (self.weight == "verifier" and (voting > 1).any()):
            limits = "in 0..1" if self.weight == "verifier" else "at least 0"
            raise AggregationError(f"an answered sample has a reward that is not {limits}, so it is no weight")
        return _standing(ballots, ballots.total(rewards))


@dataclass(frozen=True)
class ComplexityVote(VoteRule):
    """CC: the majority among the k answered samples of most steps.

    Args:
        k: voters; null is half of the samples.
    """

    k: int | None = None

    @property
    def name(self) -> str:
        return "complexity-based"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        steps = [votes.count_steps(sample.text) for sample in samples]
        return votes.complexity_vote(answer_keys(grades), steps, self.k, lengths=_lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        voters = self._voters(ballots)
        return _standing(voters, voters.counts)

    def preferences(self, ballots: Ballots) -> list[np.ndarray]:
        return super().preferences(self._voters(ballots))

    def _voters(self, ballots: Ballots) -> Ballots:
        half = np.maximum(1, ballots.present.sum(axis=0) // 2)
        return _best_samples(ballots, -ballots.known(ballots.steps, "number of steps"), self.k or half)


@dataclass(frozen=True)
class Oracle(VoteRule):
    """Coverage: right if any sample is. An upper bound, the only rule that is told what is right."""

    @property
    def name(self) -> str:
        return "coverage"

    def __call__(self, question: Question, samples: Sequence[Sample], grades: Sequence[Grade]) -> Vote:
        right = [grade.status == "right" for grade in grades]
        return votes.oracle_vote(answer_keys(grades), right, lengths=_lengths(samples))

    def scores(self, ballots: Ballots) -> np.ndarray:
        return _standing(ballots, ballots.right)


def usual_rules(*, logprobs: bool = False, rewards: bool = False, steps: bool = False) -> list[VoteRule]:
    """Every rule of the table in section 3 that a pool with these columns can run."""
    rules: list[VoteRule] = [
        RandomSample(), Majority(), ShortestMajority(), PowerMajority(0.5), PowerMajority(1.0), CentredMajority(),
        Shortest(), ShortM(3), Longest(),
    ]  # fmt: skip
    rules += [BestLogprob(), BestLogprob(per_token=True), WeightedVote("probability")] if logprobs else []
    rules += [BestReward(), WeightedVote("reward")] if rewards else []
    rules += [ComplexityVote()] if steps else []
    return [*rules, Oracle()]


def _lengths(samples: Sequence[Sample]) -> list[int]:
    return [sample.n_tokens for sample in samples]


def _token_probabilities(samples: Sequence[Sample]) -> list[float | None]:
    return [None if s.logprob is None else float(np.exp(s.logprob / max(s.n_tokens, 1))) for s in samples]


def _standing(ballots: Ballots, scores: np.ndarray) -> np.ndarray:
    return np.where(ballots.standing, scores, -np.inf)


def _best_samples(ballots: Ballots, keys: np.ndarray, m: int | np.ndarray) -> Ballots:
    """Only the m voting samples of smallest key vote, earlier ones first where keys are equal."""
    order = np.argsort(np.where(ballots.voting, keys, np.inf), axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(order))[:, None], axis=0)
    return ballots.only(ranks < m)


def _tokens_until(ballots: Ballots, m: int) -> np.ndarray:
    """Tokens generated until the m-th voting sample has ended, all samples of a vote running side by side."""
    ended = np.sort(np.where(ballots.voting, ballots.lengths, np.inf), axis=0)
    last = ended[m - 1] if m <= len(ended) else np.inf
    return np.minimum(ballots.lengths, last).sum(axis=0)


def _medians(ballots: Ballots, lengths: np.ndarray) -> np.ndarray:
    medians = np.full(ballots.counts.shape, np.inf)
    for answer, count in enumerate(ballots.counts):
        ordered = np.sort(np.where(ballots.codes == answer, lengths, np.inf), axis=0)
        middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(ordered) - 1)])
        medians[answer] = np.take_along_axis(ordered, middle, axis=0).mean(axis=0)
    return medians
