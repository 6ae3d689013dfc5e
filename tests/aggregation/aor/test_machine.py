"""AoR's logic against the worked examples and boundaries of the specification (checks A to E, M)."""

from __future__ import annotations

import math

import pytest

from lit_reason.aggregation.aor import AggregationOfReasoning
from lit_reason.aggregation.aor.calls import Chain, Draw, LocalCall, Outcome
from lit_reason.aggregation.aor.parts import machine
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.aggregation.errors import AggregationError
from tests.aggregation.aor.scripted import ScriptedJudge, rows

# The architecture picture and figure 4 of the paper: ten chains, then three more.
PICTURE = ["A", "A", "B", "C", "C", "D", "B", "C", "D", "D", "A", "B", "E"]
LOCAL = {0: 5, 1: 7, 2: 8, 3: 8, 4: 6, 5: 6, 6: 7, 7: 7, 8: 9, 9: 6, 10: 6, 11: 9, 12: 7}
FIRST, SECOND = {"1": 5, "2": 7, "3": 6, "8": 5}, {"1": 6, "11": 9, "3": 5, "8": 5, "12": 7}


def picture_score(phase: str, text: str, shown: list[str]) -> int:
    index = text.split("-")[1]
    if phase == "local":
        return LOCAL[int(index)]
    return (SECOND if "q8-11" in shown else FIRST)[index]


def of_picture(**changes) -> Outcome:
    settings = {"k": 1, "n": 10, "m": 3, "n_max": 13, "epsilon": 6, "theta": 2, "b": 5} | changes
    aor = AggregationOfReasoning(ScriptedJudge(picture_score), **settings)
    data = rows("q8", PICTURE)
    return aor.run([data[0][0]], data)[0].outcome


def test_worked_example() -> None:
    outcome = of_picture()
    assert (outcome.answer, outcome.n_used, outcome.stop, outcome.margin) == ("B", 13, "margin", 2.0)
    assert (outcome.local_calls, outcome.global_calls, outcome.steps) == (4 + 3, 2, 1)
    assert outcome.groups == {"A": 3, "B": 3, "C": 3, "D": 3, "E": 1}
    assert outcome.representatives == {"A": [1], "B": [11], "C": [3], "D": [8], "E": [12]}
    assert outcome.averages == {"A": 6, "B": 9, "C": 5, "D": 5, "E": 7}
    assert (outcome.majority, outcome.degraded, outcome.tied) == ("A", False, False)


def test_worked_example_with_other_limits() -> None:
    outcome = of_picture(theta=3)
    assert (outcome.answer, outcome.stop, outcome.n_used) == ("B", "budget", 13)
    outcome = of_picture(n_max=10)
    assert (outcome.answer, outcome.stop, outcome.margin, outcome.steps) == ("B", "budget", 1.0, 0)


class Drive:
    """Answers the machine by functions, and keeps every call."""

    def __init__(self, settings: AorSettings, chains: list[Chain], local, compare) -> None:
        self.calls: list = []
        self.draws: list[int] = []
        steps, used, answer = machine(settings, "q"), 0, None
        try:
            while True:
                request = steps.send(answer)
                if isinstance(request, Draw):
                    self.draws.append(request.n)
                    answer = chains[used : used + request.n]
                    used += len(answer)
                else:
                    self.calls += request
                    answer = [local(call) if isinstance(call, LocalCall) else compare(call) for call in request]
        except StopIteration as end:
            self.outcome: Outcome = end.value

    def of(self, phase: str) -> list:
        return [call for call in self.calls if call.phase == phase]


def chains(answers, n_tokens: int = 1) -> list[Chain]:
    return [Chain(i, f"t{i}", answer, n_tokens) for i, answer in enumerate(answers)]


def every(score):
    return lambda call: [score] * len(call.chains)


@pytest.mark.parametrize(("b", "calls"), [(5, 5), (1, 20), (20, 4)])
def test_batching(b: int, calls: int) -> None:
    answers = ["A"] * 7 + ["B"] * 5 + ["C"] * 5 + ["D"] * 3
    done = Drive(AorSettings(b=b, n_max=20), chains(answers), every(7), every(5))
    assert done.outcome.local_calls == len(done.of("local")) == calls
    assert max(len(call.chains) for call in done.of("local")) <= b
    assert all(chain.answer == call.answer for call in done.of("local") for chain in call.chains)


