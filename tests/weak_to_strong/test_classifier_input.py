"""Section 11 of the method's notes for classifiers: what is refused before training, what is left out and counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.files import read_jsonl
from lit_reason.report import write_report
from lit_reason.results import Results

LONG = "b" * 100


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def short_context(tmp_path_factory) -> Path:
    """A GPT-2 that has 32 positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "gpt2"
    GPT2LMHeadModel(
        GPT2Config(vocab_size=320, bos_token_id=None, eos_token_id=None, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    ).save_pretrained(folder)
    return folder


def write(name: str, texts: Sequence[str], **labels: object) -> str:
    rows = [{"id": f"{name}{i}", "text": text, **(labels or {"hard_label": i % 2})} for i, text in enumerate(texts)]
    Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"{name}.jsonl"


def fit(path: str, *more: str, backbone: str = "llama-tiny") -> int:
    return main([
        "fit", "--model=WeakToStrongClassifier", f"--model.backbone.name={backbone}",
        "--model.backbone.tokenizer=bytes", "--model.backbone.dtype=float32", "--data=WeakLabelDataModule",
        f"--data.path={path}", "--data.loading.row_tokens=64", "--trainer.accelerator=cpu", "--trainer.max_epochs=1",
        "--run.root=.", "--run.name=run", "--run.id=only", "--run.without=[Export, TensorBoardLogger]", *more,
    ])  # fmt: skip


def failure(capsys) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_what_is_left_out_is_said_and_stands_in_the_report_beside_the_accuracy(caplog):
    train = write("h1", ["one", "two", "three", "four", "Six", *[f"{LONG}{i}" for i in range(3)]])
    assert fit(train, f"--data.test_path={write('t', ['five', 'six', LONG])}") == 0
    assert "h1.jsonl: 1 times a training text that is also in the test" in caplog.text
    assert "3 of 7 documents are longer than 64 tokens, so they are left out" in caplog.text
    assert "1 of 3 documents are longer than 64 tokens, so they are left out" in caplog.text
    results = Results.load("run/only")
    assert results.dropped == {"training text that is also in the test": 1, "longer than 64 tokens": 4}
    accuracy = results.get("accuracy", "test", "")
    assert accuracy.n == 2 and accuracy.ci_method == "wilson" and accuracy.kind == "share"
    page = write_report("run/only").read_text()
    assert "longer than 64 tokens" in page and accuracy.text() in page and accuracy.interval_text() in page


@pytest.mark.parametrize(
    ("labels", "settings", "line"),
    [
        (
            [[0.2, 0.3, 0.5]] * 2,
            ["--model.loss.name=logconf"],
            "rows.jsonl:1: the label is over 3 classes, but the model",
        ),
        (
            [[0.5, 0.5], [0.2, 0.3, 0.5]],
            [],
            "rows.jsonl:2: the label is over 3 classes, but the model has n_classes = 2",
        ),
        ([[0.2, 0.3, 0.5], [0.5, 0.5]], ["--model.n_classes=3"], "rows.jsonl:2: the label is over 2 classes"),
    ],
)
def test_labels_of_another_width_are_refused_before_training(capsys, labels, settings, line):
    rows = [{"id": str(i), "text": f"text {i}", "soft_label": label} for i, label in enumerate(labels)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert fit("rows.jsonl", *settings) == 2
    assert line in failure(capsys) and not list(Path("run/only").glob("metrics*"))


def test_three_classes_train_where_the_model_has_three():
    write("rows", ["one", "two", "three"], soft_label=[0.2, 0.3, 0.5])
    assert fit("rows.jsonl", "--model.n_classes=3", "--model.loss.name=kl") == 0


def test_a_mistake_names_the_file_it_is_in(capsys):
    Path("h1.jsonl").write_text('{"id": "a", "text": "one", "hard_label": 1}\n' * 2)
    assert fit("h1.jsonl") == 2
    assert "h1.jsonl, row 2: id 'a' is already in h1.jsonl" in failure(capsys)
    assert fit(write("train", ["a", "b"]), f"--data.test_path={write('t', ['c'], hard_label=1, gold_label=3)}") == 2
    assert "test, id 't0': gold_label is 3, not one of 0 to 1" in failure(capsys)


def labelling(texts: str) -> str:
    return f"--trainer.callbacks={json.dumps([{'class_path': 'EpochLabels', 'init_args': {'texts': {'h2': texts}}}])}"


def test_texts_beyond_the_models_context_are_counted_before_anything_trains(short_context):
    """Rows of 64 tokens hold texts of 40, but the model has 32 positions."""
    train, h2 = write("h1", ["one", "two", "three", LONG[:40]]), write("h2", ["four", LONG[:40], LONG])
    with pytest.warns(UserWarning, match="texts.h2: 2 of 3 texts are longer than 32 tokens, so they get no label"):
        assert fit(train, labelling(h2), backbone=str(short_context)) == 0
    assert [row["text"] for _, row in read_jsonl("run/only/labels/h2.jsonl")] == ["four"]
    dropped = {"h2: text longer than 32 tokens, not labelled": 2, "longer than 32 tokens": 1}
    assert Results.load("run/only").dropped == dropped


def test_texts_that_are_all_too_long_end_the_fit_before_its_first_step(capsys):
    assert fit(write("h1", ["one", "two"]), labelling(write("h2", [LONG]))) == 2
    assert "texts.h2: 1 of 1 texts are longer than 64 tokens, so they get no label [h2.jsonl]" in failure(capsys)
    assert not list(Path("run/only").glob("checkpoints/*.ckpt"))
