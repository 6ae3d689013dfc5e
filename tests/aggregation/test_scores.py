"""The array rules against the plain functions, sample by sample, and the table they read."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.aggregation.columns import (
    table_from_arrow,
    table_from_columns,
    table_from_pool,
    table_from_records,
)
from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.scores import (
    CentredMajority,
    ComplexityVote,
    Majority,
    Oracle,
    PowerMajority,
    RandomSample,
    ShortestMajority,
    ShortM,
    WeightedVote,
    usual_rules,
)
from lit_reason.aggregation.subsets import accuracy
from lit_reason.aggregation.votes import expected_accuracy
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question, Sample, to_table
from lit_reason.sampling.protocol import SamplingSettings

RULES = [
    *usual_rules(logprobs=True, rewards=True, steps=True), Majority("lexicographic"), Majority("shortest"),
    ShortestMajority("median"), PowerMajority(0.0), CentredMajority(0.3), ShortM(1), ShortM(2), ComplexityVote(3),
    WeightedVote("verifier"),
]  # fmt: skip

samples_of_a_question = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C", None]),
        st.integers(1, 12),  # few lengths, log-probabilities, rewards and steps: ties are the hard part
        st.sampled_from([-3.0, -2.0, -1.5]),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=8,
)


def records(questions: list[list[tuple]]) -> tuple[list[Sample], list[Grade]]:
    """Samples and grades; A is right."""
    samples, grades = [], []
    for q, rows in enumerate(questions):
        for i, (answer, length, logprob, reward, steps) in enumerate(rows):
            samples.append(Sample("", f"q{q}", i, "line\n" * steps, 9, length, "stop", logprob))
            status = "unparsed" if answer is None else "right" if answer == "A" else "wrong"
            grades.append(Grade("", f"q{q}", i, "test@1", status, answer, answer, reward))
    return samples, grades


@settings(max_examples=150, deadline=None)
@given(st.lists(samples_of_a_question, min_size=1, max_size=6))
def test_arrays_agree_with_the_plain_functions(questions: list[list[tuple]]) -> None:
    samples, grades = records(questions)
    table = table_from_records(samples, grades, with_text=True)
    for rule in RULES:
        at_random = accuracy(table, [rule])[0]
        by_rule = None if isinstance(rule, RandomSample) else rule.winners(table.ballots)
        for q, name in enumerate(table.questions):
            own = [i for i, sample in enumerate(samples) if sample.question_id == name]
            vote = rule(Question(name, ""), [samples[i] for i in own], [grades[i] for i in own])
            assert at_random.tokens[q] == vote.n_tokens, rule
            if isinstance(rule, RandomSample):
                assert at_random.values[q] == pytest.approx(vote.scores.get("A", 0.0))
                continue
            assert at_random.values[q] == pytest.approx(expected_accuracy(vote, {"A"})), rule
            chosen = table.answers[table.answer_ids[q, by_rule[q]]] if by_rule[q] >= 0 else None
            assert (chosen, bool(at_random.tied[q])) == (vote.answer, vote.tied), rule


def test_columns_records_and_arrow_give_the_same_table() -> None:
    questions = [[("A", 5, -1.0, 0.5, 2), (None, 3, -2.0, 0.0, 1)], [("B", 4, -1.5, 1.0, 3)]]
    samples, grades = records(questions)
    expected = table_from_records(samples, grades, with_text=True)
    order = [2, 0, 1]
    shuffled = to_table(Sample, [samples[i] for i in order]), to_table(Grade, [grades[i] for i in (1, 2, 0)])
    arrow = table_from_arrow(*shuffled, with_text=True).select(np.array([1, 0]))
    assert arrow.questions == expected.questions == ("q0", "q1")
    for name in ("codes", "present", "lengths", "right", "logprobs", "rewards", "steps", "truncated", "answer_ids"):
        np.testing.assert_array_equal(getattr(arrow, name), getattr(expected, name), err_msg=name)
    assert list(arrow.answers) == ["A", "B"]


def test_a_pool_on_disk_gives_the_same_table(tmp_path) -> None:
    questions = [[("A", 5, -1.0, 0.5, 2), (None, 3, -2.0, 0.0, 1)], [("B", 4, -1.5, 1.0, 3)]]
    samples, grades = records(questions)
    asked = [Question(name, "?") for name in ("q0", "q1")]
    pool = SamplePool.open(tmp_path, {"model": "m"}, SamplingSettings(temperature=1), asked)
    for part in (slice(2, 3), slice(0, 2)):
        pool.append_samples(samples[part])
        pool.append_grades("test@1", grades[part])
    found = table_from_pool(pool, "test@1", with_text=True)
    expected = table_from_records(samples, grades, with_text=True)
    assert found.questions == expected.questions
    for name in ("codes", "lengths", "right", "logprobs", "rewards", "steps", "truncated", "answer_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert table_from_pool(pool, "test@1").steps is None


def test_text_is_not_needed_and_grouping_may_be_by_text() -> None:
    samples = pa.table({"question_id": ["q", "q"], "sample_index": [0, 1], "n_tokens": [3, 4]})
    grades = pa.table({
        "question_id": ["q", "q"], "sample_index": [1, 0], "status": ["right", "right"],
        "answer_key": ["18", "18"], "answer": ["18.0", "18"],
    })  # fmt: skip
    assert table_from_arrow(samples, grades).codes.tolist() == [[0, 0]]
    assert table_from_arrow(samples, grades, group_by="answer").codes.tolist() == [[0, 1]]


def test_a_timed_out_or_unparsed_grade_is_never_right_nor_an_answer() -> None:
    samples = pa.table({"question_id": ["q"] * 3, "sample_index": [0, 1, 2], "n_tokens": [3, 4, 5]})
    grades = pa.table({
        "question_id": ["q"] * 3, "sample_index": [0, 1, 2], "status": ["unparsed", "timed_out", "right"],
        "answer_key": ["A", None, "B"],
    })  # fmt: skip
    table = table_from_arrow(samples, grades)
    assert table.codes.tolist() == [[-1, -1, 0]] and table.right.tolist() == [[False, False, True]]


def test_counts_say_what_a_report_must_say() -> None:
    table = table_from_columns(["a", "a", "b", "c"], ["x", "x", None, "y"], [1, 2, 3, 4], [True, False, False, True])
    assert table.counts() == {
        "samples without a readable answer": 1, "questions without any readable answer": 1,
        "questions with fewer samples than others": 2, "answers graded both right and wrong": 1,
    }  # fmt: skip
    assert accuracy(table, [Oracle()])[0].values.tolist() == [0.0, 0.0, 1.0]  # half of x's samples right is not most


def test_all_unparsed_counts_as_wrong() -> None:
    table = table_from_columns(["a", "b"], [None, None], [0, 2], [False, False])
    for rule in usual_rules():
        assert accuracy(table, [rule])[0].values.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": [3, 0]}, "sample 1 of question 'q': the length is 0, not a positive number of tokens"),
        ({"length": [None, 3]}, "sample 0 of question 'q': the length is missing"),
        ({"length": [3, -2]}, "sample 1 of question 'q': the length is -2"),
        ({"logprob": [-1.0, math.nan]}, "sample 1 of question 'q': the log-probability is nan"),
        ({"logprob": np.array([-np.inf, 0])}, "sample 0 of question 'q': the log-probability is -inf"),
        ({"reward": pa.array([math.inf, 1])}, "sample 0 of question 'q': the reward is inf"),
        ({"index": [4, 4]}, "sample 4 of question 'q' occurs twice"),
        ({"answer": ["A", 7]}, "row 1: 7 is not a text"),
        ({"question": [], "answer": [], "length": [], "right": []}, "there is no sample"),
    ],
)
def test_bad_rows_are_named(change: dict, message: str) -> None:
    good = {"question": ["q", "q"], "answer": ["A", "B"], "length": [3, 4], "right": [True, False]}
    with pytest.raises(AggregationError, match=message):
        table_from_columns(**good | change)


def test_a_sample_without_grade_is_named() -> None:
    samples, grades = records([[("A", 5, -1.0, 0.5, 2), ("B", 3, -2.0, 0.0, 1)]])
    with pytest.raises(AggregationError, match="sample 1 of question 'q0' has no grade"):
        table_from_arrow(to_table(Sample, samples), to_table(Grade, grades[:1]))
    with pytest.raises(AggregationError, match="sample 0 of question 'q0' is paired with the grade of sample 1"):
        table_from_records(samples, grades[::-1])


def test_what_a_rule_needs_is_asked_for() -> None:
    table = table_from_columns(["q", "q"], ["A", None], [3, 4], [True, False], logprob=[None, -1.0])
    with pytest.raises(AggregationError, match="an answered sample has no log-probability"):
        accuracy(table, usual_rules(logprobs=True))
    with pytest.raises(AggregationError, match="an answered sample has no reward"):
        accuracy(table, [WeightedVote()])
    table = table_from_columns(["q"], ["A"], [3], [True], reward=[2.0])
    with pytest.raises(AggregationError, match=r"not in 0\.\.1"):
        accuracy(table, [WeightedVote("verifier")])


def test_samples_stand_in_the_order_of_their_index() -> None:
    """Rows come as a pool was filled; the first seen is the sample of the lowest index."""
    table = table_from_columns(
        ["r", "q", "q", "r"], ["C", "B", "A", "A"], [4, 3, 2, 5], [False] * 4, index=[1, 7, 2, 0]
    )
    assert table.questions == ("r", "q")
    assert table.lengths.tolist() == [[5, 4], [2, 3]]
    firsts = table.answers[table.answer_ids[np.arange(2), Majority().winners(table.ballots)]]
    assert firsts.tolist() == ["A", "A"]
