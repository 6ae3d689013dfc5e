"""Which weights a fit began and ended with, as hashes: proof that one run starts where another started or ended. And
how many steps lie between."""

from __future__ import annotations

import json
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from lit_reason.files import write_json_atomic

WEIGHTS_FILE = "weights.json"


class WeightsRecord(Callback):
    """Writes `weights.json` with the hashes of all weights, frozen ones too: `start`, and at the end `end` and the
    number of optimizer `steps`. A resumed fit keeps the start of its first beginning."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every process takes part, as weights may be sharded; the first one writes."""
        if trainer.ckpt_path is None:
            _write(trainer, {"start": _hash(pl_module)})

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Likewise."""
        path = Path(trainer.default_root_dir) / WEIGHTS_FILE
        before = json.loads(path.read_bytes()) if path.exists() else {}
        _write(trainer, {**before, "end": _hash(pl_module), "steps": trainer.global_step})


def _hash(module: LightningModule) -> str:
    return str(module.weights_identity()).rpartition("+")[2]


@rank_zero_only
def _write(trainer: Trainer, record: dict[str, str | int]) -> None:
    write_json_atomic(Path(trainer.default_root_dir) / WEIGHTS_FILE, record)
