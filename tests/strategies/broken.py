"""A module with the usual mistake, which equality must catch."""

from __future__ import annotations

from torch import Tensor

from lit_reason.batches import TokenBatch
from lit_reason.language_model import CausalLanguageModel


class Forgetful(CausalLanguageModel):
    """Forgets that accumulation divides the loss (under DeepSpeed: that it does so twice)."""

    def training_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        return super().training_step(batch, batch_idx) / self.trainer.accumulate_grad_batches
