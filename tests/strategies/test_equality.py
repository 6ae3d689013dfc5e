"""Two processes under any strategy are one process: in gradient norms, in final weights, and in what is asked."""

from __future__ import annotations

import json

import pytest

from lit_reason.pool import SamplePool
from tests.strategies import evaluated
from tests.strategies.conftest import BROKEN, EVERY, WHOLE_BATCH
from tests.strategies.evaluated import N_QUESTIONS
from tests.strategies.modules import MODULES, STRATEGIES, gaps
from tests.strategies.ranks import run_together

TOLERANCE = 2e-4


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("module", MODULES)
def test_two_processes_train_to_the_weights_of_one(strategy, module, pairs, one_process):
    what = str(list(MODULES).index(module))
    assert max(gaps(pairs.run(strategy, what), one_process[what])) < TOLERANCE


@pytest.mark.parametrize("strategy", BROKEN)
def test_a_forgotten_factor_is_caught(strategy, pairs, one_process):
    by_norm, _ = gaps(pairs.run(strategy, "broken"), one_process["0"])
    assert by_norm > 0.1


@pytest.mark.parametrize("strategy", BROKEN)
def test_a_threshold_of_half_the_window_is_caught(strategy, pairs, one_process):
    what = str(list(MODULES).index(WHOLE_BATCH))
    by_norm, _ = gaps(pairs.run(strategy, "broken-threshold"), one_process[what])
    assert by_norm > 0.01


@pytest.mark.parametrize("strategy", EVERY)
def test_weights_are_asked_as_on_one_process(strategy, pairs, one_process):
    """Every question once over both processes; before training with the very same answers, as the weights are."""
    run = pairs.run(strategy, "asked")
    assert asked_before_and_after(run) == [N_QUESTIONS] * 2
    pools = {folder: pools_of(folder) for folder in (run, one_process["asked"])}
    assert pools[run][0].key == pools[one_process["asked"]][0].key  # the same weights have the same name
    for pool in pools[run]:
        assert asked_once(pool) == N_QUESTIONS
    before = [{s.question_id: s.text for s in several[0].samples()} for several in pools.values()]
    assert before[0] == before[1]


@pytest.mark.slow
def test_ten_questions_on_four_ranks(tmp_path):
    """Two ranks have a question more than the others."""
    commands = {name: evaluated.command(overlay, tmp_path, name, 4, 10) for name, overlay in STRATEGIES.items()}
    codes = run_together(commands, tmp_path / "four", processes=4)
    assert codes == dict.fromkeys(STRATEGIES, 0), (tmp_path / "four" / "rank0.log").read_text()[-4000:]
    for name in STRATEGIES:
        run = tmp_path / name / "only"
        assert asked_before_and_after(run) == [10, 10]
        assert [asked_once(pool) for pool in pools_of(run)] == [10, 10]


def asked_before_and_after(run):
    figures = json.loads((run / "results.json").read_text())["figures"]
    asked = {f["when"]: f["n"] for f in figures if (f["name"], f["split"]) == ("strict_pass", "planted")}
    return [asked["before"], asked["after"]]


def pools_of(run):
    return [SamplePool(run / entry["folder"]) for entry in json.loads((run / "pools.json").read_text())]


def asked_once(pool):
    """How many questions the pool has answers of, each one only."""
    asked = [sample.question_id for sample in pool.samples()]
    assert len(asked) == len(set(asked))
    return len(asked)
