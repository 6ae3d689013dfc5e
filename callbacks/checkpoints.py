"""The checkpoints a run is resumed from: every n steps, at the end, and when the run is asked to stop."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from jsonargparse.typing import PositiveInt
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lit_reason.run_directory import is_complete, step_of


class Checkpoints(Checkpoint):
    """Keeps the newest checkpoints of a run, named by step, so that `--ckpt_path last` finds one.

    To keep the best checkpoint by a metric, add Lightning's `ModelCheckpoint` beside this one.

    Args:
        every_n_steps: optimizer steps between two checkpoints.
        keep: how many of the newest stay on disk.
        dirpath: folder of the checkpoints.
    """

    def __init__(self, every_n_steps: PositiveInt = 50, keep: PositiveInt = 2, dirpath: str = "{run_dir}/checkpoints") -> None:
        self.every_n_steps = every_n_steps
        self.keep = keep
        self.folder = Path(dirpath)
        self.last_model_path = ""  # of the newest checkpoint, for messages about it
        self._saved_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What the run started from is not saved again."""
        self._saved_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when the interval is full, and at the last step: there the run can still be continued inside the epoch."""
        if trainer.global_step % self.every_n_steps == 0 or trainer.global_step == trainer.max_steps:
            self.save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The end of the last epoch is kept, whatever the interval."""
        self.save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save when asked to stop, which comes between two steps. After any other exception (NaN among them) the state
        is not to be trusted, and the newest regular checkpoint stays the newest."""
        if isinstance(exception, SIGTERMException):
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write this step's checkpoint if it is not there yet, then remove the oldest beyond `keep`."""
        if trainer.fast_dev_run or trainer.global_step == self._saved_step:
            return
        self._saved_step = trainer.global_step
        path = self.folder / f"step={trainer.global_step:06d}.ckpt"
        trainer.save_checkpoint(path)
        self.last_model_path = str(path)
        if trainer.is_global_zero:
            found = sorted((path for path in self.folder.iterdir() if is_complete(path)), key=step_of)
            for old in found[: -self.keep]:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
