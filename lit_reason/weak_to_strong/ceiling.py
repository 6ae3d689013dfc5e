"""Which gold labels a study's ceiling learned: those of H2 unless asked otherwise, as then it differs from a student in
the labels alone. The sweeps of Burns et al.'s release train it on H1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from lit_reason.study_results import FinishedRun


def ceiling_note(ceilings: Sequence[FinishedRun]) -> str:
    """One sentence for a table, from the rows that each fit read; empty where none has kept its configuration."""
    files = [run.path / "config.yaml" for run in ceilings]
    names = {_rows(file).upper() for file in files if file.exists()}
    halves = " and ".join(sorted(name[:2] if name.startswith(("H1", "H2")) else name for name in names))
    return f"The ceiling learned the gold labels of {halves}." if halves else ""


def _rows(config: Path) -> str:
    data = yaml.safe_load(config.read_text("utf-8"))["data"]
    return Path(data.get("init_args", data)["path"]).stem
