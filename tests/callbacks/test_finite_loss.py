"""A loss or gradient that is no number ends the run in one line that says where, and is never saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lit_reason.cli import main
from lit_reason.language_model import TargetLoss

FIRST_SPOILED_STEP = 3


@pytest.fixture
def arguments(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": "p" * i, "completion": "c" * (9 - i)} for i in range(1, 9)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        "fit", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes",
        "--model.backbone.dtype=float32", "--data=InstructionDataModule", "--data.path=rows.jsonl",
        "--data.validation_share=0", "--data.loading.row_tokens=32", "--data.loading.rows=1",
        "--trainer.accumulate_grad_batches=2", "--trainer.accelerator=cpu", "--trainer.limit_val_batches=0",
        "--trainer.max_epochs=3", "--trainer.enable_progress_bar=false", "--trainer.callbacks+=Checkpoints",
        "--trainer.callbacks.every_n_steps=1", "--run.name=a", "--run.id=b",
    ]  # fmt: skip


def spoil(monkeypatch: pytest.MonkeyPatch, loss: torch.Tensor | None = None) -> list[str]:
    """From step 3 on, the second micro-batch of each window has this loss; None gives one whose gradient alone is bad.
    Returns the ids of the rows it first happened to."""
    original, calls, spoiled = TargetLoss.forward, [0], []

    def forward(self: TargetLoss, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
        loss_sum, n_targets = original(self, batch)
        calls[0] += 1
        if calls[0] < 2 * FIRST_SPOILED_STEP + 2 or calls[0] % 2:
            return loss_sum, n_targets
        spoiled.extend(id for row in batch["row_ids"] for id in row)
        return (loss_sum * loss if loss is not None else loss_sum + 0 * (loss_sum - loss_sum).sqrt()), n_targets

    monkeypatch.setattr(TargetLoss, "forward", forward)
    return spoiled


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(arguments, monkeypatch, capsys, value):
    spoiled = spoil(monkeypatch, torch.tensor(value))
    assert main(arguments) == 1
    printed = capsys.readouterr().err
    assert f"not finite at step {FIRST_SPOILED_STEP + 1}; rows: {', '.join(spoiled)}; last good checkpoint: " in printed
    assert f"step={FIRST_SPOILED_STEP:06d}.ckpt" in printed and "Traceback" not in printed


def test_a_gradient_that_is_no_number(arguments, monkeypatch, capsys):
    spoil(monkeypatch)
    assert main(arguments) == 1
    assert f"not finite at step {FIRST_SPOILED_STEP + 1}" in capsys.readouterr().err


def test_no_spoiled_weights_are_saved(arguments, monkeypatch):
    spoil(monkeypatch, torch.tensor(float("nan")))
    assert main(arguments) == 1
    saved = sorted(Path("runs/a/b/checkpoints").glob("*.ckpt"))
    assert saved[-1].name == f"step={FIRST_SPOILED_STEP:06d}.ckpt"
    for path in saved:
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(torch.isfinite(weight).all() for weight in state.values())
