"""GSM8K and MATH in their published columns, as H1, H2 and T."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.weak_to_strong.question_files import read_known, read_questions
from lit_reason.weak_to_strong.question_splits import split_questions
from lit_reason.weak_to_strong.thresholds import WeakToStrongError


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def gsm8k(path: Path, numbers: range) -> str:
    return write(path, [{"question": f"What is {i} + 1?", "answer": f"It is <<{i}+1={i + 1}>>{i + 1}.\n#### {i + 1}"}
                        for i in numbers])  # fmt: skip


def math(path: Path, numbers: range) -> str:
    return write(path, [{"problem": f"What is ${i} + 1$?", "solution": rf"It is $\boxed{{{i + 1}}}$.",
                         "level": f"Level {1 + i % 5}", "type": "Algebra"} for i in numbers])  # fmt: skip


def rows(out: Path, name: str) -> list[dict]:
    return [row for _, row in read_jsonl(out / f"{name}.jsonl")]


@pytest.mark.parametrize("layout", [gsm8k, math])
def test_halves_are_disjoint_and_h2_is_without_gold(tmp_path, layout):
    split_questions(tmp_path, layout(tmp_path / "train.jsonl", range(40)), layout(tmp_path / "t.jsonl", range(90, 96)))
    ids = {name: {row["id"] for row in rows(tmp_path, name)} for name in ("h1", "h2", "test")}
    assert {name: len(found) for name, found in ids.items()} == {"h1": 20, "h2": 20, "test": 6}
    assert not ids["h1"] & ids["h2"] and not ids["test"] & (ids["h1"] | ids["h2"])
    assert all("gold" not in row and "answer" not in row for row in rows(tmp_path, "h2"))
    for id, known in read_known(tmp_path / "h2_gold.jsonl").items():
        prompt = next(q.prompt for q in read_questions(tmp_path / "h2.jsonl", with_gold=False) if q.id == id)
        assert int(str(known.gold)) == int(str(prompt).split()[2].strip("$")) + 1
    for row in (*rows(tmp_path, "h1"), *rows(tmp_path, "h2_gold_rows")):
        assert row["target"].rstrip(".$").endswith(rf"\boxed{{{row['answer']}}}") and "<<" not in row["target"]


def test_difficulty_and_topic_of_math_are_kept(tmp_path):
    split_questions(tmp_path, math(tmp_path / "train.jsonl", range(10)), math(tmp_path / "t.jsonl", range(90, 92)))
    known = read_known(tmp_path / "h2_gold.jsonl").values()
    assert all(each.topic == "Algebra" and each.difficulty in range(1, 6) for each in known)


def test_a_repeated_text_leaves_h2_and_is_counted(tmp_path):
    train = gsm8k(tmp_path / "train.jsonl", range(20))
    again = write(tmp_path / "twice.jsonl", [json.loads(line) for line in Path(train).read_text().splitlines()] * 2)
    split_questions(tmp_path / "out", again, gsm8k(tmp_path / "t.jsonl", range(5)))
    h1, h2 = rows(tmp_path / "out", "h1"), rows(tmp_path / "out", "h2")
    asked = [row["question"] for row in h2]
    assert len(asked) == len(set(asked)) and not {*asked} & {row["prompt"] for row in h1}
    dropped = Results.load(tmp_path / "out").dropped["H2 questions whose text is elsewhere"]
    assert dropped == 20 - len(h2) > 0
    split_questions(tmp_path / "kept", again, gsm8k(tmp_path / "t.jsonl", range(5)), keep_overlap=True)
    assert len(rows(tmp_path / "kept", "h2")) == 20


def test_splits_follow_the_seed_and_the_share(tmp_path):
    sources = gsm8k(tmp_path / "train.jsonl", range(40)), gsm8k(tmp_path / "t.jsonl", range(90, 96))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        split_questions(tmp_path / name, *sources, n_train=20, n_test=4, h1_share=0.25, seed=seed)
    a, b, c = (rows(tmp_path / name, "h2") for name in "abc")
    assert a == b != c and len(a) == 15 and len(rows(tmp_path / "a", "test")) == 4


def test_what_cannot_be_split_is_said(tmp_path):
    train = gsm8k(tmp_path / "train.jsonl", range(4))
    empty = write(tmp_path / "e.jsonl", [{"question": "What?"}])
    with pytest.raises(WeakToStrongError, match="test is empty"):
        split_questions(tmp_path, train, empty)
    with pytest.raises(WeakToStrongError, match="template: has no {question}"):
        split_questions(tmp_path, train, train, template="Q:")
