"""Checks that need several settings, this machine, or a file: after types are known, before anything is built."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lit_reason.config.mistakes import Mistake, Origin, nearest
from lit_reason.config.sources import Path_, Settings

Found = Iterator[tuple[str, str, Any, str | None]]
"""(dotted key, what is wrong, the value, the nearest valid one)"""


def class_checks(
    groups: Mapping[Path_, type], config: Mapping[str, Any], settings: Settings, done: list[Mistake]
) -> list[Mistake]:
    """What the classes' own `check_config` says; classes that have a mistake already are left until it is mended."""
    mistakes = []
    for path, cls in groups.items():
        key = ".".join(map(str, path))
        if not hasattr(cls, "check_config") or any(m.key == key or m.key.startswith(f"{key}.") for m in done):
            continue
        there = _behind_built_ins(path, config, settings)
        for below, problem in cls.check_config(_at(config, there)):
            parts = tuple(below.split(".")) if below else ()
            full, value = (*path, *parts), _at(config, (*there, *parts), ...)
            mistakes.append(Mistake(".".join(map(str, full)), problem, value, None, settings.origin(full)))
    return mistakes


def _behind_built_ins(path: Path_, config: Mapping[str, Any], settings: Settings) -> Path_:
    """Where something stands in the complete configuration, whose lists begin with built-in callbacks and loggers."""
    if len(path) < 3 or not isinstance(path[2], int):
        return path
    n_given = len(settings.get(*map(str, path[:2])) or [])
    return (*path[:2], path[2] + len(_at(config, path[:2], [])) - n_given, *path[3:])


def command_checks(command: str, config: Mapping[str, Any], settings: Settings) -> list[Mistake]:
    """A part of the data is only ever prepared: training on it would pass for training on everything."""
    if command == "prepare":
        return []
    problem = f"only prepare builds a part of the data; leave it out of {command}"
    paths = [("data", *part, "shard") for part in ((), ("base",), ("extra",))]
    given = [(path, shard) for path in paths if (shard := _at(config, path)) is not None]
    return [Mistake(".".join(path), problem, shard, None, settings.origin(path)) for path, shard in given]


def machine_checks(config: Mapping[str, Any], settings: Settings) -> list[Mistake]:
    """Precision, devices and strategy against what this machine has."""
    trainer = config["trainer"]
    found = [*_accelerator(trainer), *_devices(trainer), *_precision(trainer), *_strategy(trainer)]
    return [
        Mistake(key, problem, value, close, settings.origin(tuple(key.split("."))))
        for key, problem, value, close in found
    ]


def backbone_checks(config: Mapping[str, Any], settings: Settings) -> list[Mistake]:
    """A local path that is not there, or a name near to one of ours: neither is asked of the hub."""
    from lit_reason.backbones import EMBEDDED, LLAMA_SIZES, looks_like_path

    name = _at(config, ("model", "backbone", "name"))
    if not isinstance(name, str) or name in (EMBEDDED, *LLAMA_SIZES) or Path(name).expanduser().is_dir():
        return []
    key, origin = "model.backbone.name", settings.origin(("model", "backbone", "name"))
    if looks_like_path(name):
        return [Mistake(key, "no such folder", name, None, origin)]
    close = nearest(name, (EMBEDDED, *LLAMA_SIZES)) if "/" not in name else None
    return [Mistake(key, "is no known backbone", name, close, origin)] if close else []


def checkpoint_checks(config: Mapping[str, Any], checkpoint: Path, origin: Origin | None) -> list[Mistake]:
    """Whether a checkpoint belongs to this model, read from its small part alone."""
    from lit_reason.run_directory import checkpoint_header

    try:
        stored = checkpoint_header(checkpoint)["lit_reason"] or {}
    except Exception as error:  # torch raises many kinds for a damaged file; each means that it cannot be used
        return [Mistake("ckpt_path", f"cannot be read: {type(error).__name__}", str(checkpoint), None, origin)]
    model = config["model"]
    arguments = model.get("init_args", {})
    asked = {
        "model_class": model["class_path"].rpartition(".")[2],
        "backbone": _at(arguments, ("backbone", "name"), None),
    }
    differ = [
        f"{key} {stored[key]} (asked for {value})"
        for key, value in asked.items()
        if stored.get(key) not in (None, value)
    ]
    if "lora" in stored and bool(stored["lora"]) != bool(arguments.get("lora")):
        differ.append("LoRA adapters (asked for none)" if stored["lora"] else "all weights (asked for LoRA)")
    if differ:
        problem = f"is a checkpoint of another model: {'; '.join(differ)}"
        return [Mistake("ckpt_path", problem, str(checkpoint), None, origin)]
    return []


