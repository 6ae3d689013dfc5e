"""What a classifier's fit leaves in its results.json: the newest accuracy, and how many texts were left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch import Trainer

from lit_reason.results import Figure, Results


def record(trainer: Trainer, figures: Sequence[Figure] = (), dropped: Mapping[str, int] | None = None) -> None:
    """Add figures and counts to the run's results, in the first process; older ones of the same name give way."""
    if not trainer.is_global_zero or trainer.sanity_checking:
        return
    run_dir = Path(trainer.default_root_dir)
    results = Results.load(run_dir)
    results.run = results.run or f"{run_dir.parent.name}/{run_dir.name}"
    for figure in figures:
        results.put(figure)
    results.dropped |= dropped or {}
    results.save(run_dir)
