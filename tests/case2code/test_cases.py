"""Which cases are shown and which are hidden."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code.cases import Choice, choose_cases, traits
from lit_reason.case2code.functions import Case


def numbers(values: list[int], output=lambda x: x) -> list[Case]:
    return [Case(repr({"x": v}), repr(output(v))) for v in values]


def choose(cases: list[Case], coverages=None, seed: int = 0, **limits) -> Choice:
    return choose_cases(cases, coverages or [frozenset()] * len(cases), Random(seed), **limits)


def test_shares_by_default() -> None:
    found = choose(numbers(list(range(10, 50))))
    assert (len(found.cases), len(found.shown), len(found.hidden)) == (24, 10, 14)
    found = choose(numbers(list(range(10, 22))))
    assert (len(found.shown), len(found.hidden)) == (8, 4)  # a third


@pytest.mark.parametrize(("n", "shown"), [(2, 1), (3, 2), (4, 2), (5, 3), (6, 4)])
def test_few_cases(n: int, shown: int) -> None:
    found = choose(numbers(list(range(10, 10 + n))))
    assert len(found.shown) == shown
    assert len(found.hidden) == n - shown


def test_a_result_that_only_looks_like_a_literal_has_traits() -> None:
    assert traits(Case("{'x': 1}", "{{1}}")) == {("input", "x", "1"), ("output", "other")}


@pytest.mark.parametrize("seed", range(8))
def test_edge_values_are_shown(seed: int) -> None:
    found = choose(numbers([*range(20, 50), 0, 1, -4]), seed=seed)
    shown = {found.cases[i].arguments()["x"] for i in found.shown}
    assert {0, 1, -4} <= shown


@pytest.mark.parametrize("seed", range(8))
def test_hidden_cases_cover_every_branch_that_two_cases_take(seed: int) -> None:
    """40 cases; 8 branches are taken by two cases each, all others take the common one."""
    cases = numbers(list(range(10, 50)))
    coverages = [frozenset({(1, i // 2 if i < 16 else 99)}) for i in range(40)]
    found = choose(cases, coverages, seed)
    branch = {case.kwargs: coverage for case, coverage in zip(cases, coverages, strict=True)}
    hidden = frozenset().union(*(branch[found.cases[i].kwargs] for i in found.hidden))
    assert hidden >= {(1, i) for i in range(8)}
    shown = frozenset().union(*(branch[found.cases[i].kwargs] for i in found.shown))
    assert len(shown) >= 5


@pytest.mark.parametrize("seed", range(8))
def test_hidden_cases_first_cover_what_the_shown_ones_do_not(seed: int) -> None:
    """More lonely branches than half of the shown cases can take: every one that is left over is hidden."""
    cases = numbers(list(range(10, 50)))
    coverages = [frozenset({(1, min(i, 12))}) for i in range(40)]
    found = choose(cases, coverages, seed)
    branch = {case.kwargs: coverage for case, coverage in zip(cases, coverages, strict=True)}
    everything = frozenset().union(*(branch[case.kwargs] for case in found.cases))
    assert everything == {(1, i) for i in range(13)}


@pytest.mark.parametrize("seed", range(20))
def test_three_distinct_outputs_are_shown(seed: int) -> None:
    found = choose(numbers(list(range(10, 40)), lambda x: {12: "a", 13: "b"}.get(x, "c")), seed=seed)
    assert len({found.cases[i].output for i in found.shown}) == 3
    found = choose(numbers(list(range(10, 40)), lambda x: x == 12), seed=seed)
    assert len({found.cases[i].output for i in found.shown}) == 2  # there are no more


def test_long_cases_are_hidden_where_others_can_be_shown() -> None:
    cases = [Case(repr({"x": "a" * (5 if i % 2 else 300) + str(i)}), "1") for i in range(40)]
    found = choose(cases)
    assert all(len(found.cases[i].kwargs) < 240 for i in found.shown)
    long = [case for case in cases if len(case.kwargs) > 240]
    assert len(choose(long).shown) == 10


ROWS = st.tuples(st.integers(-3, 6), st.integers(0, 3), st.frozensets(st.integers(0, 5)))
"""An input value, an output, the steps taken."""


@given(
    st.lists(ROWS, min_size=2, max_size=40),
    st.integers(2, 30), st.integers(1, 12), st.floats(0, 0.9), st.integers(0, 5),
)  # fmt: skip
def test_always_disjoint_complete_and_within_limits(
    rows, n_cases: int, max_shown: int, share: float, seed: int
) -> None:
    cases = [Case(repr({"x": x, "i": i}), str(out)) for i, (x, out, _) in enumerate(rows)]
    found = choose_cases(
        cases, [steps for *_, steps in rows], Random(seed), n_cases=n_cases, max_shown=max_shown, hidden_share=share
    )
    n = len(found.cases)
    assert sorted(found.shown + found.hidden) == list(range(n))
    assert len({case.kwargs for case in found.cases}) == n <= n_cases
    assert 1 <= len(found.shown) <= max_shown
    assert len(found.hidden) >= min(n - 1, max(1, share * n - 1e-9)) or n < 4
    assert {case.kwargs for case in found.cases} <= {case.kwargs for case in cases}


def test_traits() -> None:
    found = traits(Case("{'xs': [], 'n': 0, 'flag': True, 's': 'abc'}", "[]"), [(1, 2)])
    assert found == {
        ("step", (1, 2)), ("input", "xs", "empty"), ("input", "n", "0"), ("input", "flag", "True"),
        ("output", "list empty"),
    }  # fmt: skip
    assert ("error", "KeyError") in traits(Case("{'x': 5}", error="KeyError"))
    assert ("output", "other") in traits(Case("{'x': 5}", "Counter()"))
