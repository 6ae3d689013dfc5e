"""Training progress: a bar on a terminal, one plain line every few seconds where there is none (a log file, SLURM, CI).

Lightning's default bar writes nothing into a file, and reads the metrics to the host on every step. This one shows
whatever the module and the callbacks log with `prog_bar=True`, and reads it only when it is about to draw.
"""

from __future__ import annotations

import math
from typing import Any

from jsonargparse.typing import PositiveFloat
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from lit_reason.progress import LINE_SECONDS, Job

SPEED = "speed/target_tokens_per_s"
"""Logged by the Throughput callback."""


class Progress(ProgressBar):
    """Steps done and left, rate, time left, and the metrics logged with `prog_bar=True` (loss, target tokens per
    second).

    Args:
        every_seconds: how often a line is printed where there is no terminal.
    """

    def __init__(self, every_seconds: PositiveFloat = LINE_SECONDS) -> None:
        super().__init__()
        self._every_seconds = every_seconds
        self._enabled = True
        self._training: Job | None = None
        self._evaluating: Job | None = None

    def disable(self) -> None:
        """Show nothing from now on (Lightning calls it on every rank but the first)."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress again after `disable`."""
        self._enabled = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock with the first batch, so that an evaluation before training does not slow the shown rate."""
        if self._enabled and self._training is None:
            self._training = self._job("train", planned_steps(trainer), "steps", done=trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count optimizer steps."""
        if self._training:
            self._training.update(trainer.global_step, note=lambda: metrics_text(shown_metrics(trainer)))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the last line of the training."""
        self._close()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the training's clock meanwhile."""
        if self._training:
            self._training.pause()
        self._start_evaluation("sanity check" if trainer.sanity_checking else "validate", trainer.num_val_batches)

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Count validation batches."""
        self._advance_evaluation()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the training's clock go on."""
        self._close_evaluation()
        if self._training:
            self._training.resume()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show test batches."""
        self._start_evaluation("test", trainer.num_test_batches)

    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        """Count test batches."""
        self._advance_evaluation()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the last line of the test."""
        self._close_evaluation()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show prediction batches."""
        self._start_evaluation("predict", trainer.num_predict_batches)

    def on_predict_batch_end(self, *_: Any, **__: Any) -> None:
        """Count prediction batches."""
        self._advance_evaluation()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the last line of the prediction."""
        self._close_evaluation()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back before the error is printed."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the terminal back however the run ended."""
        self._close()

    def _job(self, description: str, total: int | None, unit: str, done: int = 0) -> Job:
        return Job(description, total, unit, done, every_seconds=self._every_seconds)

    def _start_evaluation(self, description: str, batches: int | float | list[int | float]) -> None:
        total = sum(batches) if isinstance(batches, list) else batches
        if self._enabled and total:
            self._evaluating = self._job(description, int(total) if math.isfinite(total) else None, "batches")

    def _advance_evaluation(self) -> None:
        if self._evaluating:
            self._evaluating.update(self._evaluating.done + 1)

    def _close_evaluation(self) -> None:
        if self._evaluating:
            self._evaluating.close()
            self._evaluating = None

    def _close(self) -> None:
        self._close_evaluation()
        if self._training:
            self._training.close()
            self._training = None


def planned_steps(trainer: Trainer) -> int | None:
    """How many optimizer steps `fit` will have made at its end; None when neither steps nor epochs bound it.

    Read from the running loop, because `trainer.estimated_stepping_batches` would set the data loaders up again.
    """
    bounds = [trainer.max_steps] if trainer.max_steps > 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and math.isfinite(trainer.num_training_batches):
        bounds.append(math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches) * trainer.max_epochs)
    return min(bounds, default=None)


def shown_metrics(trainer: Trainer) -> dict[str, float]:
    """The newest values of what was logged with `prog_bar=True`, and the training speed where it is measured."""
    speed = {name: float(trainer.callback_metrics[name]) for name in [SPEED] if name in trainer.callback_metrics}
    return {**trainer.progress_bar_metrics, **speed}


def metrics_text(metrics: dict[str, float]) -> str:
    """`{"train/loss": 0.51, "speed/target_tokens_per_s": 412.3}` as `loss 0.51, 412 target tokens/s`."""
    return ", ".join(_metric_text(name, value) for name, value in metrics.items())


def _metric_text(name: str, value: float) -> str:
    words = name.rsplit("/", 1)[-1].replace("_", " ")
    return f"{value:,.0f} {words.removesuffix(' per s')}/s" if words.endswith(" per s") else f"{words} {_number(value)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
