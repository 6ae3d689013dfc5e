"""Acceptance H, I and J: small transformers learn from random weights to infer programs they have never seen.

Each test prints its figures with n, intervals and seeds, measured on the functions held out for the test, on which
nothing was chosen; the recipe was found on validation functions of another seed. The trainings take some minutes each;
what is not marked slow runs the same code for a few steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_reason.case2code.planted import PlantedSettings
from lit_reason.results import Figure, difference
from tests.case2code.learning import N_TEST, Learner, gain, line

Say = Callable[[str, Figure], None]
KS = (1, 3, 5, 8)
SEED = int(os.environ.get("LEARNING_SEED", "0"))
KNOWN, HELD_OUT = "input_output", "arrow"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print past pytest's capture: the figures are what these tests are for."""

    def show(label: str, found: Figure) -> None:
        with capsys.disabled():
            print("\n" + line(label, found, SEED), end="", flush=True)

    return show


@pytest.mark.slow
def test_induction_is_learned_from_random_weights(tmp_path: Path, say: Say) -> None:
    """H: far above the untrained model and the control without information; more cases do not hurt; cases that were
    not shown pass no more often than those that were."""
    learner = Learner(tmp_path / "learner", seed=SEED)
    control = Learner(tmp_path / "control", ("control",), seed=SEED)
    before = learner.measured(learner.model(), "before")
    say("untrained", before.figure())
    model = learner.trained()
    after = learner.measured(model, "after")
    say("trained", after.figure())
    say("shown cases pass", after.figure("shown_pass"))
    say("hidden cases pass", after.figure("hidden_pass"))
    say("hidden over shown", after.hidden_over_shown())
    by_k = {k: learner.measured(model, f"k{k}", k_min=k, k_max=k) for k in KS}
    for k, found in by_k.items():
        say(f"{k} cases shown", found.figure())
        say(f"{k} cases shown, hidden over shown", found.hidden_over_shown())
    more_cases = gain("8 cases instead of 1", by_k[1], by_k[8])
    say("8 cases instead of 1", more_cases)
    without = control.measured(control.trained(), "after")
    say("shuffled-output control", without.figure())
    gains = {"over the untrained model": gain("", before, after), "over the control": gain("", without, after)}
    for label, found in gains.items():
        say(label, found)

    assert all(found.ci95[0] >= 0.10 for found in gains.values())
    floor = learner.blind()
    say("one program for all, the best", floor)
    assert without.figure().ci95[0] <= floor.ci95[1], "the control sees no information: only luck and names are left"
    assert more_cases.ci95[1] >= 0 and more_cases.value >= -0.03, "more cases hurt"
    for found in (after, *by_k.values()):
        assert found.hidden_over_shown().ci95[0] <= 0, "hidden cases pass more often than shown ones"


@pytest.mark.slow
def test_a_model_that_learned_to_trust_names_misses_them(tmp_path: Path, say: Say) -> None:
    """I: with names that tell the family in training, taking them away at the test costs."""
    learner = Learner(tmp_path, ("telling_names",), seed=SEED)
    model = learner.trained()
    given = learner.measured(model, "given", evaluation_name_share=1.0)
    hidden = learner.measured(model, "hidden", evaluation_name_share=0.0)
    say("name given", given.figure())
    say("name not given", hidden.figure())
    found = gain("what the name brings", hidden, given)
    say("what the name brings", found)
    assert found.ci95[0] > 0


@pytest.mark.slow
def test_many_layouts_carry_over_to_one_never_seen(tmp_path: Path, say: Say) -> None:
    """J: a layout held out of training costs less after many layouts than after one."""
    costs, unknowns = {}, {}
    for name in ("many_layouts", "one_layout"):
        learner = Learner(tmp_path / name, (name,), seed=SEED)
        model = learner.trained()
        known = learner.measured(model, "known", evaluation_layout=KNOWN)
        unknowns[name] = learner.measured(model, "unknown", evaluation_layout=HELD_OUT)
        costs[name] = [before - after for before, after in zip(known.passed(), unknowns[name].passed(), strict=True)]
        say(f"{name}, a layout of training", known.figure())
        say(f"{name}, the held-out layout", unknowns[name].figure())
        say(f"{name}, lost to it", gain("", unknowns[name], known))
    less = difference("lost less", "planted", costs["many_layouts"], costs["one_layout"])
    say("lost less with many", less)
    more = gain("", unknowns["one_layout"], unknowns["many_layouts"])
    say("many instead of one, held out", more)
    assert less.ci95[0] > 0 and more.ci95[0] > 0


def test_without_looking_at_cases_next_to_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor of H, which a model that sees nothing of value cannot pass; names are made up and tell nothing."""
    floor = Learner(tmp_path, seed=SEED).blind()
    assert floor.n == N_TEST and floor.ci_method == "wilson"
    assert floor.ci95[1] < 0.05
    train = PlantedSettings.functions
    monkeypatch.setattr(PlantedSettings, "functions", lambda self, split: train(self, "test"))
    assert Learner(tmp_path, seed=SEED).blind().value > floor.value  # every program passes at least its own cases


def test_the_same_code_for_a_few_steps(tmp_path: Path) -> None:
    """The trainings and measurements of H, I and J, far too short to learn anything: figures of the right size."""
    tiny = {"n_train": 24, "n_test": 12}
    for overlay in ("control", "many_layouts"):
        learner = Learner(tmp_path / overlay, (overlay,), planted=tiny, backbone="llama-tiny")
        model = learner.trained(max_steps=2)
        one = learner.measured(model, "one", max_chars=2000, evaluation_name_share=0.0)
        other = learner.measured(model, "other", k_min=1, k_max=1, evaluation_layout=HELD_OUT)
        assert one.figure().n == other.figure().n == len(one.passed()) == 12
        assert one.hidden_over_shown().n == one.figure("shown_pass").n == 12 and gain("", one, other).n == 12
        assert one.figure().ci_method == "wilson"
