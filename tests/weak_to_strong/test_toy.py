"""Check F on the figures of the toy run, and that it can fail; checks G and I for the toy's two stages."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lit_reason.results import Results
from lit_reason.study_results import FinishedRun, FinishedRuns
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
            results.put(replace(figure, value=values[figure.name], ci95=(0.0, 1.0)))
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
