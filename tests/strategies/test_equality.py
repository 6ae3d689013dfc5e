"""Two processes under any strategy are one process: in gradient norms, in final weights, and in what is asked."""

from __future__ import annotations

import json

import pytest

from lit_reason.pool import SamplePool
from tests.strategies.conftest import BROKEN, PAIRS, SHARDED
from tests.strategies.evaluated import N_QUESTIONS
from tests.strategies.modules import MODULES, gaps

TOLERANCE = 2e-4
EVERY = [
    pytest.param(strategy, marks=[pytest.mark.slow] if "offload" in strategy else [])
    for strategies in PAIRS.values()
    for strategy in strategies
]


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("module", MODULES)
def test_two_processes_train_to_the_weights_of_one(strategy, module, pairs, one_process):
    what = str(list(MODULES).index(module))
    assert max(gaps(pairs.run(strategy, what), one_process[what])) < TOLERANCE


@pytest.mark.parametrize("strategy", BROKEN)
def test_a_forgotten_factor_is_caught(strategy, pairs, one_process):
    by_norm, _ = gaps(pairs.run(strategy, "broken"), one_process["0"])
    assert by_norm > 0.1


@pytest.mark.parametrize("strategy", SHARDED)
def test_sharded_weights_are_asked_as_whole_ones_are(strategy, pairs, one_process):
    """Every question once over both processes; before training with the very same answers, as the weights are."""
    run = pairs.run(strategy, "asked")
    figures = json.loads((run / "results.json").read_text())["figures"]
    asked = {f["when"]: f["n"] for f in figures if (f["name"], f["split"]) == ("strict_pass", "planted")}
    assert asked["before"] == asked["after"] == N_QUESTIONS
    pools = {
        folder: [SamplePool(folder / entry["folder"]) for entry in json.loads((folder / "pools.json").read_text())]
        for folder in (run, one_process["asked"])
    }
    assert pools[run][0].key == pools[one_process["asked"]][0].key  # the same weights have the same name
    for sharded in pools[run]:
        asked = [sample.question_id for sample in sharded.samples()]
        assert len(asked) == len(set(asked)) == N_QUESTIONS
    before = [{s.question_id: s.text for s in several[0].samples()} for several in pools.values()]
    assert before[0] == before[1]
