"""What every run gets without asking. This is the whole list; `run.without: [Name, ...]` leaves an entry out.

A callback or logger of the same class in the configuration replaces the entry here. The entries are class paths, so
that nothing is imported before the run needs it, and they appear in the saved config.yaml like settings of the user's
own.
"""

from __future__ import annotations

from typing import Any

TRAINER: dict[str, Any] = {
    "enable_model_summary": False,  # a table of one row; `ModelSize` says the same in one line
    "num_sanity_val_steps": 0,  # a sanity check would sample a whole evaluation before the first step
    "reload_dataloaders_every_n_epochs": 1,  # each epoch is planned anew from (seed, epoch)
    "use_distributed_sampler": False,  # the planner shares rows out itself, exactly once
}

CALLBACKS: dict[str, dict[str, Any]] = {
    "callbacks.random_state.RandomState": {},
    "callbacks.finite_loss.FiniteLoss": {},
    "callbacks.model_size.ModelSize": {},
    "callbacks.throughput.Throughput": {},
    "callbacks.progress.Progress": {},
    "callbacks.checkpoints.Checkpoints": {},
    "callbacks.export.Export": {},
}

LOGGERS: dict[str, dict[str, Any]] = {
    "lit_reason.metrics_csv.MetricsCSV": {"save_dir": "{run_dir}", "name": "metrics{part}"},
    "lightning.pytorch.loggers.TensorBoardLogger": {
        "save_dir": "{run_dir}",
        "name": "tensorboard{part}",
        "version": "",
    },
}


def names() -> list[str]:
    """Short names that `run.without` accepts."""
    return [path.rpartition(".")[2] for path in (*CALLBACKS, *LOGGERS)]


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """The settings with built-in trainer settings, callbacks and loggers where the user chose none.

    TensorBoard gives way to any other logger; metrics.csv stays beside it, because the report is made from it.
    """
    trainer = {**TRAINER, **(values.get("trainer") or {})}
    run = values.get("run") or {}
    without = set(run.get("without") or []) if isinstance(run, dict) else set()
    if str(trainer.get("enable_checkpointing", True)).lower() == "false":
        without.add("Checkpoints")
    if str(trainer.get("enable_progress_bar", True)).lower() == "false":
        without.add("Progress")
    if str(trainer.get("barebones", False)).lower() == "true":  # Lightning's mode without anything beside the training
        return {**values, "trainer": trainer}
    given = [_short(item.get("class_path")) for item in trainer.get("callbacks") or [] if isinstance(item, dict)]
    if "Checkpoints" in without and not any("Checkpoint" in name for name in given):
        trainer.setdefault("enable_checkpointing", False)  # or Lightning adds a callback of its own
    trainer["callbacks"] = _completed(trainer.get("callbacks"), CALLBACKS, without)
    logger = trainer.get("logger", True)
    if str(logger).lower() == "false":
        trainer["logger"] = False
    else:
        given = [] if logger is None or str(logger).lower() == "true" else logger
        loggers = LOGGERS if not given else {k: v for k, v in LOGGERS.items() if not k.endswith(".TensorBoardLogger")}
        trainer["logger"] = _completed(given, loggers, without) or False
    return {**values, "trainer": trainer}


def _completed(given: Any, built_in: dict[str, dict[str, Any]], without: set[str]) -> Any:
    if given is not None and not isinstance(given, list):
        return given  # not a list of classes: the checks say so
    present = {_short(item["class_path"]) for item in given or [] if isinstance(item, dict) and "class_path" in item}
    added = [
        {"class_path": path, "init_args": dict(arguments)}
        for path, arguments in built_in.items()
        if _short(path) not in present | without
    ]
    return [*added, *(given or [])]


def _short(class_path: Any) -> str:
    return str(class_path).rpartition(".")[2]
