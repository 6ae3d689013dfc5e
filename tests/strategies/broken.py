"""Modules with the usual mistakes, which equality must catch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_reason.batches import TokenBatch
from lit_reason.language_model import CausalLanguageModel
from lit_reason.weak_to_strong.classifier import LabelledBatch, WeakToStrongClassifier
from lit_reason.weak_to_strong.losses import quantile_threshold


class Forgetful(CausalLanguageModel):
    """Forgets that accumulation divides the loss (under DeepSpeed: that it does so twice)."""

    def training_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        return super().training_step(batch, batch_idx) / self.trainer.accumulate_grad_batches


class OwnThreshold(WeakToStrongClassifier):
    """Takes the threshold from this rank's part of the window alone."""

    @torch.no_grad()
    def _window_threshold(self, window: Sequence[LabelledBatch]) -> Tensor:
        logits = torch.cat([self.target_loss(batch) for batch in window])
        return quantile_threshold(logits, torch.cat([batch["soft_labels"] for batch in window]).to(logits))
