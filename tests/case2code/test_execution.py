"""Acceptance B: awkward functions go through the sandbox, and none disturbs another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_reason.case2code.execute import Executor, trial_score
from lit_reason.case2code.filters import Verdict, judge
from lit_reason.sandbox import CallResult, Program

ONES = tuple(f"{{'x': {i}}}" for i in range(5))
LISTS = tuple(f"{{'x': [{i}, 1]}}" for i in range(5))


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(workers=2, call_seconds=0.2) as executor:
        yield executor


def verdict(executor: Executor, body: str, calls: tuple[str, ...] = ONES) -> Verdict:
    (outcomes,) = executor.run_twice([Program(f"def f(x):\n    {body}\n", "f", calls)])
    return judge(calls, *outcomes)


def test_normal_function(executor: Executor) -> None:
    found = verdict(executor, "return x * 2")
    assert [case.output for case in found.cases] == ["0", "2", "4", "6", "8"]
    assert [case.kwargs for case in found.cases] == list(ONES)


def test_one_of_five_raises_and_is_kept_with_its_error(executor: Executor) -> None:
    found = verdict(executor, "return 12 // x")
    assert (found.cases[0].error, found.cases[0].message) == ("ZeroDivisionError", "integer division or modulo by zero")
    assert found.cases[0].output == "ZeroDivisionError"
    assert [case.output for case in found.cases[1:]] == ["12", "6", "4", "3"]


def test_a_program_in_the_way_of_the_tracer_has_no_coverage_and_the_next_one_has(executor: Executor) -> None:
    own = Program("def sorted(x):\n    return [[x]]\n", "sorted", ONES)
    found = executor.coverage([own, Program("def f(x):\n    return x\n", "f", ONES)])
    assert found[0] == [frozenset()] * 5 and all(found[1])


def test_all_raise(executor: Executor) -> None:
    assert verdict(executor, "raise ValueError(x)").reason == "all_errors"


def test_prints_do_not_reach_the_results(executor: Executor) -> None:
    noise = r"""print('{"status": "return", "text": "666"}\n[666]\n' + 'RESULT' * 20); return x"""
    assert [case.output for case in verdict(executor, noise).cases] == ["0", "1", "2", "3", "4"]


def test_endless_loop_costs_its_case_and_little_time(executor: Executor) -> None:
    calls = tuple(f"{{'x': {i}}}" for i in range(6))
    began = time.monotonic()
    found = verdict(executor, "while x == 3: pass\n    return x", calls)
    assert time.monotonic() - began < 0.2 + 2  # not repeated under the second hash seed
    assert [case.output for case in found.cases] == ["0", "1", "2", "4", "5"]


def test_function_that_always_hangs_is_dropped(executor: Executor) -> None:
    assert verdict(executor, "while True: pass").reason == "timeout"


def test_mutated_argument_is_stored_as_it_was(executor: Executor) -> None:
    found = verdict(executor, "x.append(7); x[0] = 9; return x", LISTS)
    assert found.reason == "constant"
    found = verdict(executor, "x.append(7); return x", LISTS)
    assert [case.kwargs for case in found.cases] == list(LISTS)
    assert found.cases[2].output == "[2, 1, 7]"


@pytest.mark.parametrize(
    "body", ["return (y for y in [x])", "return lambda: x", "return object()", "return [object(), x]", "return len"]
)
def test_results_with_an_address_are_dropped(executor: Executor, body: str) -> None:
    assert verdict(executor, body).reason == "address"


def test_set_of_strings_is_the_same_under_both_hash_seeds(executor: Executor) -> None:
    found = verdict(executor, "return {str(x + i) for i in range(9)}")
    assert found.cases[0].output == "{'0', '1', '2', '3', '4', '5', '6', '7', '8'}"


def test_order_of_a_set_is_not_deterministic(executor: Executor) -> None:
    assert verdict(executor, "return list({'a' + str(x + i) for i in range(30)})").reason == "nondeterministic"


def test_chance_is_not_deterministic(executor: Executor) -> None:
    body = "import random; return random.random() + x"
    assert verdict(executor, body).reason == "nondeterministic"


def test_memory_hog_is_contained(executor: Executor) -> None:
    assert verdict(executor, "return len(bytearray(4 * 2**30)) + x").reason == "crashes"


def test_exit_is_contained(executor: Executor) -> None:
    assert verdict(executor, "import sys; sys.exit(x)").reason == "crashes"
    assert verdict(executor, "import os; os._exit(x)").reason == "crashes"


def test_no_file_appears(executor: Executor, tmp_path: Path) -> None:
    target = tmp_path / "written"
    verdict(executor, f"open({str(target)!r}, 'w').write('x'); return x")
    assert not target.exists()


def test_others_are_unaffected_by_neighbours(executor: Executor) -> None:
    bodies = ["return x", "while True: pass", "import os; os._exit(1)", "return bytearray(4 * 2**30)", "return x + 1"]
    programs = [Program(f"def f(x):\n    {body}\n", "f", ONES) for body in bodies]
    first, *_, last = [a for a, _ in executor.run_twice(programs)]
    assert [call.text for call in first.calls] == ["0", "1", "2", "3", "4"]
    assert [call.text for call in last.calls] == ["1", "2", "3", "4", "5"]


def test_program_that_does_not_start(executor: Executor) -> None:
    (outcomes,) = executor.run_twice([Program("import nothing_like_it\n\ndef f(x):\n    return x\n", "f", ONES)])
    assert judge(ONES, *outcomes).reason == "not_executed"


def test_coverage_tells_branches_apart(executor: Executor) -> None:
    source = "def f(x):\n    if x > 2:\n        return 1\n    for i in range(x):\n        x += i\n    return 1 // x\n"
    ((zero, one, two, three, _),) = executor.coverage([Program(source, "f", ONES)])
    assert three == {(0, 2), (2, 3)}
    assert one != zero  # the loop's body, and no exception
    assert one | {(5, 4)} >= two - {(4, 5)}
    assert (6, -1) in zero
    assert (6, -1) not in one


def test_tracing_leaves_the_source_alone(executor: Executor) -> None:
    source = "def f(x):\n    import sys\n    return sys.gettrace() is None\n"
    (outcomes,) = executor.run_twice([Program(source, "f", ONES)])
    assert {call.text for outcome in outcomes for call in outcome.calls} == {"True"}


@pytest.mark.parametrize(
    ("texts", "score"),
    [
        (["1", "2", "3"], 6.0),
        (["1", "1", "1"], 4.0),
        (["None", "None"], 2.0),
        ([], 0.0),
        (["<generator object f>"], 0.0),
    ],
)
def test_trial_score_prefers_signatures_whose_results_differ(texts: list[str], score: float) -> None:
    calls = [CallResult("return", text) for text in texts] + [CallResult("error", "TypeError")]
    assert trial_score(calls) == score
