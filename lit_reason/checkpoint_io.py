"""Checkpoints that appear whole, in the folder where they stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from lit_reason.files import atomic_stream


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames. Lightning's own goes through the system's temporary folder, which may be
    another file system, where the last step is a copy that a kill can cut."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write one checkpoint file; a kill leaves the old state or the new."""
        if "://" in str(path):  # object stores have no rename; their puts are whole
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with atomic_stream(path) as stream:
            torch.save(checkpoint, stream)
