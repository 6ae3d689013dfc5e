"""Export at the end of every fit."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_reason.export import export_model


class Export(Callback):
    """Write the trained model to `<run>/model` in the Hugging Face format.

    Args:
        merge: with LoRA, write base plus adapter as one model instead of the adapter alone.
    """

    def __init__(self, merge: bool = False) -> None:
        self.merge = merge

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All processes take part, as the weights may be sharded."""
        if hasattr(pl_module, "target_loss"):
            export_model(pl_module, Path(trainer.default_root_dir) / "model", self.merge)
