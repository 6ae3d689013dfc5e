"""Rescue and loss, the judge's quality, the paired majority and the cost, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lit_reason.aggregation.aor import AggregationOfReasoning
from lit_reason.aggregation.aor.calls import Outcome
from lit_reason.aggregation.aor.driver import AorResult
from lit_reason.aggregation.aor.metrics import (
    cost,
    degraded_warning,
    figures,
    judge_accuracy,
    majority_at_equal_tokens,
    mcnemar,
    paired_majority,
    pairwise_accuracy,
    rescue,
    right_answers,
    round_agreement,
)
from tests.aggregation.aor.scripted import ScriptedJudge, rows


def graded(question_id: str, answers, gold: str = "A"):
    """Rows in which `gold` is graded right."""
    return [(q, s, replace(g, status="right") if g.answer_key == gold else g) for q, s, g in rows(question_id, answers)]


def test_rescue_and_loss() -> None:
    aor, majority = [True, True, False, True, False, True], [False, False, True, True, False, False]
    present = [True, True, True, True, True, False]  # the last win is a guess: the right answer was never drawn
    found = rescue(aor, majority, present)
    assert (found.rescued, found.lost, found.net, found.n) == (2, 1, 1, 6)
    assert found.p_value == pytest.approx(mcnemar(3, 1)) == pytest.approx(2 * 5 / 16)  # 2 P(X <= 1), X ~ B(4, 1/2)
    assert mcnemar(0, 0) == 1.0


def test_pairwise_accuracy_counts_ties_half() -> None:
    # Right 8 and 5, wrong 5 and 6: 8 > 5, 8 > 6, 5 = 5, 5 < 6.
    assert pairwise_accuracy([(8, True), (5, True), (5, False), (6, False)]) == (2.5 / 4, 4)
    assert pairwise_accuracy([(8, True)]) is None


def test_paired_majority_follows_the_order_of_drawing() -> None:
    data = graded("q", ["B", "A", "A", None, "B", "B"]) + graded("r", [None, None])
    assert paired_majority(data[::-1], 3) == {"q": "A", "r": None}
    assert paired_majority(data, 4)["q"] == "A" and paired_majority(data, 6)["q"] == "B"
    assert paired_majority(data, 2)["q"] == "B"  # a tie: the first seen
    assert right_answers(data) == {"q": {"A"}, "r": set()}


def judge(phase: str, text: str, shown: list[str]) -> int:
    return 9 if text in ("q-1", "q-2") else 6  # the As


def test_a_run_in_figures() -> None:
    data = graded("q", ["B", "A", "A", "B", "B", None]) + graded("r", ["A"] * 6)
    aor = AggregationOfReasoning(ScriptedJudge(judge), n=6, n_max=6)
    found = aor.run([data[0][0], data[-1][0]], data)
    shown = {figure.name: figure for figure in figures(found, data, n=6, n_max=6)}
    assert (shown["AoR accuracy"].value, shown["SC(6) accuracy"].value) == (1.0, 0.5)
    assert shown["AoR - SC(6)"].value == 0.5 and shown["minority rescue against SC(6)"].value == 0.5
    assert shown["majority loss against SC(6)"].value == 0
    assert (shown["stopped: margin"].value, shown["stopped: unanimous"].value) == (0.5, 0.5)
    assert judge_accuracy(found, right_answers(data), data) == {"local": [1.0], "global": [1.0]}
    assert round_agreement(found[0]) == 1.0 and round_agreement(found[1]) is None
    assert all(figure.ci95 for figure in shown.values())
    spent = cost(found)
    assert spent["AoR: chains"] == 12 and spent["AoR: chain tokens"] == 120
    assert spent["AoR, local phase: calls"] == 2 and spent["AoR, global phase: tokens written"] == 3 * 7


def test_a_failing_judge_is_said_at_the_top() -> None:
    def results(degraded: int) -> list[AorResult]:
        outcomes = [Outcome("A", "margin", 2.0, False, 20, 0, {"A": 1}, degraded=i < degraded) for i in range(10)]
        return [AorResult(str(i), outcome) for i, outcome in enumerate(outcomes)]

    assert degraded_warning(results(2)) is None
    assert "for 3 of 10 questions" in (degraded_warning(results(3)) or "")


def test_the_majority_with_as_many_tokens() -> None:
    """Two of three chains right, 10 tokens each: 2/3 at one chain, 1/3 + 2/3 / 2 at two, 1 at three."""
    data = graded("q", ["A", "A", "B"])
    outcome = Outcome("A", "margin", 2.0, False, 3, 0, {"A": 2, "B": 1})
    assert majority_at_equal_tokens([AorResult("q", outcome, {}, 20)], data) == pytest.approx(1 / 3 + 2 / 3 / 2)
    assert majority_at_equal_tokens([AorResult("q", outcome, {}, 25)], data) == pytest.approx((2 / 3 + 1) / 2)
    assert majority_at_equal_tokens([AorResult("q", outcome, {}, 31)], data) is None
