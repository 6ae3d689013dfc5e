"""`train.py export`: any checkpoint, whole or in parts, as one Hugging Face folder, on one process without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lit_reason.errors import PlainError

if TYPE_CHECKING:
    from torch import Tensor

    from lit_reason.language_model import CausalLanguageModel


class CannotExport(PlainError, ValueError):
    """Not a checkpoint of a run that can be exported; the message says what is missing."""


def export_checkpoint(place: Path, folder: Path | None = None, merge: bool = False) -> Path:
    """Write the weights of a checkpoint as `transformers` and `peft` read them, with the tokenizer.

    Args:
        place: a checkpoint of a run, or the run's directory for its newest one.
        folder: where to; beside the checkpoints by default, named by the step.
        merge: with LoRA, base and adapter as one model.

    Raises:
        CannotExport: there is no whole checkpoint, or its run's config.yaml is gone.
    """
    from lit_reason.export import export_model
    from lit_reason.run_directory import is_complete, newest_checkpoint, step_of

    checkpoint = newest_checkpoint(place) if (place / "checkpoints").is_dir() else place
    if checkpoint is None or not checkpoint.exists() or not is_complete(checkpoint):
        raise CannotExport(f"{place} holds no whole checkpoint")
    run = checkpoint.absolute().parent.parent
    return export_model(trained_module(checkpoint), folder or run / f"model-step={step_of(checkpoint):06d}", merge)


def trained_module(checkpoint: Path) -> CausalLanguageModel:
    """The module of a checkpoint's run with the weights of the checkpoint.

    Raises:
        CannotExport: the run's config.yaml is gone, or weights are missing.
    """
    from lit_reason.run_directory import read_config

    run = checkpoint.absolute().parent.parent
    config = read_config(run)
    if "model" not in config:
        raise CannotExport(
            f"{run} has no config.yaml, which says what model the weights of {checkpoint.name} belong to"
        )
    module = _module(config)
    _load(module, checkpoint)
    return module


def _module(config: dict[str, Any]) -> CausalLanguageModel:
    """The run's module with its first weights: random ones and what is frozen come from the seed and the backbone."""
    from lightning.pytorch import seed_everything

    from lit_reason.model_config import module_of

    seed_everything(config.get("run", {}).get("seed", 0), verbose=False)
    module = cast("CausalLanguageModel", module_of(config))
    module.configure_model()
    return module


def _load(module: CausalLanguageModel, checkpoint: Path) -> None:
    """Put the checkpoint's weights into the module; whatever trains must be there. DeepSpeed leaves out the rest."""
    import torch

    wanted = module.state_dict()
    if (checkpoint / "meta.pt").is_file():
        from torch.distributed import checkpoint as sharded

        sharded.load({"state_dict": wanted}, checkpoint_id=checkpoint, no_dist=True)  # fills the tensors in place
        return
    if checkpoint.is_dir():
        found = _deepspeed_weights(checkpoint)
    else:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    missing = sorted({name for name, p in module.named_parameters() if p.requires_grad} - found.keys())
    if missing:
        raise CannotExport(f"{checkpoint} lacks {len(missing)} weights of its model, e.g. {missing[0]}")
    with torch.no_grad():
        for name in wanted.keys() & found.keys():
            wanted[name].copy_(found[name])


def _deepspeed_weights(folder: Path) -> dict[str, Tensor]:
    """The parts of a ZeRO checkpoint, put together in float32."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    return get_fp32_state_dict_from_zero_checkpoint(str(folder))
