"""metrics.csv: an append-only record that a killed and resumed run reproduces byte for byte.

What depends on the clock (`speed/...`) goes to speed.csv, so that metrics.csv holds nothing but what the seed
determines.
"""

from __future__ import annotations

import csv
import io
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from lit_reason.disk import named
from lit_reason.files import write_text_atomic

SPEED_PREFIX = "speed/"


class MetricsCSV(Logger):
    """Writes metrics.csv and speed.csv in the run directory, one row each time metrics are logged.

    Args:
        save_dir: The folder of both files.
        name: Stem of the file for what does not depend on the clock.
    """

    def __init__(self, save_dir: str = "{run_dir}", name: str = "metrics{part}") -> None:
        super().__init__()
        self._save_dir = Path(save_dir)
        self._name = name
        suffix = name.removeprefix("metrics")
        self._metrics = CsvTable(self._save_dir / f"{name}.csv")
        self._speed = CsvTable(self._save_dir / f"speed{suffix}.csv")

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self._save_dir)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one row per file for the metrics that belong there."""
        speed = {key: value for key, value in metrics.items() if key.startswith(SPEED_PREFIX)}
        other = {key: value for key, value in metrics.items() if key not in speed}
        for table, row in ((self._speed, speed), (self._metrics, other)):
            if set(row) - {"epoch"}:
                table.append({"step": 0 if step is None else int(step), **row})

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Settings are in config.yaml."""

    @rank_zero_only
    def cut_from(self, step: int) -> None:
        """Drop the rows that a run continued after `step` steps will write again. Rows are numbered by the step they
        belong to, counted from 0; those of a validation or an epoch's end by the last step before them."""
        self._metrics.cut_from(step)
        self._speed.cut_from(step)


class CsvTable:
    """One CSV file that only grows, except for new columns and `cut_from`, which replace it in one rename."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] | None = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row to disk at once. A column not seen before rewrites the file beside and renames it."""
        columns = self._columns if self._columns is not None else self._open()
        new = [key for key in row if key not in columns]
        if new:
            self._columns = columns = [*columns, *new]
            self._rewrite([*self.rows(), dict(zip(columns, map(written, map(row.get, columns)), strict=True))])
            return
        with named(self.path), self.path.open("ab") as stream:
            stream.write(_line([written(row.get(column)) for column in columns]).encode())
            stream.flush()

    def rows(self) -> list[dict[str, str]]:
        """Every whole row, as text; a last line that a kill cut short is left out."""
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        return list(csv.DictReader(io.StringIO(whole.decode("utf-8"), newline="")))

    def cut_from(self, step: int) -> None:
        """Drop rows with this step or a later one, and columns that then hold nothing."""
        rows = [row for row in self.rows() if int(row["step"]) < step]
        filled = {key for row in rows for key, value in row.items() if value}
        self._columns = [column for column in self._open() if column in filled]
        if self.path.exists():
            self._rewrite(rows)

    def _open(self) -> list[str]:
        """Columns of the file; a last line cut short by a kill is removed, so that no row is glued to it."""
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            with self.path.open("rb+") as stream:
                stream.truncate(len(whole))
                os.fsync(stream.fileno())
        self._columns = next(csv.reader(io.StringIO(whole.decode("utf-8"), newline="")), [])
        return self._columns

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        columns = self._columns or []
        lines = [_line(columns), *(_line([row.get(column, "") or "" for column in columns]) for row in rows)]
        write_text_atomic(self.path, "".join(lines) if columns else "")


def written(value: Any) -> str:
    """A value in the file: nine digits hold a float32 exactly; whole numbers have no point; nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, bool | int):
        return str(int(value))
    return format(float(value), ".9g")


def _line(cells: list[str]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()
