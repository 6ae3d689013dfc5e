"""A callback that notes which checkpoints this rank removes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

_REMOVED: list[str] = []
_EVENTS = ("shutil.rmtree", "os.remove")


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        _REMOVED.append(str(arguments[0]))


class Removals(Callback):
    """Writes the names to `<run>/removed.rank<r>.json` at the end of a fit."""

    def __init__(self) -> None:
        if _note not in _HOOKS:
            sys.addaudithook(_note)  # for good: there is no way to take one back
            _HOOKS.append(_note)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        run = Path(trainer.default_root_dir)
        names = [Path(path).name for path in _REMOVED if Path(path).parent == run / "checkpoints"]
        (run / f"removed.rank{trainer.global_rank}.json").write_text(json.dumps(names))


_HOOKS: list[object] = []
