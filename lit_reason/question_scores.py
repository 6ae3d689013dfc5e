"""What each question scored, beside the figure that is its mean: what a paired comparison of two runs needs.

`scores.jsonl` in a run directory has one line a figure: its name, split and when, and `scores` by question id.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from lit_reason.files import read_jsonl, write_jsonl_atomic

SCORES_FILE = "scores.jsonl"

FigureKey = tuple[str, str, str]
"""A figure's name, split and when."""


def save_scores(run_dir: Path | str, scores: Mapping[FigureKey, Mapping[str, float]]) -> Path:
    """Write the scores of some figures in place of older ones of the same figures.

    Raises:
        ValueError: a score is not a finite number; the message names figure and question.
    """
    for key, by_question in scores.items():
        for question, score in by_question.items():
            if not math.isfinite(score):
                raise ValueError(f"figure {' | '.join(filter(None, key))!r}: question {question!r} scored {score}")
    together = {**load_scores(run_dir), **scores}
    rows = [
        {"name": name, "split": split, "when": when, "scores": {q: float(s) for q, s in found.items()}}
        for (name, split, when), found in together.items()
    ]
    path = Path(run_dir) / SCORES_FILE
    write_jsonl_atomic(path, rows)
    return path


def load_scores(run_dir: Path | str) -> dict[FigureKey, dict[str, float]]:
    """The scores of a run by figure, none where it has no `scores.jsonl`.

    Raises:
        ValueError: naming file and line.
    """
    path = Path(run_dir) / SCORES_FILE
    if not path.exists():
        return {}
    found = {}
    for number, row in read_jsonl(path):
        try:
            found[row["name"], row["split"], row["when"]] = {str(q): float(s) for q, s in row["scores"].items()}
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: not a figure's scores ({error!r})") from None
    return found
