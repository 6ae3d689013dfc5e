"""A module and data of milliseconds, whose numbers depend on the seed and on what a checkpoint restores."""

from __future__ import annotations

import os
import signal
from typing import Any, Literal

import torch
from jsonargparse.typing import PositiveFloat
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

SIGNALS = {
    "kill": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "preempt": signal.SIGUSR1,
    "interrupt": signal.SIGINT,
}
Hook = Literal["train_batch_end", "validation_end"]


class Toy(LightningModule):
    """One weight, driven by noise.

    Args:
        lr: learning rate.
    """

    def __init__(self, lr: PositiveFloat = 0.1) -> None:
        super().__init__()
        self.lr = lr
        self.trouble: Trouble | None = None
        self.weight = torch.nn.Parameter(torch.zeros(3))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.weight - torch.rand(3)).pow(2).sum()
        self.log("train/loss", loss)
        self.log("speed/step", float(self.global_step))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/weight", self.weight.sum(), batch_size=1)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.weight

    test_step = validation_step

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trouble is not None:
            self.trouble.meet("train_batch_end", self.global_step)

    def on_validation_end(self) -> None:
        if self.trouble is not None:
            self.trouble.meet("validation_end", self.global_step)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Trouble(Callback):
    """What happens to the process in a hook of the module, which comes after all callbacks' hooks, at one step.

    Args:
        kind: what happens.
        step: optimizer steps done by then.
        hook: the module's hook.
    """

    def __init__(
        self,
        kind: Literal["kill", "terminate", "preempt", "interrupt", "raise"],
        step: int,
        hook: Hook = "train_batch_end",
    ) -> None:
        self.kind, self.hook, self.step = kind, hook, step

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pl_module.trouble = self

    def meet(self, hook: Hook, step: int) -> None:
        if (hook, step) == (self.hook, self.step):
            if self.kind == "raise":
                raise RuntimeError("trouble")
            os.kill(os.getpid(), SIGNALS[self.kind])


class ToyData(LightningDataModule):
    """Batches that are all alike.

    Args:
        n: batches an epoch.
        low: must be below `high`.
        high: must be above `low`.
    """

    def __init__(self, n: int = 4, low: int = 0, high: int = 1) -> None:
        super().__init__()
        self.n = n

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        low, high = init_args["low"], init_args["high"]
        return [("low", f"must be below high = {high}")] if low >= high else []

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(self.n, 1), generator=torch.Generator())  # an iterator draws a seed from it

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """There is no position in batches that are all alike."""
