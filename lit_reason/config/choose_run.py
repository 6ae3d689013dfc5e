"""Which directory a command works in, and from which checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_reason.config.mistakes import Mistake, Origin, UserMistakes
from lit_reason.run_directory import (
    RunDirectory,
    RunSettings,
    find_last,
    has_stable_id,
    is_complete,
    new_id,
    newest_checkpoint,
    read_environment,
    resume_hash,
    why_no_last,
)


def choose_run(
    command: str, run: RunSettings, config: Mapping[str, Any], ckpt_path: str | None, origin: Origin | None
) -> RunDirectory:
    """The run directory (not made yet) and checkpoint of a command; `config` is the whole resolved configuration.

    `last` continues the newest run of this name and experiment in place (an evaluation works in that run's directory);
    `auto` is `last` or a new run; a path starts a new run from that checkpoint.

    Raises:
        UserMistakes: there is no such checkpoint, or the directory already holds a trained run.
    """
    if not has_stable_id(run) and "TORCHELASTIC_RUN_ID" in os.environ:
        problem = "is needed where torchrun starts the processes: they must share it (or give torchrun an --rdzv_id)"
        raise UserMistakes([Mistake("run.id", problem)])
    if command == "prepare":
        return RunDirectory(Path(run.root) / str(run.name))
    if ckpt_path in ("last", "auto"):
        found = _last(command, run, config)
        if found is not None:
            return found
        if ckpt_path == "last" or command != "fit":
            reason = why_no_last(Path(run.root) / str(run.name), config, command)
            raise UserMistakes([Mistake("ckpt_path", f"nothing to continue: {reason}", ckpt_path, None, origin)])
        return RunDirectory(_new(command, run, config))
    checkpoint = _existing(ckpt_path, origin) if ckpt_path else None
    path = _new(command, run, config)
    if command == "fit" and newest_checkpoint(path) is not None:
        problem = f"{path} holds a trained run already; continue it with --ckpt_path last, or choose another id"
        raise UserMistakes([Mistake("run.id", problem, path.name)])
    return RunDirectory(path, checkpoint)


def _last(command: str, run: RunSettings, config: Mapping[str, Any]) -> RunDirectory | None:
    if not has_stable_id(run):
        return find_last(Path(run.root) / str(run.name), config, command)
    path = _new("fit", run, config)
    checkpoint = newest_checkpoint(path)
    if checkpoint is None:  # a first start under SLURM may still continue an earlier job's run
        return None if run.id else find_last(path.parent, config, command)
    if command == "fit" and read_environment(path).get("resume_hash") not in (None, resume_hash(config)):
        return None
    return RunDirectory(path, checkpoint, continued=True)


def _new(command: str, run: RunSettings, config: Mapping[str, Any]) -> Path:
    return Path(run.root) / str(run.name) / new_id(run, command, config)


def _existing(ckpt_path: str, origin: Origin | None) -> Path:
    path = Path(ckpt_path)
    if not path.exists():
        raise UserMistakes([Mistake("ckpt_path", "no such checkpoint", ckpt_path, _nearest(path), origin)])
    if not is_complete(path):
        problem = "is not a whole checkpoint (cut short, or another kind of file)"
        raise UserMistakes([Mistake("ckpt_path", problem, ckpt_path, None, origin)])
    return path


def _nearest(path: Path) -> str | None:
    """The newest checkpoint of a run directory that was named instead of a file, or the file that was nearly named."""
    from lit_reason.config.mistakes import nearest

    if not path.parent.is_dir():
        return None
    name = nearest(path.name, (other.name for other in path.parent.iterdir() if is_complete(other)))
    return str(path.parent / name) if name else None