def test_representatives_wrap_around() -> None:
    """Check C: one, two and three representatives in three rounds."""
    answers = ["A", "B", "B", "C", "C", "C"]
    local = {0: 9, 1: 9, 2: 8, 3: 9, 4: 8, 5: 7}
    tables = iter([{0: 8, 1: 7, 3: 6}, {0: 8, 2: 9, 4: 6}, {0: 5, 1: 8, 5: 9}])
    settings = AorSettings(n=6, n_max=8, m=2, shuffle=False)
    done = Drive(
        settings, chains(answers), lambda c: [local[x.index] for x in c.chains],
        lambda c: [table[x.index] for table in [next(tables)] for x in c.chains],
    )  # fmt: skip
    shown = [[chain.index for chain in call.chains] for call in done.of("global")]
    assert shown == [[0, 1, 3], [0, 2, 4], [0, 1, 5]]
    assert done.outcome.averages == {"A": 7, "B": 8, "C": 7} and done.outcome.margin == 1
    assert done.draws == [6, 2] and done.outcome.stop == "budget"  # margin 1 < 2: more are asked for, none come


def test_epsilon_is_a_boundary() -> None:
    local = {0: 6, 1: 5, 2: 6, 3: 5}
    done = Drive(
        AorSettings(n=4, n_max=4), chains(["A", "A", "B", "B"]), lambda c: [local[x.index] for x in c.chains], every(5)
    )
    assert done.outcome.representatives == {"A": [0], "B": [2]}


@pytest.mark.parametrize(
    ("ours", "theirs", "stops"),
    [((11, 0, 0), (5, 0, 0), True), ((10, 10, 10), (8, 8, 9), False), ((4, 4, 3), (2, 2, 1), True)],
)
def test_theta_is_compared_in_whole_numbers(ours, theirs, stops: bool) -> None:
    """11/3 - 5/3 is 1.9999999999999998 in floats; 5/3 is less than 2."""
    rounds = iter(zip(ours, theirs, strict=True))
    settings = AorSettings(n=2, n_max=7, theta=2, shuffle=False)
    done = Drive(settings, chains(["A", "B"]), every(7), lambda c: list(next(rounds)))
    assert done.outcome.stop == ("margin" if stops else "budget")


def test_the_budget_is_never_exceeded() -> None:
    answers = ["A", "B"] * 20
    done = Drive(AorSettings(n=6, m=5, n_max=13), chains(answers), every(7), every(5))
    assert done.draws == [6, 5, 2] and done.outcome.n_used == 13 and done.outcome.stop == "budget"


def test_a_pool_that_ends_is_the_budget() -> None:
    done = Drive(AorSettings(), chains(["A", "B"] * 4), every(7), every(5))
    assert (done.draws, done.outcome.n_used, done.outcome.stop) == ([20], 8, "budget")


def test_unanimous_needs_no_judge() -> None:
    done = Drive(AorSettings(n=3, n_max=3), chains(["A", None, "A"]), None, None)
    assert (done.outcome.answer, done.outcome.stop, done.outcome.margin) == ("A", "unanimous", math.inf)
    assert done.calls == [] and done.outcome.groups == {"A": 2}


def test_theta_zero_never_draws_more_and_equals_static() -> None:
    def local(call):
        return [6 + chain.index % 4 for chain in call.chains]

    def compare(call):
        return [(7 * chain.index + call.number) % 11 for chain in call.chains]

    for seed in range(30):
        answers = [("A", "B", "C")[(i * (seed + 1)) % 3] for i in range(40)]
        zero = Drive(AorSettings(theta=0), chains(answers), local, compare).outcome
        static = Drive(AorSettings(n_max=20), chains(answers), local, compare).outcome
        assert zero.n_used == static.n_used == 20 and zero.answer == static.answer
        assert {zero.stop, static.stop} <= {"margin", "budget", "unanimous"}


def test_nobody_passes_epsilon() -> None:
    """Section 12, rule 2: draw until the budget ends, theta = 0 too; then the majority."""
    answers = ["A", "B", "B", "A", "B", "A", "A"]
    done = Drive(AorSettings(n=3, m=2, n_max=7, theta=0), chains(answers), every(5), None)
    assert done.draws == [3, 2, 2] and (done.outcome.answer, done.outcome.stop) == ("A", "no_survivor")
    assert done.outcome.margin is None and done.outcome.global_calls == 0


def test_nothing_parsed_at_all() -> None:
    done = Drive(AorSettings(n=2, m=2, n_max=4), chains([None] * 4), None, None)
    assert (done.outcome.answer, done.outcome.stop, done.outcome.n_used) == (None, "no_survivor", 4)


