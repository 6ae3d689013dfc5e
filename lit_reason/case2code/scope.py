"""Where the names that a function uses come from (rules R5 and R6)."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field

from lit_reason.case2code.names import BUILTINS, bound_names

NEEDS_WORLD = "R6"
UNKNOWN_NAME = "R5"

_ALLOWED_MODULES = """
    abc array base64 binascii bisect calendar cmath collections colorsys copy dataclasses datetime decimal
    difflib enum fnmatch fractions functools hashlib heapq html itertools json keyword math numbers operator re
    statistics string struct textwrap types typing unicodedata zlib
"""

ALLOWED_MODULES = frozenset(_ALLOWED_MODULES.split())
"""Standard modules whose functions compute and nothing else."""

_WORLD_MODULES = """
    asyncio ctypes fcntl fileinput ftplib gc getpass glob http importlib io linecache locale logging mmap
    multiprocessing os pathlib pickle platform posix pty pwd random resource secrets select shelve shutil signal
    site smtplib socket socketserver sqlite3 ssl subprocess sys sysconfig syslog tempfile termios threading time
    timeit tkinter tracemalloc urllib uuid webbrowser winreg xmlrpc zipfile
"""

WORLD_MODULES = frozenset(_WORLD_MODULES.split())
"""Modules that reach beyond the arguments: files, network, processes, threads, the interpreter, the clock or chance."""

_WORLD_BUILTINS = """
    __import__ breakpoint compile copyright credits delattr eval exec exit globals hash help id input license
    locals memoryview open quit setattr vars
"""

WORLD_BUILTINS = frozenset(_WORLD_BUILTINS.split())
"""Builtins that do the same, or whose value differs from process to process (`id`, `hash`)."""

CLOCK_ATTRIBUTES = frozenset({"now", "today", "utcnow", "fromtimestamp", "localtime", "gmtime"})


@dataclass(frozen=True)
class Scope:
    """What names of a module stand for: `imports` maps a name to (module, import line); `defined` are all others, of
    which `functions` are the plain functions that nothing else of that name hides."""

    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    defined: frozenset[str] = frozenset()
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)

    @classmethod
    def of_module(cls, tree: ast.Module) -> Scope:
        """Imports at the top level that nothing rebinds, and every other top-level name."""
        imports: dict[str, tuple[str, str]] = {}
        defined: Counter[str] = Counter()
        functions = {}
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports.update(import_lines(node))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                defined[node.name] += 1
                if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                    functions[node.name] = node
            else:
                defined.update(bound_names(node))
        return cls(
            {name: line for name, line in imports.items() if name not in defined},
            frozenset(defined),
            {name: node for name, node in functions.items() if defined[name] == 1 and name not in imports},
        )


@dataclass(frozen=True)
class Names:
    """The verdict on a function's names: `problem` is None, `NEEDS_WORLD` or `UNKNOWN_NAME`.

    `imports` are the lines that it needs, `helpers` the functions of its module that it calls, in source order.
    """

    problem: str | None
    imports: tuple[str, ...] = ()
    helpers: tuple[ast.FunctionDef, ...] = ()


def import_lines(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    """Each name that an import binds, with the module it comes from and the shortest line that binds it alone."""
    found = {}
    for alias in node.names:
        suffix = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            bound = alias.asname or alias.name.split(".")[0]
            found[bound] = (alias.name, f"import {alias.name}{suffix}")
        else:
            module = "." * node.level + (node.module or "")
            found[alias.asname or alias.name] = (module, f"from {module} import {alias.name}{suffix}")
    return found


def check_names(
    function: ast.FunctionDef, scope: Scope, *, with_helpers: bool = False, undefined_names: bool = False
) -> Names:
    """Judge every free name of a function, R6 before R5, and list the import lines that it needs.

    Args:
        function: a top-level function.
        scope: names of its module.
        with_helpers: functions of the module may be used; they are judged like the function itself and listed.
        undefined_names: names that come from nowhere are let through, as in the release (section 9).
    """
    helpers = _helpers(function, scope) if with_helpers else ()
    group = (function, *helpers)
    inner = [node for part in group for node in ast.walk(part) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = [module for node in inner for module, _ in import_lines(node).values()]
    free = set[str]().union(*map(free_names, group))
    imported = {name: scope.imports[name] for name in free if name in scope.imports}
    modules += [module for module, _ in imported.values()]
    roots = {module.split(".")[0] for module in modules}
    builtin = {name for name in free if name in BUILTINS and name not in scope.imports and name not in scope.defined}
    if roots & WORLD_MODULES or builtin & WORLD_BUILTINS or ("datetime" in roots and any(map(_asks_clock, group))):
        return Names(NEEDS_WORLD)
    unknown = free - builtin - imported.keys() - {part.name for part in group}
    if not roots <= ALLOWED_MODULES or (unknown and not undefined_names):
        return Names(UNKNOWN_NAME)
    return Names(None, tuple(sorted(line for _, line in imported.values())), helpers)


def _helpers(function: ast.FunctionDef, scope: Scope) -> tuple[ast.FunctionDef, ...]:
    """Functions of the module that the function reaches, itself left out, in source order."""
    reached, waiting = {function.name: function}, [function]
    while waiting:
        for name in free_names(waiting.pop()):
            if name in scope.functions and name not in reached:
                reached[name] = scope.functions[name]
                waiting.append(scope.functions[name])
    return tuple(sorted((f for f in reached.values() if f is not function), key=lambda f: f.lineno))


def free_names(function: ast.FunctionDef) -> set[str]:
    """Names that the function reads but does not bind, its annotations and defaults included.

    Defaults and annotations are evaluated outside, where parameters and locals do not exist.
    """
    arguments = function.args
    outside: list[ast.AST] = [*arguments.defaults, *(d for d in arguments.kw_defaults if d)]
    outside += [a.annotation for a in (*arguments.args, *arguments.kwonlyargs) if a.annotation]
    outside += [function.returns] if function.returns else []
    read_outside = {name for node in outside for name in _reads(node)}
    body = ast.Module(body=function.body, type_ignores=[])
    local = bound_names(body) | {a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)}
    return read_outside | (_reads(body) - local)


def _reads(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _asks_clock(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in CLOCK_ATTRIBUTES for node in ast.walk(function))
