"""The building holds together: arrows point down, files stay small, public things are documented and annotated.

Every rule is a function from a tree's root to a list of violations. It runs on this tree, and on a copy in which one
file breaks it: a rule that cannot find its own breach is no rule.
"""

from __future__ import annotations

import ast
import functools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lit_reason", "callbacks", "datamodules")
TOP_LEVEL = {
    "train.py", "lit_reason", "datamodules", "callbacks", "configs", "tests", "benchmarks", "Makefile",
    "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "docs",
}
REQUIRED = TOP_LEVEL - {"benchmarks", "docs"}
LEFTOVERS = {"runs", "pools", "build", "dist", "shared"}  # what running leaves behind; git ignores it

# Other files of lit_reason/ are shared, and its other folders are methods' rooms: a new room is known unasked.
APPLICATION = re.compile(r"lit_reason\.(cli|config|study|report)(\.|$)")
SHARED_ROOMS = {"sampling", "grading", "sandbox", "aggregation"}
IMPORTED_INSIDE_FUNCTIONS = {"transformers", "peft", "matplotlib", "datasets"}

_MODULE_NAME = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 80


def arrows(root: Path) -> list[str]:
    """train.py -> application -> callbacks, datamodules -> method rooms -> shared rooms -> records."""
    found, rooms = [], _rooms(root)
    for path, module in _modules(root):
        for line, target in _imports(path, module):
            why = _forbidden(module, target, rooms)
            if why:
                found.append(f"{_place(root, path, line)} imports {target}: {why}")
    return found


def lazy_imports(root: Path) -> list[str]:
    """Heavy libraries are imported where they are used, or every command would wait for them."""
    found = []
    for path, _ in _modules(root):
        for node in _top_level(_parsed(path.read_text("utf-8"))):
            for name in _absolute_names(node):
                if name.split(".")[0] in IMPORTED_INSIDE_FUNCTIONS:
                    found.append(f"{_place(root, path, node.lineno)} imports {name} at the top")
    return found


def layout(root: Path) -> list[str]:
    """The top level holds what DESIGN names and nothing else."""
    present = {path.name for path in root.iterdir() if not path.name.startswith(".")} - LEFTOVERS
    present = {name for name in present if not name.endswith(".egg-info") and name != "__pycache__"}
    return [f"{name} is missing" for name in sorted(REQUIRED - present)] + [
        f"{name} does not belong to the top level" for name in sorted(present - TOP_LEVEL)
    ]


