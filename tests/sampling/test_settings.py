"""Sampling settings: what is refused, and what names a pool."""

import pytest

from lit_reason.sampling import SamplingSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"temperature": -1}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_p": 0}, "top_p must lie"),
        ({"top_k": -2}, "top_k must be"),
        ({"min_p": 1.0}, "min_p must lie"),
        ({"max_new_tokens": 0}, "max_new_tokens must be"),
        ({"n": 4}, "at temperature 0 all samples"),
        ({"stop": "abc"}, "stop must be a list"),
        ({"stop": [""]}, "stop must be a list"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=f"sampling: .*{message}"):
        SamplingSettings(**options)


def test_the_identity_holds_what_shapes_a_sample_and_nothing_else():
    sampled = SamplingSettings(n=4, temperature=0.8, stop=["x"])
    assert sampled.identity() == SamplingSettings(n=8, temperature=0.8, stop=("x",)).identity()
    assert sampled.identity() != SamplingSettings(n=4, temperature=0.8, stop=("x",), seed=1).identity()
    assert SamplingSettings(seed=1).identity() == SamplingSettings(seed=2).identity(), "greedy sampling draws nothing"


def test_settings_that_keep_everything_leave_the_names_of_older_pools_alone():
    assert SamplingSettings(temperature=0.5).identity() == {
        "temperature": 0.5, "top_p": 1.0, "top_k": 0, "max_new_tokens": 256, "stop": [], "stop_after_block": [],
        "seed": 0,
    }  # fmt: skip
    assert SamplingSettings(temperature=0.5, min_p=0.1).identity()["min_p"] == 0.1
