"""What Lightning and its friends say on every run without it mattering: advertisements and known deprecations."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
    "DeepSpeed",
)
_LINES = (
    "Tip: For seamless",
    "`weights_only` was not set",
    "Setting accelerator to CPU",
    "TPU available: False",
)
_WARNINGS = (
    r".*treespec, LeafSpec.*",
    r".*does not have many workers which may be a bottleneck.*",
    r".*The number of training batches .* is smaller than the logging interval.*",
    r".*Total length of `DataLoader` across ranks is zero.*",  # no validation rows; without rows to train on, we refuse
    r".*`is_gradient_checkpointing` is deprecated.*",  # peft asks transformers for it
    r".*`torch.distributed.\w+_tensor` is deprecated.*",  # DeepSpeed's collectives
    r".*When saving the DeepSpeed Stage 3 checkpoint.*",  # what it explains is `train.py export`
    r".*The `srun` command is available on your system but is not used.*",
    r".*It is recommended to use `self.log\('val/loss'.*",  # summed over ranks before it is logged
)
RESUMES_ITSELF = r".*your dataloader is not resumable.*"
"""Said of every loader without a state of its own; untrue where the DataModule restores its position."""


def delay_bars() -> None:
    """Let bars of a moment, as transformers draws for loading and writing weights, stay away: one appears after three
    seconds. tqdm reads this when it is imported, so call it before."""
    os.environ.setdefault("TQDM_DELAY", "3")


class _LeftOut(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(text in record.getMessage() for text in _LINES)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave those lines out while a command runs; every other warning is shown."""
    left_out = _LeftOut()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(left_out)
    with warnings.catch_warnings():
        for pattern in _WARNINGS:
            warnings.filterwarnings("ignore", pattern)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(left_out)
