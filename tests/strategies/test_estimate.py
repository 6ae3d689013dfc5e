"""`train.py estimate` against what ranks hold in real fits: to the byte where the layout is fixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.config.estimate_plan import planned
from lit_reason.run_directory import read_config
from tests.strategies.conftest import EVERY

EXACT = ("weights", "master", "states")


def measured(run: Path) -> dict[str, int]:
    """Of the rank that held most, by kind; measured.py adds host and device memory up, which are one here."""
    ranks = [json.loads(file.read_text()) for file in sorted(run.glob("measured.rank*.json"))]
    assert len(ranks) == 2
    return {kind: max(rank[kind] for rank in ranks) for kind in ranks[0]}


def estimated(run: Path) -> dict[str, int]:
    plan = planned(read_config(run))
    device, host = plan.states.under(plan.strategy, plan.processes)
    return {kind: getattr(device + host, kind) for kind in (*EXACT, "gradients")}


@pytest.mark.parametrize("what", ["0", "1", "32-true", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("strategy", EVERY)
def test_ranks_hold_what_was_estimated(strategy, what, pairs):
    run = pairs.run(strategy, what)
    found, wanted = measured(run), estimated(run)
    assert {kind: found[kind] for kind in EXACT} == {kind: wanted[kind] for kind in EXACT}
    if strategy == "zero1":  # gradients of the other ranks go as they are reduced; the estimate has all of them
        assert wanted["gradients"] / 3 < found["gradients"] <= wanted["gradients"]
    else:
        assert found["gradients"] == wanted["gradients"]
