"""What a fit started from and ended with, and what it answered after each epoch, without a trace in the training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from callbacks.checkpoints import Checkpoints
from callbacks.epoch_answers import EpochAnswers
from callbacks.export import Export
from callbacks.weights_record import WeightsRecord
from datamodules.instruction import InstructionDataModule
from datamodules.token_data import Loading
from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.language_model import CausalLanguageModel
from lit_reason.weak_to_strong.thresholds import WeakToStrongError


@pytest.fixture
def rows(tmp_path) -> Path:
    path = tmp_path / "rows.jsonl"
    write_jsonl_atomic(path, [{"prompt": f"{i} + 1", "completion": rf"\boxed{{{i + 1}}}"} for i in range(12)])
    questions = [{"id": f"t{i}", "question": f"{i} + 1", "gold": str(i + 1)} for i in range(6)]
    write_jsonl_atomic(tmp_path / "test.jsonl", questions)
    return path


def fit(backbone, rows, folder, *callbacks, epochs=2, ckpt_path=None):
    """The final weights' name."""
    module = CausalLanguageModel(backbone, lora=None)
    data = InstructionDataModule(str(rows), validation_share=0.0, loading=Loading(row_tokens=64, rows=2))
    trainer = Trainer(
        max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        default_root_dir=folder, callbacks=list(callbacks), use_distributed_sampler=False, num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )  # fmt: skip
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return module.weights_identity().rpartition("+")[2]


def test_a_fit_starts_where_another_ended(tiny_backbone, rows, tmp_path):
    """Check H: two students start from S0 to the bit; a third goes on from the first."""
    records = {}
    for name, start in (("s0", None), ("s1", "s0"), ("s2", "s0"), ("continued", "s1")):
        folder = tmp_path / name
        folder.mkdir()
        backbone = tiny_backbone
        if start:
            backbone = replace(backbone, name=str(tmp_path / start / "model"), tokenizer=None)
        end = fit(backbone, rows, folder, WeightsRecord(), Export(), epochs=1)
        records[name] = json.loads((folder / "weights.json").read_text())
        assert records[name]["end"] == end != records[name]["start"]
    assert records["s1"]["start"] == records["s2"]["start"] == records["s0"]["end"]
    assert records["continued"]["start"] == records["s1"]["end"]


def test_a_resumed_fit_keeps_its_first_start(tiny_backbone, rows, tmp_path):
    checkpoints = Checkpoints(every_n_steps=1, dirpath=str(tmp_path / "checkpoints"))
    fit(tiny_backbone, rows, tmp_path, WeightsRecord(), checkpoints, epochs=1)
    first = json.loads((tmp_path / "weights.json").read_text())
    newest = sorted((tmp_path / "checkpoints").glob("[!.]*"))[-1]
    fit(tiny_backbone, rows, tmp_path, WeightsRecord(), Checkpoints(dirpath=str(tmp_path / "c")), ckpt_path=newest)
    again = json.loads((tmp_path / "weights.json").read_text())
    assert again["start"] == first["start"] and again["end"] != first["end"]


def test_every_epoch_is_answered_and_training_does_not_notice(tiny_backbone, rows, tmp_path):
    asked = EpochAnswers({"test": str(rows.with_name("test.jsonl"))}, max_new_tokens=4)
    plain = fit(tiny_backbone, rows, tmp_path / "plain", epochs=3)
    assert fit(tiny_backbone, rows, tmp_path / "asked", asked, epochs=3) == plain
    found = sorted((tmp_path / "asked" / "epochs").iterdir())
    assert [path.name for path in found] == ["test-001.jsonl", "test-002.jsonl", "test-003.jsonl"]
    for path in found:
        answers = [row for _, row in read_jsonl(path)]
        assert [row["id"] for row in answers] == [f"t{i}" for i in range(6)]
        assert all(row["right"] in (True, False) for row in answers)


def test_a_learned_answer_is_right(tiny_backbone, rows, tmp_path):
    """After many epochs of one row its question is answered rightly, a question without gold is not judged."""
    write_jsonl_atomic(rows, [{"prompt": "2 + 1", "completion": r"\boxed{3}"}] * 8)
    write_jsonl_atomic(rows.with_name("test.jsonl"), [{"id": "a", "question": "2 + 1", "gold": "3"},
                                                      {"id": "b", "question": "2 + 1"}])  # fmt: skip
    asked = EpochAnswers({"test": str(rows.with_name("test.jsonl"))}, max_new_tokens=12)
    backbone = replace(tiny_backbone, init_std=0.125)
    module = CausalLanguageModel(backbone, lora=None)
    module.optimizer = replace(module.optimizer, lr=1e-2)
    data = InstructionDataModule(str(rows), validation_share=0.0, loading=Loading(row_tokens=64, rows=8))
    Trainer(max_epochs=40, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
            enable_checkpointing=False, default_root_dir=tmp_path, callbacks=[asked], use_distributed_sampler=False,
            num_sanity_val_steps=0, reload_dataloaders_every_n_epochs=1).fit(module, datamodule=data)  # fmt: skip
    last = [row for _, row in read_jsonl(tmp_path / "epochs" / "test-040.jsonl")]
    assert last == [{"id": "a", "answer": "3", "right": True}, {"id": "b", "answer": "3", "right": None}]


def test_a_missing_file_ends_the_fit_before_its_first_step(tiny_backbone, rows, tmp_path):
    with pytest.raises((WeakToStrongError, OSError), match="nowhere"):
        fit(tiny_backbone, rows, tmp_path, EpochAnswers({"test": str(tmp_path / "nowhere.jsonl")}))
