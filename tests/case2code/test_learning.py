"""Acceptance H, I and J: small transformers learn from random weights to infer programs they have never seen.

Each test prints its figures with n, intervals and seeds. The trainings take some minutes each; what is not marked slow
runs the same code for a few steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.wordings import LAYOUTS
from lit_reason.results import Figure
from tests.case2code.learning import PLANTED, PROMPTS, Learner, gain, line

Say = Callable[[str, Figure], None]
KS = (1, 2, 4, 8)

TELLING_NAMES = replace(PLANTED, telling_names=True)
FEW_CASES = replace(PROMPTS, k_max=2, name_share=0.8)

HELD_OUT, ONLY = "arrow", "input_output"
MANY_LAYOUTS = PromptSettings(
    style="varied", k_min=2, k_max=4, lead_in="", layouts=[name for name in LAYOUTS if name != HELD_OUT]
)
ONE_LAYOUT = replace(MANY_LAYOUTS, layouts=[ONLY])


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print past pytest's capture: the figures are what these tests are for."""

    def show(label: str, found: Figure) -> None:
        with capsys.disabled():
            print("\n" + line(label, found), end="")

    return show


@pytest.mark.slow
def test_induction_is_learned_from_random_weights(tmp_path: Path, say: Say) -> None:
    """H: far above the untrained model and the control without information; more cases do not hurt."""
    learner, control = Learner(tmp_path / "learner"), Learner(tmp_path / "control", shuffled=True)
    model = learner.trained()
    after = learner.measured(model, "after")
    before = learner.measured(learner.model(), "before")
    without = control.measured(control.trained(), "after")
    say("trained", after.figure())
    say("shuffled-output control", without.figure())
    say("untrained", before.figure())
    for low in (before, without):
        more = gain("gain", low, after)
        say("gain", more)
        assert more.value >= 0.10 and more.ci95[0] > 0
    assert without.figure().value <= 0.05, "the control sees no information: only luck and names are left"

    say("shown cases pass", after.figure("shown_pass"))
    say("hidden cases pass", after.figure("hidden_pass"))
    assert after.figure("hidden_pass").value <= after.figure("shown_pass").value

    by_k = {k: learner.measured(model, f"k{k}", k_min=k, k_max=k) for k in KS}
    for k, found in by_k.items():
        say(f"{k} cases shown", found.figure())
    more = gain("8 cases instead of 1", by_k[1], by_k[8])
    say("8 cases instead of 1", more)
    assert more.ci95[1] >= 0 and more.value >= -0.03


@pytest.mark.slow
def test_a_model_that_learned_to_trust_names_misses_them(tmp_path: Path, say: Say) -> None:
    """I: with names that tell the family in training, taking them away at the test costs."""
    learner = Learner(tmp_path, TELLING_NAMES, FEW_CASES)
    model = learner.trained()
    given = learner.measured(model, "given", evaluation_name_share=1.0)
    hidden = learner.measured(model, "hidden", evaluation_name_share=0.0)
    say("name given", given.figure())
    say("name not given", hidden.figure())
    more = gain("what the name brings", hidden, given)
    say("what the name brings", more)
    assert more.ci95[0] > 0


@pytest.mark.slow
def test_many_layouts_carry_over_to_one_never_seen(tmp_path: Path, say: Say) -> None:
    """J: a layout held out of training costs less after many layouts than after one."""
    found = {}
    for name, prompts in {"12 layouts": MANY_LAYOUTS, "one layout": ONE_LAYOUT}.items():
        learner = Learner(tmp_path / name.replace(" ", "_"), prompts=prompts)
        model = learner.trained()
        known = learner.measured(model, "known", evaluation_layout=ONLY)
        unknown = learner.measured(model, "unknown", evaluation_layout=HELD_OUT)
        say(f"{name}, a layout of training", known.figure())
        say(f"{name}, the held-out layout", unknown.figure())
        found[name] = known, unknown
    losses = {name: known.figure().value - unknown.figure().value for name, (known, unknown) in found.items()}
    more = gain("many instead of one, held out", found["one layout"][1], found["12 layouts"][1])
    say("many instead of one, held out", more)
    assert losses["12 layouts"] < losses["one layout"] and more.ci95[0] > 0


def test_the_same_code_for_a_few_steps(tmp_path: Path) -> None:
    """Every training and measurement of H, I and J, far too short to learn anything: figures of the right size."""
    tiny = replace(PLANTED, n_train=48, n_val=24)
    for place, settings in {
        "shuffled": {"shuffled": True}, "names": {"prompts": FEW_CASES}, "layouts": {"prompts": MANY_LAYOUTS},
    }.items():  # fmt: skip
        learner = Learner(tmp_path / place, **{"planted": replace(tiny, telling_names=place == "names"), **settings})
        short = replace(learner, backbone="llama-tiny")
        model = short.trained(max_steps=2)
        one = short.measured(model, "one", max_chars=2000, evaluation_name_share=0.0)
        other = short.measured(model, "other", k_min=1, k_max=1, evaluation_layout=HELD_OUT)
        assert one.figure().n == other.figure().n == len(one.right()) == 24
        assert one.figure("shown_pass").n == 24 and gain("", one, other).n == 24
        assert one.figure().ci_method == "wilson"
