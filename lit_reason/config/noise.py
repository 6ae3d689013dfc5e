"""What Lightning and its friends say on every run without it mattering: advertisements and known deprecations."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ADVERTISEMENTS = ("Tip: For seamless", "`weights_only` was not set")
_WARNINGS = (
    r".*LeafSpec.*is deprecated.*",
    r".*does not have many workers which may be a bottleneck.*",
    r".*The number of training batches .* is smaller than the logging interval.*",
    r".*isinstance\(treespec.*",
)


class _NoAdvertisements(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(text in record.getMessage() for text in _ADVERTISEMENTS)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave those lines out while a command runs; every other warning is shown."""
    silenced = [handler for name in ("lightning", "lightning.pytorch") for handler in logging.getLogger(name).handlers]
    silenced += [logging.getLogger(name) for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.trainer.trainer")]
    advertisements = _NoAdvertisements()
    for target in silenced:
        target.addFilter(advertisements)
    with warnings.catch_warnings():
        for pattern in _WARNINGS:
            warnings.filterwarnings("ignore", pattern)
        try:
            yield
        finally:
            for target in silenced:
                target.removeFilter(advertisements)
