"""Collecting functions from Python source by rules R1 to R10 (section 2, step 1), every rejection with its reason."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.scope import NEEDS_WORLD, UNKNOWN_NAME, Scope, check_names
from lit_reason.errors import PlainError
from lit_reason.files import read_jsonl
from lit_reason.grading.code import parse_code

REASONS: dict[str, str] = {
    "encoding": "file is not UTF-8",
    "R1": "file does not parse",
    "R2": "no plain top-level def",
    "R3": "not 1 to 6 parameters that can be passed by name",
    "R4": "returns no value",
    "R5": "uses a name from elsewhere",
    "R6": "touches files, network, processes, input, the clock or chance",
    "R7": "declares global or nonlocal names",
    "R8": "too short or too long",
    "R9": "duplicate of an earlier function",
    "R10": "in an evaluation set",
}

_SKIPPED_FOLDERS = frozenset({"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"})
_MAX_PARAMS = 6
_MIN_LINES = 2
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Candidate:
    """A function that passed every rule; `import_code` are the allow-listed imports that it needs."""

    name: str
    params: tuple[str, ...]
    source: str
    import_code: tuple[str, ...]
    body: str
    origin: str

    @property
    def code(self) -> str:
        """The whole program: imports, then source (section 9.1)."""
        return "".join(f"{line}\n" for line in self.import_code) + "\n\n" * bool(self.import_code) + self.source


@dataclass
class Harvest:
    """The functions kept, and how many were rejected for which reason."""

    kept: list[Candidate] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


class SourceError(PlainError, ValueError):
    """A source of functions that cannot be read at all; the message is one readable line."""


def harvest(
    sources: Sequence[str], evaluation_sets: Sequence[str] = (), *, max_lines: int = 60, max_chars: int = 4096
) -> Harvest:
    """Apply the rules to every function in `sources`: `stdlib`, names of installed packages, folders or files.

    Raises:
        SourceError: naming a source that is neither installed nor a path.
    """
    found = Harvest()
    excluded = evaluation_keys(evaluation_sets)
    bodies: set[str] = set()
    for source in sources:
        root = source_root(source)
        for path in python_files(root):
            origin = f"{source}/{path.relative_to(root).as_posix()}" if root.is_dir() else f"{source}/{path.name}"
            for item in harvest_file(path, origin, max_lines, max_chars):
                reason = item if isinstance(item, str) else _repeats(item, bodies, excluded)
                if reason:
                    found.rejected[reason] += 1
                elif isinstance(item, Candidate):
                    found.kept.append(item)
                    bodies.add(item.body)
    return found


def harvest_file(path: Path, origin: str, max_lines: int = 60, max_chars: int = 4096) -> Iterator[Candidate | str]:
    """Yield for every function of one file the candidate, or the reason why it is none (rules R1 to R8)."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        yield "encoding"
        return
    tree = parse_code(text)
    if tree is None:
        yield "R1"
        return
    scope = Scope.of_module(tree)
    lines = text.splitlines(keepends=True)
    top = {id(node) for node in tree.body}
    for node in _statements(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if id(node) in top and isinstance(node, ast.FunctionDef):
                yield _candidate(node, lines, scope, origin, max_lines, max_chars)
            else:
                yield "R2"


def source_problem(source: str) -> str | None:
    """Why a source cannot be read, in one line, or None; imports nothing."""
    try:
        source_root(source)
    except SourceError as error:
        return str(error)
    return None


def source_root(source: str) -> Path:
    """The folder or file that a source stands for."""
    if source == "stdlib":
        return Path(sysconfig.get_paths()["stdlib"])
    if Path(source).exists():
        return Path(source)
    spec = importlib.util.find_spec(source) if source.isidentifier() else None
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        raise SourceError(f"source {source!r} is neither `stdlib`, an installed package, nor a path")
    return Path(spec.submodule_search_locations[0]) if spec.submodule_search_locations else Path(str(spec.origin))


def source_version(source: str) -> str:
    """What identifies the content of a source for the cache: a package's version, or the state of a path's files."""
    if Path(source).exists():
        root = Path(source)
        stats = [(path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in python_files(root)]
        return repr(sorted(stats))
    if source == "stdlib":
        return sysconfig.get_python_version()
    distributions = importlib.metadata.packages_distributions().get(source, [])
    return ",".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)


def python_files(root: Path) -> list[Path]:
    """The .py files below a folder in a fixed order, tests and installed packages left out; a file is itself."""
    if root.is_file():
        return [root]
    return sorted(p for p in root.rglob("*.py") if not _SKIPPED_FOLDERS.intersection(p.relative_to(root).parts[:-1]))


def evaluation_keys(paths: Iterable[str]) -> set[tuple[str, str]]:
    """(name, normalised body) of every function in evaluation files: rows with `code` or `content` (rule R10)."""
    keys = set()
    for path in paths:
        for _, row in read_jsonl(path):
            tree = parse_code(row.get("code") or row.get("content") or "")
            for node in tree.body if tree else []:
                if isinstance(node, ast.FunctionDef):
                    keys.add((node.name, normalised_body(ast.unparse(node))))
    return keys


def _candidate(
    node: ast.FunctionDef, lines: list[str], scope: Scope, origin: str, max_lines: int, max_chars: int
) -> Candidate | str:
    """The rules R2 to R8 in their order."""
    source = "".join(lines[node.lineno - 1 : node.end_lineno])
    if node.decorator_list or ("yield" in source and _is_generator(node)):
        return "R2"
    arguments = node.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs or arguments.kwonlyargs:
        return "R3"
    if not 1 <= len(arguments.args) <= _MAX_PARAMS:
        return "R3"
    if not any(_returns_value(statement) for statement in _statements(node, enter_definitions=False)):
        return "R4"
    names = check_names(node, scope)
    if names.problem == NEEDS_WORLD:
        return "R6"
    if names.problem == UNKNOWN_NAME:
        return "R5"
    if any(isinstance(child, (ast.Global, ast.Nonlocal)) for child in ast.walk(node)):
        return "R7"
    source = source if source.endswith("\n") else source + "\n"
    n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if not _MIN_LINES <= n_lines <= max_lines or len(source) > max_chars:
        return "R8"
    params = tuple(a.arg for a in arguments.args)
    return Candidate(node.name, params, source, names.imports, normalised_body(source), f"{origin}:{node.lineno}")


def _statements(tree: ast.AST, enter_definitions: bool = True) -> Iterator[ast.AST]:
    """All statements at any depth, in source order; expressions, of which there are many more, are not entered."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, _DEFINITIONS) and node is not tree and not enter_definitions:
            continue
        for block in ("cases", "finalbody", "orelse", "handlers", "body"):
            stack.extend(reversed(getattr(node, block, ())))


def _is_generator(function: ast.FunctionDef) -> bool:
    """Whether the function itself yields; generators nested in it do not count."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))
    return False


def _returns_value(node: ast.AST) -> bool:
    if not isinstance(node, ast.Return) or node.value is None:
        return False
    return not (isinstance(node.value, ast.Constant) and node.value.value is None)


def _repeats(candidate: Candidate, bodies: set[str], excluded: set[tuple[str, str]]) -> str | None:
    if candidate.body in bodies:
        return "R9"
    return "R10" if (candidate.name, candidate.body) in excluded else None