def test_one_survivor_wins_without_comparison() -> None:
    done = Drive(
        AorSettings(n=4, n_max=9), chains(["A", "A", "A", "B"]),
        lambda c: [9 if c.answer == "B" else 2] * len(c.chains), None,
    )  # fmt: skip
    assert (done.outcome.answer, done.outcome.stop, done.outcome.margin) == ("B", "margin", None)
    assert done.outcome.global_calls == 0 and done.outcome.n_used == 4


def test_new_chains_are_scored_beside_the_best_and_the_worst() -> None:
    answers = ["A"] * 4 + ["B"] + ["A", "B", "C"]
    local = {0: 7, 1: 9, 2: 8, 3: 6, 4: 7, 5: 8, 6: 9, 7: 10}
    done = Drive(
        AorSettings(n=5, m=3, n_max=8), chains(answers), lambda c: [local[x.index] for x in c.chains], every(5)
    )
    first, second = done.of("local")[:2], done.of("local")[2:]
    assert all(call.anchors == () for call in first)
    anchors = {call.answer: [(chain.index, score) for chain, score in call.anchors] for call in second}
    assert anchors == {"A": [(1, 9), (0, 7)], "B": [(4, 7)], "C": []}  # best and worst, one if they are one
    assert done.outcome.representatives == {"A": [1, 2, 5], "B": [6, 4], "C": [7]}  # the older first on equal scores


def test_no_change_no_new_comparison() -> None:
    answers = ["A", "B"] + ["A", "B"] * 4
    settings = AorSettings(n=2, m=2, n_max=10, k=1)
    weak = Drive(settings, chains(answers), lambda c: [9 if x.index < 2 else 7 for x in c.chains], every(5))
    assert weak.outcome.global_calls == 1 and weak.outcome.n_used == 10
    strong = Drive(settings, chains(answers), lambda c: [min(10, 6 + x.index) for x in c.chains], every(5))
    assert strong.outcome.global_calls == 3  # at 2, 4 and 6 chains; later scores of 10 stand behind the first


def test_pooled_rounds_average_over_all_comparisons() -> None:
    def run(pool_rounds: bool) -> Outcome:
        tables = iter([{"A": 6, "B": 5}, {"A": 2, "B": 6}])
        settings = AorSettings(n=2, m=1, n_max=3, k=1, shuffle=False, pool_rounds=pool_rounds)
        return Drive(
            settings, chains(["A", "B", "A"]), lambda c: [6 + x.index for x in c.chains],
            lambda c: [table[x.answer] for table in [next(tables)] for x in c.chains],
        ).outcome  # fmt: skip

    assert run(False).averages == {"A": 2, "B": 6} and run(False).margin == 4
    assert run(True).averages == {"A": 4, "B": 5.5} and run(True).margin == 1.5


def test_ties_of_the_averages() -> None:
    """More representatives, then the larger group, then the first seen."""
    local = {0: 7, 1: 7, 2: 7, 3: 2, 4: 7, 5: 7}
    done = Drive(
        AorSettings(n=6, n_max=6), chains(["A", "B", "B", "B", "C", "C"]), lambda c: [local[x.index] for x in c.chains],
        every(5),
    )  # fmt: skip
    assert (done.outcome.answer, done.outcome.tied, done.outcome.margin) == ("B", True, 0.0)
    done = Drive(AorSettings(n=2, n_max=2), chains(["B", "A"]), every(7), every(5))
    assert done.outcome.answer == "B"


def test_a_failed_batch_gives_no_score_and_a_failed_round_is_left_out() -> None:
    replies = iter([[8, 5], None, [4, 5]])
    settings = AorSettings(n=4, n_max=4, b=1, shuffle=False)
    done = Drive(
        settings, chains(["A", "B", "A", "B"]), lambda c: None if c.chains[0].index == 2 else [7],
        lambda c: next(replies),
    )  # fmt: skip
    assert done.outcome.degraded and done.outcome.local_scores == {0: 7, 1: 7, 3: 7}
    assert done.outcome.averages == {"A": 6, "B": 5} and len(done.outcome.rounds) == 2


def test_a_judge_that_always_fails_leaves_the_majority() -> None:
    answers = ["B", "A", "A", "C"]
    done = Drive(AorSettings(n=4, n_max=4), chains(answers), every(7), lambda c: None)
    assert (done.outcome.answer, done.outcome.stop, done.outcome.degraded) == ("A", "judge_failed", True)
    local = {"A": 2, "B": 7, "C": 7}
    done = Drive(
        AorSettings(n=4, n_max=4), chains(answers), lambda c: [local[c.answer]] * len(c.chains), lambda c: None
    )
    assert (done.outcome.answer, done.outcome.stop) == ("B", "judge_failed")  # among the survivors only
    done = Drive(AorSettings(n=4, n_max=4), chains(answers), lambda c: None, None)
    assert (done.outcome.answer, done.outcome.stop) == ("A", "judge_failed")


