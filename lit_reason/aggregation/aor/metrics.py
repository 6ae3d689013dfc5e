"""What AoR gained, lost and cost, beside the majority of the same chains (section 10).

Every accuracy is over all questions given: leave out those without gold, and say how many they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lit_reason import results
from lit_reason.aggregation.aor.driver import AorResult
from lit_reason.aggregation.columns import table_from_records
from lit_reason.aggregation.protocol import answer_keys
from lit_reason.aggregation.scores import Majority
from lit_reason.aggregation.subsets import accuracy_at_k, accuracy_at_tokens
from lit_reason.aggregation.votes import majority_vote
from lit_reason.records import Grade, Question, Sample
from lit_reason.results import Figure

MOST_DEGRADED = 0.2
"""A report must open with a warning when a larger share of its questions is degraded."""

_COSTS = {
    "calls": "attempts", "tokens read": "tokens_in", "tokens written": "tokens_out", "unreadable replies": "unreadable",
}  # fmt: skip


@dataclass(frozen=True)
class Rescue:
    """AoR against the majority on the same questions.

    Args:
        rescued: majority wrong, the right answer among the chains, AoR right: minority answers saved.
        lost: majority right, AoR wrong.
        n: questions.
        p_value: of the exact McNemar test that neither wins more often than the other.
    """

    rescued: int
    lost: int
    n: int
    p_value: float

    @property
    def net(self) -> int:
        """Questions won."""
        return self.rescued - self.lost


def rescue(aor: Sequence[bool], majority: Sequence[bool], present: Sequence[bool]) -> Rescue:
    """From each question's verdicts: AoR right, majority right, the right answer present among the chains AoR used."""
    triples = list(zip(aor, majority, present, strict=True))
    rescued = sum(bool(a and not m and p) for a, m, p in triples)
    lost = sum(bool(m and not a) for a, m, _ in triples)
    wins = sum(bool(a and not m) for a, m, _ in triples)
    return Rescue(rescued, lost, len(triples), mcnemar(wins, lost))


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided p-value of McNemar's test from the questions on which exactly one of two is right."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0


def right_answers(rows: Iterable[tuple[Question, Sample, Grade]]) -> dict[str, set[str]]:
    """The answers that were graded right, by question. Only what scores AoR reads this, never AoR."""
    found: dict[str, set[str]] = {}
    for question, _, grade in rows:
        answer = answer_keys([grade])[0]
        found.setdefault(question.id, set()).update([answer] if answer is not None and grade.status == "right" else [])
    return found


def paired_majority(rows: Iterable[tuple[Question, Sample, Grade]], n: int) -> dict[str, str | None]:
    """SC(n): the most frequent answer of each question's first n chains in the order of drawing, the same that AoR
    draws; the first seen on ties."""
    by_question: dict[str, list[tuple[int, Grade]]] = {}
    for question, sample, grade in rows:
        by_question.setdefault(question.id, []).append((sample.sample_index, grade))
    first = {id: [grade for _, grade in sorted(own, key=lambda p: p[0])[:n]] for id, own in by_question.items()}
    return {id: majority_vote(answer_keys(grades)).answer for id, grades in first.items()}


def pairwise_accuracy(scores: Iterable[tuple[float, bool]]) -> tuple[float, int] | None:
    """How often a right chain stands above a wrong one of the same question, ties counting half, and of how many
    pairs; None without a pair."""
    items = list(scores)
    right = [score for score, is_right in items if is_right]
    wrong = [score for score, is_right in items if not is_right]
    if not right or not wrong:
        return None
    above = np.subtract.outer(np.array(right, dtype=float), np.array(wrong, dtype=float))
    return float(((above > 0) + 0.5 * (above == 0)).mean()), above.size


def judge_accuracy(
    found: Sequence[AorResult], right: Mapping[str, set[str]], rows: Iterable[tuple[Question, Sample, Grade]]
) -> dict[str, list[float]]:
    """Pairwise accuracy within each question that has both kinds of chains, by phase: one value a question."""
    answer = {(q.id, s.sample_index): answer_keys([g])[0] for q, s, g in rows}
    values: dict[str, list[float]] = {"local": [], "global": []}
    for result in found:
        own = right.get(result.question_id, set())
        local = [(float(s), answer[result.question_id, i] in own) for i, s in result.outcome.local_scores.items()]
        each = [[(float(s), a in own) for a, s in scores.items()] for scores in result.outcome.rounds]
        for phase, groups in (("local", [local]), ("global", each)):
            pairs = [value for group in groups if (value := pairwise_accuracy(group)) is not None]
            if pairs:
                values[phase].append(float(np.average([v for v, _ in pairs], weights=[n for _, n in pairs])))
    return values


