"""How large the model is, in one line where Lightning prints a table."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info


class ModelSize(Callback):
    """Says at the start of a fit how many parameters there are, and how many of them are trained."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count once the model is built and placed."""
        trained, total = count_parameters(pl_module)
        share = f" ({100 * trained / total:.2g} %)" if 0 < trained < total else ""
        rank_zero_info(f"parameters: {trained:,} trained{share}, {total:,} in all")


def count_parameters(module: LightningModule) -> tuple[int, int]:
    """Trained parameters and all parameters; shared ones count once, those that ZeRO 3 has parted count whole."""
    sizes = [(int(getattr(p, "ds_numel", p.numel())), p.requires_grad) for p in module.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
