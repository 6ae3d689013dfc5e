"""Planted functions: right, readable from their cases, and apart in their splits."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict

import pytest

from lit_reason.case2code.families import FAMILIES
from lit_reason.case2code.functions import Function
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.planted import PlantedSettings, planted
from lit_reason.case2code.words import NAMES, WORDS

TRAIN = list(planted(1500, 0))
HELD_OUT = {split: list(planted(300, 0, split=split)) for split in ("val", "test")}
EVERYTHING = [*TRAIN, *HELD_OUT["val"], *HELD_OUT["test"]]


def test_there_are_enough_families() -> None:
    assert len(FAMILIES) >= 24
    assert max(Counter(f.family for f in TRAIN).values()) - min(Counter(f.family for f in TRAIN).values()) <= 1
    assert {f.family for f in TRAIN} == set(FAMILIES)


def test_every_case_is_what_the_program_does() -> None:
    for function in EVERYTHING:
        scope: dict[str, object] = {}
        exec(function.code, scope)
        for case in function.cases:
            assert repr(scope[function.name](**case.arguments())) == case.returned  # type: ignore[operator]


def test_no_body_and_no_name_crosses_a_split() -> None:
    splits = {"train": TRAIN, **HELD_OUT}
    for kind in (lambda f: {f.body}, lambda f: {f.name, *f.params}):
        seen = {split: set().union(*map(kind, functions)) for split, functions in splits.items()}
        assert not seen["train"] & seen["test"]
        assert not seen["train"] & seen["val"]
        assert not seen["val"] & seen["test"]


def test_another_seed_does_not_move_a_body() -> None:
    other = {f.body for f in planted(1000, 1)}
    assert not other & {f.body for f in HELD_OUT["test"]}


def test_stored_body_is_that_of_the_code() -> None:
    assert all(f.body == normalised_body(f.code) for f in EVERYTHING)


def test_every_family_is_in_every_split_with_several_bodies() -> None:
    for functions in HELD_OUT.values():
        bodies = defaultdict(set)
        for function in functions:
            bodies[function.family].add(function.body)
        assert set(bodies) == set(FAMILIES)
        assert min(map(len, bodies.values())) >= 2


def test_shown_and_hidden_inputs_are_all_different() -> None:
    for function in EVERYTHING:
        assert len({case.kwargs for case in function.cases}) == len(function.cases) == 10
        assert sorted(function.shown + function.hidden) == list(range(10))
        assert len(function.shown) == 6


def test_outputs_are_not_constant() -> None:
    dull = [f.code for f in EVERYTHING if len({case.output for case in f.cases}) < 2]
    assert not dull
    shown_dull = [f for f in EVERYTHING if len({case.output for case in f.shown_cases}) < 2]
    assert not shown_dull


@pytest.mark.parametrize(
    ("family", "identity", "value"),
    [("add", 0, lambda a: a), ("multiply", 1, lambda a: a), ("subtract_from", 0, lambda a: a), ("modulo", None, None)],
)
def test_telling_inputs_are_shown_first(family: str, identity: int | None, value: object) -> None:
    for function in planted(20, 3, [family], n_shown=4):
        constant = next(n.value for n in ast.walk(ast.parse(function.code)) if isinstance(n, ast.Constant))
        outputs = {next(iter(c.arguments().values())): c.returned for c in function.shown_cases}
        if identity is None:
            assert outputs[constant] == "0"
        else:
            assert outputs[identity] == str(constant)


def test_same_seed_same_functions_and_another_seed_others() -> None:
    assert list(planted(60, 5)) == list(planted(60, 5))
    assert [f.code for f in planted(60, 5)] != [f.code for f in planted(60, 6)]


def test_names_tell_nothing() -> None:
    assert not set(NAMES) & set(WORDS)
    names = defaultdict(set)
    for function in TRAIN:
        names[function.family].add(function.name)
    assert min(len(found) for found in names.values()) > 20


def test_programs_are_short() -> None:
    assert max(f.code.count("\n") for f in EVERYTHING) <= 4


def test_row_round_trip() -> None:
    for function in TRAIN[:60]:
        assert Function.from_row(function.to_row()) == function


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown family 'prefx'; did you mean 'prefix'"):
        next(planted(1, 0, ["prefx"]))
    with pytest.raises(ValueError, match="n_shown must lie between 1 and n_cases - 1 = 9, got 10"):
        next(planted(1, 0, n_shown=10))
    assert PlantedSettings().problems() == []
    assert [key for key, _ in PlantedSettings(families=["a", "b"], n_shown=10).problems()] == [
        "n_shown",
        "families",
        "families",
    ]


def test_names_tell_the_family_where_that_is_asked() -> None:
    telling = PlantedSettings(n_train=150, telling_names=True).functions("train")
    plain = PlantedSettings(n_train=150).functions("train")
    for one, other in zip(telling, plain, strict=True):
        assert one.name == f"{one.family}_{other.name}"
        assert (one.body, one.cases, one.params) == (other.body, other.cases, other.params)


def test_made_up_names_are_many_and_belong_to_one_split() -> None:
    settings = PlantedSettings(n_train=1500, n_val=300, made_up_names=True)
    train, val = settings.functions("train"), settings.functions("val")
    names = {name for f in train for name in (f.name, *f.params)}
    assert len(names) > 2000 and not names & {name for f in val for name in (f.name, *f.params)}
    assert not names & {*NAMES, *WORDS} and all(name.isidentifier() for name in names)
    for function in train:
        assert function.body == normalised_body(function.code)
        scope: dict[str, object] = {}
        exec(function.code, scope)
        assert [repr(scope[function.name](**c.arguments())) for c in function.cases] == [  # type: ignore[operator]
            case.returned for case in function.cases
        ]
