"""GSM8K and MATH in their published columns, through records, as H1, H2 and T."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.weak_to_strong.own_questions import split_questions
from lit_reason.weak_to_strong.public_questions import make_records
from lit_reason.weak_to_strong.question_files import read_known
from lit_reason.weak_to_strong.thresholds import WeakToStrongError


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def gsm8k(path: Path, numbers: range) -> str:
    return write(path, [{"question": f"What is {i} + 1?", "answer": f"It is <<{i}+1={i + 1}>>{i + 1}.\n#### {i + 1:,}"}
                        for i in numbers])  # fmt: skip


def maths(path: Path, numbers: range) -> str:
    return write(path, [{"problem": f"What is ${i} + 1$?", "solution": rf"It is $\boxed{{{i + 1}}}$.",
                         "level": f"Level {1 + i % 5}", "type": "Algebra"} for i in numbers])  # fmt: skip


def rows(out: Path, name: str) -> list[dict]:
    return [row for _, row in read_jsonl(out / f"{name}.jsonl")]


@pytest.mark.parametrize("layout", [gsm8k, maths])
def test_halves_are_disjoint_and_h2_is_without_gold(tmp_path, layout):
    train, test = layout(tmp_path / "train.jsonl", range(990, 1030)), layout(tmp_path / "t.jsonl", range(90, 96))
    make_records(tmp_path, train, test)
    split_questions(tmp_path, str(tmp_path / "questions.jsonl"))
    ids = {name: {row["id"] for row in rows(tmp_path, name)} for name in ("h1", "h2", "test")}
    assert {name: len(found) for name, found in ids.items()} == {"h1": 20, "h2": 20, "test": 6}
    assert not ids["h1"] & ids["h2"] and not ids["test"] & (ids["h1"] | ids["h2"])
    assert all("gold" not in row and "answer" not in row for row in rows(tmp_path, "h2"))
    asked = {row["id"]: int(row["question"].split()[2].strip("$")) for row in rows(tmp_path, "h2")}
    known = read_known(tmp_path / "h2_gold.jsonl")
    assert {id: int(str(each.gold)) for id, each in known.items()} == {id: i + 1 for id, i in asked.items()}
    for row in (*rows(tmp_path, "h1"), *rows(tmp_path, "h2_gold_rows")):
        assert row["target"].rstrip(".$").endswith(rf"\boxed{{{row['answer']}}}") and "<<" not in row["target"]


def test_difficulty_and_topic_of_math_are_kept(tmp_path):
    make_records(tmp_path, maths(tmp_path / "train.jsonl", range(10)), maths(tmp_path / "t.jsonl", range(90, 92)))
    found = rows(tmp_path, "questions")
    assert all(row["topic"] == "Algebra" for row in found)
    assert [row["difficulty"] for row in found] == [1 + (int(row["gold"]) - 1) % 5 for row in found]


def test_a_text_asked_twice_is_in_one_half(tmp_path):
    train = gsm8k(tmp_path / "train.jsonl", range(20))
    twice = write(tmp_path / "twice.jsonl", [json.loads(line) for line in Path(train).read_text().splitlines()] * 2)
    make_records(tmp_path, twice, gsm8k(tmp_path / "t.jsonl", range(50, 55)))
    split_questions(tmp_path, str(tmp_path / "questions.jsonl"))
    asked = [row["question"] for row in rows(tmp_path, "h2")]
    assert len(asked) == len(set(asked)) and not {*asked} & {row["prompt"] for row in rows(tmp_path, "h1")}
    assert sum(Results.load(tmp_path).dropped.values()) == 20 - len(asked) > 0


def test_splits_follow_the_seed_and_the_share(tmp_path):
    sources = gsm8k(tmp_path / "train.jsonl", range(40)), gsm8k(tmp_path / "t.jsonl", range(90, 96))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_records(tmp_path / name, *sources, n_train=20, n_test=4, h1_share=0.25, seed=seed)
    a, b, c = ([row for row in rows(tmp_path / name, "questions") if row["split"] == "H2"] for name in "abc")
    assert a == b != c and len(a) == 15 and sum(row["split"] == "T" for row in rows(tmp_path / "a", "questions")) == 4


def test_what_has_no_gold_answer_is_counted_or_said(tmp_path):
    train = gsm8k(tmp_path / "train.jsonl", range(4))
    Path(train).write_text(Path(train).read_text() + '{"question": "What?"}\n{"answer": "1"}\n')
    make_records(tmp_path, train, gsm8k(tmp_path / "t.jsonl", range(9, 11)))
    assert Results.load(tmp_path).dropped == {
        "train rows that are no question": 1, "train questions without a gold answer that can be read": 1
    }  # fmt: skip
    with pytest.raises(WeakToStrongError, match=r"test: .*e.jsonl has no question with a gold answer"):
        make_records(tmp_path, train, write(tmp_path / "e.jsonl", [{"question": "What?"}]))
