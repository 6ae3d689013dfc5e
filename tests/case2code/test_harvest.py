"""Acceptance A: which functions are collected, and the reason why each other one is not."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from lit_reason.case2code.harvest import harvest, harvest_file
from lit_reason.case2code.pipeline import build, histogram, stored_functions
from lit_reason.case2code.rules import Candidate, HarvestRules, harvest_text
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.sources import SourceError, python_files, source_problem, source_root, source_version
from tests.case2code import published as p

PLANTED = '''
import math
import os.path as osp
from collections import Counter, deque
import numpy as np

LIMIT = 10

def kept(xs, cap):
    """Docstring."""
    total = math.fsum(xs)
    return cap if total > cap else total

def no_arguments():
    return 1

def no_value(x):
    x += 1

def bare_return(x):
    if x:
        return
    x += 1

class Holder:
    def method(self, x):
        return x

def undefined_helper(x):
    return helper(x)

def external_package(x):
    return np.sum(x)

def opens_a_file(path):
    with open(path) as stream:
        return stream.read()

def uses_random(x):
    import random
    return random.choice(x)

def same_but_renamed(values, bound):
    s = math.fsum(values)
    return bound if s > bound else s
'''


def verdict(text: str) -> str:
    found = list(harvest_text(text, "t.py"))
    return found[-1] if isinstance(found[-1], str) else "kept"


def test_planted_file_gives_the_expected_reasons(tmp_path: Path) -> None:
    (tmp_path / "a_planted.py").write_text(PLANTED)
    (tmp_path / "b_broken.py").write_text("def f(x:\n    return x\n")
    (tmp_path / "c_latin.py").write_bytes(b"# caf\xe9\ndef g(x):\n    return x\n")
    (tmp_path / "d_after.py").write_text("def after(x):\n    y = x\n    return [y]\n")
    found = harvest([str(tmp_path)])
    assert [c.name for c in found.kept] == ["kept", "after"]
    assert found.rejected == Counter(R1=1, R2=1, R3=1, R4=2, R5=2, R6=2, R9=1, encoding=1)


def test_kept_function_brings_its_imports_and_its_source(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(PLANTED)
    kept = harvest([str(tmp_path)]).kept[0]
    assert kept.import_code == ("import math",)
    assert kept.code == (
        'import math\n\n\ndef kept(xs, cap):\n    """Docstring."""\n    total = math.fsum(xs)\n'
        "    return cap if total > cap else total\n"
    )
    assert kept.params == ("xs", "cap")
    assert kept.origin.endswith("p.py:9")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("async def f(x):\n    return x\n", "R2"),
        ("@cache\ndef f(x):\n    return x\n", "R2"),
        ("def f(x):\n    yield x\n    return 1\n", "R2"),
        ("def f(x):\n    return sum(y for y in x)\n", "kept"),
        ("def f(x):\n    def g():\n        yield 1\n    return list(g())\n", "R2"),  # for the nested one; see below
        ("def f(*xs):\n    return xs\n", "R3"),
        ("def f(x, **k):\n    return x\n", "R3"),
        ("def f(x, *, y):\n    return x\n", "R3"),
        ("def f(x, /):\n    return x\n", "R3"),
        ("def f(a, b, c, d, e, f_, g):\n    return a\n", "R3"),
        ("def f(x):\n    return None\n", "R4"),
        ("def f(x):\n    g = lambda: 1\n    x = g\n", "R4"),
        ("LIMIT = 3\ndef f(x):\n    return x > LIMIT\n", "R5"),
        ("def sum(x):\n    return 1\ndef f(x):\n    return sum(x)\n", "R5"),
        ("import math\nmath = 3\ndef f(x):\n    return math + x\n", "R5"),
        ("def f(x: Thing):\n    return x\n", "R5"),
        ("def f(x, y=HERE):\n    return x\n", "R5"),
        ("from . import near\ndef f(x):\n    return near(x)\n", "R5"),
        ("import os\ndef f(x):\n    return os.path.join(x, helper(x))\n", "R6"),  # R6 is tested before R5
        ("def f(x):\n    return eval(x)\n", "R6"),
        ("def f(x):\n    return input() + x\n", "R6"),
        ("import time\ndef f(x):\n    return time.time() + x\n", "R6"),
        ("import datetime\ndef f(x):\n    return datetime.date.today().year + x\n", "R6"),
        ("import datetime\ndef f(y, m, d):\n    return datetime.date(y, m, d).weekday()\n", "kept"),
        ("def f(x):\n    global state\n    state = x\n    return x\n", "R7"),
        ("def f(x): return x\n", "R8"),
        ("def f(x):\n" + "    x += 1\n" * 59 + "    return x\n", "R8"),
        ("def f(x):\n" + "    x += 1\n" * 58 + "    return x\n", "kept"),
        ("def f(x):\n    return '" + "a" * 4096 + "' + x\n", "R8"),
        ("def f(x):\n    return f(x - 1) if x else 0\n", "kept"),
        ("def f(x):\n    from collections import deque\n    return list(deque(x))\n", "kept"),
        (
            "def f(x):\n    match x:\n        case [a, *rest]:\n            return rest\n"
            "        case {'k': v, **more}:\n            return more\n    return a\n",
            "kept",
        ),
        ("def f(xs):\n    return [y for x in xs if (y := x + 1)]\n", "kept"),
        (
            "def f(x):\n    try:\n        return 1 / x\n    except ZeroDivisionError as error:\n"
            "        return str(error)\n",
            "kept",
        ),
    ],
)  # fmt: skip
def test_rules_one_by_one(text: str, reason: str) -> None:
    assert verdict(text) == reason


def test_generator_inside_does_not_make_the_outer_one_a_generator() -> None:
    found = list(harvest_text("def f(x):\n    def g():\n        yield 1\n    return list(g())\n", "t"))
    assert [isinstance(item, Candidate) for item in found] == [True, False]


def test_source_lines_are_those_of_the_parser() -> None:
    """A form feed ends a line for str.splitlines, but not for Python."""
    (found,) = harvest_text("x = 1\n\f\ndef f(x):\n    return x + 1\n", "t")
    assert isinstance(found, Candidate)
    assert found.source == "def f(x):\n    return x + 1\n"


def test_unknown_source_is_named() -> None:
    with pytest.raises(SourceError, match="'no_such_thing'"):
        harvest(["no_such_thing"])
    assert "neither `stdlib`, an installed package, nor a path" in str(source_problem("no_such_thing"))
    assert source_problem("toolz") is None


def test_a_package_is_not_hidden_by_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toolz").mkdir()
    monkeypatch.chdir(tmp_path)
    assert harvest(["toolz"]).kept


def test_version_of_a_folder_follows_its_files(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("def f(x):\n    return x\n")
    before = source_version(str(tmp_path))
    file.write_text("def f(x):\n    return x + 1\n")
    assert source_version(str(tmp_path)) != before


def test_non_utf8_file_does_not_stop_the_others(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_bytes(b"\xff\xfe")
    assert list(harvest_file(file, "x.py")) == ["encoding"]


def test_what_cannot_be_read_is_counted_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("nowhere")
    (tmp_path / "b.py").mkdir()
    os.mkfifo(tmp_path / "c.py")
    (tmp_path / "d.py").symlink_to("d.py")
    for name in ("b.py/inner.py", "z.py"):
        (tmp_path / name).write_text(f"def f{len(name)}(x):\n    return [x, {len(name)}]\n")
    settings = RealSettings(sources=[str(tmp_path)], call_seconds=0.1)
    folder = build(settings)
    assert {f.name for f in stored_functions(folder)} == {"f13", "f4"}
    assert histogram(folder) == "rejected: 3 unreadable (file cannot be read)"
    (tmp_path / "nowhere").write_text("def late(x):\n    return (x, x)\n")
    assert {f.name for f in stored_functions(build(settings))} == {"f13", "f4", "late"}


def test_tests_are_left_out_of_packages_and_not_of_folders(tmp_path: Path) -> None:
    for folder in ("tests", "test", "idlelib", "lib/site-packages", "__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text(f"def f(x):\n    return [x, {folder!r}]\n")
    names = [path.relative_to(tmp_path).as_posix() for path in python_files(str(tmp_path))]
    assert names == ["idlelib/a.py", "test/a.py", "tests/a.py"]
    assert len(harvest([str(tmp_path)]).kept) == 3
    for source in ("stdlib", "sympy"):
        root = source_root(source)
        assert not [path for path in python_files(source) if "tests" in path.relative_to(root).parts[:-1]]


HELPERS = """
import math
from os import getcwd

