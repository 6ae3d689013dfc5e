"""A user's own questions through the study's step: each mistake in one line, overlap dropped and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.study.step import main
from lit_reason.weak_to_strong.own_questions import make_arithmetic

STEP = "lit_reason.weak_to_strong.own_questions.split_questions"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def row(id: str, question: str, split: str = "H2", **more: object) -> dict[str, object]:
    return {"id": id, "question": question, "gold": "7", "split": split, **more}


def split(*rows: object, **settings: str) -> int:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in rows]
    Path("q.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return main([STEP, "--out", "made", "--path", "q.jsonl", *(w for k, v in settings.items() for w in (f"--{k}", v))])


def read(name: str) -> list[dict]:
    return [each for _, each in read_jsonl(f"made/{name}.jsonl")]


def test_records_become_splits_and_gold_answers_of_h2_stay_apart():
    rows = [row("a", "one?", "H1", solution="It is 7."), row("b", "two?", gold="1,000", topic="t", difficulty=3),
            row("c", "three?", "T", gold="1/2")]  # fmt: skip
    assert split(*rows) == 0
    prompt = "two? Put the final answer in \\boxed{}."
    assert read("h2") == [{"id": "b", "question": prompt, "topic": "t", "difficulty": 3}]
    assert read("h2_gold") == [{**read("h2")[0], "gold": "1000"}], "as the grader writes it, to be compared with votes"
    assert read("h1")[0]["target"] == "It is 7.\n\\boxed{7}" and read("h2_gold_rows")[0]["target"] == "\\boxed{1000}"
    assert [each["id"] for each in read("test")] == ["c"]


def test_overlap_of_texts_is_dropped_and_counted_or_kept():
    rows = [row("a", "One?", "H1"), row("b", "one?  "), row("c", "two?"), row("d", "TWO?"), row("e", "e?", "T"),
            row("f", "e?")]  # fmt: skip
    assert split(*rows) == 0
    assert [each["id"] for each in read("h2")] == ["c"]
    counted = {"H2 text that is also in H1": 1, "H2 text that is there twice": 1, "H2 text that is also in T": 1}
    assert Results.load(Path("made")).dropped == counted
    assert split(*rows, keep_overlap="true") == 0
    assert [each["id"] for each in read("h2")] == ["b", "c", "d", "f"]
    assert Results.load(Path("made")).dropped == {f"{why}, kept": n for why, n in counted.items()}


def test_what_is_tested_does_not_train_the_supervisor():
    rows = [row("a", "One?", "H1"), row("b", "two?", "H1"), row("c", "three?"), row("d", "one?", "T")]
    assert split(*rows) == 0
    assert [each["id"] for each in read("h1")] == ["b"] and [each["id"] for each in read("test")] == ["d"]
    assert Results.load(Path("made")).dropped == {"H1 text that is also in T": 1}


def test_ids_and_gold_answers_may_be_numbers_and_difficulties_levels():
    rows = [row("a", "a?"), {**row("", "b?", difficulty="Level 3"), "id": 7, "gold": 12}, row("t", "t?", "T")]
    assert split(*rows) == 0
    assert [(each["id"], each["gold"], each.get("difficulty")) for each in read("h2_gold")] == [
        ("a", "7", None), ("7", "12", 3)
    ]  # fmt: skip


GOOD = row("a", "a?"), row("t", "t?", "T")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([*GOOD, row("a", "b?")], "q.jsonl, line 3: the id 'a' is already in line 1"),
        ([*GOOD, row("t", "b?", "H1")], "q.jsonl, line 3: the id 't' is already in line 2"),
        ([*GOOD, {"id": "c", "question": "c?", "split": "T"}], "q.jsonl, line 3: gold is missing or no text"),
        ([*GOOD, row("c", "", "T")], "q.jsonl, line 3: question is missing or no text"),
        ([*GOOD, row("c", "c?", "test")], "q.jsonl, line 3: split is 'test', not H1, H2 or T"),
        ([*GOOD, row("c", "c?", difficulty="hard")], "q.jsonl, line 3: difficulty is 'hard', neither a whole"),
        ([*GOOD, row("c", "c?", gold="?!")], "q.jsonl, line 3: the gold answer '?!' cannot be read"),
        ([*GOOD, "{broken"], "q.jsonl, line 3: Expecting property name"),
        ([GOOD[1]], "q.jsonl: H2 is empty"),
        ([GOOD[0]], "q.jsonl: T is empty"),
        ([row("a", "t?"), GOOD[1]], "q.jsonl: H2 is empty (1 H2 text that is also in T)"),
    ],
)
def test_what_is_wrong_is_named_by_its_line_before_anything_is_written(capsys, rows, line):
    assert split(*rows) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line) and not Path("made/h2.jsonl").exists()


def test_a_template_without_question(capsys):
    assert split(*GOOD, template="Answer!") == 2
    assert capsys.readouterr().err.startswith("template: has no {question}")


def test_the_given_task_is_such_a_file():
    make_arithmetic(Path("."), n_h1=3, n_h2=5, n_test=4)
    assert main([STEP, "--out", "made", "--path", "questions.jsonl"]) == 0
    assert [len(read(name)) for name in ("h1", "h2", "test")] == [3, 5, 4]
    for each in read("h2_gold_rows"):
        first, _, rest = each["target"].partition(" = ")
        assert eval(first) == int(each["answer"]) == int(rest.partition("\n")[0])
