"""How a model is spread over processes: DeepSpeed and FSDP2 as Lightning has them, with what was missing.

Both also run on CPU processes over gloo, so one YAML serves a laptop, the tests and a cluster, and both shard a module
right after `configure_model` built it: a module builds itself whole, as on one process, and knows nothing of sharding.
Weights, random ones and fresh adapters included, are therefore those of one process with the same seed; the price is
host memory for the whole model in every process while it loads.
The overlays in configs/trainer/ name these classes.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.plugins.collectives.torch_collective import default_pg_timeout
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.plugins.precision import DeepSpeedPrecision
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, ModelParallelStrategy
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor

from lit_reason.errors import PlainError
from lit_reason.sharding import blocks, is_sharded

if not torch.cuda.is_available():
    # Read when deepspeed is imported, and jsonargparse does that to understand the annotations of Lightning's strategy.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")


class CannotResume(PlainError, ValueError):
    """A checkpoint that this strategy cannot continue from; the message says what can be done instead."""


class DeepSpeed(DeepSpeedStrategy):
    """DeepSpeed's ZeRO, on GPUs or on CPU processes. Checkpoints are folders, without frozen weights.

    Args:
        stage: what is spread over the processes: 1 optimizer states, 2 gradients too, 3 weights too.
        offload_optimizer: keep optimizer states, and update the weights, in host memory.
        offload_parameters: keep weights in host memory (stage 3).
        exclude_frozen_parameters: leave frozen weights out of checkpoints; they come from the backbone.
    """

    def __init__(
        self,
        stage: Literal[1, 2, 3] = 2,
        offload_optimizer: bool = False,
        offload_parameters: bool = False,
        exclude_frozen_parameters: bool = True,
        **kwargs: Any,
    ) -> None:
        self._on_cpu = not torch.cuda.is_available()
        super().__init__(
            stage=int(stage),
            offload_optimizer=offload_optimizer,
            offload_parameters=offload_parameters,
            exclude_frozen_parameters=exclude_frozen_parameters,
            **kwargs,
        )
        # The optimizer is torch's; DeepSpeed would insist on its own for offloading, and compile it on first use.
        self.config.setdefault("zero_force_ds_cpu_optimizer", False)

    @property
    def root_device(self) -> torch.device:
        """With an index even on CPU: DeepSpeed compares it with a number."""
        return torch.device("cpu", 0) if self._on_cpu else super().root_device

    def setup_environment(self) -> None:
        """On CPU processes, without Lightning's refusal of everything but CUDA."""
        if self._on_cpu:
            DDPStrategy.setup_environment(self)
        else:
            super().setup_environment()

    def setup_distributed(self) -> None:
        """On CPU processes, without the operator that DeepSpeed would compile for their collectives; gloo has them."""
        if not self._on_cpu:
            super().setup_distributed()
            return
        import deepspeed.ops

        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()

    @contextmanager
    def model_sharded_context(self) -> Generator[None, None, None]:
        """Under stage 3 part the weights among the processes, one after another, as soon as the module built them.

        Building inside DeepSpeed's own context would draw other random weights than one process draws, and needs a
        hook of its own in transformers. The engine takes parted weights to have the precision's dtype and never casts
        them, so that is done before.
        """
        yield
        module = self.lightning_module
        assert module is not None
        if not self.zero_stage_3 or is_sharded(module):
            return
        import deepspeed

        precision = self.precision_plugin
        if isinstance(precision, DeepSpeedPrecision) and precision.precision != "32-true":
            for parameter in filter(torch.is_floating_point, module.parameters()):
                parameter.data = parameter.data.to(precision._desired_dtype)
        self._init_config_if_needed()
        deepspeed.zero.Init(module=module, config_dict_or_path=self.config, remote_device=self.remote_device)

    def _auto_select_batch_size(self) -> int:
        """DeepSpeed's own log alone wants it; Lightning would ask a batch sampler, and ours are planned without."""
        return 1

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a folder; last of all what says whose it is, which nothing of DeepSpeed's own can be read without."""
        super().save_checkpoint(checkpoint, filepath, storage_options)
        self.barrier()
        if self.is_global_zero:
            header = {key: checkpoint.get(key) for key in ("global_step", "epoch", "lit_reason")}
            torch.save(header, Path(filepath) / "header.pt")

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Continue from a folder that as many processes wrote.

        Raises:
            CannotResume: it is no DeepSpeed folder, or another number of processes wrote it.
        """
        parts = len(list(Path(checkpoint_path).glob("*/*optim_states.pt")))
        if not parts:
            raise CannotResume(_other_kind(checkpoint_path, "DeepSpeed"))
        if parts != self.world_size and self.lightning_module.trainer.training:
            raise CannotResume(
                f"{checkpoint_path} was written by {parts} processes, and DeepSpeed resumes with as many only (here "
                f"{self.world_size}); or start from its weights: train.py export {checkpoint_path}"
            )
        return super().load_checkpoint(checkpoint_path, weights_only)


class FSDP2(ModelParallelStrategy):
    """PyTorch's `fully_shard`: weights, gradients and optimizer states spread over all processes, on GPUs or CPUs.

    Checkpoints are folders that another number of processes can resume from.

    Args:
        process_group_backend: nccl on GPUs and gloo on CPUs by default.
        timeout: how long a rank waits for the others before the run ends, as hours:minutes:seconds.
    """

    def __init__(
        self, process_group_backend: str | None = None, timeout: timedelta | None = default_pg_timeout
    ) -> None:
        super().__init__(tensor_parallel_size=1, process_group_backend=process_group_backend, timeout=timeout)

    def setup_environment(self) -> None:
        """One dimension: all processes of all nodes are data-parallel."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    @contextmanager
    def model_sharded_context(self) -> Generator[None, None, None]:
        """Shard what the module built: each block of a stack of layers, then each of the module's own children.

        A child is the unit that `training_step` calls, such as `TargetLoss`: calling past it would meet shards.
        """
        yield
        from torch.distributed.fsdp import fully_shard

        module = self.lightning_module
        assert module is not None
        if is_sharded(module):
            return
        mesh = self.device_mesh["data_parallel"]
        for child in module.children():
            for layer in blocks(child):
                fully_shard(layer, mesh=mesh)
            if any(True for _ in child.parameters()):
                fully_shard(child, mesh=mesh)
        loose = [name for name, parameter in module.named_parameters() if not isinstance(parameter, DTensor)]
        if loose:  # these would train in every process on their own
            raise RuntimeError(f"FSDP2 did not shard {', '.join(loose)}")

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a folder. PyTorch's error for it, raised by all ranks alike, is no `Exception` and would pass by every
        place that takes care of errors."""
        try:
            super().save_checkpoint(checkpoint, filepath, storage_options)
        except CheckpointException as error:
            raise RuntimeError(str(error)) from error

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Continue from a sharded folder, whatever the number of processes that wrote it.

        Raises:
            CannotResume: it is of another kind.
        """
        if not (Path(checkpoint_path) / "meta.pt").is_file():
            raise CannotResume(_other_kind(checkpoint_path, "FSDP2"))
        return super().load_checkpoint(checkpoint_path, weights_only)


def _other_kind(path: str | Path, strategy: str) -> str:
    return (
        f"{path} was not written under {strategy} and cannot be resumed under it; resume it as it was trained, "
        f"or start from its weights: train.py export {path}"
    )
