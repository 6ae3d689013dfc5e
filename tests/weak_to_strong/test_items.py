"""Records, splits and bad labels of the classification data."""

from __future__ import annotations

import pytest

from lit_reason.weak_to_strong.items import (
    Item,
    disjoint_splits,
    read_item,
    relabelled,
    single_class,
    split_in_half,
    yes_no,
)
from lit_reason.weak_to_strong.thresholds import WeakToStrongError


def items(*texts: str, prefix: str = "i") -> list[Item]:
    return [Item(f"{prefix}{n}", text, (1.0, 0.0)) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ([0.5, 0.6], "sums to 1.1"),
        ([-0.1, 1.1], "negative"),
        ([float("nan"), 1.0], "NaN"),
        ("0.5", "not a list"),
        ([1.0], "not a list"),
    ],
)
def test_bad_soft_labels_name_row_and_field(label, why):
    with pytest.raises(WeakToStrongError, match=f"file:3: soft_label.*{why}"):
        read_item("file:3", {"text": "a", "soft_label": label})


def test_missing_fields():
    with pytest.raises(WeakToStrongError, match="file:1: text is missing"):
        read_item("file:1", {})
    with pytest.raises(WeakToStrongError, match="file:1: hard_label is 2"):
        read_item("file:1", {"text": "a", "hard_label": 2})


def test_hard_labels_become_one_hot():
    assert read_item("f:1", {"text": "a", "hard_label": 1}).soft_label == (0.0, 1.0)


def test_ids_are_unique_over_splits():
    with pytest.raises(WeakToStrongError, match="H2, row 1: id 'i0' is already in H1"):
        disjoint_splits({"H1": items("a"), "H2": items("b")})
    with pytest.raises(WeakToStrongError, match="^b.jsonl, row 1: id 'i0' is already in a.jsonl"):
        disjoint_splits({"H1": items("a"), "H2": items("b")}, files={"H1": "a.jsonl", "H2": "b.jsonl"})


def test_text_overlap_is_dropped_from_h2_and_counted():
    splits = {"T": items("two", prefix="t"), "H1": items("One  text", "Two", prefix="h"),
              "H2": items("one text", "TWO", "three", "three", "four")}  # fmt: skip
    kept, dropped = disjoint_splits(splits)
    assert [item.text for item in kept["H2"]] == ["three", "four"] and [i.text for i in kept["H1"]] == ["One  text"]
    reasons = ["H1 text that is also in T", "H2 text that is also in H1", "H2 text that is also in T",
               "H2 text that is there twice"]  # fmt: skip
    assert dropped == dict.fromkeys(reasons, 1)
    kept, dropped = disjoint_splits(splits, keep_overlap=True)
    assert kept == splits and dropped == dict.fromkeys([f"{reason}, kept" for reason in reasons], 1)


def test_an_empty_h2_is_refused():
    with pytest.raises(WeakToStrongError, match="H2 is empty"):
        disjoint_splits({"H1": items("a", prefix="h"), "H2": items("a")})


def test_halves_are_seeded_and_whole():
    every = items(*map(str, range(11)))
    first, second = split_in_half(every, 0)
    assert sorted(i.id for i in first + second) == sorted(i.id for i in every) and len(first) == 5
    assert split_in_half(every, 0) == (first, second) != split_in_half(every, 1)


def test_yes_no_shows_right_answers_half_of_the_time():
    made = [yes_no(str(i), "q", "right", ["no", "never"], seed=0) for i in range(400)]
    assert all(item.text.endswith("right") == bool(item.gold_label) for item in made)
    assert 160 < sum(item.gold_label for item in made) < 240
    assert made == [yes_no(str(i), "q", "right", ["no", "never"], seed=0) for i in range(400)]


def test_a_missing_weak_label_is_named_and_one_class_is_seen():
    with pytest.raises(WeakToStrongError, match="row 2: the item 'i1' has no weak label"):
        relabelled(items("a", "b"), {"i0": [0.5, 0.5]})
    assert single_class(items("a", "b"))
