"""Public sets in the columns they are published in: texts, labels, ids, and one line for what does not fit."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lit_reason.cli import main
from lit_reason.weak_to_strong.published import FORMATS, read_items, recognised
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

SCIQ = {
    "question": "What gas do plants take up?",
    "distractor1": "helium",
    "distractor2": "argon",
    "distractor3": "neon",
    "correct_answer": "carbon dioxide",
    "support": "Plants take up carbon dioxide.",
}
BOOLQ = {"question": "is iron a metal", "answer": True, "passage": "Iron is a metal."}
COSMOS = {
    "id": "c1",
    "context": "It rained.",
    "question": "Why did he run?",
    "answer0": "He was late.",
    "answer1": "None of the above choices .",
    "answer2": "To stay dry.",
    "answer3": "For fun.",
    "label": 2,
}
AMAZON = {"label": 1, "title": "Great", "content": "Works well."}
REVIEW = {"text": "A dull film.", "label": 0}
HH = {"chosen": "Human: Hi\n\nAssistant: Hello!", "rejected": "Human: Hi\n\nAssistant: No."}
MMLU = {"question": "Which is a metal?", "choices": ["iron", "wood", "glass", "wool"], "answer": 0}
EVERY = {"sciq": SCIQ, "boolq": BOOLQ, "cosmos_qa": COSMOS, "amazon_polarity": AMAZON, "text_label": REVIEW,
         "anthropic_hh": HH, "labelled": {"text": "a", "soft_label": [0.5, 0.5]}, "multiple_choice": MMLU}  # fmt: skip


def write(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_columns(name):
    assert recognised("f:1", EVERY[name]) == name


def test_science_questions_show_the_right_answer_or_a_wrong_one(tmp_path):
    items = read_items(write(tmp_path / "s.jsonl", [SCIQ] * 300), "train")
    question = "Q: What gas do plants take up? A: "
    wrong = {question + SCIQ[f"distractor{i}"] for i in (1, 2, 3)}
    for item in items:
        assert item.text == question + "carbon dioxide" if item.gold_label else item.text in wrong
        assert item.soft_label == ((0.0, 1.0) if item.gold_label else (1.0, 0.0))
    assert {item.text for item in items if not item.gold_label} == wrong
    assert 120 < sum(item.hard_label for item in items) < 180
    assert items[0].id == "train s.jsonl:1" and len({item.id for item in items}) == 300


def test_a_coin_depends_on_seed_and_id_alone(tmp_path):
    rows = [{"id": f"q{i}", **SCIQ} for i in range(40)]
    once = {item.id: item for item in read_items(write(tmp_path / "a.jsonl", rows), "train")}
    again = {item.id: item for item in read_items(write(tmp_path / "b.jsonl", rows[::-1]), "train")}
    other = read_items(str(tmp_path / "a.jsonl"), "train", seed=1)
    assert once == again and {item.id: item for item in other} != once


def test_texts_are_those_of_the_release(tmp_path):
    rows = {"boolq": BOOLQ, "amazon_polarity": AMAZON, "text_label": REVIEW}
    found = [read_items(write(tmp_path / f"{name}.jsonl", [row]), "train")[0] for name, row in rows.items()]
    assert [(item.text, item.gold_label) for item in found] == [
        ("Passage: Iron is a metal.\nQuestion: is iron a metal", 1), ("Great Works well.", 1), ("A dull film.", 0)
    ]  # fmt: skip


def test_where_no_option_is_right_a_wrong_one_is_shown(tmp_path):
    rows = [{**COSMOS, "id": str(i), "label": label} for label in (1, 2) for i in range(100 * label, 100 * label + 60)]
    items = read_items(write(tmp_path / "c.jsonl", rows), "train")
    none_right, others = items[:60], items[60:]
    assert not any(item.gold_label for item in none_right)
    assert {item.text.rpartition("Answer: ")[2] for item in none_right} == {"He was late.", "To stay dry.", "For fun."}
    right = "Context: It rained.\nQuestion: Why did he run?\nAnswer: To stay dry."
    assert {item.text for item in others if item.gold_label} == {right}
    assert 15 < sum(bool(item.gold_label) for item in others) < 45


def test_pairs_show_one_conversation(tmp_path):
    items = read_items(write(tmp_path / "h.jsonl", [HH] * 50), "train")
    assert all(item.text == HH["chosen" if item.gold_label else "rejected"] for item in items)
    assert len({item.gold_label for item in items}) == 2


ARC = {"question": "Which is a metal?", "answerKey": "2",
       "choices": {"text": ["wood", "iron", "glass"], "label": ["1", "2", "3"]}}  # fmt: skip
GPQA = {"Question": "Which is a metal?", "Correct Answer": "iron", **{f"Incorrect Answer {i}": w for i, w in
        enumerate(("wood", "glass", "wool"), 1)}}  # fmt: skip
MMLU_PRO = {"question": "Which is a metal?", "options": ["wood", "iron"], "answer": "B", "answer_index": 1}


@pytest.mark.parametrize("row", [MMLU, ARC, GPQA, MMLU_PRO])
def test_any_multiple_choice_becomes_yes_or_no(row, tmp_path):
    items = read_items(write(tmp_path / "m.jsonl", [row] * 200), "train", "multiple_choice")
    texts = {label: {item.text for item in items if item.gold_label == label} for label in (0, 1)}
    assert texts[1] == {"Q: Which is a metal? A: iron"}
    wrong = {"wood", "glass", "wool"} if row in (MMLU, GPQA) else {"wood", "glass"} if row is ARC else {"wood"}
    assert texts[0] == {f"Q: Which is a metal? A: {word}" for word in wrong}
    assert 70 < sum(item.hard_label for item in items) < 130


def test_tables_hold_labels_as_text(tmp_path):
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["question", "passage", "answer"], ["q", "p", "false"], ["q2", "p", "True"]])
    assert [item.gold_label for item in read_items(str(tmp_path / "t.csv"), "train")] == [0, 1]
    pq.write_table(pa.Table.from_pylist([BOOLQ]), tmp_path / "t.parquet")
    assert read_items(str(tmp_path / "t.parquet"), "train")[0].gold_label == 1


@pytest.mark.parametrize(
    ("row", "format", "why"),
    [
        ({"premise": "a", "label": 1}, None, "has the columns premise, label; known are .*sciq: question, distractor1"),
        ({"premise": "a"}, "boolq", "passage is missing; there are premise"),
        ({**SCIQ, "distractor2": ""}, None, "distractor2 is '', no text"),
        ({**BOOLQ, "answer": "maybe"}, None, "answer is 'maybe', not 0 or 1"),
        ({**COSMOS, "label": -1}, None, "label is -1, not one of 0, 1, 2, 3"),
        ({**MMLU, "answer": None}, None, "no right option"),
        ({**MMLU, "answer": "E"}, None, "the answer is none of the options: E"),
        ({**MMLU, "choices": ["iron"]}, None, "choices are no list of 2 to 26 texts"),
        ({"question": "Which?", "answer": "A"}, "multiple_choice", "no options"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, row, format, why):
    with pytest.raises(WeakToStrongError, match=f"^train x.jsonl:1: .*{why}"):
        read_items(write(tmp_path / "x.jsonl", [row]), "train", format)


def fit(tmp_path: Path, *more: str) -> int:
    return main([
        "fit", "--model=WeakToStrongClassifier", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes",
        "--data=WeakLabelDataModule", f"--data.path={tmp_path / 'train.jsonl'}", "--data.loading.row_tokens=128",
        "--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1",
        f"--run.root={tmp_path}", "--run.name=sciq", "--run.id=only", "--run.without=[Export, TensorBoardLogger]",
        *more,
    ])  # fmt: skip


def test_a_public_set_trains_from_the_command_line(tmp_path):
    gases = ("oxygen", "ozone", "methane", "steam", "radon", "krypton", "xenon", "ammonia")
    write(tmp_path / "train.jsonl", [{**SCIQ, "question": f"Is it {gas}?"} for gas in gases])
    test = write(tmp_path / "test.jsonl", [SCIQ, {**SCIQ, "question": "Is it oxygen?"}])
    assert fit(tmp_path, f"--data.test_path={test}") == 0
    metrics = list(csv.DictReader((tmp_path / "sciq/only/metrics.csv").open()))
    assert any(row["val/accuracy"] for row in metrics) and any(row["train/loss"] for row in metrics)


def test_an_unknown_format_is_one_line_with_the_known_ones(tmp_path, capsys):
    write(tmp_path / "train.jsonl", [SCIQ])
    assert fit(tmp_path, "--data.format=sci") == 2
    error = capsys.readouterr().err
    assert "data.format" in error and "sciq" in error and "anthropic_hh" in error
    write(tmp_path / "train.jsonl", [{"premise": "a"}])
    assert fit(tmp_path) == 2
    assert "no known format has the columns premise" in capsys.readouterr().err