def deep(x):
    return math.floor(x)

def half(x):
    return deep(x / 2)

def uses(x):
    def local(y):
        return half(y)
    return [local(v) for v in x]

def place(x):
    return getcwd() + x

def indirect(x):
    return place(x)

@property
def decorated(x):
    return x

def wants(x):
    return decorated(x) + 1

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

def counts(x):
    global state
    state = x

def through(x):
    counts(x)
    return x
"""


def test_helpers_are_carried_along_where_asked() -> None:
    def kept(rules: HarvestRules) -> dict[str, Candidate]:
        return {c.name: c for c in harvest_text(HELPERS, "t", rules) if isinstance(c, Candidate)}

    assert set(kept(HarvestRules())) == {"deep"}
    found = kept(HarvestRules(helpers=True))
    assert set(found) == {"deep", "half", "uses", "even", "odd"}
    assert [text.split("(")[0] for text in found["odd"].helpers] == ["def even"]
    uses = found["uses"]
    assert [text.split("(")[0] for text in uses.helpers] == ["def deep", "def half"]
    assert uses.import_code == ("import math",)
    scope: dict = {}
    exec(uses.code, scope)
    assert scope["uses"]([4, 7.5]) == [2, 3]


DOCTEST = f"def deep(x):\n    '''>>> deep({'-' * 3500}1)'''\n    return [x + 2]\n"


@pytest.mark.parametrize(("text", "reason"), [(p.deep(90), ""), (p.deep(600), "R8"), (p.deep(1500), "R8"),
                                              (p.deep(5000), "R1"), (DOCTEST, "")])  # fmt: skip
def test_a_function_too_deep_for_a_tree_is_counted_and_stops_no_other(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "b.py").write_text("def after(x):\n    return [x]\n")
    settings = RealSettings(sources=[str(tmp_path)], call_seconds=0.1, evaluation_sets=[])
    folder = build(settings)
    assert [f.name for f in stored_functions(folder)] == [*([] if reason else ["deep"]), "after"]
    assert histogram(folder).startswith(f"rejected: 1 {reason}" if reason else "none was found")


def test_a_deep_function_in_an_evaluation_set_does_not_matter(tmp_path: Path) -> None:
    code = "def add(a, b):\n    return a + b\n"
    exam = p.write(tmp_path / "exam.jsonl", [*({"code": p.deep(n)} for n in (600, 1500, 5000)), {"code": code}])
    (tmp_path / "c.py").write_text(code)
    assert harvest([str(tmp_path / "c.py")], [str(exam)]).rejected == Counter(R10=1)


def test_corrupt_lines_of_an_evaluation_set_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = "def add(a, b):\n    return a + b\n"
    exam = p.write(tmp_path / "exam.jsonl", ["{cut", "[" * 200_000, {"code": "\ud800"}, {"code": code}, {"code": code}])
    exam.write_bytes(exam.read_bytes()[:-20])
    (tmp_path / "c.py").write_text(code)
    assert harvest([str(tmp_path / "c.py")], [str(exam)]).rejected == Counter(R10=1)
    assert [line for line in range(1, 6) if f"exam.jsonl:{line}: left out of the evaluation set" in caplog.text] == [
        1, 2, 5,
    ]  # fmt: skip


def test_undefined_names_pass_where_asked_but_not_packages() -> None:
    text = "import numpy\ndef a(x):\n    return helper(x)\ndef b(x):\n    return numpy.sum(x)\n"
    assert [i if isinstance(i, str) else i.name for i in harvest_text(text, "t")] == ["R5", "R5"]
    found = harvest_text(text, "t", HarvestRules(undefined_names=True))
    assert [i if isinstance(i, str) else i.name for i in found] == ["a", "R5"]
