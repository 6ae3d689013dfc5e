"""A callback that ends its own process as a power failure would."""

from __future__ import annotations

import os
import signal

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class KillAt(Callback):
    """`kill -9` before the first backward pass that follows optimizer step `step`: that step's checkpoint is published
    when the next batch begins, so it must be there, and the work of the window begun is lost."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
