"""Sequential scaling: what a model's revisions do to its answers (Shortest Majority Vote, section 6).

Pure text surgery and counting; `revision` drives a model with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.subsets import AtK, accuracy_at_tokens

CUES = ("Wait", "Alternatively")
END_OF_THINKING = "</think>"
ELICITATION = "\n\nThe final answer is"

_BLANK_LINES = re.compile(r"(?:\r?\n|\r)[ \t]*(?:(?:\r?\n|\r)[ \t]*)+")


def backtrack(text: str, end_of_thinking: str = END_OF_THINKING) -> str:
    """A solution without its conclusion, ready for a cue: what stands before the end of thinking, without the last
    paragraph, or without the last two where the last but one speaks of the final answer and there are more than two.
    It ends with a blank line; a single paragraph leaves nothing else.

    Blank lines may hold spaces or Windows newlines, and those at the end count for nothing (in the paper's release they
    are a paragraph, and only "\\n\\n" is a blank line).
    """
    thinking = text.partition(end_of_thinking)[0].strip()
    breaks = list(_BLANK_LINES.finditer(thinking))
    starts = [0, *(match.end() for match in breaks)]
    ends = [*(match.start() for match in breaks), len(thinking)]
    n_dropped = 1
    if len(starts) > 2 and "final answer" in thinking[starts[-2] : ends[-2]].lower():
        n_dropped = 2
    kept = len(starts) - n_dropped
    return (thinking[: ends[kept - 1]] if kept else "") + "\n\n"


def choose_cue(logprobs: Mapping[str, float]) -> str:
    """The cue that the model itself finds likeliest; the first named where two are equally likely.

    Raises:
        AggregationError: there is no cue, or a log-probability is not a number.
    """
    if not logprobs:
        raise AggregationError("there is no revision cue to choose from")
    for cue, logprob in logprobs.items():
        if math.isnan(logprob):
            raise AggregationError(f"the log-probability of the cue {cue!r} is nan")
    return max(logprobs, key=lambda cue: logprobs[cue])


def end_thinking(text: str, *, end_of_thinking: str = END_OF_THINKING, elicitation: str = ELICITATION) -> str:
    """Budget forcing at the end of a budget: whatever the chain has come to, ask for the answer (s1)."""
    thinking = text.partition(end_of_thinking)[0].rstrip()
    return f"{thinking}\n{end_of_thinking}{elicitation}"


def keep_thinking(text: str, *, cue: str = CUES[0], end_of_thinking: str = END_OF_THINKING) -> str:
    """Budget forcing before the end of a budget: the end of thinking is taken back, and a cue goes on (s1)."""
    return f"{text.partition(end_of_thinking)[0].rstrip()}\n\n{cue}"


@dataclass(frozen=True)
class Share:
    """`count` of `n`; its value is None where n is 0."""

    count: int
    n: int

    @property
    def value(self) -> float | None:
        """count / n."""
        return self.count / self.n if self.n else None


@dataclass(frozen=True)
class Transition:
    """A round of revisions over all chains; round 0 is the first solution.

    Args:
        round: which.
        accuracy: right now.
        length: mean tokens of the solution as it stands.
        wrong_to_right: of the chains that were wrong in the round before, those that are right now.
        right_to_wrong: of those that were right in the round before, those that are wrong now.
        initially_wrong_to_right: likewise against round 0.
        initially_right_to_wrong: likewise.
        coverage: right in some round so far.
        sticking: of the chains whose first answer was read and wrong, those that give that answer now.
    """

    round: int
    accuracy: Share
    length: float
    wrong_to_right: Share
    right_to_wrong: Share
    initially_wrong_to_right: Share
    initially_right_to_wrong: Share
    coverage: Share
    sticking: Share


def transitions(
    answers: Sequence[Sequence[str | None]], right: Sequence[Sequence[bool]], lengths: Sequence[Sequence[float]]
) -> list[Transition]:
    """Round by round; each argument holds one list a chain, over its rounds.

    Raises:
        AggregationError: there is no chain, or chains have different numbers of rounds.
    """
    if len({len(rounds) for table in (answers, right, lengths) for rounds in table}) != 1:
        raise AggregationError("transitions need at least one chain, and equally many rounds of each")
    verdicts, tokens = np.asarray(right, dtype=bool), np.asarray(lengths, dtype=np.float64)
    named = np.array([[answer is not None for answer in rounds] for rounds in answers])
    same = np.array([[answer == rounds[0] for answer in rounds] for rounds in answers])
    stuck_from = named[:, 0] & ~verdicts[:, 0]
    return [_transition(t, verdicts, tokens[:, t], same[:, t], stuck_from) for t in range(verdicts.shape[1])]


def by_initial_rank(
    ranks: Sequence[int],
    answers: Sequence[Sequence[str | None]],
    right: Sequence[Sequence[bool]],
    lengths: Sequence[Sequence[float]],
) -> dict[int, list[Transition]]:
    """`transitions` apart for the chains of each initial length rank."""
    groups = {rank: [i for i, other in enumerate(ranks) if other == rank] for rank in sorted(set(ranks))}
    return {
        rank: transitions(*([table[i] for i in own] for table in (answers, right, lengths)))  # type: ignore[arg-type]
        for rank, own in groups.items()
    }


@dataclass(frozen=True)
class EqualTokens:
    """Two ways to spend the same tokens a question; `parallel` is None outside what was sampled."""

    tokens: float
    sequential: float
    parallel: float | None


def equal_tokens(sequential: Sequence[tuple[float, float]], parallel: Sequence[AtK]) -> list[EqualTokens]:
    """Rounds of revision, as (mean tokens a question so far, accuracy or coverage), beside k samples at equal tokens.

    Equal rounds would compare unlike costs: a revision is shorter than a chain.
    """
    return [EqualTokens(tokens, value, accuracy_at_tokens(parallel, tokens)) for tokens, value in sequential]


def _transition(
    t: int, verdicts: np.ndarray, tokens: np.ndarray, same: np.ndarray, stuck_from: np.ndarray
) -> Transition:
    now, before, first = verdicts[:, t], verdicts[:, max(t - 1, 0)], verdicts[:, 0]
    every = np.ones_like(now)
    ever = np.asarray(verdicts[:, : t + 1].any(axis=1))
    return Transition(
        t, _share(now, every), float(tokens.mean()), _share(now, ~before), _share(~now, before), _share(now, ~first),
        _share(~now, first), _share(ever, every), _share(same, stuck_from),
    )  # fmt: skip


def _share(what: np.ndarray, of: np.ndarray) -> Share:
    return Share(int((what & of).sum()), int(of.sum()))
