"""Labels of a fit's epochs, and a frozen trunk that reads every text once."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from lit_reason.cli import main
from lit_reason.files import read_jsonl
from lit_reason.weak_to_strong.classifier import ClassifierHead, text_documents


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """24 labelled texts, and 10 to label, not in the order of their lengths."""
    folder, draw = tmp_path_factory.mktemp("texts"), Random(0)
    texts = [f"{i} {''.join(draw.choices('ab', k=draw.randint(3, 20)))}" for i in range(34)]
    labelled = [{"id": f"l{i}", "text": t, "hard_label": int(t.count("b") > t.count("a"))} for i, t in enumerate(texts)]
    for name, rows in (("train", labelled[:24]), ("open", [{"id": r["id"], "text": r["text"]} for r in labelled[24:]])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def fit(root: Path, files: Path, name: str, *more: str, epochs: int = 2) -> int:
    labels = json.dumps([{"class_path": "EpochLabels", "init_args": {"texts": {"open": str(files / "open.jsonl")}}}])
    return main([
        "fit", "--model=WeakToStrongClassifier", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes",
        "--model.backbone.dtype=float32", "--model.optimizer.lr=0.05", "--data=WeakLabelDataModule",
        f"--data.path={files / 'train.jsonl'}", "--data.loading.row_tokens=32", "--trainer.accelerator=cpu",
        f"--trainer.max_epochs={epochs}", f"--trainer.callbacks={labels}", f"--run.root={root}", f"--run.name={name}",
        "--run.id=only", "--run.without=[Export, TensorBoardLogger]", *more,
    ])  # fmt: skip


def labels(path: Path) -> dict[str, list[float]]:
    return {row["id"]: row["soft_label"] for _, row in read_jsonl(path)}


PROBE = "--model.linear_probe=true"


@pytest.fixture(scope="module")
def probed(tmp_path_factory, files) -> Path:
    root = tmp_path_factory.mktemp("runs")
    assert fit(root, files, "probe", PROBE) == 0
    return root / "probe/only"


def test_labels_are_rows_that_train(tmp_path, files, probed):
    last = probed / "labels/open.jsonl"
    assert last.read_bytes() == (probed / "epochs/open-002.jsonl").read_bytes()
    assert labels(last) != labels(probed / "epochs/open-001.jsonl")
    rows = [row for _, row in read_jsonl(last)]
    assert [row["text"] for row in rows] == [row["text"] for _, row in read_jsonl(files / "open.jsonl")]
    assert all(row.keys() == {"id", "text", "soft_label"} for row in rows)
    assert all(sum(row["soft_label"]) == pytest.approx(1) for row in rows)
    assert fit(tmp_path, files, "student", f"--data.path={last}", epochs=1) == 0


def test_a_text_is_labelled_by_its_own_words(probed, files, tiny_backbone):
    """The trained head over each text read alone gives the label that stands in the file."""
    from lit_reason.batches import collate
    from lit_reason.weak_to_strong.classifier import WeakToStrongClassifier

    checkpoint = max((probed / "checkpoints").glob("*.ckpt"))
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    module = WeakToStrongClassifier(tiny_backbone, linear_probe=True)
    module.configure_model()
    module.load_state_dict(state)
    rows = {row["id"]: row["text"] for _, row in read_jsonl(files / "open.jsonl")}
    for document in text_documents(list(rows), list(rows.values()), module.tokenizer):
        with torch.no_grad():
            alone = module.target_loss(collate([[document]], 0, 0)).softmax(-1)[0]
        assert labels(probed / "labels/open.jsonl")[document.id] == pytest.approx(alone.tolist(), abs=1e-5)


def test_a_frozen_trunk_reads_once(tmp_path, files, probed, monkeypatch):
    """The same labels as when it reads in every epoch, from one pass over 34 texts."""
    passes = []
    original = ClassifierHead._last_hidden

    def counted(self, batch):
        assert not self.training  # or dropout would be remembered
        passes.append(sum(map(len, batch["row_ids"])))
        return original(self, batch)

    monkeypatch.setattr(ClassifierHead, "_last_hidden", counted)
    assert fit(tmp_path, files, "again", PROBE) == 0
    assert sum(passes) == 34
    monkeypatch.setattr(ClassifierHead, "_remembered", lambda self, batch: None)
    assert fit(tmp_path, files, "slow", PROBE) == 0
    assert sum(passes) > 34 * 3
    once, slow = (labels(tmp_path / name / "only/labels/open.jsonl") for name in ("again", "slow"))
    assert np.allclose([once[id] for id in slow], list(slow.values()), atol=1e-5)
    assert once == labels(probed / "labels/open.jsonl")


def test_a_trunk_that_trains_remembers_nothing(tmp_path, files, monkeypatch):
    monkeypatch.setattr(ClassifierHead, "remember", lambda self, batch: pytest.fail("read ahead"))
    assert fit(tmp_path, files, "full", epochs=1) == 0


def test_other_modules_are_refused_before_any_model_is_loaded(tmp_path, files, capsys, monkeypatch):
    monkeypatch.setattr("lit_reason.language_model.load_model", lambda *_: pytest.fail("loaded"))
    assert fit(tmp_path, files, "none", "--model.class_path=CausalLanguageModel") == 2
    assert "EpochLabels needs a WeakToStrongClassifier, not a CausalLanguageModel" in capsys.readouterr().err


def test_missing_texts_are_refused_before_any_model_is_loaded(tmp_path, files, capsys):
    assert fit(tmp_path, tmp_path, "none", f"--data.path={files / 'train.jsonl'}") == 2
    assert "texts.open" in capsys.readouterr().err
