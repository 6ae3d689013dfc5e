"""The input writer: what it concludes from a function's source, and what it writes."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.case2code.inputs import Writer, docstring_examples
from lit_reason.case2code.kinds import KINDS, kind_of


def function(code: str) -> ast.FunctionDef:
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def writer(code: str, seed: str = "0") -> Writer:
    return Writer.for_function(function(code), seed)


@pytest.mark.parametrize(
    ("code", "signature"),
    [
        ("def f(n: int, s: str):\n    return s * n\n", ("int", "str")),
        ("def f(a: list[list[int]]):\n    return a\n", ("list[list[int]]",)),
        ("def f(a: Optional[List[str]]):\n    return a\n", ("list[str]",)),
        ("def f(a: dict[str, list[str]]):\n    return a\n", ("graph[str]",)),
        ("def f(q):\n    return q.upper() + q.strip()\n", ("str",)),
        ("def f(q):\n    q.append(1)\n    q.sort()\n    return q\n", ("list[int]",)),
        ("def f(q):\n    return [k for k, v in q.items()]\n", ("dict[str,int]",)),
        ("def f(q):\n    return q % 7 + q // 2\n", ("int",)),
        ("def f(q):\n    return sum(q) / len(q)\n", ("list[int]",)),
        ("def f(q):\n    return q[0][0] + len(q[0])\n", ("list[list[int]]",)),
        ("def f(q):\n    return [a + b for a, b in q]\n", ("list[pair]",)),
        ("def f(q):\n    return isinstance(q, bytes) and q == b'x'\n", ("bytes",)),
        ("def f(q=0.5):\n    return q\n", ("float",)),
        ("def f(words):\n    return ''.join(words)\n", ("list[str]",)),
        ("def f(q):\n    '''\n    >>> f('101')\n    5\n    '''\n    return q\n", ("bits",)),
    ],
)
def test_likeliest_signature(code: str, signature: tuple[str, ...]) -> None:
    assert next(writer(code).signatures()) == signature


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(g, x):\n    return g(x)\n", "g must be a function"),
        ("def f(x):\n    return x.is_Add\n", "x must be an object with .is_Add"),
        ("def f(x):\n    return x.real\n", None),
    ],
)
def test_parameters_that_no_literal_can_serve(code: str, reason: str | None) -> None:
    assert writer(code).evidence.hopeless == reason


def test_signatures_do_not_repeat_and_come_best_first() -> None:
    found = list(writer("def f(n, s):\n    return s\n").signatures())
    assert len(found) == len(set(found)) == 25
    assert found[0] == ("int", "str")


def test_edges_and_neighbours_of_literals_are_among_the_inputs() -> None:
    texts = writer("def f(n):\n    return 1 if n > 37 else 2\n").write(("int",), 40)
    values = {ast.literal_eval(text)["n"] for text in texts}
    assert {0, 1, -1} <= values
    assert values & {36, 37, 38} == {36, 37, 38}
    assert len(set(texts)) == len(texts) == 40


def test_arguments_are_related_to_each_other() -> None:
    texts = writer("def f(xs, x):\n    return xs.index(x)\n").write(("list[int]", "int"), 40)
    inputs = [ast.literal_eval(text) for text in texts]
    assert sum(i["x"] in i["xs"] for i in inputs) >= 8
    assert sum(i["x"] not in i["xs"] for i in inputs) >= 8


def test_defaults_are_tried() -> None:
    texts = writer("def f(xs, key=None):\n    return xs\n").write(("list[int]", "int"), 40)
    assert 3 <= sum(ast.literal_eval(text)["key"] is None for text in texts) <= 25


def test_docstring_examples_come_first() -> None:
    examples = ">>> f([3, 1], y=4)\n    0\n    >>> print(f(1), g(2), f(z))"
    code = f'def f(x, y=2):\n    """\n    {examples}\n    """\n    return x\n'
    assert docstring_examples(function(code)) == [{"x": [3, 1], "y": 4}, {"x": 1}]
    assert writer(code).write(("int", "int"), 9)[:2] == ["{'x': [3, 1], 'y': 4}", "{'x': 1}"]


@pytest.mark.parametrize(
    "body", [">>> f(", ">>> f(1\n  2", " >>> f(1)\n>>> f(*a)\n>>> f(1, 2, 3)\n>>> f(x=g())", ">>>f(1)"]
)
def test_bad_docstrings_are_no_examples(body: str) -> None:
    code = f'def f(x):\n    """{body}\n    """\n    return x\n'
    assert docstring_examples(function(code)) in ([], [{"x": 1}])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_writes_literals(kind: str) -> None:
    texts = writer("def f(x):\n    return x == 'ab' or x > 7\n").write((kind,), 30)
    assert len(texts) >= (1 if kind == "none" else 2 if kind == "bool" else 10)
    for text in texts:
        assert list(ast.literal_eval(text)) == ["x"]


def test_inputs_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "import ast\nfrom lit_reason.case2code.inputs import Writer\n"
        "f = ast.parse('def f(a, b):\\n    return a').body[0]\n"
        "w = Writer.for_function(f, '0')\n"
        "print(w.write(('set[str]', 'dict[str,int]'), 30), w.write_trial(('set[int]', 'graph[str]'), 5))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(texts) == 1


def test_trials_differ_from_edges() -> None:
    one = writer("def f(x):\n    return x\n")
    assert len(one.write_trial(("list[int]",), 3)) == 3
    assert list(itertools.islice(one.write(("list[int]",), 3), 1)) == ["{'x': []}"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.text(max_size=2) | st.none(), inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=2), max_size=3)
    ),
    max_leaves=8,
)


@given(anything)
def test_any_value_has_a_known_kind_or_none(value: Any) -> None:
    kind = kind_of(value)
    assert kind is None or kind in KINDS
