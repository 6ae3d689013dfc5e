"""Weights of which every process holds a part, and how to have them whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

import torch
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import nn
from torch.distributed.tensor import DTensor


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The repeated blocks of a network, as transformers keeps them: the entries of its outermost module lists."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from blocks(child)


def is_sharded(module: nn.Module) -> bool:
    """Whether this process holds only a part of each weight (FSDP2, ZeRO 3)."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in module.parameters())


def is_deepspeed(strategy: object) -> TypeGuard[DeepSpeedStrategy]:
    """Whether DeepSpeed's engine makes the steps."""
    return isinstance(strategy, DeepSpeedStrategy)


@torch.no_grad()
def copy_whole(sharded: nn.Module, plain: nn.Module) -> None:
    """Fill the parameters of `plain` with those of `sharded`, in their dtypes, gathered one after another. Every
    process takes part and gets all of them. Buffers are whole everywhere."""
    for source, target in zip(sharded.buffers(), plain.buffers(), strict=True):
        target.data = source.to(target.device, copy=True)
    for (name, source), (own, target) in zip(sharded.named_parameters(), plain.named_parameters(), strict=True):
        if name != own:
            raise ValueError(f"the copy's {own} stands where {name} should")
        target.data = target.data.to(source.dtype)
        if isinstance(source, DTensor):
            target.copy_(source.full_tensor())
        elif hasattr(source, "ds_id"):
            import deepspeed

            with deepspeed.zero.GatheredParameters([source]):
                target.copy_(source)
        else:
            target.copy_(source)
