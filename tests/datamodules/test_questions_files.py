"""Questions from files: the usual layouts, gold answers, options, splits, and one clear line for what is wrong."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datamodules.questions import QuestionFileDataModule
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.cli import main
from lit_reason.grading import ChoiceGrader, MathGrader
from lit_reason.questions import Asking
from lit_reason.questions_files import gold_answer
from lit_reason.records import Sample
from lit_reason.rows import RowsError

GSM8K = [
    {"question": "Natalia sold 48 clips. How many?", "answer": "She sold 48/2 = <<48/2=24>>24.\nIn all 72.\n#### 72"},
    {"question": "Weng earns $1,000?", "answer": "He does.\n#### 1,000"},
]
MATH = [
    {"problem": "What is $1/2$?", "solution": r"It is $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"},
    {
        "problem": "What is $x$?",
        "solution": r"It is \boxed{3}, no, \boxed{4}.",
        "answer": "4",
        "unique_id": "test/1.json",
    },
]
AIME = [{"id": 60, "problem": "Every morning", "answer": 204}, {"id": 61, "problem": "Let", "answer": 25.0}]
GPQA = [{
    "Question": "Which particle?", "Correct Answer": "muon\n", "Incorrect Answer 1": "electron",
    "Incorrect Answer 2": "tau", "Incorrect Answer 3": "quark", "Subdomain": "Physics",
}]  # fmt: skip
MMLU = [{"question": "Capital of France?", "choices": ["Rome", "Paris", "Oslo", "Bern"], "answer": 1, "subject": "geo"}]
ARC = [{"question": "Colour?", "choices": {"text": ["red", "blue"], "label": ["1", "2"]}, "answerKey": "2"}]
AQUA = [{"question": "Sum?", "options": ["4", "5", "6"], "answer": "B"}]


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return str(path)


def asked(path: str, **settings: Any) -> QuestionFileDataModule:
    return QuestionFileDataModule(validation_path=path, **settings)


@pytest.mark.parametrize(("rows", "golds"), [
    (GSM8K, ["72", "1,000"]), (MATH, [r"\frac{1}{2}", "4"]), (AIME, ["204", "25"]),
])  # fmt: skip
def test_the_usual_files_need_no_mapping(rows: list[Any], golds: list[str], tmp_path: Path) -> None:
    questions = asked(write(tmp_path / "q.jsonl", rows)).questions("val")
    assert [question.gold for question in questions] == golds
    assert all(str(question.prompt).endswith("\n\nPut the final answer in \\boxed{}.") for question in questions)


def test_ids_difficulty_and_topic_come_from_the_row_or_its_place(tmp_path: Path) -> None:
    first, second = asked(write(tmp_path / "q.jsonl", MATH)).questions("val")
    assert (first.id, second.id) == ("q.jsonl:1", "test/1.json")
    assert first.meta == {"difficulty": "Level 1", "topic": "Algebra", "source": "q.jsonl"}


@pytest.mark.parametrize(("rows", "right"), [(GPQA, "muon"), (MMLU, "Paris"), (ARC, "blue"), (AQUA, "5")])
def test_options_are_shuffled_by_seed_and_the_gold_answer_is_the_letter(
    rows: list[Any], right: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "q.jsonl", rows)
    letters = set()
    for seed in range(12):
        (question,) = asked(path, seed=seed).questions("val")
        choices = question.meta["choices"]
        assert choices[ord(str(question.gold)) - ord("A")].strip() == right
        assert all(f"\n{letter}) {choice}" in question.prompt for letter, choice in zip("ABCD", choices, strict=False))
        assert (question.gold, choices) == (
            (again := asked(path, seed=seed).questions("val")[0]).gold,
            again.meta["choices"],
        )
        letters.add(question.gold)
        (grade,) = ChoiceGrader().grade_all(
            [(question, Sample("p", question.id, 0, rf"\boxed{{{question.gold}}}", 1, 1, "stop"))]
        )
        assert grade.status == "right"
    assert len(letters) > 1
    (question,) = asked(path, shuffle_choices=False).questions("val")
    assert question.gold == {"muon": "A", "Paris": "B", "blue": "B", "5": "B"}[right]


def test_options_that_speak_of_each_other_keep_their_order(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["red", "blue", "green", "All of the above"], "answer": "D"}
    path = write(tmp_path / "q.jsonl", [row])
    assert {asked(path, seed=seed).questions("val")[0].gold for seed in range(12)} == {"D"}


@pytest.mark.parametrize(("answer", "solution", "gold"), [
    ("a\n#### 72", None, "72"), ("#### 1,234 ", None, "1,234"), (r"so \boxed{4}", None, "4"), ("7", r"\boxed{8}", "7"),
    (None, r"\boxed{8} or \boxed{9}", "8, 9"), (None, "The answer is 8.", "8"), (None, "We are done.", None),
    ("Paris", None, "Paris"), ("We add.\nThe answer is 5.", None, "5"), ("", None, None), ("a ####", None, None),
])  # fmt: skip
def test_gold_answers(answer: str | None, solution: str | None, gold: str | None) -> None:
    assert gold_answer(answer, solution) == gold


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [{"frage": "1+1?", "antwort": 2, "b": "3", "c": "4", "nr": "x1"}])
    columns = {"question": "frage", "answer": "antwort", "id": "nr"}
    (question,) = asked(path, columns=columns).questions("val")
    assert (question.id, question.gold, "choices" in question.meta) == ("x1", "2", False)
    (question,) = asked(path, columns={**columns, "wrong_choices": "b, c"}).questions("val")
    assert sorted(question.meta["choices"]) == ["2", "3", "4"]


def test_csv_and_parquet_read_alike(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"question": "1+1?", "answer": "2"}, {"question": "1/2?", "answer": r"\frac{1}{2}"}]
    with (tmp_path / "q.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["question", "answer"])
        writer.writeheader()
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "q.parquet")
    found = [
        [(q.prompt, q.gold) for q in asked(str(tmp_path / name)).questions("val")] for name in ("q.csv", "q.parquet")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_prompts_carry_the_template_and_the_system_message(tmp_path: Path) -> None:
    asking = Asking(template="Q: {question} {not a field}", system="Think.")
    (question, _) = asked(write(tmp_path / "q.jsonl", AIME), asking=asking).questions("val")
    assert question.prompt == [
        {"role": "system", "content": "Think."}, {"role": "user", "content": "Q: Every morning {not a field}"},
    ]  # fmt: skip


def test_splits_share_no_text_and_the_test_keeps_what_is_shared(tmp_path: Path) -> None:
    rows = [{"question": f"What is {i}?", "answer": str(i)} for i in range(6)]
    train, val, test = (write(tmp_path / f"{n}.jsonl", part) for n, part in {
        "train": [*rows[:4], {"question": "what  is 0?", "answer": "0"}],
        "val": rows[2:5], "test": rows[3:]}.items())  # fmt: skip
    data = QuestionFileDataModule(train, val, test)
    ids = [[question.id for question in data.questions(split)] for split in ("train", "val", "test")]  # type: ignore[arg-type]
    assert ids == [
        ["train.jsonl:1", "train.jsonl:2"],
        ["val.jsonl:1"],
        ["test.jsonl:1", "test.jsonl:2", "test.jsonl:3"],
    ]
    assert data.dropped == {
        "val question that is also in test": 2, "train question that is also in val": 1,
        "train question that is also in test": 1, "train question asked twice": 1,
    }  # fmt: skip


def test_shares_are_split_off_by_text_and_do_not_move_when_rows_come(tmp_path: Path) -> None:
    rows = [{"question": f"What is {i}?", "answer": str(i)} for i in range(400)]
    few = QuestionFileDataModule(write(tmp_path / "a.jsonl", rows[:300]), validation_share=0.2, test_share=0.1)
    many = QuestionFileDataModule(write(tmp_path / "b.jsonl", rows[::-1]), validation_share=0.2, test_share=0.1)
    for split, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        sides = [{str(question.prompt) for question in data.questions(split)} for data in (few, many)]  # type: ignore[arg-type]
        assert sides[0] <= sides[1]
        assert len(sides[1]) / 400 == pytest.approx(share, abs=0.06)


def test_a_cap_on_questions_chooses_by_text(tmp_path: Path) -> None:
    rows = [{"question": f"What is {i}?", "answer": str(i)} for i in range(50)]
    golds = set()
    for order in (rows, rows[::-1]):
        questions = asked(write(tmp_path / "q.jsonl", order), max_questions=5).questions("val")
        golds.add(tuple(sorted(int(str(question.gold)) for question in questions)))
    assert len(golds) == 1
    assert len(golds.pop()) == 5


def test_questions_without_a_readable_gold_answer_are_kept_counted_and_not_graded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*AIME, {"problem": "Unknown"}, {"problem": "Broken", "answer": r"\frac{1}{"}]
    with caplog.at_level(logging.WARNING):
        data = asked(write(tmp_path / "q.jsonl", rows))
        questions = data.questions("val")
    assert [question.gold for question in questions] == ["204", "25", None, None]
    assert questions[3].meta["unreadable_gold"] == r"\frac{1}{"
    assert data.dropped == {
        "question without a gold answer, not graded": 1, "gold answer that cannot be read, not graded": 1,
    }  # fmt: skip
    assert r"q.jsonl:4: gold answer cannot be read: \frac{1}{" in caplog.text
    grades = MathGrader().grade_all((q, Sample("p", q.id, 0, r"\boxed{204}", 1, 1, "stop")) for q in questions)
    assert [(grade.status, grade.score) for grade in grades] == [
        ("right", 1), ("wrong", 0), ("wrong", None), ("wrong", None),
    ]  # fmt: skip


def test_bad_rows_are_named_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        AIME[0], "{broken", {"text": "no question here"}, {"problem": "NaN?", "answer": float("nan")},
        {"problem": "nan", "answer": "1"}, {"problem": ["a"], "answer": "1"},
        {"problem": "Which?", "choices": ["a", "a"], "answer": "A"},
        {"problem": "Which?", "choices": ["a", "b"], "answer": "z"},
        {"problem": "Which?", "choices": "a or b", "answer": "a"},
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        data = asked(write(tmp_path / "q.jsonl", rows))
        assert [question.id for question in data.questions("val")] == ["60"]
    assert data.dropped == {
        "not JSON": 1, "no question": 1, "answer is nan": 1, "question is nan": 1, "question is no text": 1,
        "two options read the same, or one is empty": 1, "the answer is none of the options": 1,
        "choices are no list": 1,
    }  # fmt: skip
    assert "q.jsonl:3: row left out: no question: the row has text" in caplog.text
    assert "q.jsonl:4: row left out: answer is nan" in caplog.text


@pytest.mark.parametrize(("rows", "columns", "message"), [
    ([], None, "q.jsonl: no row is a question: it is empty"),
    ([{"a": 1}, "{b"], None,
    "no row is a question: no question (1), not JSON (1); first q.jsonl:1: no question: the row has a"),
    ([*AIME, AIME[0] | {"problem": "Other"}], None, "q.jsonl:3: id 60 is already that of q.jsonl:1"),
    (AIME, {"answer": "answr"}, "no row has the column answr (columns.answer); there are answer, id, problem"),
])  # fmt: skip
def test_what_cannot_go_on_ends_in_one_line(
    rows: list[Any], columns: dict[str, str] | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RowsError) as caught:
        asked(write(tmp_path / "q.jsonl", rows), columns=columns).questions("val")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_documents_end_in_the_box_that_the_prompt_asks_for(tmp_path: Path) -> None:
    rows = [*GSM8K, MATH[0], AIME[0], {"question": "Open?"}]
    data = QuestionFileDataModule(write(tmp_path / "q.jsonl", rows))
    chat = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes")))
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=chat))  # type: ignore[assignment]
    documents = data.documents("train")
    texts = [chat.tokenizer.decode(d.input_ids[d.is_target]).removesuffix(chat.tokenizer.eos_token) for d in documents]
    assert texts == [
        "She sold 48/2 = 24.\nIn all 72.\n\\boxed{72}", "He does.\n\\boxed{1,000}", r"It is $\boxed{\frac{1}{2}}$.",
        r"\boxed{204}",
    ]  # fmt: skip
    assert data.dropped == {"train question with neither solution nor gold answer to learn": 1}


def test_config_mistakes_are_all_named_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps({
        "model": {"class_path": "CausalLanguageModel", "init_args": {"backbone": {"name": "llama-tiny"}}},
        "data": {"class_path": "QuestionFileDataModule", "init_args": {
            "validation_path": str(tmp_path / "none.jsonl"), "columns": {"anser": "a"}, "asking": {"template": "hi"}}},
    }))  # fmt: skip
    assert main(["validate", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert "no such file" in said and "did you mean answer?" in said and "has no {question}" in said
