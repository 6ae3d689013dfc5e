"""Where a run lives: its id, the run that `--ckpt_path last` continues, and the files that describe it.

A run is `<root>/<name>/<id>/`. Two runs are the same experiment when their resume hashes agree: the hash of the
resolved configuration without the settings of `NOT_IN_RESUME_HASH`.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from jsonargparse.typing import NonNegativeInt

from lit_reason.files import stable_hash, write_json_atomic, write_text_atomic

NOT_IN_RESUME_HASH = {
    "run.root": "where a run is kept is not what it is",
    "run.name": "runs of one name are compared anyway",
    "run.id": "the id is what is looked for",
    "run.without": "what is written beside the training",
    "ckpt_path": "a continued run names a checkpoint, its first part did not",
    "weights_only": "how a checkpoint is read",
    "trainer.max_*": "a run may be continued for longer",
    "trainer.min_*": "a run may be continued for longer",
    "trainer.callbacks": "an evaluation or export may be added later",
    "trainer.logger": "what is written beside the training",
    "trainer.log_every_n_steps": "what is written beside the training",
    "trainer.profiler": "what is written beside the training",
    "trainer.enable_*": "what is shown",
    "trainer.val_check_interval": "when and how much is evaluated",
    "trainer.check_val_every_n_epoch": "when and how much is evaluated",
    "trainer.num_sanity_val_steps": "when and how much is evaluated",
    "trainer.limit_val_batches": "when and how much is evaluated",
    "trainer.limit_test_batches": "when and how much is evaluated",
    "trainer.limit_predict_batches": "when and how much is evaluated",
    "trainer.default_root_dir": "where a run is kept is not what it is",
    "trainer.accelerator": "another machine may continue (equal numbers need the same one)",
    "trainer.devices": "another machine may continue (equal numbers need the same one)",
    "trainer.num_nodes": "another machine may continue (equal numbers need the same one)",
    "trainer.strategy": "another machine may continue (equal numbers need the same one)",
    "*.num_workers": "loading speed",
}
"""Settings (patterns of dotted keys) that a continued run may change, each with the reason; changes are printed."""


@dataclass(frozen=True)
class RunSettings:
    """Where the run is kept and what makes it repeatable.

    Args:
        root: Folder of all runs.
        name: Name of the experiment; by default the first configuration file's folder and name.
        id: Folder of this run below the name; by default made from the SLURM job or the time.
        seed: Seed of everything random.
        without: Built-in callbacks and loggers that this run leaves out, by class name.
    """

    root: str = "runs"
    name: str | None = None
    id: str | None = None
    seed: NonNegativeInt = 0
    without: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunDirectory:
    """A chosen run directory, the checkpoint to start from, and whether the run is continued in place."""

    path: Path
    checkpoint: Path | None = None
    continued: bool = False


def resume_hash(config: Mapping[str, Any]) -> str:
    """Hash of what makes a run the same experiment; `config` is the resolved configuration without a subcommand."""
    kept = {
        key: value
        for key, value in flat(config).items()
        if not any(fnmatch.fnmatchcase(key, p) or fnmatch.fnmatchcase(key, f"{p}.*") for p in NOT_IN_RESUME_HASH)
    }
    return stable_hash(kept)


def model_hash(config: Mapping[str, Any]) -> str:
    """Hash of the model's settings alone: evaluations of a run may change everything else."""
    return stable_hash(config.get("model"))


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys, as a user writes them (`init_args` left out), of every setting that is not a mapping."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            result.update(flat(value, name))
        else:
            result[name] = value
    return result


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines `key: old -> new` for what differs in run, model, data and trainer, the run's place excepted."""
    groups = ("run", "model", "data", "trainer")
    before, after = ({key: value for key, value in flat(c).items() if key.split(".")[0] in groups} for c in (old, new))
    silent = {"run.root", "run.name", "run.id"}
    keys = [key for key in {**before, **after} if key not in silent and before.get(key) != after.get(key)]
    return [f"{key}: {_word(before.get(key))} -> {_word(after.get(key))}" for key in keys]


