"""Rules R2 to R8: which functions of a text can become tasks (section 2, step 1)."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from dataclasses import dataclass

from lit_reason.case2code.functions import PYTHON
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.scope import Scope, check_names
from lit_reason.grading.code import parse_code, too_deep
from lit_reason.sandbox import Outcome

REASONS: dict[str, str] = {
    "encoding": "file is not UTF-8",
    "unreadable": "file cannot be read",
    "R1": "file does not parse",
    "R2": "no plain top-level def",
    "R3": "not 1 to 6 parameters that can be passed by name",
    "R4": "returns no value",
    "R5": "uses a name from elsewhere",
    "R6": "touches files, network, processes, input, the clock or chance",
    "R7": "declares global or nonlocal names",
    "R8": "too short, too long or nested too deeply",
    "R9": "duplicate of an earlier function",
    "R10": "in an evaluation set",
    "R10-like": "nearly one of an evaluation set",
}

_MAX_PARAMS = 6
_MIN_LINES = 2
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class HarvestRules:
    """How strict the rules are.

    Args:
        max_lines: longest function in lines.
        max_chars: longest program in characters, helpers included.
        helpers: functions of the same module that a function calls are carried along, instead of R5.
        undefined_names: functions that use names from nowhere pass, as in the release.
        of_stored: functions that bring their results must pass, too.
    """

    max_lines: int = 60
    max_chars: int = 4096
    helpers: bool = False
    undefined_names: bool = False
    of_stored: bool = True


@dataclass(frozen=True)
class Wording:
    """A published prompt and the answer to it."""

    prompt: str
    output: str


@dataclass(frozen=True)
class Candidate:
    """A function that passed every rule, or of which none was asked.

    `import_code` are the allow-listed imports that it needs, `helpers` the sources of functions that it calls. `inputs`
    were written for it elsewhere, `outcome` is what it did with them there, by which minor version of `python` (None
    where a row with results does not say so), `wording` how it was asked for there; None for what is still to be done.
    `shown` are the inputs that its row shows, where it tells them. `id` is that of its row, empty for functions found
    in files.
    """

    name: str
    params: tuple[str, ...]
    source: str
    import_code: tuple[str, ...]
    body: str
    origin: str
    inputs: tuple[str, ...] | None = None
    helpers: tuple[str, ...] = ()
    outcome: Outcome | None = None
    wording: Wording | None = None
    shown: frozenset[str] = frozenset()
    python: str | None = PYTHON
    id: str = ""

    @property
    def code(self) -> str:
        """The whole program: imports, helpers, then the function's source (section 9.1)."""
        imports = "".join(f"{line}\n" for line in self.import_code)
        return "\n\n".join([*filter(None, [imports]), *self.helpers, self.source])


def harvest_text(text: str, origin: str, rules: HarvestRules = HarvestRules()) -> Iterator[Candidate | str]:
    """Yield for every function of a text the candidate, or the reason why it is none (R1 once for a whole text)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tree = parse_code(text)
    if tree is None:
        yield "R1"
        return
    scope = Scope.of_module(tree)
    lines = list(io.StringIO(text))  # splitlines would also split at form feeds, which the parser does not count
    top = {id(node) for node in tree.body}
    for node in _statements(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if id(node) in top and isinstance(node, ast.FunctionDef):
                yield _candidate(node, lines, scope, origin, rules)
            else:
                yield "R2"


def as_it_is(text: str, name: str, origin: str) -> Candidate | str:
    """The function of that name, else the last one of a text, with the whole text as its program and no rule asked
    but whether there is one (R1, R2). Parameters that cannot be passed by name are not counted."""
    tree = parse_code(text)
    if tree is None:
        return "R1"
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    node = functions.get(name) or next(reversed(functions.values()), None)
    if node is None:
        return "R2"
    params = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
    return Candidate(node.name, params, text, (), normalised_body(text), origin)


def _candidate(
    node: ast.FunctionDef, lines: list[str], scope: Scope, origin: str, rules: HarvestRules
) -> Candidate | str:
    """The rules R2 to R8 in their order."""
    source = _source(node, lines)
    if node.decorator_list or ("yield" in source and _is_generator(node)):
        return "R2"
    arguments = node.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs or arguments.kwonlyargs:
        return "R3"
    if not 1 <= len(arguments.args) <= _MAX_PARAMS:
        return "R3"
    if not any(_returns_value(statement) for statement in _statements(node, enter_definitions=False)):
        return "R4"
    names = check_names(node, scope, with_helpers=rules.helpers, undefined_names=rules.undefined_names)
    if names.problem:
        return names.problem
    group = (*names.helpers, node)
    if any(isinstance(child, (ast.Global, ast.Nonlocal)) for part in group for child in ast.walk(part)):
        return "R7"
    helpers = tuple(_source(helper, lines) for helper in names.helpers)
    n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if not _MIN_LINES <= n_lines <= rules.max_lines or sum(map(len, (source, *helpers))) > rules.max_chars:
        return "R8"
    if any(map(too_deep, group)):  # such a one may be fine for Python, but not for what reads its tree later
        return "R8"
    params = tuple(a.arg for a in arguments.args)
    body = normalised_body("".join([*helpers, source]))
    return Candidate(node.name, params, source, names.imports, body, f"{origin}:{node.lineno}", helpers=helpers)


def _source(node: ast.FunctionDef, lines: list[str]) -> str:
    source = "".join(lines[node.lineno - 1 : node.end_lineno])
    return source if source.endswith("\n") else source + "\n"


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
