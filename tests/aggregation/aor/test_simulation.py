"""Check F: AoR with a judge of known quality, against the table of the specification."""

from __future__ import annotations

import pytest

from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.aggregation.aor.simulated import Row, majority_accuracy, oracle_accuracy, questions, table_row

TABLE = {
    (1.0, False): Row(0.955, 0.66, 0.67, 28.8, 10.3, 6.95),
    (1.0, True): Row(0.840, 0.66, 0.67, 31.8, 11.8, 8.2),
    (0.5, False): Row(0.697, 0.66, 0.67, 35.8, 13.8, 10.2),
    (0.5, True): Row(0.578, 0.66, 0.67, 35.8, 13.7, 10.1),
    (0.0, False): Row(0.29, 0.66, 0.67, 37.9, 14.7, 11.2),
}
ABLATIONS = {
    "static": ({"n_max": 20}, 0.88), "k=1": ({"k": 1}, 0.77), "eps=0": ({"epsilon": 0}, 0.946),
    "theta=4": ({"theta": 4}, 0.886),
}  # fmt: skip


def close(found: Row, expected: Row, accuracy: float, calls: float) -> None:
    for name in ("aor", "sc20", "sc40"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=accuracy), name
    for name in ("chains", "local_calls", "global_calls"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=calls), name


@pytest.mark.slow
@pytest.mark.parametrize(("d", "fixed"), TABLE)
def test_the_table(d: float, fixed: bool) -> None:
    close(table_row(AorSettings(), d, fixed, 3000, range(3)), TABLE[d, fixed], 0.03, 0.06)


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLATIONS)
def test_the_ablations(name: str) -> None:
    changes, accuracy = ABLATIONS[name]
    row = table_row(AorSettings(**changes), 1.0, False, 3000, range(2))
    assert row.aor == pytest.approx(accuracy, abs=0.03)
    if name == "theta=4":
        assert row.chains == pytest.approx(38.8, rel=0.06)


def test_a_good_judge_beats_the_majority_and_a_blind_one_does_not() -> None:
    """The table on fewer questions: AoR(d=1) > SC(40) > AoR(d=0)."""
    good = table_row(AorSettings(), 1.0, False, 1000, range(1))
    blind = table_row(AorSettings(), 0.0, False, 1000, range(1))
    close(good, TABLE[1.0, False], 0.05, 0.08)
    close(blind, TABLE[0.0, False], 0.05, 0.08)
    assert good.aor > good.sc40 > blind.aor


def test_what_the_pools_hold() -> None:
    pools = questions(3000, seed=0)
    assert sum(chain.answer == "gold" for chains in pools for chain in chains) / 120_000 == pytest.approx(0.5, abs=0.02)
    assert oracle_accuracy(pools, 20) == pytest.approx(0.98, abs=0.01)
    assert oracle_accuracy(pools, 40) == pytest.approx(0.997, abs=0.005)
    assert majority_accuracy(pools, 20) == pytest.approx(0.66, abs=0.03)
