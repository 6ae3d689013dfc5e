"""Stop on a loss or gradient that is no finite number, and say where."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_reason.errors import PlainError


class NonFiniteLoss(PlainError, RuntimeError):
    """Training cannot go on; the message names step, rows and the last good checkpoint."""

    exit_code = 1


class FiniteLoss(Callback):
    """Checks each optimizer window once, before a checkpoint of it can be written. All ranks stop together."""

    def __init__(self) -> None:
        self._finite: torch.Tensor | None = None
        self._row_ids: list[str] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect per micro-batch on the device; look at the result once per window."""
        finite = torch.isfinite(outputs["loss"].detach()).all()
        on_device = finite.device.type != "cpu"  # where looking would wait for the device, the whole window is suspect
        if isinstance(batch, dict) and (on_device or not finite):
            self._row_ids += [i for row in batch.get("row_ids", []) for i in row]
        self._finite = finite if self._finite is None else self._finite & finite
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        norm = trainer.callback_metrics.get("train/grad_norm")
        self._stop_unless(self._finite if norm is None else self._finite & torch.isfinite(norm), trainer)
        self._finite, self._row_ids = None, []

    def _stop_unless(self, finite: torch.Tensor, trainer: Trainer) -> None:
        bad_ranks = trainer.strategy.reduce((~finite).float(), reduce_op="sum")
        if not bad_ranks:
            return
        rows = ", ".join(self._row_ids[:20]) + (" ..." if len(self._row_ids) > 20 else "")
        saved = getattr(trainer.checkpoint_callback, "best_model_path", "") or getattr(
            trainer.checkpoint_callback, "last_model_path", ""
        )
        raise NonFiniteLoss(
            f"the loss or its gradient is not finite at step {trainer.global_step}; "
            f"rows: {rows or 'on another rank or in the gradient only'}; "
            f"last good checkpoint: {saved or 'none'}. A lower learning rate or gradient clipping usually helps."
        )
