"""Check F on the figures of the toy run, and that it can fail; checks G and I for the toy's two stages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.results import Results
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyRecord
from lit_reason.weak_to_strong import toy
from lit_reason.weak_to_strong.metrics import total_variation
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from lit_reason.weak_to_strong.toy_study import tables


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> FinishedRuns:
    folder = tmp_path_factory.mktemp("toy")
    for seed in (0, 1):
        toy.run_toy(folder / str(seed), seed=seed, epochs=3, n_items=160, n_test=400)
    return FinishedRuns([FinishedRun("toy", {"seed": seed}, folder / str(seed)) for seed in (0, 1)])


def with_values(run: FinishedRun, folder, **values: float) -> FinishedRun:
    """The run with some figures replaced."""
    results = Results.load(run.path)
    for figure in list(results.figures):
        if figure.name in values:
            results.put(replace(figure, value=values[figure.name], ci95=figure.ci95 and (0.0, 1.0)))
    results.save(folder)
    (folder / "curves.json").write_bytes((run.path / "curves.json").read_bytes())
    return FinishedRun("toy", run.variables, folder)


def test_tables_have_every_model(runs):
    results = tables(runs)
    assert results.tables[0].rows[0][0] == "weak supervisor"
    assert len(results.tables[0].rows) == 6 and len(results.charts) == 2 and len(results.claims) == 5


def test_an_order_that_fails_is_shown_as_failed(runs, tmp_path):
    good = {"accuracy, weak": 0.8, "accuracy, naive": 0.82, "accuracy, stage1": 0.9, "accuracy, ceiling": 0.95}
    verdicts = []
    for name, naive in (("good", 0.82), ("bad", 0.79)):
        (tmp_path / name).mkdir()
        run = with_values(runs.runs[0], tmp_path / name, **{**good, "accuracy, naive": naive})
        verdicts.append(tables(FinishedRuns([run])).claims[0].verdict)
    assert verdicts == ["replicated", "not replicated"]


def small(folder: Path, **settings) -> FinishedRun:
    toy.run_toy(folder, **{"epochs": 1, "n_items": 60, "n_test": 100, **settings})
    return FinishedRun("toy", {"seed": 0}, folder)


def test_a_ceiling_that_is_not_above_its_supervisor_leaves_no_gap(runs, tmp_path):
    """In the seed where it is so; the other one decides."""
    low = with_values(runs.runs[0], tmp_path, **{"accuracy, weak": 0.8, "accuracy, ceiling": 0.8})
    results = tables(FinishedRuns([low]))
    assert all(row[2] is None for row in results.tables[0].rows)
    assert "Seed 0: undefined: the ceiling is not above the weak model." in results.tables[0].note
    assert "Performance gap recovered" not in [chart.title for chart in results.charts]
    both, other = (tables(FinishedRuns([*found, runs.runs[1]])).tables[0] for found in ([low], []))
    assert [row[2] and row[2].value for row in both.rows] == [row[2] and row[2].value for row in other.rows]


def test_a_gap_within_twice_its_standard_error_is_flagged(runs, tmp_path):
    notes = []
    for name, error in (("near", 0.06), ("far", 0.04)):
        (tmp_path / name).mkdir()
        values = {"accuracy, weak": 0.8, "accuracy, ceiling": 0.9, toy.STANDARD_ERROR: error}
        notes.append(tables(FinishedRuns([with_values(runs.runs[0], tmp_path / name, **values)])).tables[0].note)
    assert "Seed 0: gap not significant" in notes[0] and "not significant" not in notes[1]
    measured = runs.runs[0].figure(toy.STANDARD_ERROR, "test").value
    shares = [runs.runs[0].figure(f"accuracy, {who}", "test").value for who in ("weak", "ceiling")]
    independent = sum(p * (1 - p) / 400 for p in shares) ** 0.5
    assert 0.5 * independent < measured < 1.2 * independent  # of the same items, so mostly smaller


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_where_nothing_is_discarded_stage_two_is_stage_one(tau, tmp_path, caplog):
    run = small(tmp_path, tau=tau)
    assert "D is empty, so S2 = S1" in caplog.text
    assert not [figure for figure in run.results.figures if figure.split == "discarded" and figure.kind == "share"]
    assert run.figure("accuracy, stage2", "test").value == run.figure("accuracy, stage1", "test").value
    results = tables(FinishedRuns([run]))
    assert "Seed 0: D is empty, S2 = S1." in results.tables[1].note
    assert [row[1] is None for row in results.tables[1].rows] == [False] * 5 + [True] * 3 + [False]
    assert results.claims[2].verdict == "not testable here" and "empty in every seed" in results.claims[2].reason


def test_where_nothing_is_kept_the_toy_stops_before_it_trains(tmp_path):
    with pytest.raises(WeakToStrongError, match="no label reaches tau = 1; questions by confidence: 0.6-0.7: 1$"):
        small(tmp_path, tau=1.0, n_items=1, seed=3)


def test_same_seed_same_result_other_seed_another(runs, tmp_path):
    toy.run_toy(tmp_path, seed=0, epochs=3, n_items=160, n_test=400)
    curves = [json.loads((path / "curves.json").read_bytes()) for path in (tmp_path, *[run.path for run in runs])]
    assert curves[0] == curves[1] != curves[2]


def test_a_percentage_is_refused(tmp_path):
    with pytest.raises(WeakToStrongError, match="tau is 80, not a share from 0 to 1; .* write 0.8"):
        toy.run_toy(tmp_path, tau=80)


def test_filtering_loses_hard_items(runs):
    for run in runs:
        assert run.figure("hard share", "A", "").value < run.figure("hard share", "H2", "").value


def test_the_short_form_of_the_study_leaves_a_report(tmp_path):
    study = ["study", "--config", "configs/studies/weak_to_strong_toy.yaml", "--smoke", "--root", str(tmp_path)]
    assert main(study) == 0
    (folder,) = tmp_path.glob("studies/*")
    found = {table.title: table for table in StudyRecord.load(folder).results.tables}
    accuracies = [row[1].value for row in found["Accuracy and performance gap recovered"].rows]
    assert len(accuracies) == 6 and all(0.4 < value < 1 for value in accuracies)
    assert "items kept by Stage I" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_the_required_order_in_four_of_five_seeds(tmp_path):
    """The whole study, as `configs/studies/weak_to_strong_toy.yaml` runs it."""
    for seed in range(5):
        toy.run_toy(tmp_path / str(seed), seed=seed)
    runs = FinishedRuns([FinishedRun("toy", {"seed": seed}, tmp_path / str(seed)) for seed in range(5)])
    results = tables(runs)
    assert [claim.verdict for claim in results.claims[:3]] == ["replicated"] * 3
    means = {row[0]: row[1].value for row in results.tables[0].rows}
    assert means["naive, best epoch (chosen by gold labels)"] < means["Stage I"]
    assert abs(means["Stage II"] - means["Stage I"]) < 0.01
    for run in runs:  # check G: Stage II brings the hard items back
        shares = [run.figure("hard share", split, "").value for split in ("H2", "A", "A and B")]
        whole, after_one, after_two = ([True] * round(1000 * s) + [False] * round(1000 - 1000 * s) for s in shares)
        assert total_variation(after_two, whole) < total_variation(after_one, whole)
