"""What a rank holds of a model while it trains: weights, gradients and optimizer states, under every strategy.

Everything is counted from shapes, so the module may live on the meta device. The rules are those of torch 2.13,
lightning 2.6 and deepspeed 0.19, read in their source and held against real runs by tests/strategies/test_estimate.py.
Activations are not counted.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from math import ceil, prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_reason.errors import PlainError
from lit_reason.sharding import blocks

FLOAT32 = 4


class CannotEstimate(PlainError, ValueError):
    """What no figure can be given for; the message says why."""


@dataclass(frozen=True)
class Held:
    """Bytes of one rank in one kind of memory.

    Args:
        weights: what the forward pass reads.
        master: the float32 weights that DeepSpeed updates in place of those.
        gradients: all that exist at once, at the latest when the weights are updated.
        states: the optimizer's, such as AdamW's two moments.
        working: at most so much more in between: communication buckets, weights gathered from their parts, copies
            that autocast makes.
    """

    weights: int = 0
    master: int = 0
    gradients: int = 0
    states: int = 0
    working: int = 0

    @property
    def total(self) -> int:
        """The sum of all."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: Held) -> Held:
        return Held(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


Ranked = tuple[Held, Held]
"""Of a rank: in its device's memory, and in its share of the host's. On CPU processes both are the same memory."""


@dataclass(frozen=True)
class Strategy:
    """How a model is spread over processes.

    Args:
        kind: `one` process, `ddp`, `fsdp2`, or DeepSpeed's `zero`.
        stage: of ZeRO.
        offload_optimizer: ZeRO: master weights and states are in host memory, where they are updated.
        offload_parameters: ZeRO 3: parts of weights are in host memory.
        bucket: ZeRO: elements that are reduced at once.
        overlap: ZeRO: two such buckets in turn.
        persistent: ZeRO 3: weights of at most so many elements stay whole on every rank.
        live: ZeRO 3: elements of gathered weights that may be kept at a time.
        bucket_view: DDP: gradients are views of its buckets.
    """

    kind: Literal["one", "ddp", "fsdp2", "zero"]
    stage: int = 0
    offload_optimizer: bool = False
    offload_parameters: bool = False
    bucket: int = 200_000_000
    overlap: bool = True
    persistent: int = 100_000
    live: int = 1_050_000_000
    bucket_view: bool = False


@dataclass(frozen=True)
class Weight:
    """A parameter: its group in the optimizer (None where it is frozen), and with what FSDP2 gathers it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    group: int | None
    unit: str

    @property
    def numel(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole parameter."""
        return self.numel * self.dtype.itemsize


class ModelStates:
    """The parameters of a module and what its optimizer keeps for them.

    Args:
        module: built, on any device.
        optimizer: over its trainable parameters, as `configure_optimizers` returns it.
        precision: of the Trainer, in Lightning's words, such as `bf16-mixed`.
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer, precision: str) -> None:
        self.optimizer, self.precision = optimizer, precision
        groups = {id(p): i for i, group in enumerate(optimizer.param_groups) for p in group["params"]}
        units = _units(module)
        self.weights = [
            Weight(tuple(p.shape), p.dtype, groups.get(id(p)) if p.requires_grad else None, units[id(p)])
            for p in module.parameters()
        ]
        self.buffers = sum(buffer.nbytes for buffer in module.buffers())
        self._states: dict[tuple[int, torch.dtype, int], Callable[[int], int]] = {}

    @property
    def trained(self) -> list[Weight]:
        """Parameters that the optimizer updates."""
        return [w for w in self.weights if w.group is not None]

    def under(self, strategy: Strategy, processes: int) -> Ranked:
        """Bytes of the rank that holds most, in device and in host memory.

        Raises:
            CannotEstimate: the optimizer keeps what cannot be counted.
        """
        if strategy.kind == "zero":
            from lit_reason.model_states_zero import under_zero

            return under_zero(self, strategy, processes)
        return (self._sharded(processes) if strategy.kind == "fsdp2" else self._whole(strategy)), Held()

    def states(self, group: int, shape: tuple[int, ...], dtype: torch.dtype) -> int:
        """Bytes that the optimizer keeps for one tensor of a parameter group."""
        key = group, dtype, min(len(shape), 2)
        if key not in self._states:
            self._states[key] = _growth(self.optimizer, *key)
        return self._states[key](prod(shape))

    def _whole(self, strategy: Strategy) -> Held:
        gradients = sum(w.nbytes for w in self.trained)
        buckets = gradients if strategy.kind == "ddp" and not strategy.bucket_view else 0
        return Held(
            weights=sum(w.nbytes for w in self.weights) + self.buffers,
            gradients=gradients,
            states=sum(self.states(w.group, w.shape, w.dtype) for w in self.trained if w.group is not None),
            working=buckets + self._autocast(),
        )

    def _sharded(self, processes: int) -> Held:
        """FSDP2 shares out the first dimension, and every rank has room for the largest share."""
        shares = [replace(w, shape=(ceil(w.shape[0] / processes), *w.shape[1:])) for w in self.weights]
        trained = [w for w in shares if w.group is not None]
        return Held(
            weights=sum(w.nbytes for w in shares) + self.buffers,
            gradients=sum(w.nbytes for w in trained),
            states=sum(self.states(w.group, w.shape, w.dtype) for w in trained if w.group is not None),
            working=self._gathered() + self._autocast(),
        )

    def _gathered(self) -> int:
        """What is outside the blocks stays gathered from the forward to the backward pass; beside it two blocks, as
        one is fetched ahead, and the whole gradients of the one that is reduced, in two copies."""
        whole: dict[str, int] = defaultdict(int)
        gradients: dict[str, int] = defaultdict(int)
        for w in self.weights:
            whole[w.unit] += w.nbytes
            gradients[w.unit] += w.nbytes if w.group is not None else 0
        inner = sorted(size for unit, size in whole.items() if "." in unit)
        outer = sum(size for unit, size in whole.items() if "." not in unit)
        return outer + sum(inner[-2:]) + 2 * max(gradients.values(), default=0)

    def _autocast(self) -> int:
        """Under mixed precision the 16-bit copies of float32 weights that the backward pass needs."""
        if not self.precision.endswith("-mixed"):
            return 0
        return sum(2 * w.numel for w in self.weights if w.dtype == torch.float32)


def _units(module: nn.Module) -> dict[int, str]:
    """The unit of each parameter, as `FSDP2` forms them: a block of a child, or the rest of the child."""
    found: dict[int, str] = {}
    for name, child in module.named_children():
        for i, block in enumerate(blocks(child)):
            found.update({id(p): f"{name}.{i}" for p in block.parameters()})
        found.update({id(p): name for p in child.parameters() if id(p) not in found})
    return {id(p): found.get(id(p), "") for p in module.parameters()}


def _growth(optimizer: Optimizer, group: int, dtype: torch.dtype, n_dimensions: int) -> Callable[[int], int]:
    """How many bytes the optimizer keeps for a tensor of n elements: its own class makes a step on a tiny one.

    Raises:
        CannotEstimate: some of its states grow otherwise than with the tensor.
    """
    tiny = nn.Parameter(torch.zeros((4, 6) if n_dimensions > 1 else 24, dtype=dtype))
    tiny.grad = torch.zeros_like(tiny)
    twin = object.__new__(type(optimizer))
    twin.__dict__ = {
        **optimizer.__dict__,
        "state": defaultdict(dict),
        "param_groups": [{**copy.copy(optimizer.param_groups[group]), "params": [tiny]}],
    }
    twin.step()
    kept = list(_tensors(twin.state[tiny].values()))
    name = type(optimizer).__name__
    if odd := [t for t in kept if t.numel() not in (1, tiny.numel())]:
        raise CannotEstimate(f"{name} keeps a state of shape {tuple(odd[0].shape)} for a weight {tuple(tiny.shape)}")
    each = sum(t.element_size() for t in kept if t.numel() > 1)
    once = sum(t.nbytes for t in kept if t.numel() == 1)
    return lambda n: each * n + once


def _tensors(values: Iterable[object]) -> Iterable[Tensor]:
    return (value for value in values if isinstance(value, Tensor))