def round_agreement(result: AorResult) -> float | None:
    """The share of pairs of a question's rounds that put the same answer first; None with fewer than two rounds."""
    best = [max(scores, key=lambda answer: scores[answer]) for scores in result.outcome.rounds]
    pairs = [a == b for a, b in combinations(best, 2)]
    return sum(pairs) / len(pairs) if pairs else None


def degraded_warning(found: Sequence[AorResult]) -> str | None:
    """One line for the top of a report, where the judge failed on more than a fifth of the questions."""
    n = sum(result.outcome.degraded for result in found)
    if not found or n <= MOST_DEGRADED * len(found):
        return None
    return f"The judge's replies could not be read for {n} of {len(found)} questions: these figures are not AoR's."


def cost(found: Sequence[AorResult]) -> dict[str, float]:
    """Calls and tokens by phase, as results.json has them."""
    total: dict[str, float] = {"AoR: chains": 0, "AoR: chain tokens": 0}
    for result in found:
        total["AoR: chains"] += result.outcome.n_used
        total["AoR: chain tokens"] += result.chain_tokens
        for phase, usage in sorted(result.usage.items()):
            for name, field in _COSTS.items():
                key = f"AoR, {phase} phase: {name}"
                total[key] = total.get(key, 0) + getattr(usage, field)
    return total


def majority_at_equal_tokens(
    found: Sequence[AorResult], rows: Sequence[tuple[Question, Sample, Grade]]
) -> float | None:
    """SC's expected accuracy with as many tokens a question as AoR spent, judge included; None where the pool holds no
    such number of tokens, which is then too little to compare with."""
    ids = {result.question_id for result in found}
    table = table_from_records([s for q, s, _ in rows if q.id in ids], [g for q, _, g in rows if q.id in ids])
    most = int(table.n_samples.min())
    curve = [accuracy_at_k(table, [Majority()], k)[0] for k in sorted({*range(1, most, max(1, most // 8)), most})]
    return accuracy_at_tokens(curve, float(np.mean([result.tokens for result in found])))


def figures(
    found: Sequence[AorResult], rows: Sequence[tuple[Question, Sample, Grade]], *, n: int, n_max: int, split: str = ""
) -> list[Figure]:
    """Everything a report shows: accuracies, paired differences to SC(n) and SC(n_max), rescue and loss, chains, stop
    reasons, the judge's quality."""
    right = right_answers(rows)
    ids = [result.question_id for result in found]
    aor = [result.outcome.answer in right.get(result.question_id, set()) for result in found]
    shown = [results.share("AoR accuracy", split, "", sum(aor), len(aor))]
    for size in dict.fromkeys((n, n_max)):
        votes = paired_majority(rows, size)
        own = [votes.get(id) in right.get(id, set()) for id in ids]
        shown.append(results.share(f"SC({size}) accuracy", split, "", sum(own), len(own)))
        shown.append(results.difference(f"AoR - SC({size})", split, own, aor))
        present = [bool(right.get(r.question_id, set()) & r.outcome.groups.keys()) for r in found]
        saved = rescue(aor, own, present)
        for name, count in (("minority rescue", saved.rescued), ("majority loss", saved.lost)):
            shown.append(results.share(f"{name} against SC({size})", split, "", count, saved.n))
    return shown + _behaviour(found, right, rows, split)


def _behaviour(
    found: Sequence[AorResult],
    right: Mapping[str, set[str]],
    rows: Sequence[tuple[Question, Sample, Grade]],
    split: str,
) -> list[Figure]:
    shown = [
        results.mean("chains used", split, "", [r.outcome.n_used for r in found]),
        results.mean("tokens a question", split, "", [r.tokens for r in found]),
        results.mean("answers that survive scoring", split, "", [len(r.outcome.representatives) for r in found]),
        results.share("degraded questions", split, "", sum(r.outcome.degraded for r in found), len(found)),
    ]
    for stop, count in sorted(Counter(r.outcome.stop for r in found).items()):
        shown.append(results.share(f"stopped: {stop}", split, "", count, len(found)))
    for phase, values in judge_accuracy(found, right, rows).items():
        shown += [results.mean(f"judge's pairwise accuracy, {phase}", split, "", values)] if values else []
    agreement = [value for r in found if (value := round_agreement(r)) is not None]
    return shown + ([results.mean("agreement between rounds", split, "", agreement)] if agreement else [])
