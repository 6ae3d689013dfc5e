"""Check J of Shortest Majority Vote: what length says depends on what revisions do. Slow, for it trains seven times."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lit_reason.aggregation.findings import RATIO
from lit_reason.aggregation.study import GAIN
from lit_reason.cli import main
from lit_reason.results import Figure, Results
from lit_reason.study_results import over_seeds

STUDY = "configs/studies/test_time_scaling.yaml"
HARM, HELP = 0.2, 0.95
"""Shares of revisions that are right, below and above the 0.6 of first attempts."""


def by_regime(tested: Path) -> dict[float, list[Results]]:
    """The results of the study's `tested` runs, one a seed, by the share of revisions that are right."""
    found: dict[float, list[Results]] = {}
    for config in sorted(tested.glob("*/config.yaml")):
        share = yaml.safe_load(config.read_text())["data"]["init_args"]["chains"]["revision_right"]
        found.setdefault(share, []).append(Results.load(config.parent))
    return found


def interval(runs: list[Results], name: str, split: str) -> tuple[float, float]:
    figures = [figure for figure in (run.get(name, split, "test") for run in runs) if isinstance(figure, Figure)]
    assert len(figures) == len(runs) == 3
    return over_seeds(name, split, "test", figures).ci95


@pytest.mark.slow
def test_longer_is_wrong_where_revisions_harm_and_right_where_they_help(tmp_path: Path) -> None:
    assert main(["study", "--config", STUDY, "--root", str(tmp_path), "--only", "tested"]) == 0
    runs = by_regime(tmp_path / "studies/test_time_scaling/tested")
    assert set(runs) == {HARM, HELP}
    assert interval(runs[HARM], RATIO, "")[0] > 1
    assert interval(runs[HELP], RATIO, "")[1] < 1
    assert interval(runs[HARM], GAIN, "shortest majority")[1] >= 0
    assert interval(runs[HELP], GAIN, "shortest majority")[0] <= 0
