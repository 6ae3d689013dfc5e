"""Votes over a model's samples, used as a filter: which questions are labelled with enough confidence to train on
(2503.04249, sections on Stage I and II).

Nothing here takes a gold answer; `oracle_filter`, the upper bound, is the one exception and says so.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lit_reason.aggregation.votes import majority_vote
from lit_reason.weak_to_strong.thresholds import WeakToStrongError, check_threshold, needed_votes

Response = Literal["first", "shortest", "random"]
"""Which of the responses that give the chosen answer trains the model."""


@dataclass(frozen=True)
class Answered:
    """One sample: its text and its canonical answer, None where none was read."""

    text: str
    answer: str | None


@dataclass(frozen=True)
class VoteRecord:
    """What a model's samples say about one question.

    Args:
        id: of the question.
        answer: the most frequent answer; of equally frequent ones the lexicographically least; None: nothing parsed.
        confidence: its share of all samples drawn; unparsed ones count below the line.
        n_samples: samples drawn.
        n_parsed: those with an answer.
        counts: samples by answer.
        tied: whether another answer is as frequent.
        chosen_response: the text that stands for the answer.
    """

    id: str
    answer: str | None
    confidence: float
    n_samples: int
    n_parsed: int
    counts: dict[str, int]
    tied: bool
    chosen_response: str | None

    @property
    def support(self) -> int:
        """Samples that gave the answer."""
        return 0 if self.answer is None else self.counts[self.answer]


def cast_vote(id: str, samples: Sequence[Answered], response: Response = "first") -> VoteRecord:
    """The majority over one question's samples, in the order in which they were drawn.

    Raises:
        WeakToStrongError: there are no samples.
    """
    if not samples:
        raise WeakToStrongError(f"question {id!r}: no samples to vote with")
    vote = majority_vote([sample.answer for sample in samples], tie="lexicographic")
    texts = [sample.text for sample in samples if sample.answer is not None and sample.answer == vote.answer]
    counts = {answer: int(score) for answer, score in vote.scores.items()}
    chosen = _chosen(id, texts, response) if texts else None
    return VoteRecord(id, vote.answer, vote.support / vote.n, vote.n, vote.n_parsed, counts, vote.tied, chosen)


def is_kept(vote: VoteRecord, tau: float, drop_ties: bool = False) -> bool:
    """Whether at least the share tau of the samples gave the answer, counted in whole samples; a question without any
    parsed answer never is, even at 0."""
    if vote.answer is None or (drop_ties and vote.tied):
        return False
    return vote.support >= needed_votes(tau, vote.n_samples)


def split_by_confidence(
    votes: Sequence[VoteRecord], tau: float, drop_ties: bool = False, field: str = "tau"
) -> tuple[list[VoteRecord], list[VoteRecord]]:
    """The kept and the discarded votes, both in order.

    Raises:
        WeakToStrongError: tau is no share, or a question has two votes.
    """
    check_threshold(field, tau)
    seen: set[str] = set()
    for row, vote in enumerate(votes, 1):
        if vote.id in seen:
            raise WeakToStrongError(f"votes, row {row}: the id {vote.id!r} occurs twice")
        seen.add(vote.id)
    kept = [vote for vote in votes if is_kept(vote, tau, drop_ties)]
    return kept, [vote for vote in votes if not is_kept(vote, tau, drop_ties)]


def oracle_filter(votes: Sequence[VoteRecord], gold: Mapping[str, str]) -> tuple[list[VoteRecord], list[VoteRecord]]:
    """Keep exactly the right labels: an upper bound that looks at gold answers, and no method."""
    right = [vote for vote in votes if vote.answer is not None and vote.answer == gold.get(vote.id)]
    ids = {vote.id for vote in right}
    return right, [vote for vote in votes if vote.id not in ids]


def check_enough(
    kept: Sequence[VoteRecord], votes: Sequence[VoteRecord], tau: float | None, batch: int = 1
) -> list[str]:
    """Warnings about what a filter kept; a tau of None is that of the oracle, which has none.

    Raises:
        WeakToStrongError: nothing was kept; the message says why.
    """
    if not kept:
        raise WeakToStrongError(why_none(votes, tau))
    found = []
    if tau and all(vote.n_samples == 1 for vote in votes):
        found.append("with one sample a question, confidence is always 1 and filtering means nothing")
    if len(kept) < batch:
        found.append(f"only {len(kept)} labels are kept, fewer than one batch of {batch}")
    return found


def why_none(votes: Sequence[VoteRecord], tau: float | None) -> str:
    """Why no label is kept: nobody voted, nothing could be read, none is right, or none is sure enough."""
    if not votes:
        return "no question has a vote"
    if not any(vote.n_parsed for vote in votes):
        n = sum(vote.n_samples for vote in votes)
        return f"no sample could be parsed: none of the {n} responses to {len(votes)} questions holds an answer"
    if tau is None:
        return f"none of the {len(votes)} labels is right by the gold answers, so the oracle keeps none"
    return f"no label reaches tau = {tau:g}; questions by confidence: {confidences(votes)}"


def confidences(votes: Sequence[VoteRecord]) -> str:
    """How many questions have which confidence: `0.1-0.2: 14, ...`, in tenths."""
    tenths = [min(9, int(10 * vote.confidence + 1e-9)) for vote in votes]
    return ", ".join(f"{t / 10:g}-{(t + 1) / 10:g}: {tenths.count(t)}" for t in sorted(set(tenths)))


def _chosen(id: str, texts: list[str], response: Response) -> str:
    if response == "shortest":
        return min(texts, key=len)
    return random.Random(id).choice(texts) if response == "random" else texts[0]
