"""Checks D and E: filters on simulated samplers, against numbers from the binomial by hand; rules of the vote."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from lit_reason.weak_to_strong.analyses import Known, by_threshold, describe, filter_chart
from lit_reason.weak_to_strong.thresholds import WeakToStrongError, check_threshold, needed_votes
from lit_reason.weak_to_strong.votes import (
    Answered,
    VoteRecord,
    cast_vote,
    check_enough,
    is_kept,
    oracle_filter,
    split_by_confidence,
)


def vote(*answers: str | None) -> VoteRecord:
    return cast_vote("q", [Answered(f"text {i} {a}", a) for i, a in enumerate(answers)])


def simulated(n: int, systematic: float | None = None) -> tuple[list[VoteRecord], dict[str, Known]]:
    """Half easy (right with .9), half hard (right with .3, or one wrong answer with `systematic`)."""
    draw, votes, known = random.Random(0), [], {}
    for i in range(n):
        hard = i % 2 == 1
        gold, *wrong = draw.sample("abcde", 5)
        p = 0.3 if hard else 0.9
        if hard and systematic is not None:
            drawn = [wrong[0] if draw.random() < systematic else draw.choice([gold, *wrong[1:]]) for _ in range(10)]
        else:
            drawn = [gold if draw.random() < p else draw.choice(wrong) for _ in range(10)]
        votes.append(cast_vote(str(i), [Answered("", answer) for answer in drawn]))
        known[str(i)] = Known(gold, int(hard))
    return votes, known


def test_filter_statistics():
    votes, known = simulated(10_000)
    wanted = {0.0: (1.00, 0.72, 0.50), 0.5: (0.61, 0.94, 0.18), 0.6: (0.53, 0.99, 0.055), 0.7: (0.50, 0.998, 0.011)}
    for tau, found in by_threshold(votes, known, list(wanted)).items():
        measured = found.share, found.label_accuracy, found.difficulty
        assert measured == pytest.approx(wanted[tau], abs=0.02), tau


def test_kept_sets_are_nested():
    votes, _ = simulated(500)
    kept = [{v.id for v in split_by_confidence(votes, tau)[0]} for tau in (0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1)]
    assert all(more >= fewer for more, fewer in pairwise(kept)) and len(set(map(len, kept))) > 5


def test_a_systematic_mistake_is_not_reported_as_cleaned():
    votes, known = simulated(4000, systematic=0.6)
    for tau in (0.5, 0.6, 0.7):
        found = by_threshold(votes, known, [tau])[tau]
        assert found.by_difficulty[1] < 0.02 and found.by_difficulty[0] > 0.98
        assert found.difficulty > 0.2  # they are still there
    chart = filter_chart(by_threshold(votes, known, [0.5, 0.6]))
    hardest = next(series for series in chart.series if series.name == "label accuracy, hardest")
    assert max(hardest.y) < 0.02


def test_confidence_is_of_all_samples():
    found = vote("21", None, "21", "24")
    assert (found.answer, found.confidence, found.n_samples, found.n_parsed) == ("21", 0.5, 4, 3)
    assert found.counts == {"21": 2, "24": 1} and found.chosen_response == "text 0 21"


def test_ties_are_lexicographic_marked_and_may_be_dropped():
    found = vote("b", "a", "b", "a")
    assert found.answer == "a" and found.tied and found.chosen_response == "text 1 a"
    assert is_kept(found, 0.5) and not is_kept(found, 0.5, drop_ties=True)


def test_whole_votes_decide():
    assert [needed_votes(tau, 10) for tau in (0, 0.1, 0.3, 0.55, 0.6, 0.7, 1)] == [0, 1, 3, 6, 6, 7, 10]
    assert is_kept(vote(*"aaaaaaabbb"), 0.7) and not is_kept(vote(*"aaaaaabbbb"), 0.7)


def test_nothing_parsed_is_never_kept():
    found = vote(None, None)
    assert found.confidence == 0 and found.chosen_response is None and not is_kept(found, 0)


def test_responses():
    samples = [Answered("a long text", "1"), Answered("short", "1"), Answered("x", "2")]
    assert cast_vote("q", samples, "shortest").chosen_response == "short"
    assert cast_vote("q", samples, "random").chosen_response in ("a long text", "short")


def test_the_oracle_keeps_right_labels_only():
    votes = [
        cast_vote("a", [Answered("", "1")]),
        cast_vote("b", [Answered("", "2")]),
        cast_vote("c", [Answered("", None)]),
    ]
    kept, discarded = oracle_filter(votes, {"a": "1", "b": "1"})
    assert [v.id for v in kept] == ["a"] and [v.id for v in discarded] == ["b", "c"]


def test_distances_by_hand():
    known = {"a": Known("1", 1, "x"), "b": Known("1", 1, "x"), "c": Known("1", 3, "y"), "d": Known("1", 3, "y")}
    found = describe({"a": "1", "b": "2", "c": "1"}, known)
    assert found.label_accuracy == pytest.approx(2 / 3) and found.share == 0.75
    assert found.difficulty_distance == pytest.approx(1 / 6) and found.topic_shares == {"x": 2 / 3, "y": 1 / 3}


@pytest.mark.parametrize(
    ("tau", "message"), [(60, "write 0.6"), (-0.1, "tau1 is -0.1, not a share"), (float("nan"), "tau1 is nan")]
)
def test_thresholds_are_fractions(tau, message):
    with pytest.raises(WeakToStrongError, match=message):
        check_threshold("tau1", tau)


def test_no_samples_and_double_ids_are_named():
    with pytest.raises(WeakToStrongError, match="question 'q': no samples"):
        cast_vote("q", [])
    with pytest.raises(WeakToStrongError, match="n is 0"):
        needed_votes(0.5, 0)
    with pytest.raises(WeakToStrongError, match="row 2: the id 'q' occurs twice"):
        split_by_confidence([vote("1"), vote("1")], 0.5)


def test_an_empty_selection_stops_with_its_confidences():
    votes = [vote("1", "2", "3"), vote(None, "1")]
    with pytest.raises(
        WeakToStrongError, match=r"no label reaches tau = 0.9; questions by confidence: 0.3-0.4: 1, 0.5"
    ):
        check_enough([], votes, 0.9)
    with pytest.raises(WeakToStrongError, match="^no question has a vote$"):
        check_enough([], [], 0.5)
    unread = [vote(None, None), vote(None)]
    with pytest.raises(WeakToStrongError, match="^no sample could be parsed: none of the 3 responses to 2 questions"):
        check_enough([], unread, 0.9)
    with pytest.raises(WeakToStrongError, match="^none of the 2 labels is right by the gold answers, so the oracle"):
        check_enough([], votes, None)


def test_one_sample_is_warned_of_only_where_a_threshold_filters():
    once = [vote("1")]
    assert check_enough(once, once, 0.0) == check_enough(once, once, None) == []


def test_warnings():
    assert check_enough([vote("1")], [vote("1")], 0.5, batch=32) == [
        "with one sample a question, confidence is always 1 and filtering means nothing",
        "only 1 labels are kept, fewer than one batch of 32",
    ]
