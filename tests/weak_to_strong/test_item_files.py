"""H1, H2 and T as files: disjoint, a function of the seed, and without gold labels where a student reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.weak_to_strong.item_files import make_items, read_classes, read_texts
from lit_reason.weak_to_strong.spelling import make_spelling, spelling_item
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

GOLD = "h1", "h2_gold", "test"


def rows(out: Path, name: str) -> list[dict]:
    return [row for _, row in read_jsonl(out / f"{name}.jsonl")]


def source(path: Path, n: int, prefix: str = "q") -> str:
    lines = [{"question": f"{prefix} {i}", "distractor1": "a", "distractor2": "b", "distractor3": "c",
              "correct_answer": "right", "support": ""} for i in range(n)]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, str]:
    return source(tmp_path / "train.jsonl", 60), source(tmp_path / "validation.jsonl", 20, "t")


def test_halves_share_no_text_and_h2_holds_no_gold_label(tmp_path, sources):
    make_items(tmp_path / "out", *sources, n_train=40, n_test=10)
    texts = {name: {row["text"] for row in rows(tmp_path / "out", name)} for name in (*GOLD, "h2")}
    assert {name: len(found) for name, found in texts.items()} == {"h1": 20, "h2_gold": 20, "test": 10, "h2": 20}
    assert texts["h2"] == texts["h2_gold"] and not texts["h1"] & texts["h2"] and not texts["test"] & texts["h2"]
    assert all(row.keys() == {"id", "text"} for row in rows(tmp_path / "out", "h2"))
    for row in (row for name in GOLD for row in rows(tmp_path / "out", name)):
        assert row["hard_label"] == row["text"].endswith("A: right")


def test_splits_follow_the_seed(tmp_path, sources):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_items(tmp_path / name, *sources, n_train=40, n_test=10, seed=seed)
    a, b, c = (rows(tmp_path / name, "h2") for name in "abc")
    assert a == b != c


def test_texts_of_the_test_leave_h2_and_are_counted(tmp_path):
    train = source(tmp_path / "train.jsonl", 40)
    make_items(tmp_path / "out", train, train)  # ids differ, so coins do: some questions show another answer
    h2, test = ({row["text"] for row in rows(tmp_path / "out", name)} for name in ("h2", "test"))
    assert h2 and not h2 & test
    h1 = {row["text"] for row in rows(tmp_path / "out", "h1")}
    assert h1 and not h1 & test
    dropped = {"H1 text that is also in T": 20 - len(h1), "H2 text that is also in T": 20 - len(h2)}
    assert Results.load(tmp_path / "out").dropped == dropped


def test_a_word_is_shown_or_misspelled():
    found = {spelling_item("letter", {"letter", "lettre"}, seed).text for seed in range(60)}
    assert found == {"letter", "eltter", "lteter", "letetr"}  # "lettre" is a word; "tt" exchanged is the same
    for seed in range(20):
        item = spelling_item("letter", {"letter"}, seed)
        assert item.hard_label == (item.text == "letter") == item.gold_label


def test_spelling_splits_are_words_of_their_own(tmp_path):
    make_spelling(tmp_path, n_h1=60, n_h2=40, n_test=50, seed=3)
    ids = [row["id"] for name in ("h1", "h2", "test") for row in rows(tmp_path, name)]
    assert len(ids) == len(set(ids)) == 150
    assert 50 < sum(row["hard_label"] for name in GOLD for row in rows(tmp_path, name)) < 100
    with pytest.raises(WeakToStrongError, match="100150 words are asked for"):
        make_spelling(tmp_path, n_h1=100_000, n_h2=100, n_test=50)


def test_bad_files_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "a"}\n{"id": "1", "text": "b"}\n')
    with pytest.raises(WeakToStrongError, match="line 2: the id '1' occurs twice"):
        read_texts(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(WeakToStrongError, match="line 1: text is missing"):
        read_texts(tmp_path / "b.jsonl")


def test_the_class_is_that_of_the_largest_share(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "soft_label": [0.2, 0.8]}\n{"id": "2", "soft_label": [0.5, 0.5]}\n')
    assert read_classes(tmp_path / "a.jsonl") == {"1": 1, "2": 0}
