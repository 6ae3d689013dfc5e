"""Aggregators named in YAML, and all of them compared in figures."""

from __future__ import annotations

import pytest
import yaml
from jsonargparse import ArgumentParser

from lit_reason.aggregation import AggregationOfReasoning
from lit_reason.aggregation.columns import table_from_columns
from lit_reason.aggregation.comparison import curves, doublings, figures
from lit_reason.aggregation.scores import Majority, PowerMajority, ShortestMajority, ShortM, VoteRule, usual_rules
from tests.aggregation.aor.scripted import ScriptedJudge
from tests.aggregation.simulation import pool

SCORES = "lit_reason.aggregation.scores"


def test_rules_by_class_path() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--aggregators", type=list[VoteRule])
    named = [("Majority", {"tie": "shortest"}), ("ShortestMajority", {}), ("PowerMajority", {"p": 0.5})]
    named.append(("ShortM", {"m": 1}))
    config = {"aggregators": [{"class_path": f"{SCORES}.{name}", "init_args": given} for name, given in named]}
    made = parser.instantiate_classes(parser.parse_string(yaml.safe_dump(config))).aggregators
    assert made == [Majority("shortest"), ShortestMajority(), PowerMajority(0.5), ShortM(1)]


def test_aor_by_class_path() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(AggregationOfReasoning, "aor")
    judge = {"class_path": "tests.aggregation.aor.scripted.ScriptedJudge", "init_args": {"score": "builtins.max"}}
    config = {"class_path": "lit_reason.aggregation.AggregationOfReasoning"}
    config["init_args"] = {"judge": judge, "theta": 1.0, "method": "local_sum", "n": 10, "n_max": 10}
    made = parser.instantiate_classes(parser.parse_string(yaml.safe_dump({"aor": config}))).aor
    assert made.name == "AoR local sum(10)" and made.settings.theta == 1.0
    assert isinstance(made._asker.judge, ScriptedJudge)


def test_all_in_figures() -> None:
    table = pool(300, 8, 2.5, seed=0)
    shown = {(figure.name, figure.split): figure for figure in figures(table, usual_rules(), when="test")}
    gain = "accuracy minus the majority's"
    assert shown["accuracy", "shortest"].value > shown["accuracy", "majority"].value
    assert shown[gain, "shortest"].ci95[0] > 0 and shown[gain, "shortest"].n == 300
    assert (shown[gain, "shortest"].kind, shown[gain, "shortest"].when) == ("share_difference", "test")
    assert shown["vote/tokens a question", "shortest"].value < shown["vote/tokens a question", "majority"].value
    assert (gain, "majority") not in shown and shown["vote/tied questions", "majority"].kind == "share"


def test_curves() -> None:
    assert doublings(8) == [1, 2, 4, 8] and doublings(6) == [1, 2, 4, 6] and doublings(1) == [1] and doublings(0) == []
    table = table_from_columns(["q"] * 3, ["A", "A", "B"], [2, 3, 4], [True, True, False])
    found = curves(table, [Majority()])["majority"]
    assert [at.k for at in found] == [1, 2, 3]
    assert [at.accuracy for at in found] == pytest.approx([2 / 3, 2 / 3, 1]) and found[0].tokens[0] == 3
