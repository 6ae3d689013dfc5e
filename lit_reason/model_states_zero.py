"""What a rank holds under DeepSpeed's ZeRO, as deepspeed 0.19 lays it out in flat buffers."""

from __future__ import annotations

from collections import defaultdict
from math import ceil

import torch

from lit_reason.model_states import FLOAT32, Held, ModelStates, Ranked, Strategy, Weight


def under_zero(model: ModelStates, strategy: Strategy, processes: int) -> Ranked:
    """Bytes in device and in host memory."""
    layout = _stage_3 if strategy.stage == 3 else _flat
    return layout(model, strategy, processes, 2 if model.precision.startswith(("bf16", "16")) else FLOAT32)


def _flat(model: ModelStates, strategy: Strategy, processes: int, size: int) -> Ranked:
    """Stages 1 and 2: all weights, frozen ones too, are cast to one dtype of `size` bytes. The trained ones of an
    optimizer group are views of one flat tensor, of which a rank updates a part, and the part has float32 master
    weights of its own, even where the weights are float32."""
    parts = {group: 2 * ceil(sum(sizes) / (2 * processes)) for group, sizes in _groups(model).items()}
    part, numel = sum(parts.values()), sum(w.numel for w in model.trained)
    frozen = sum(w.numel for w in model.weights if w.group is None)
    largest = max((w.numel for w in model.trained), default=0)
    weights = (part * processes + frozen) * size + model.buffers
    buckets = (strategy.bucket * (2 if strategy.overlap else 1) + largest) * size
    states = sum(model.states(group, (n,), torch.float32) for group, n in parts.items())
    if strategy.offload_optimizer:
        ways = (part + largest) * size  # buffers on the way to the host and back
        host = Held(master=FLOAT32 * part, gradients=FLOAT32 * part, states=states, working=ways)
        return Held(weights=weights, working=buckets + largest * size), host
    reduced = size * max(_reduced(model, parts, rank) for rank in range(processes))
    update = reduced + FLOAT32 * max(parts.values(), default=0)  # one group's, made float32
    gradients = max(numel * size + reduced, update) if strategy.stage == 1 else update
    return Held(weights, FLOAT32 * part, gradients, states, buckets), Held()


def _groups(model: ModelStates) -> dict[int, list[int]]:
    """Optimizer group to the elements of its weights."""
    found: dict[int, list[int]] = defaultdict(list)
    for w in model.trained:
        found[w.group or 0].append(w.numel)
    return found


def _reduced(model: ModelStates, parts: dict[int, int], rank: int) -> int:
    """Elements of the reduced gradients that a rank keeps: those of every weight of which it updates a part."""
    kept = 0
    for group, sizes in _groups(model).items():
        start, first, end = 0, rank * parts[group], (rank + 1) * parts[group]
        for numel in sizes:
            kept += numel if start < end and start + numel > first else 0
            start += numel
    return kept


def _stage_3(model: ModelStates, strategy: Strategy, processes: int, size: int) -> Ranked:
    """Every weight is parted, cast to 16 bits if the precision says so. Small ones stay whole beside their part.
    Parts in float32 could be their own master weights, but deepspeed 0.19 copies them: it compares a device with the
    device's name. Gradients have `size` bytes an element."""
    parts: dict[int, int] = defaultdict(int)
    for w in model.trained:
        parts[w.group or 0] += ceil(w.numel / processes)
    small = sum(w.numel * _size(w, size) for w in model.weights if w.numel <= strategy.persistent)
    whole = sum(w.numel for w in model.weights if w.numel > strategy.persistent)
    largest = max(w.numel for w in model.weights)
    gathered = min(whole, max(strategy.live, largest)) + largest  # weights, and the gradient before it is parted
    kept = Held(weights=sum(ceil(w.numel / processes) * _size(w, size) for w in model.weights))
    update = sum if strategy.offload_optimizer else max  # offloaded, the float32 gradients of all groups stay
    updated = Held(
        master=FLOAT32 * sum(parts.values()),
        gradients=sum(parts.values()) * size + FLOAT32 * update(parts.values() or [0]),
        states=sum(model.states(group, (part,), torch.float32) for group, part in parts.items()),
    )
    device = Held(weights=small + model.buffers, working=(strategy.bucket + gathered) * size)
    host = Held()
    for held, away in ((kept, strategy.offload_parameters), (updated, strategy.offload_optimizer)):
        device, host = (device, host + held) if away else (device + held, host)
    return device, host


def _size(weight: Weight, size: int) -> int:
    """Bytes an element under stage 3, which leaves dtypes as they are where the precision is not of 16 bits."""
    return size if size == 2 else weight.dtype.itemsize
