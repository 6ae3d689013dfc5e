"""The checkpoints a run is resumed from: every n steps, at the end, and when the run is asked to stop."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

from jsonargparse.typing import PositiveInt
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lit_reason import disk
from lit_reason.errors import PlainError
from lit_reason.run_directory import is_complete, newest_checkpoint, step_of


class CheckpointNotWritten(PlainError, RuntimeError):
    """The disk is full; the message says where, what is missing, and what is left to go on from."""

    exit_code = 1


class Checkpoints(Checkpoint):
    """Keeps the newest checkpoints of a run, named by step, so that `--ckpt_path last` finds one.

    A checkpoint is written after its step but appears only before the next one begins: by then the step's metrics, and
    a validation that follows it, are in metrics.csv, and a run resumed from it does not repeat them. SIGTERM and
    SIGUSR1 end the run with a checkpoint at the end of the step (exit code 143). To keep the best by a metric, add
    Lightning's `ModelCheckpoint` beside this one.

    Args:
        every_n_steps: optimizer steps between two checkpoints.
        keep: how many of the newest stay on disk.
        dirpath: folder of the checkpoints.
    """

    def __init__(
        self, every_n_steps: PositiveInt = 50, keep: PositiveInt = 2, dirpath: str = "{run_dir}/checkpoints"
    ) -> None:
        self.every_n_steps = every_n_steps
        self.keep = keep
        self.folder = Path(dirpath)
        self.last_model_path = ""  # of the newest checkpoint, for messages about it
        self._written: Path | None = None
        self._saved_step = 0
        self._asked_to_stop = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What the run started from is not saved again; SIGTERM and SIGUSR1 are ours until training ends."""
        _begin_the_next_epoch(trainer)
        self._saved_step = trainer.global_step
        self._asked_to_stop = False
        if threading.current_thread() is threading.main_thread():
            owner = os.getpid()

            def ask(signum: int, frame: Any) -> None:
                if os.getpid() == owner:  # forked data workers inherit the handler
                    self._asked_to_stop = True

            # Lightning restores the handlers from before the run. Its own for USR1 under SLURM would write a checkpoint
            # inside the handler, which may meet the middle of a backward pass.
            for asked in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(asked, ask)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a checkpoint when the interval is full, at the last step, and when asked to stop."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return
        step = trainer.global_step
        last_epoch = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        stop = trainer.strategy.reduce_boolean_decision(self._asked_to_stop, all=False)
        if step % self.every_n_steps == 0 or step == trainer.max_steps or last_epoch or stop:
            self._write(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The step before is recorded everywhere: its checkpoint may appear. Stop here if asked to."""
        self._publish(trainer)
        stop = trainer.strategy.reduce_boolean_decision(self._asked_to_stop, all=False)
        if stop and self._saved_step == trainer.global_step:
            raise SIGTERMException(128 + signal.SIGTERM)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that something else stops early, as `EarlyStopping` does, is kept at that point."""
        if trainer.should_stop:
            self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last checkpoint appears."""
        self._publish(trainer)

    def _write(self, trainer: Trainer) -> None:
        if getattr(trainer, "fast_dev_run", False) or trainer.global_step == self._saved_step:
            return
        self._saved_step = trainer.global_step
        self._written = self.folder / f".step={trainer.global_step:06d}.ckpt"
        try:
            trainer.save_checkpoint(self._written)
        except Exception as error:
            if reason := disk.no_room(error):
                raise CheckpointNotWritten(self._no_room(self._written, reason)) from None
            raise

    def _no_room(self, written: Path, reason: str) -> str:
        # What was written of it counts as free, as the next attempt writes over it; another rank may be at it still.
        free = f"{disk.megabytes(disk.free(self.folder) + disk.size(written))} free"
        text = f"the checkpoint {self.folder / written.name.removeprefix('.')} could not be written: {reason}"
        kept = newest_checkpoint(self.folder.parent)
        if kept is None:
            return f"{text} ({free}). It would have been the first."
        needed = f"{disk.megabytes(disk.size(kept))} needed, as for the one before"
        return f"{text} ({needed}, {free}). With more room, go on with --ckpt_path=last ({kept}, step {step_of(kept)})"

    def _publish(self, trainer: Trainer) -> None:
        """Rename what was written, then remove the oldest beyond `keep` and what a killed run left unfinished."""
        if self._written is None:
            return
        path = self._written.with_name(self._written.name.removeprefix("."))
        self.last_model_path, self._written = str(path), None
        if trainer.is_global_zero:
            if path.is_dir():
                shutil.rmtree(path)
            self.folder.joinpath(f".{path.name}").replace(path)
            self._remove_hidden()
            for old in sorted(filter(is_complete, self.folder.iterdir()), key=step_of)[: -self.keep]:
                old.replace(old.with_name(f".{old.name}"))  # a kill while it is removed must not leave half of a folder
            self._remove_hidden()

    def _remove_hidden(self) -> None:
        for path in self.folder.glob(".*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _begin_the_next_epoch(trainer: Trainer) -> None:
    """After a resume from an epoch's last step, let the next epoch begin as every other does.

    Lightning 2.6 then still counts as in the middle of an epoch, and neither counts the new one as begun nor calls
    `on_train_epoch_start`. A checkpoint of that epoch looks finished, and a run resumed from it loses its place.
    """
    fit_loop = trainer.fit_loop
    epoch_loop = fit_loop.epoch_loop
    at_the_end = epoch_loop.restarted_on_train_batch_end and epoch_loop.batch_progress.is_last_batch
    if fit_loop.restarted_mid_epoch and at_the_end:
        fit_loop.reset_restart_stage()
