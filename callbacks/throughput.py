"""Tokens a second by kind, useful share, and how much of the hardware's matrix-product peak training reaches."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_reason.flops import TrainingFlops, measured_peak, training_flops

COUNTED = ("target", "prompt", "padding")


class Throughput(Callback):
    """Logs `speed/*` at every logged step, over the time spent in training batches only, and counts tokens over the
    run.

    `speed/flop_utilisation` is executed operations (see `lit_reason.flops`) over the peak of a matrix product in the
    same dtype, measured on this machine when training starts.
    """

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(COUNTED, 0)
        self.seconds = 0.0
        self._window: dict[str, float] = {}
        self._flops: TrainingFlops | None = None
        self._peak = 0.0
        self._clock = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Token counts and training seconds continue over a resume."""
        return {"tokens": dict(self.tokens), "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the counts."""
        self.tokens, self.seconds = dict(state_dict["tokens"]), state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the peak once."""
        self._reset()
        target_loss = getattr(pl_module, "target_loss", None)
        if target_loss is None:
            return
        self._flops = training_flops(target_loss.decoder, target_loss.head, pl_module.gradient_checkpointing)
        bf16 = "bf16" in str(trainer.precision)
        self._peak = measured_peak(torch.bfloat16 if bf16 else target_loss.head.dtype, pl_module.device)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock after whatever came between epochs."""
        self._clock = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation is not training time."""
        self._clock = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count on the host: the collator wrote the numbers into the batch."""
        if not isinstance(batch, dict) or "n_targets" not in batch:
            return
        now = time.perf_counter()
        n_all = batch["input_ids"].numel()
        counts = (batch["n_targets"], batch["n_tokens"] - batch["n_targets"], n_all - batch["n_tokens"])
        for kind, n in zip(COUNTED, counts, strict=True):
            self.tokens[kind] += n
            self._window[kind] += n
        self._window["flops"] += self._flops.of(n_all, batch["n_targets"]) if self._flops else 0.0
        self._window["seconds"] += now - self._clock
        self.seconds += now - self._clock
        self._clock = now
        window_ends = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if window_ends and trainer.global_step % trainer.log_every_n_steps == 0:
            self._log(pl_module)

    def _log(self, pl_module: LightningModule) -> None:
        window, seconds = self._window, max(self._window["seconds"], 1e-9)
        useful = window["target"] + window["prompt"]
        metrics = {f"speed/{kind}_tokens_per_s": window[kind] / seconds for kind in COUNTED}
        metrics["speed/tokens_per_s"] = useful / seconds
        metrics["speed/useful_share"] = useful / max(1, useful + window["padding"])
        if self._peak:
            metrics["speed/flop_utilisation"] = window["flops"] / seconds / self._peak
        pl_module.log_dict(metrics, batch_size=1)
        pl_module.log("train/target_tokens", float(self.tokens["target"]), batch_size=1)
        self._reset()

    def _reset(self) -> None:
        self._window = dict.fromkeys((*COUNTED, "flops", "seconds"), 0.0)
        self._clock = time.perf_counter()
