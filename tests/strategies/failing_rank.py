"""A callback that troubles one rank as an out-of-memory killer, a bug, a hanging machine or a scheduler."""

from __future__ import annotations

import os
import signal
from typing import Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class FailingRank(Callback):
    """Something happens to a rank before the backward pass after its second step; the others then wait for gradients.

    Args:
        rank: whom it happens to.
        how: an exception, or the signal that it gets.
    """

    def __init__(self, rank: int, how: Literal["raise", "SIGKILL", "SIGSTOP", "SIGTERM", "SIGUSR1"]) -> None:
        self.rank, self.how = rank, how

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if trainer.global_step == 2 and trainer.global_rank == self.rank:
            if self.how == "raise":
                raise IndexError(f"trouble on rank {self.rank}")
            os.kill(os.getpid(), signal.Signals[self.how])
