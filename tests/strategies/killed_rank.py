"""A callback that ends one rank as an out-of-memory killer would."""

from __future__ import annotations

import os
import signal

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class KillRank(Callback):
    """`kill -9` of rank `rank` in the backward pass after the second step, while the others wait for its gradients."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if trainer.global_step == 2 and trainer.global_rank == self.rank:
            os.kill(os.getpid(), signal.SIGKILL)
