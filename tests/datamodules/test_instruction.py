"""A user's own rows: targets are what the assistant says, bad rows are named, the split keeps requests apart."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.instruction import InstructionDataModule, held_out
from datamodules.token_data import Loading
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.cli import main
from lit_reason.rows import RowsError
from lit_reason.tokenising import request_hash

ROWS: list[dict[str, Any]] = [
    {"prompt": "What is 1 + 1?", "completion": "2"},
    {"instruction": "Translate", "input": "chat", "output": "cat 猫"},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": " Hello \n"},
            {"role": "user", "content": "Bye"},
            {"role": "assistant", "content": "Goodbye"},
        ]
    },
    {"conversations": [{"from": "human", "value": "A"}, {"from": "gpt", "value": "B\n\nC"}]},
]
ANSWERS = [["2"], ["cat 猫"], [" Hello \n", "Goodbye"], ["B\n\nC"]]


@pytest.fixture(scope="module", params=["bytes", "smollm2-135m"])
def chat(request: pytest.FixtureRequest) -> Chat:
    return Chat(load_tokenizer(Backbone("llama-tiny", tokenizer=request.param)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(path: Path, chat: Chat, **settings: Any) -> InstructionDataModule:
    """The module with the one thing that it takes from a trainer."""
    data = InstructionDataModule(str(path), **settings)
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=chat))  # type: ignore[assignment]
    return data


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_targets_are_exactly_the_answers_and_their_end_tokens(chat: Chat, tmp_path: Path) -> None:
    documents = build(write(tmp_path / "a.jsonl", ROWS), chat, validation_share=0).documents("train")
    assert [d.id for d in documents] == [f"a.jsonl:{line}" for line in (1, 2, 3, 4)]
    for document, answers in zip(documents, ANSWERS, strict=True):
        text = chat.tokenizer.decode(document.input_ids[document.is_target], clean_up_tokenization_spaces=False)
        assert text == "".join(answer + chat.tokenizer.eos_token for answer in answers)


def test_training_prompts_are_the_prompts_that_are_asked(chat: Chat, tmp_path: Path) -> None:
    row = build(write(tmp_path / "a.jsonl", ROWS), chat, validation_share=0).documents("train")[0]
    assert row.input_ids[~row.is_target].tolist() == chat.prompt_ids("What is 1 + 1?")


def test_the_system_message_is_overridden(chat: Chat, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    for document in build(path, chat, validation_share=0, system="Answer in Latin.").documents("train"):
        text = chat.tokenizer.decode(document.input_ids)
        assert text.count("Answer in Latin.") == 1
        assert "Be brief." not in text


def test_bad_rows_are_named_and_counted(chat: Chat, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(
        tmp_path / "a.jsonl",
        [
            ROWS[0],
            "{broken",
            {"question": "q", "answer": "a"},
            {"prompt": "q", "completion": ""},
            {"prompt": f"q{chat.tokenizer.eos_token}", "completion": "a"},
            ROWS[1],
        ],
    )
    with caplog.at_level(logging.WARNING):
        data = build(path, chat, validation_share=0)
        documents = data.documents("train")
    assert [d.id for d in documents] == ["a.jsonl:1", "a.jsonl:6"]
    assert data.dropped == {"not JSON": 1, "no known columns": 1, "empty answer": 1, "holds a special token": 1}
    assert "a.jsonl:2: row left out: not JSON: " in caplog.text
    assert "a.jsonl:3: row left out: no known columns: the row has question, answer" in caplog.text
    assert "a.jsonl:4: row left out: empty answer" in caplog.text
    assert f"a.jsonl:5: row left out: holds a special token: {chat.tokenizer.eos_token}" in caplog.text
    assert "2 rows used, 4 left out: not JSON (1), no known columns (1), empty answer (1), holds a" in caplog.text


def test_counts_do_not_grow_when_the_other_split_is_asked_for(chat: Chat, tmp_path: Path) -> None:
    data = build(write(tmp_path / "a.jsonl", [*ROWS, "{broken"]), chat, validation_share=0.5)
    sides = [{d.id for d in data.documents(split)} for split in ("train", "val", "train")]
    assert [len(side) for side in sides] == [2, 2, 2]
    assert sides[0].isdisjoint(sides[1])
    assert data.dropped == {"not JSON": 1}


def test_a_row_that_the_template_refuses_is_left_out(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    strict = "{% if messages|length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + tokenizer.chat_template
    data = build(write(tmp_path / "a.jsonl", ROWS), Chat(tokenizer, strict), validation_share=0)
    assert [d.id for d in data.documents("train")] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:4"]
    assert data.dropped == {"chat template refuses it": 1}


def test_rows_longer_than_the_context_are_dropped_whole(chat: Chat, tmp_path: Path) -> None:
    rows = [ROWS[0], {"prompt": "long", "completion": "word " * 500}]
    data = build(write(tmp_path / "a.jsonl", rows), chat, validation_share=0, loading=Loading(row_tokens=200))
    data.setup("fit")
    assert [d.id for d in data._documents["train"]] == ["a.jsonl:1"]
    assert data.dropped == {"longer than 200 tokens": 1}


def test_when_nothing_is_left_one_line_says_why(chat: Chat, tmp_path: Path) -> None:
    for rows, message in [
        (["{broken", {"x": 1}, {"x": 2}], "a.jsonl: no row can be used: no known columns (2), not JSON (1); first a.j"),
        ([], "a.jsonl: no row can be used: it is empty"),
        ([ROWS[0], ROWS[0]], "a.jsonl: no row is left to train on, because rows that ask the same stay together"),
        ([{"prompt": chat.tokenizer.eos_token, "completion": "a"}], "a.jsonl: no row can be used: holds a special"),
    ]:
        data = build(write(tmp_path / "a.jsonl", rows), chat, validation_share=0.5 if len(rows) == 2 else 0)
        with pytest.raises(RowsError) as caught:
            data.documents("train")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_validation_rows_may_come_from_a_file(chat: Chat, tmp_path: Path) -> None:
    train, val = write(tmp_path / "a.jsonl", ROWS), write(tmp_path / "b.jsonl", ROWS[:1])
    data = build(train, chat, validation_path=str(val))
    assert [d.id for d in data.documents("train")] == [f"a.jsonl:{line}" for line in (1, 2, 3, 4)]
    assert [d.id for d in data.documents("val")] == ["b.jsonl:1"]


def test_mistakes_in_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", ROWS)
    write(tmp_path / "a.xlsx", [])
    assert InstructionDataModule.check_config({"path": "a.jsonl", "columns": {"prompt": "q"}}) == []
    wrong = {"path": "b.jsonl", "validation_path": "a.xlsx", "columns": {"promt": "q"}}
    known = ".jsonl, .jsonl.gz, .ndjson, .json, .csv, .tsv, .parquet"
    assert InstructionDataModule.check_config(wrong) == [
        ("path", "no such file: b.jsonl; did you mean a.jsonl?"),
        (
            "validation_path",
            f"unknown format .xlsx of a.xlsx; known: {known}",
        ),
        ("columns.promt", "no such column; did you mean prompt?"),
    ]


FIT = [
    "fit",
    "--model=CausalLanguageModel",
    "--model.backbone={name: llama-tiny, tokenizer: bytes, dtype: float32}",
    "--data=InstructionDataModule",
    "--data.validation_share=0.5",
    "--data.path=my rows.csv",
    "--trainer.max_steps=2",
    "--trainer.accelerator=cpu",
    "--run.name=own",
    "--run.id=x",
]


def test_the_command_line_trains_on_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rows.csv").write_text("question,answer\nq,a\nr,b\ns\n", "utf-8")
    assert main([*FIT, "--data.columns={prompt: question, completion: answer}"]) == 0
    assert "my rows.csv:4: row left out: 1 fields under a header of 2" in caplog.text
    assert (tmp_path / "runs/own/x/model/adapter_model.safetensors").is_file()


def test_a_file_without_one_usable_row_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rows.csv").write_text("question,answer\nq,a\n", "utf-8")
    assert main(FIT) == 2
    printed = capfd.readouterr().err
    assert "my rows.csv: no row can be used: no known columns (1); first my rows.csv:2: no known columns: " in printed
    assert "Traceback" not in printed


def test_rows_that_ask_nothing_are_not_one_group() -> None:
    rows = [[{"role": "user", "content": ""}, {"role": "assistant", "content": str(i)}] for i in range(10)]
    requests = np.array([request_hash(row, 0) for row in rows], np.uint64)
    assert held_out(requests, 0.2).sum() == 2


def plain_split(rows: list[list[dict[str, str]]], share: float, seed: int) -> list[bool]:
    """The rule of `held_out`, group by group."""
    keys = [request_hash(row, seed) for row in rows]
    groups, held = Counter(keys), set()
    for key in sorted(groups):
        if sum(groups[k] for k in held) >= share * len(rows):
            break
        held.add(key)
    return [key in held for key in keys]


REQUESTS = st.lists(st.integers(0, 15), min_size=1, max_size=60)


@given(REQUESTS, st.sampled_from([0, 0.01, 0.05, 0.25, 0.5, 1]), st.integers(0, 3), st.randoms())
def test_the_split(requests: list[int], share: float, seed: int, random: Any) -> None:
    def is_held_out(order: list[int]) -> dict[int, bool]:
        hashes = np.array([request_hash(rows[i], seed) for i in order], np.uint64)
        return dict(zip(order, held_out(hashes, share).tolist(), strict=True))

    rows = [
        [{"role": "user", "content": str(request)}, {"role": "assistant", "content": str(i)}]
        for i, request in enumerate(requests)
    ]
    held = is_held_out(list(range(len(rows))))
    assert list(held.values()) == plain_split(rows, share, seed)
    sides = [{request for i, request in enumerate(requests) if held[i] is side} for side in (True, False)]
    assert sides[0].isdisjoint(sides[1])
    largest = max(requests.count(request) for request in requests)
    assert share * len(rows) <= sum(held.values()) < share * len(rows) + largest
    assert is_held_out(random.sample(range(len(rows)), len(rows))) == held
