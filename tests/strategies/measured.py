"""A callback that weighs what a rank really holds: every storage once, when the optimizer steps and after the step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

DEEPSPEEDS = {
    "weights": ["lp_param_buffer", "param_groups_fp16_flat_cpu_memory"],
    "master": ["single_partition_of_fp32_groups", "fp32_partitioned_groups_flat"],
    "gradients": ["all_grad_tensors", "averaged_gradients", "grad_partitions_flat_buffer"],
}
"""Where DeepSpeed's optimizers keep their flat tensors."""


class Measured(Callback):
    """Writes the largest bytes of each kind to `<run>/measured.rank<r>.json` at the end of a fit."""

    def __init__(self) -> None:
        self.largest: dict[str, int] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        optimizer = keeper = self._keeper(trainer)
        while hasattr(optimizer, "optimizer"):  # below DeepSpeed's is torch's own
            optimizer = optimizer.optimizer
        optimizer.register_step_post_hook(lambda *_: self._weigh(trainer, pl_module, optimizer))
        self.optimizer = optimizer
        if hasattr(keeper, "_release_preflattened_grad_buffers"):  # ZeRO 1 and 2, while gradients are there twice
            release = keeper._release_preflattened_grad_buffers

            def weigh_first(group: int) -> None:
                self._weigh(trainer, pl_module, optimizer)
                release(group)

            keeper._release_preflattened_grad_buffers = weigh_first

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._weigh(trainer, pl_module, self.optimizer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = Path(trainer.default_root_dir) / f"measured.rank{trainer.global_rank}.json"
        path.write_text(json.dumps(self.largest))

    def _keeper(self, trainer: Trainer) -> Any:
        engine = getattr(trainer.strategy, "deepspeed_engine", None)
        return engine.optimizer if engine is not None else trainer.optimizers[0]

    def _weigh(self, trainer: Trainer, module: LightningModule, optimizer: Optimizer) -> None:
        kept, parameters = vars(self._keeper(trainer)), list(module.parameters())
        master = [t for name in DEEPSPEEDS["master"] for t in _tensors(kept.get(name))]
        kinds: dict[str, Iterable[Tensor]] = {
            "weights": [*parameters, *module.buffers(), *(p.ds_tensor for p in parameters if hasattr(p, "ds_tensor"))],
            "master": master,
            "states": _tensors(list(optimizer.state.values())),
            "gradients": [
                *(t.grad for t in (*parameters, *master) if t.grad is not None and not _in_a_bucket(t.grad, kept)),
                *(t for name in DEEPSPEEDS["gradients"] for t in _tensors(kept.get(name))),
            ],
        }
        seen: dict[int, int] = {}
        for kind, tensors in kinds.items():
            before = sum(seen.values())
            for tensor in tensors:
                storage = getattr(tensor, "_local_tensor", tensor).untyped_storage()
                seen.setdefault(storage.data_ptr(), storage.nbytes())
            self.largest[kind] = max(self.largest.get(kind, 0), sum(seen.values()) - before)


def _in_a_bucket(gradient: Tensor, kept: Mapping[str, Any]) -> bool:
    """ZeRO 1 and 2 let gradients lie in a communication bucket, which is counted apart."""
    return gradient.untyped_storage().nbytes() == kept.get("reduce_bucket_size", 0) * gradient.element_size()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
