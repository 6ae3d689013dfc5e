"""The one line about a model's size."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from callbacks.model_size import ModelSize, count_parameters


class Small(LightningModule):
    """Six trained parameters, of which two layers share four, and twelve frozen ones."""

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, 2)
        self.second = torch.nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.base = torch.nn.Linear(3, 3).requires_grad_(not frozen)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.second(self.first(batch)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([p for p in self.parameters() if p.requires_grad], lr=0.1)


def test_shared_parameters_count_once_and_frozen_ones_apart():
    assert count_parameters(Small(frozen=True)) == (6, 18)
    assert count_parameters(Small(frozen=False)) == (18, 18)


def test_it_is_said_once_at_the_start(tmp_path, caplog):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    lines = {True: "parameters: 6 trained (33 %), 18 in all", False: "parameters: 18 trained, 18 in all"}
    for frozen, line in lines.items():
        caplog.clear()
        trainer = Trainer(
            max_epochs=2, accelerator="cpu", enable_checkpointing=False, callbacks=[ModelSize()], **quiet
        )
        with caplog.at_level("INFO"):
            trainer.fit(Small(frozen), DataLoader(torch.ones(1, 2)))
        assert [message for message in caplog.messages if message.startswith("parameters")] == [line]
