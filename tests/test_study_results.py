"""Verdicts, means over seeds, and what a tables function asks of its runs."""

from __future__ import annotations

import math

import pytest

from lit_reason.charts import Chart, Series
from lit_reason.errors import PlainError
from lit_reason.results import Figure, Results, count, share, value
from lit_reason.study_results import (
    Claim,
    FinishedRun,
    FinishedRuns,
    StudyRecord,
    StudyResults,
    Table,
    judged,
    not_testable,
    over_seeds,
)


def figure(low: float, high: float) -> Figure:
    return Figure("gain", "test", "", (low + high) / 2, 10, (low, high), "bootstrap")


@pytest.mark.parametrize(
    ("low", "high", "bounds", "verdict"),
    [
        (0.01, 0.2, {"above": 0.0}, "replicated"),
        (-0.01, 0.2, {"above": 0.0}, "not replicated"),  # on the right side, but not clearly
        (0.0, 0.2, {"above": 0.0}, "not replicated"),
        (-0.3, -0.2, {"above": 0.0}, "not replicated"),
        (-0.3, -0.2, {"below": 0.0}, "replicated"),
        (0.1, 0.2, {"above": 0.0, "below": 0.15}, "not replicated"),
        (0.1, 0.14, {"above": 0.0, "below": 0.15}, "replicated"),
    ],
)
def test_a_claim_is_replicated_only_by_its_whole_interval(low, high, bounds, verdict):
    assert judged("it gains", "somewhere", "+5", figure(low, high), **bounds).verdict == verdict


def test_the_reason_is_in_the_figures_unit():
    claim = judged("c", "s", "p", share("accuracy", "test", "", 90, 100), above=0.5)
    assert claim.reason == "The 95 % interval lies above 50.0 %."
    undecided = judged("c", "s", "p", share("a", "t", "", 50, 100), above=0.5)
    assert undecided.reason == "The 95 % interval does not lie wholly above 50.0 %."


def test_claims_that_decide_nothing():
    with pytest.raises(ValueError, match="judged against no bound"):
        judged("c", "s", "p", figure(0, 1))
    undecided = judged("c", "s", "p", count("n", "", "", 3), above=0.0)
    assert undecided.verdict == "not testable here" and undecided.measured.value == 3
    for measured in (None, count("n", "", "", 3)):
        with pytest.raises(ValueError, match="only a figure with an interval decides it"):
            Claim("c", "s", "p", measured, "replicated")
    assert not_testable("c", "s", "p", "why").verdict == "not testable here"


def test_a_share_over_seeds_stays_a_share():
    nearly_all = over_seeds("accuracy", "", "", [share("accuracy", "", "", right, 100) for right in (100, 98, 100)])
    assert nearly_all.ci95[1] == 1.0 and 0.95 < nearly_all.ci95[0] < nearly_all.value
    nearly_none = over_seeds("accuracy", "", "", [share("accuracy", "", "", right, 100) for right in (0, 2, 0)])
    assert nearly_none.ci95[0] == 0.0 and nearly_none.value < nearly_none.ci95[1] < 0.05


def test_the_mean_over_seeds_by_hand():
    """t(0.975, 2 degrees of freedom) = 4.302653; values .5, .6, .7: sd .1, half width 4.302653 * .1 / sqrt 3."""
    figures = [share("accuracy", "test", "", n, 10, [seed]) for seed, n in enumerate((5, 6, 7))]
    mean = over_seeds("accuracy", "test", "after", figures)
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert mean.value == pytest.approx(0.6) and mean.ci95 == pytest.approx((0.6 - half, 0.6 + half), abs=1e-6)
    assert (mean.n, mean.seeds, mean.ci_method, mean.kind) == (30, [0, 1, 2], "t over 3 seeds", "share")


def test_one_seed_keeps_its_own_interval():
    one = share("accuracy", "test", "", 5, 10, [3])
    again = over_seeds("accuracy", "test", "before", [one])
    assert again.ci95 == one.ci95 and again.ci_method == "wilson" and again.when == "before"
    with pytest.raises(ValueError, match="no seeds to average over"):
        over_seeds("accuracy", "test", "", [])
    assert over_seeds("x", "", "", [value("x", "", "", 1.0), value("x", "", "", 1.0)]).ci95 == (1.0, 1.0)


@pytest.fixture
def runs(tmp_path) -> FinishedRuns:
    for seed in (0, 1):
        found = Results(run="strong")
        found.put(share("accuracy", "test", "after", 5 + seed, 10))
        (tmp_path / str(seed)).mkdir()
        found.save(tmp_path / str(seed))
        (tmp_path / str(seed) / "metrics.csv").write_text("step,epoch,loss\n0,0,2.5\n1,0,\n2,0,1.5\n")
    return FinishedRuns([FinishedRun("strong", {"tau": 0.5, "seed": s}, tmp_path / str(s)) for s in (0, 1)])


def test_runs_by_name_and_variables(runs):
    assert [run.figure("accuracy", "test", "after").seeds for run in runs.of("strong")] == [[0], [1]]
    assert runs.one("strong", seed=1).figure("accuracy", "test", "after").value == 0.6
    assert runs.values_of("tau") == [0.5] and runs.of("weak") == [] and len(runs) == 2
    assert runs.one("strong", seed=0).curve("loss") == [(0, 2.5), (2, 1.5)]


def test_what_is_not_there_is_named(runs):
    with pytest.raises(PlainError, match=r"2 finished runs are 'strong' with {'tau': 0.5}, not one"):
        runs.one("strong", tau=0.5)
    with pytest.raises(PlainError, match=r"no figure 'accuracy \| real'; there are: accuracy \| test \| after"):
        runs.one("strong", seed=0).figure("accuracy", "real")
    with pytest.raises(PlainError, match="no values of 'lss'; there is loss"):
        runs.one("strong", seed=0).curve("lss")


def test_a_record_survives_its_file(tmp_path):
    measured = share("accuracy", "test", "", 5, 10, [0])
    table = Table("T", ["a", "b"], [["x", measured], [1, None]], "note")
    chart = Chart("bars", "C", "x", "y", [Series("s", ["p"], [0.5], [0.4], [0.6])], "share")
    claims = [judged("c", "s", "p", measured, above=0.9), not_testable("d", "s", "p", "w")]
    results = StudyResults([table], [chart], claims)
    runs = [{"run": "a", "variables": {}, "path": "a/1", "seconds": 1.5}]
    record = StudyRecord("name", "title", "paper", results, runs)
    record.save(tmp_path)
    assert StudyRecord.load(tmp_path) == record
    assert results.figures() == [measured]
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="results.json: not a study's results"):
        StudyRecord.load(tmp_path)


def test_rows_fit_their_columns():
    with pytest.raises(ValueError, match="table 'T': row 2 has 1 cells, not 2"):
        Table("T", ["a", "b"], [[1, 2], [3]])
