"""The strategies that an estimate knows: every row of its table, the configured one, and what DeepSpeed says itself."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lit_reason.config.mistakes import Mistake, Origin, UserMistakes, nearest
from lit_reason.config.sources import Path_
from lit_reason.model_states import ModelStates, Strategy

Origins = Callable[[Path_], Origin | None]
"""Where a setting was written."""

STRATEGIES: dict[str, Strategy] = {
    "one process": Strategy("one"),
    "ddp": Strategy("ddp"),
    "zero1": Strategy("zero", 1),
    "zero2": Strategy("zero", 2),
    "fsdp2": Strategy("fsdp2"),
    "zero3": Strategy("zero", 3),
    "zero2_offload": Strategy("zero", 2, offload_optimizer=True),
    "zero3_offload": Strategy("zero", 3, offload_optimizer=True, offload_parameters=True),
}
"""From the least sharding and offloading to the most."""

NAMES = (
    "auto",
    "ddp",
    "FSDP2",
    "DeepSpeed",
    *(f"deepspeed_stage_{n}" for n in ("1", "2", "2_offload", "3", "3_offload")),
)


def asked_strategy(trainer: Mapping[str, Any], processes: int, origin: Origins) -> tuple[str, Strategy]:
    """The configured strategy and its name in the table.

    Raises:
        UserMistakes: nothing is known of it.
    """
    given = trainer["strategy"]
    word = given if isinstance(given, str) else given["class_path"].rpartition(".")[2]
    arguments = {} if isinstance(given, str) else given.get("init_args") or {}
    found = _known(word, arguments, processes)
    where = origin(("trainer", "strategy"))
    if found is None:
        close = nearest(word, NAMES)
        raise UserMistakes([Mistake("trainer.strategy", f"estimate knows {', '.join(NAMES)}", word, close, where)])
    if arguments.get("config") is not None:
        problem = "estimate reads the strategy's own settings, and no DeepSpeed configuration beside them"
        raise UserMistakes([Mistake("trainer.strategy.config", problem, ..., None, where)])
    return next((name for name, row in STRATEGIES.items() if row == found), word), found


def deepspeeds_own(model: ModelStates, strategy: Strategy, nodes: int, per_node: int) -> tuple[int, int] | None:
    """Bytes a process on GPU and host by DeepSpeed's own estimator, where there is one and what it takes for granted
    holds: ZeRO 2 or 3, 16-bit weights, all of them trained by Adam. It adds half of it to the host's."""
    all_trained = len(model.trained) == len(model.weights) and isinstance(model.optimizer, torch.optim.Adam)
    applies = strategy.stage in (2, 3) and all_trained and model.precision.startswith(("bf16", "16"))
    if not applies or importlib.util.find_spec("deepspeed") is None:
        return None
    importlib.import_module("lit_reason.strategies")  # settles what deepspeed runs on, before it is imported
    total, where = sum(w.numel for w in model.weights), {"num_gpus_per_node": per_node, "num_nodes": nodes}
    if strategy.stage == 2:
        from deepspeed.runtime.zero.stage_1_and_2 import estimate_zero2_model_states_mem_needs as needs_2

        host, device = needs_2(total, cpu_offload=strategy.offload_optimizer, **where)
    else:
        from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs as needs_3

        offload = {"cpu_offload": strategy.offload_optimizer, "cpu_offload_params": strategy.offload_parameters}
        largest = max(w.numel for w in model.weights)
        host, device, _ = needs_3(total, largest, zero_init=False, **offload, **where)
    return device, host // per_node


def _known(word: str, arguments: Mapping[str, Any], processes: int) -> Strategy | None:
    if word == "auto":
        return Strategy("ddp") if processes > 1 else Strategy("one")
    if word.lower().startswith("ddp"):
        return Strategy("ddp", bucket_view=bool(arguments.get("gradient_as_bucket_view", False)))
    if word == "FSDP2":
        return Strategy("fsdp2")
    if word == "SingleDeviceStrategy":
        return Strategy("one")
    if word in ("DeepSpeed", "DeepSpeedStrategy"):
        return _zero(arguments)
    if word in NAMES:  # Lightning's names for DeepSpeed's stages
        stage, _, offload = word.removeprefix("deepspeed_stage_").partition("_")
        return Strategy("zero", int(stage), bool(offload), bool(offload) and stage == "3")
    return None


def _zero(arguments: Mapping[str, Any]) -> Strategy:
    stage = int(arguments.get("stage", 2))
    return Strategy(
        "zero",
        stage,
        offload_optimizer=bool(arguments.get("offload_optimizer", False)),
        offload_parameters=bool(arguments.get("offload_parameters", False)) and stage == 3,
        bucket=int(arguments.get("reduce_bucket_size", Strategy.bucket)),
        overlap=bool(arguments.get("overlap_comm", Strategy.overlap)),
    )