def _accelerator(trainer: Mapping[str, Any]) -> Found:
    import torch
    from lightning.pytorch.accelerators import AcceleratorRegistry

    name = trainer["accelerator"]
    if not isinstance(name, str):
        return
    known = ["auto", "gpu", *AcceleratorRegistry.available_accelerators()]
    if name not in known:
        yield "trainer.accelerator", f"expected one of {', '.join(sorted(known))}", name, nearest(name, known)
    elif (
        name in ("gpu", "cuda")
        and not torch.cuda.is_available()
        and not (name == "gpu" and torch.backends.mps.is_available())
    ):
        yield "trainer.accelerator", "this machine has no usable GPU; cpu and auto work here", name, None
    elif name == "mps" and not torch.backends.mps.is_available():
        yield "trainer.accelerator", "this machine has no MPS device; cpu and auto work here", name, None


def _devices(trainer: Mapping[str, Any]) -> Found:
    import torch

    devices, gpus = trainer["devices"], torch.cuda.device_count()
    on_gpu = trainer["accelerator"] in ("gpu", "cuda", "auto") and gpus > 0
    wanted = devices if isinstance(devices, list) else [p for p in str(devices).split(",") if p.strip()]
    numbers = [int(p) for p in wanted if str(p).strip().lstrip("-").isdigit()]
    if len(numbers) != len(wanted):
        if devices != "auto":
            yield "trainer.devices", "expected a number, a list of numbers, or auto", devices, None
    elif isinstance(devices, list) or "," in str(devices):
        missing = [n for n in numbers if n >= gpus or n < 0]
        if on_gpu and missing:
            yield "trainer.devices", f"this machine has GPUs 0 to {gpus - 1}", devices, None
    elif numbers and (numbers[0] == 0 or numbers[0] < -1):
        yield "trainer.devices", "expected at least 1 (or -1 for all)", devices, None
    elif on_gpu and numbers and numbers[0] > gpus:
        yield "trainer.devices", f"this machine has {gpus} GPU{'s' if gpus > 1 else ''}", devices, None


def _precision(trainer: Mapping[str, Any]) -> Found:
    import torch

    precision = str(trainer["precision"])
    on_gpu = trainer["accelerator"] in ("gpu", "cuda", "auto") and torch.cuda.is_available()
    if precision in ("16-mixed", "16-true", "16") and not on_gpu and not torch.backends.mps.is_available():
        yield "trainer.precision", "float16 needs a GPU; here bf16-mixed and 32-true work", precision, None
    elif precision.startswith("bf16") and on_gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield "trainer.precision", "this GPU has no bfloat16; here 16-mixed and 32-true work", precision, None
    elif precision.startswith("transformer-engine") and importlib.util.find_spec("transformer_engine") is None:
        yield "trainer.precision", "needs the package transformer_engine, which is not installed", precision, None


def _strategy(trainer: Mapping[str, Any]) -> Found:
    import torch
    from lightning.pytorch.strategies import StrategyRegistry

    strategy = trainer["strategy"]
    name = strategy if isinstance(strategy, str) else str(strategy.get("class_path", "")).rpartition(".")[2]
    if isinstance(strategy, str) and name not in (known := ["auto", *StrategyRegistry.available_strategies()]):
        yield "trainer.strategy", "is no known strategy", name, nearest(name, known)
    elif name.lower().startswith("deepspeed") and importlib.util.find_spec("deepspeed") is None:
        yield "trainer.strategy", "needs the package deepspeed, which is not installed", name, None
    elif name.lower().startswith("fsdp") and name != "FSDP2" and not torch.cuda.is_available():
        yield "trainer.strategy", "FSDP's first version needs a GPU; FSDP2 and ddp run on CPU processes", name, None


def _at(config: Any, path: Path_, default: Any = None) -> Any:
    """The typed value at a path that leaves out `init_args`."""
    node = config
    for part in path:
        if isinstance(node, Mapping) and part not in node and isinstance(node.get("init_args"), Mapping):
            node = node["init_args"]
        items = dict(enumerate(node)) if isinstance(node, list) else node
        if not isinstance(items, Mapping) or part not in items:
            return default
        node = items[part]
    return node["init_args"] if isinstance(node, Mapping) and "class_path" in node and "init_args" in node else node
