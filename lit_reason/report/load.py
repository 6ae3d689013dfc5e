"""The files of a run directory as one view: every file may be absent, and what cannot be read is noted, never fatal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_reason.charts import Chart, load_charts
from lit_reason.errors import PlainError
from lit_reason.files import read_jsonl
from lit_reason.records import Message
from lit_reason.results import Results

Curve = list[tuple[float, float]]
"""Points (step, value) in file order."""


@dataclass(frozen=True)
class Example:
    """One graded answer, as `examples.jsonl` holds it."""

    split: str
    when: str
    question_id: str
    prompt: str | list[Message] = ""
    answer: str = ""
    gold: str | None = None
    family: str | None = None
    status: str = ""
    kind: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a run directory says. `notes` lists what could not be read, one line each."""

    path: Path
    config: dict[str, Any]
    config_text: str
    environment: dict[str, Any]
    metrics: dict[str, Curve]
    speed: dict[str, Curve]
    results: Results
    examples: list[Example]
    charts: list[Chart]
    notes: list[str]


def require_run(folder: Path) -> None:
    """Raises PlainError, naming the newest run inside if there is one, where no run and no study has written."""
    if _is_run(folder):
        return
    inside = sorted(filter(_is_run, folder.glob("*")), key=lambda path: path.stat().st_mtime)
    hint = f"; the newest one in it is {inside[-1]}" if inside else ""
    raise PlainError(f"{folder}: neither a run nor a study{hint}")


_SIGNS = ("config.yaml", "environment.json", "metrics.csv", "results.json", "study.yaml")


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in _SIGNS)


def read_run(run_dir: Path) -> Run:
    """Read whatever a run has written so far."""
    notes: list[str] = []
    config_text = _text(run_dir / "config.yaml", notes)
    return Run(
        path=run_dir,
        config=_parsed_yaml(config_text, notes),
        config_text=config_text,
        environment=_parsed_json(run_dir / "environment.json", notes),
        metrics=_curves(run_dir / "metrics.csv", notes),
        speed=_curves(run_dir / "speed.csv", notes),
        results=_results(run_dir, notes),
        examples=_examples(run_dir / "examples.jsonl", notes),
        charts=_charts(run_dir, notes),
        notes=notes,
    )


def _text(path: Path, notes: list[str]) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        notes.append(f"{path.name}: {error.strerror}")
        return ""


def _parsed_yaml(text: str, notes: list[str]) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        notes.append(f"config.yaml: {' '.join(str(error).split())}")
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _parsed_json(path: Path, notes: list[str]) -> dict[str, Any]:
    text = _text(path, notes)
    try:
        loaded = json.loads(text) if text else {}
    except ValueError as error:
        notes.append(f"{path.name}: {error}")
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _curves(path: Path, notes: list[str]) -> dict[str, Curve]:
    """Columns by name; a cell that is empty or infinite is left out, one that is no number is noted."""
    curves: dict[str, Curve] = {}
    for number, row in enumerate(csv.DictReader(io.StringIO(_text(path, notes), newline="")), 2):
        try:
            step = float(row.get("step") or "nan")
            cells = {name: float(cell) for name, cell in row.items() if name not in (None, "step", "epoch") and cell}
        except (TypeError, ValueError) as error:
            notes.append(f"{path.name}, line {number}: {error}")
            continue
        for name, value in cells.items():
            if math.isfinite(step) and math.isfinite(value):
                curves.setdefault(name, []).append((step, value))
    return curves


def _results(run_dir: Path, notes: list[str]) -> Results:
    try:
        return Results.load(run_dir)
    except (OSError, ValueError) as error:
        notes.append(str(error).replace(f"{run_dir}/", ""))
        return Results()


def _charts(run_dir: Path, notes: list[str]) -> list[Chart]:
    try:
        return load_charts(run_dir)
    except (OSError, ValueError) as error:
        notes.append(str(error).replace(f"{run_dir}/", ""))
        return []


def _examples(path: Path, notes: list[str]) -> list[Example]:
    if not path.exists():
        return []
    rows = read_jsonl(path, on_bad=lambda where, line, why: notes.append(f"{where.name}, line {line}: {why}"))
    # A repeated evaluation appends: the last row of a question is the one that stands.
    latest = {(row.get("split"), row.get("when"), row.get("question_id")): row for _, row in rows}
    return [_example(row) for row in latest.values()]


def _example(row: Mapping[str, Any]) -> Example:
    texts = {key: "" if row.get(key) is None else str(row[key]) for key in ("split", "when", "question_id", "answer")}
    texts |= {key: str(row.get(key) or "") for key in ("status", "kind")}
    prompt, detail = row.get("prompt") or "", row.get("detail")
    return Example(
        **texts,
        prompt=prompt if isinstance(prompt, list) else str(prompt),
        gold=None if row.get("gold") is None else str(row["gold"]),
        family=None if row.get("family") is None else str(row["family"]),
        detail=detail if isinstance(detail, dict) else {},
    )