def sizes(root: Path) -> list[str]:
    """A file is one idea; a function fits on a screen."""
    found = []
    for path in _python_files(root):
        text = path.read_text("utf-8")
        if text.count("\n") > MAX_FILE_LINES:
            found.append(f"{path.relative_to(root)} has {text.count(chr(10))} lines")
        for node in ast.walk(_parsed(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _body_lines(node) > MAX_FUNCTION_LINES:
                found.append(f"{_place(root, path, node.lineno)} {node.name} has {_body_lines(node)} lines")
    return found


def machine_paths(root: Path) -> list[str]:
    """No path of the machine that somebody wrote it on."""
    common = {"/", "/tmp", "/home", "/root", "/usr", "/opt", "/srv", "/mnt", "/var"}
    here = ROOT if str(ROOT.parent) in common else ROOT.parent
    pattern = re.compile(rf"(?<![\w.~}}/])(?:/(?:home|Users)/\w+/\w+|{re.escape(str(here))}/)")
    found = []
    for path in _text_files(root):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            match = pattern.search(line)
            if match:
                found.append(f"{_place(root, path, number)} holds {match.group()}")
    return found


def annotations(root: Path) -> list[str]:
    """Every function says what it takes and returns; public modules, classes and functions have a docstring."""
    found = []
    for path, _ in _modules(root):
        tree = _parsed(path.read_text("utf-8"))
        if tree.body and not ast.get_docstring(tree):
            found.append(f"{path.relative_to(root)} has no docstring")
        found += [f"{_place(root, path, line)} {what}" for line, what in _undocumented(tree)]
        found += [f"{_place(root, path, line)} {what}" for line, what in _unannotated(tree)]
    return found


Rule = Callable[[Path], list[str]]
RULES: list[Rule] = [arrows, lazy_imports, layout, sizes, machine_paths, annotations]

LOWER, ROOM, SHARED = "lit_reason/broken.py", "lit_reason/case2code/broken.py", "lit_reason/sandbox/broken.py"
BREACHES: list[tuple[Rule, str, str, str]] = [
    (arrows, LOWER, "import datamodules.case2code\n", "lit_reason never imports"),
    (arrows, LOWER, "import importlib\nimportlib.import_module('callbacks.export')\n", "lit_reason never imports"),
    (arrows, LOWER, "from lit_reason import cli\n", "the application"),
    (arrows, ROOM, "def f():\n    from callbacks import export\n", "lit_reason never imports"),
    (arrows, ROOM, "from lit_reason.weak_to_strong import losses\n", "another method's room"),
    (arrows, ROOM, "from ..weak_to_strong import losses\n", "another method's room"),
    (arrows, ROOM, "from lit_reason import weak_to_strong\n", "another method's room"),
    (arrows, SHARED, "from lit_reason.case2code import grader\n", "a method's room"),
    (arrows, "lit_reason/records.py", "from lit_reason import files\n", "records imports nothing of ours"),
    (arrows, "callbacks/broken.py", "from lit_reason.report import write_report\n", "the application"),
    (arrows, "datamodules/broken.py", "import train\n", "the entry"),
    (arrows, "train.py", "import lit_reason.files\n", "train.py only calls the CLI"),
    (lazy_imports, LOWER, "import transformers\n", "imports transformers at the top"),
    (lazy_imports, "callbacks/broken.py", "if True:\n    from peft import LoraConfig\n", "peft at the top"),
    (layout, "helpers.py", "", "helpers.py does not belong"),
    (sizes, "callbacks/broken.py", "x = 1\n" * 451, "callbacks/broken.py has 451 lines"),
    (sizes, "tests/broken.py", "def f():\n" + "    x = 1\n" * 81, "tests/broken.py:1 f has 81 lines"),
    (machine_paths, "configs/broken.yaml", "path: /" + "home/someone/data\n", "configs/broken.yaml:1 holds"),
    (machine_paths, "README.md", f"see {ROOT}/train.py\n", "README.md:1 holds"),
    (annotations, LOWER, '"""M."""\ndef f(x: int) -> int:\n    return x\n', "broken.py:2 f has no docstring"),
    (annotations, LOWER, '"""M."""\nclass A:\n    pass\n', "broken.py:2 A has no docstring"),
    (annotations, LOWER, '"""M."""\ndef _f(x) -> int:\n    return x\n', "broken.py:2 _f: x has no type"),
    (annotations, LOWER, '"""M."""\ndef _f(x: int):\n    return x\n', "broken.py:2 _f: no return type"),
    (annotations, LOWER, "x = 1\n", "broken.py has no docstring"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_tree_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(("rule", "file", "text", "message"), BREACHES)
def test_a_breach_is_found(rule: Rule, file: str, text: str, message: str, copy: Path) -> None:
    broken = copy / file
    original = broken.read_text("utf-8") if broken.exists() else None
    assert not any(message in violation for violation in rule(copy))
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text(text, "utf-8")
    try:
        found = rule(copy)
    finally:
        if original is None:
            broken.unlink()
        else:
            broken.write_text(original, "utf-8")
    assert any(message in violation for violation in found), found


def test_every_rule_has_a_breach() -> None:
    assert {rule for rule, *_ in BREACHES} == set(RULES)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree to break, one file at a time."""
    copy = tmp_path_factory.mktemp("architecture") / "tree"
    for name in sorted(TOP_LEVEL):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "data"))
        elif source.is_file():
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    (copy / "lit_reason/weak_to_strong").mkdir(exist_ok=True)  # a second method's room, before there is one
    (copy / "lit_reason/weak_to_strong/losses.py").write_text('"""Losses."""\n', "utf-8")
    return copy


def _forbidden(module: str, target: str, rooms: set[str]) -> str | None:
    """Why `module` may not import `target` (both dotted), or None. Other people's code may always be imported."""
    top = target.split(".")[0]
    if top not in (*PACKAGES, "train"):
        return None
    if module == "train":
        return None if target.startswith("lit_reason.cli") else "train.py only calls the CLI"
    if top == "train":
        return "the entry imports others, others never the entry"
    if APPLICATION.match(module):
        return None
    if APPLICATION.match(target):
        return "the application stands above everything else"
    if module == "lit_reason.records":
        return "records imports nothing of ours"
    if module.startswith("lit_reason"):
        if top != "lit_reason":
            return "lit_reason never imports datamodules or callbacks"
        return _forbidden_room(_room(module, rooms), _room(target, rooms))
    return None


def _forbidden_room(own: str | None, other: str | None) -> str | None:
    if other is None or own == other:
        return None
    return "another method's room" if own else "shared code never imports a method's room"


def _rooms(root: Path) -> set[str]:
    """The methods' rooms: the folders of lit_reason/ that are neither shared nor the application's."""
    folders = {path.name for path in (root / "lit_reason").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    return {name for name in folders - SHARED_ROOMS if not APPLICATION.match(f"lit_reason.{name}")}


def _room(module: str, rooms: set[str]) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in rooms else None


def _modules(root: Path) -> Iterator[tuple[Path, str]]:
    """`(path, dotted name)` of train.py and of every file in the three packages."""
    yield root / "train.py", "train"
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """`(line, dotted target)` of every import in the file, inside functions too, and of module names in strings."""
    for node in ast.walk(_parsed(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, path, module)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and _MODULE_NAME.fullmatch(str(node.value)):
            yield node.lineno, str(node.value)


def _base(node: ast.ImportFrom, path: Path, module: str) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import: not those of functions, nor those for the type checker only."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        for block in [node, *getattr(node, "handlers", [])]:
            pending += [child for name in ("body", "orelse", "finalbody") for child in getattr(block, name, [])]


def _absolute_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def _undocumented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring"


def _unannotated(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument and not argument.annotation and argument.arg not in ("self", "cls"):
                yield node.lineno, f"{node.name}: {argument.arg} has no type"
        if node.returns is None:
            yield node.lineno, f"{node.name}: no return type"


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


@functools.cache
def _parsed(text: str) -> ast.Module:
    """The syntax tree of a file's text; breaches change one file of many, so most are parsed once."""
    return ast.parse(text)


def _python_files(root: Path) -> Iterator[Path]:
    yield from (path for path in _text_files(root) if path.suffix == ".py")


def _text_files(root: Path) -> Iterator[Path]:
    suffixes = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".sbatch", ".sh", ".jinja", ".html", ".css", ""}
    for name in sorted(TOP_LEVEL | {".ci"}):
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            parts = path.relative_to(root).parts
            ours = "__pycache__" not in parts and parts[:2] != ("tests", "data")
            if ours and path.is_file() and path.suffix in suffixes:
                yield path


def _place(root: Path, path: Path, line: int) -> str:
    return f"{path.relative_to(root)}:{line}"
