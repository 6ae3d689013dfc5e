"""No near-duplicates across splits, and splits that do not move."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.names import normalised_body, split_of
from lit_reason.case2code.pipeline import build
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.similarity import jaccard, shingles_of
from lit_reason.case2code.splits import NEAR_DUPLICATE, dropped, split_folder, split_functions, unlike

LONG = """
def rank(values, limit):
    '''Words.'''
    total = 0
    seen = set()
    for i, value in enumerate(values):
        if value in seen or value < 0:
            continue
        seen.add(value)
        total += value * i
        if total > limit:
            return limit, i
    return total, len(seen)
"""
RENAMED = LONG.replace("total", "acc").replace("values", "xs").replace("rank", "other").replace("Words", "Text")
EDITED = RENAMED.replace("value * i", "value + i")
OTHER = """
def spell(text):
    out = []
    for word in text.split():
        out.append(word[::-1].title())
    return " ".join(out)
"""


def function(code: str, name: str = "f") -> Function:
    return Function(name, name, ("x",), code, (Case("{'x': 1}", "1"),), body=normalised_body(code))


def similarity(a: str, b: str) -> float:
    return jaccard(shingles_of(a), shingles_of(b))


def test_similarity_by_hand() -> None:
    """Nodes: FunctionDef, Return, BinOp, p0, Add, Constant, so 3 runs of four; another operator spoils 2 of them."""
    one, two = "def f(x):\n    return x + 1\n", "def f(x):\n    return x * 1\n"
    assert len(shingles_of(one)) == 3
    assert similarity(one, one.replace("x", "y").replace("f(", "g(")) == 1.0
    assert similarity(one, two) == pytest.approx(1 / 5)


def test_renaming_is_nothing_an_edit_is_little_another_function_is_much() -> None:
    assert similarity(LONG, RENAMED) == 1.0
    assert 0.8 < similarity(LONG, EDITED) < 1.0
    assert similarity(LONG, OTHER) < 0.2


def test_a_mirrored_comparison_and_an_augmented_assignment_change_nothing() -> None:
    for one, other in (("total > limit", "limit < total"), ("total += value * i", "total = total + value * i")):
        assert similarity(LONG, LONG.replace(one, other)) == 1.0
    assert similarity(LONG, LONG.replace("total > limit", "total >= limit")) < 1.0
    assert similarity(LONG, LONG.replace("total > limit", "limit > total")) < 1.0


def test_swapped_parameters_are_told_apart() -> None:
    assert similarity("def f(a, b):\n    return a - b\n", "def f(a, b):\n    return b - a\n") < 0.8


def test_like_ones_are_left_out_at_and_above_the_threshold() -> None:
    found = unlike([function(EDITED, "e"), function(OTHER, "o")], [function(LONG, "l")], 0.8)
    assert [f.id for f in found] == ["o"]
    exact = similarity(LONG, EDITED)
    assert unlike([function(EDITED)], [function(LONG)], exact) == []
    assert len(unlike([function(EDITED)], [function(LONG)], exact + 1e-9)) == 1


def edited(i: int) -> str:
    return LONG.replace("value < 0", f"value < {i}")


def test_no_pair_across_splits_is_alike_and_the_held_out_stay() -> None:
    functions = [function(edited(i), f"f{i}") for i in range(40)]
    functions += [function(OTHER.replace("title", name), name) for name in ("upper", "lower", "strip")]
    plain, clean = split_functions(functions, 0.4, None), split_functions(functions, 0.4, 0.8)
    assert sum(map(len, plain.values())) == 43
    assert clean["test"] == plain["test"]
    assert [id for id in (*clean["val"], *clean["train"]) if id.startswith("f")] == []
    assert clean["train"]


def test_of_too_few_functions_none_is_held_out() -> None:
    one = next(edited(i) for i in range(99) if split_of(normalised_body(edited(i)), {"a": 0.1, "b": 0.9}) == "b")
    assert split_functions([function(one)], 0.9, 0.8) == {"train": ["f"], "val": [], "test": []}


@given(st.lists(st.sampled_from([LONG, EDITED, OTHER, *map(edited, range(6))]), unique=True), st.floats(0.5, 1))
def test_what_is_left_is_below_the_threshold(codes: list[str], threshold: float) -> None:
    functions = {normalised_body(code): function(code, normalised_body(code)) for code in codes}
    splits = split_functions(list(functions.values()), 0.5, threshold)
    held_out = [functions[i] for i in (*splits["val"], *splits["test"])]
    for id in splits["train"]:
        assert all(similarity(functions[id].code, other.code) < threshold for other in held_out)


def test_they_are_counted_and_the_split_is_kept(tmp_path: Path) -> None:
    def held_out(code: str) -> bool:
        return split_of(normalised_body(code), {"train": 0.6, "val": 0.2, "test": 0.2}) != "train"

    ids = [next(i for i in range(99) if held_out(edited(i)) is wanted) for wanted in (True, False)]
    texts = [edited(i).replace("def rank", f"def rank_{i}") for i in ids]
    (tmp_path / "a.py").write_text("\n".join([*texts, OTHER]))
    settings = RealSettings(sources=[str(tmp_path / "a.py")])
    folder = build(settings)
    splits = split_folder(folder, settings)
    assert f"rank_{ids[1]}" not in {f.name for f in splits["train"]}
    assert f"rank_{ids[0]}" in {f.name for f in (*splits["val"], *splits["test"])}
    assert dropped(folder, settings) == {NEAR_DUPLICATE: 1}
    (kept,) = folder.glob("splits-*.json")
    assert json.loads(kept.read_text())["near_duplicates"] == 0.8