def new_id(run: RunSettings, command: str, config: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> str:
    """The id of a new run, first that applies: given; handed over by a study; the SLURM job's, so that a requeued job
    finds itself; torchrun's; the time's."""
    if stable := run.id or env.get("LIT_REASON_RUN_ID"):
        return stable
    if job := env.get("SLURM_JOB_ID"):
        array, task = env.get("SLURM_ARRAY_JOB_ID"), env.get("SLURM_ARRAY_TASK_ID")
        job = f"{array}_{task}" if array and task else job
        return f"{job}-{stable_hash([command, resume_hash(config)], 8)}"
    if has_stable_id(run, env):
        return env["TORCHELASTIC_RUN_ID"]
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def has_stable_id(run: RunSettings, env: Mapping[str, str] = os.environ) -> bool:
    """Whether a second start of the same command, or a second process of it, would get the same id."""
    given = run.id or env.get("LIT_REASON_RUN_ID") or env.get("SLURM_JOB_ID")
    return bool(given or env.get("TORCHELASTIC_RUN_ID", "none") != "none")


def runs_of(folder: Path) -> list[Path]:
    """Run directories below `<root>/<name>`, newest first."""
    found = [path.parent for path in folder.glob("*/environment.json")]
    return sorted(found, key=lambda path: (read_environment(path).get("started", ""), path.name), reverse=True)


def read_environment(path: Path) -> dict[str, Any]:
    """The run's environment.json; empty when it is absent or damaged."""
    try:
        return json.loads((path / "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def read_config(path: Path) -> dict[str, Any]:
    """The resolved configuration that a run was started with; empty when it is absent or damaged."""
    import yaml

    try:
        loaded = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def newest_checkpoint(run: Path) -> Path | None:
    """The complete checkpoint of the highest step below `<run>/checkpoints`."""
    folder = run / "checkpoints"
    found = [path for path in folder.iterdir() if is_complete(path)] if folder.is_dir() else []
    return max(found, key=lambda path: (step_of(path), path.stat().st_mtime_ns), default=None)


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: a whole zip file, or a folder with the file its writer leaves
    last."""
    if checkpoint.name.startswith("."):
        return False
    if checkpoint.is_dir():
        return _header_of(checkpoint).is_file()
    return checkpoint.suffix == ".ckpt" and zipfile.is_zipfile(checkpoint)


def checkpoint_header(path: Path) -> dict[str, Any]:
    """The small values of a checkpoint, its tensors left on disk: `global_step`, `epoch`, and `lit_reason`, which says
    what the weights belong to."""
    import torch

    loaded = torch.load(_header_of(path) if path.is_dir() else path, map_location="cpu", weights_only=True, mmap=True)
    return {key: loaded.get(key) for key in ("global_step", "epoch", "lit_reason")}


def _header_of(folder: Path) -> Path:
    """The file of a sharded checkpoint that is written last: FSDP2's name for it, or ours under DeepSpeed."""
    return folder / ("meta.pt" if (folder / "meta.pt").is_file() else "header.pt")


def find_last(folder: Path, config: Mapping[str, Any], command: str) -> RunDirectory | None:
    """The newest run below `folder` of the same experiment that has a complete checkpoint."""
    key, wanted = ("resume_hash", resume_hash(config)) if command == "fit" else ("model_hash", model_hash(config))
    for path in runs_of(folder):
        environment = read_environment(path)
        if environment.get("command") == "fit" and environment.get(key) == wanted:
            checkpoint = newest_checkpoint(path)
            if checkpoint is not None:
                return RunDirectory(path, checkpoint, continued=True)
    return None


def why_no_last(folder: Path, config: Mapping[str, Any], command: str) -> str:
    """One line that says what was looked for, and how the newest run of that name differs."""
    runs = [path for path in runs_of(folder) if read_environment(path).get("command") == "fit"]
    if not runs:
        return f"there is no run in {folder}"
    key, wanted = ("resume_hash", resume_hash(config)) if command == "fit" else ("model_hash", model_hash(config))
    if any(read_environment(path).get(key) == wanted for path in runs):
        return f"no run in {folder} has a complete checkpoint yet"
    config_of = (lambda c: c) if command == "fit" else (lambda c: {"model": c.get("model", {})})
    changes = changed_settings(config_of(read_config(runs[0])), config_of(dict(config)))
    changes = [line for line in changes if not _may_change(line.partition(":")[0])]
    return f"no run in {folder} has these settings; the newest, {runs[0].name}, differs in {'; '.join(changes[:3])}"


def lock(run: Path) -> IO[str] | None:
    """Hold the run against a second process until the returned file is closed; None when another process holds it."""
    import fcntl

    stream = (run / ".lock").open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    except OSError as error:  # some network file systems have no locks; the run goes on as it would without us
        logging.getLogger(__name__).warning("%s cannot be locked: %s", run, error.strerror)
    return stream


def as_yaml(config: Mapping[str, Any]) -> str:
    """A resolved configuration in the words of config.yaml."""
    import yaml

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=120)


def write_description(run: Path, command: str, config: Mapping[str, Any], in_place: bool) -> None:
    """Write config.yaml and environment.json. An evaluation inside a fit's directory gets files of its own."""
    suffix = f".{command}" if in_place and command != "fit" else ""
    write_text_atomic(run / f"config{suffix}.yaml", as_yaml(_repeatable(command, config)))
    previous = read_environment(run) if in_place else {}
    described = {
        "command": command,
        "resume_hash": resume_hash(config),
        "model_hash": model_hash(config),
        **environment(),
    }
    if in_place and command == "fit":
        described["first_started"] = previous.get("first_started", previous.get("started"))
    write_json_atomic(run / f"environment{suffix}.json", described)


def _repeatable(command: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that alone starts the command again. Which run to continue is no part of a fit, which
    checkpoint it branched from is; a time-stamped id stays open, so that it starts a run of its own."""
    continues = command == "fit" and config.get("ckpt_path") in ("last", "auto")
    return {**config, "ckpt_path": None} if continues else dict(config)


def environment() -> dict[str, Any]:
    """Versions, source revision, hardware and threads of this process."""
    import platform
    from importlib import metadata

    import torch

    packages = ("torch", "lightning", "transformers", "peft", "datasets", "jsonargparse", "deepspeed", "lit-reason")
    return {
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "argv": sys.argv[1:],
        "python": platform.python_version(),
        "versions": {name: version for name in packages if (version := _version(metadata, name))},
        "revision": _revision(),
        "platform": platform.platform(),
        "cpu": {
            "name": _cpu_name(),
            "cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "bf16": _cpu_flags() & {"avx512_bf16", "amx_bf16"} != set(),
            "flags": sorted(_cpu_flags() & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "fma"}),
        },
        "threads": {
            "torch": torch.get_num_threads(),
            **{k: os.environ[k] for k in _THREAD_VARIABLES if k in os.environ},
        },
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "PYTHONHASHSEED")


def _version(metadata: Any, name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Commit of the source tree, with `+` when tracked files differ from it; None outside version control."""
    import subprocess

    root = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu_flags() -> set[str]:
    return set(_cpu_info("flags").split())


def _cpu_name() -> str:
    import platform

    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(field_name: str) -> str:
    try:
        lines: Iterator[str] = iter(Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines())
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field_name), "")


def step_of(path: Path) -> int:
    """The step in a checkpoint's name, else the one stored in it."""
    if named := re.search(r"step=(\d+)", path.name):
        return int(named[1])
    return int(checkpoint_header(path)["global_step"] or 0)


def _may_change(key: str) -> bool:
    return any(fnmatch.fnmatchcase(key, p) or fnmatch.fnmatchcase(key, f"{p}.*") for p in NOT_IN_RESUME_HASH)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