def test_more_answers_than_one_call_holds() -> None:
    answers = [f"a{i}" for i in range(12)]
    settings = AorSettings(n=12, n_max=12, max_answers=8)
    done = Drive(settings, chains(answers), lambda c: [6 + (c.chains[0].index >= 4)], every(5))
    assert sorted(done.of("global")[0].labels) == sorted(answers[4:])
    assert done.outcome.left_out == answers[:4]


def test_a_batch_beyond_the_context_is_split() -> None:
    answers = ["A"] * 6 + ["B"]
    done = Drive(AorSettings(n=7, n_max=7, max_call_tokens=250), chains(answers, 100), every(7), every(5))
    assert [len(call.chains) for call in done.of("local")] == [2, 2, 2, 1]
    done = Drive(
        AorSettings(n=7, n_max=7, max_call_tokens=250, max_chain_tokens=50), chains(answers, 100), every(7), every(5)
    )
    assert [len(call.chains) for call in done.of("local")] == [5, 1, 1]
    one = Drive(AorSettings(n=7, n_max=7, max_call_tokens=10), chains(answers, 100), every(7), every(5))
    assert one.outcome.local_calls == 7 and len(one.of("global")[0].chains) == 2


def test_a_perfect_judge_is_the_oracle_of_what_it_saw() -> None:
    """Check M: 10 for a right chain, else 2."""

    def judge(call):
        return [10 if chain.answer == "gold" else 2 for chain in call.chains]

    for seed in range(200):
        answers = [("gold", "x", "y", "z", None)[(seed * 7 + i * i * (seed % 5 + 1)) % 5] for i in range(40)]
        done = Drive(AorSettings(), chains(answers), judge, judge)
        seen = set(answers[: done.outcome.n_used])
        assert (done.outcome.answer == "gold") == ("gold" in seen)


def test_a_judge_that_likes_everything_never_stops_early() -> None:
    done = Drive(AorSettings(), chains(["B", "A", "A", "A"] * 10), every(10), every(10))
    assert (done.outcome.n_used, done.outcome.stop) == (40, "budget")
    assert (done.outcome.answer, done.outcome.tied) == ("A", True)  # as many representatives: the larger group
    assert Drive(AorSettings(), chains(["A"] * 40), every(10), every(10)).outcome.n_used == 20


@pytest.mark.parametrize(
    ("method", "answer", "tied"),
    [("local_sum", "A", False), ("local_max", "B", False), ("best_chain", "B", False), ("global", "C", False)],
)
def test_parts_of_the_method(method: str, answer: str, tied: bool) -> None:
    local = {0: 6, 1: 7, 2: 6, 3: 9, 4: 8}
    done = Drive(
        AorSettings(n=5, n_max=5, method=method), chains(["A", "A", "A", "B", "C"]),
        lambda c: [local[x.index] for x in c.chains], lambda c: [{"A": 3, "B": 4, "C": 9}[x.answer] for x in c.chains],
    )  # fmt: skip
    assert (done.outcome.answer, done.outcome.tied) == (answer, tied)
    assert {call.phase for call in done.calls} == {"global" if method == "global" else "local"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 41}, "n is 41, more than n_max = 40"),
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"b": 0}, "b must be at least 1"),
        ({"m": 0}, "m must be at least 1"),
        ({"epsilon": 11}, r"epsilon must lie in 0\.\.10, not 11"),
        ({"theta": -1}, r"theta must lie in 0\.\.10"),
        ({"task": "chess"}, "task must be one of mathematics, general, not 'chess'"),
        ({"extractor": "x"}, "extractor must be one of grader, release_number"),
        ({"max_chain_tokens": 0}, "max_chain_tokens must be at least 1"),
    ],
)
def test_settings_are_checked_before_any_call(wrong: dict, message: str) -> None:
    with pytest.raises(AggregationError, match=message):
        AggregationOfReasoning(ScriptedJudge(lambda *a: 5), **wrong)


def test_a_judge_must_be_there() -> None:
    with pytest.raises(AggregationError, match="a judge is missing"):
        AggregationOfReasoning(None)
    assert AggregationOfReasoning(ScriptedJudge(lambda *a: 5)).name == "AoR(20, 40)"
