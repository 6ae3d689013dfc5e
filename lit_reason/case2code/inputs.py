"""Writing inputs without a language model: guess the kinds, draw values of them, and let the interpreter choose.

The writer proposes several signatures (one kind per parameter); the caller runs a few inputs of each and asks for more
of the one that works. Edge values come first, then values related to each other and to the literals of the body, so
that searches find, comparisons tie and branches are reached.
"""

from __future__ import annotations

import ast
import doctest
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from lit_reason.case2code.evidence import Evidence, gather
from lit_reason.case2code.kinds import KINDS
from lit_reason.case2code.values import literal_text
from lit_reason.grading.code import parse_code, read_literal

Signature = tuple[str, ...]
Inputs = dict[str, Any]

_KINDS_PER_PARAM = 5
_MAX_TEXT = 400
"""Longest input in characters: prompts must stay readable."""

_RELATED_SHARE = 0.4
_DEFAULT_SHARE = 0.2


@dataclass(frozen=True)
class Writer:
    """Writes inputs for one function; same function and seed, same inputs."""

    params: tuple[str, ...]
    evidence: Evidence
    examples: tuple[Inputs, ...]
    seed: str

    @classmethod
    def for_function(cls, function: ast.FunctionDef, seed: str) -> Writer:
        """A writer that has read the function's source and the examples in its docstring."""
        examples = docstring_examples(function)
        params = tuple(a.arg for a in function.args.args)
        return cls(params, gather(function, examples), tuple(examples), seed)

    def signatures(self) -> Iterator[Signature]:
        """Candidate signatures, likeliest first, without repetition."""
        ranked = []
        for param in self.params:
            scores = self.evidence.scores[param]
            best = sorted(scores.items(), key=lambda item: -item[1])[:_KINDS_PER_PARAM]
            ranked.append([(kind, score / best[0][1]) for kind, score in best])
        combinations = itertools.islice(itertools.product(*ranked), 5000)
        for combination in sorted(combinations, key=lambda kinds: -sum(share for _, share in kinds)):
            yield tuple(kind for kind, _ in combination)

    def write(self, signature: Signature, n: int) -> list[str]:
        """Up to `n` distinct inputs as literal texts: docstring examples, edge values, then random ones."""
        rng = Random(f"{self.seed}/{signature}")
        drawn = (self._draw(signature, rng) for _ in range(8 * n))
        return _distinct(itertools.chain(self.examples, self._edges(signature, rng), drawn), n)

    def after(self, signature: Signature, error: str, message: str) -> Writer:
        """The writer that knows what an exception on inputs of this signature taught."""
        return replace(self, evidence=self.evidence.after(self.params, signature, error, message))

    def write_trial(self, signature: Signature, n: int) -> list[str]:
        """Up to `n` ordinary inputs, by which signatures are compared; edge values would suit too many of them."""
        rng = Random(f"{self.seed}/trial/{signature}")
        return _distinct((self._draw(signature, rng) for _ in range(4 * n)), n)

    def _edges(self, signature: Signature, rng: Random) -> Iterator[Inputs]:
        """The first edges together, then every edge of every parameter once, with ordinary values for the others."""
        yield {param: KINDS[kind].edges[0] for param, kind in zip(self.params, signature, strict=True)}
        for param, kind in zip(self.params, signature, strict=True):
            for edge in (*KINDS[kind].edges, *self._default(param)):
                yield {**self._draw(signature, rng), param: edge}

    def _draw(self, signature: Signature, rng: Random) -> Inputs:
        """An ordinary input; at times a value is the default, or comes from another argument and so is found there."""
        hints = self.evidence.hints
        inputs = {param: KINDS[kind].draw(rng, hints) for param, kind in zip(self.params, signature, strict=True)}
        for param, other in itertools.permutations(self.params, 2):
            related = _related(inputs[param], inputs[other], rng)
            if related is not None and rng.random() < _RELATED_SHARE:
                inputs[param] = related
        for param in self.params:
            if self._default(param) and rng.random() < _DEFAULT_SHARE:
                inputs[param] = self._default(param)[0]
        return inputs

    def _default(self, param: str) -> tuple[Any, ...]:
        return (self.evidence.defaults[param],) if param in self.evidence.defaults else ()


def docstring_examples(function: ast.FunctionDef) -> list[Inputs]:
    """Inputs of literal calls of the function in its own doctest examples."""
    text = ast.get_docstring(function) or ""
    if ">>>" not in text:
        return []
    try:
        sources = [example.source for example in doctest.DocTestParser().get_examples(text)]
    except ValueError:
        return []  # inconsistent indentation: no doctest, only text that looks like one
    params = [a.arg for a in function.args.args]
    found = []
    for source in sources:
        for call in _calls(source, function.name):
            inputs = _bind(call, params)
            if inputs is not None:
                found.append(inputs)
    return found[:8]


def parse_examples(text: str) -> list[Mapping[str, Any]]:
    """The inputs in a language model's words that literals write; open files and lambdas are left out.

    Raises:
        ValueError: as `example_items`.
    """
    return [item for item in example_items(text) if item is not None]


def example_items(text: str) -> list[Inputs | None]:
    """Inputs in a language model's words (section 2, step 2): `examples = [...]`, perhaps with `examples += [...]` or
    `examples.append(...)` behind it, or the bare list, of dicts or of `dict(...)`. None stands for what is no input.

    Raises:
        ValueError: the text does not parse, or holds no list.
    """
    tree = parse_code(text)
    if tree is None:
        raise ValueError("inputs do not parse")
    items: list[ast.expr] | None = None
    for statement in tree.body:
        new, adds = _listed(statement)
        if new is not None:
            items = [*(items or []), *new] if adds else list(new)
    if items is None:
        raise ValueError("inputs are no list")
    return [_inputs(item) for item in items]


def literal_or_none(text: str) -> Inputs | None:
    """An input as the repr of a dict of keyword arguments, None for anything else."""
    tree = parse_code(text)
    single = tree.body[0] if tree and len(tree.body) == 1 else None
    return _inputs(single.value) if isinstance(single, ast.Expr) else None


def _listed(statement: ast.stmt) -> tuple[list[ast.expr] | None, bool]:
    """The items of the list that a statement assigns or adds, and whether it adds; None for other statements."""
    value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and len(value.args) == 1:
        if value.func.attr == "append":
            return list(value.args), True
        value = value.args[0] if value.func.attr == "extend" else None
        return (value.elts, True) if isinstance(value, (ast.List, ast.Tuple)) else (None, True)
    return (value.elts, isinstance(statement, ast.AugAssign)) if isinstance(value, ast.List) else (None, False)


def _inputs(node: ast.expr) -> Inputs | None:
    """The keyword arguments that a dict or a `dict(...)` of literals writes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        values = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
        whole = values and None not in values and all(value is not NotImplemented for value in values.values())
        return {str(name): value for name, value in values.items()} if whole else None
    value = _literal(node)
    return value if isinstance(value, dict) and value and all(isinstance(k, str) for k in value) else None


def _distinct(inputs: Iterable[Inputs], n: int) -> list[str]:
    """The first `n` different inputs as texts."""
    texts: dict[str, None] = {}
    for item in inputs:
        text = literal_text(item)
        if len(text) <= _MAX_TEXT:
            texts[text] = None
        if len(texts) == n:
            break
    return list(texts)


def _calls(source: str, name: str) -> list[ast.Call]:
    nodes = ast.walk(parse_code(source) or ast.Module([], []))
    return [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name]


def _bind(call: ast.Call, params: Sequence[str]) -> Inputs | None:
    names = [*params[: len(call.args)], *(keyword.arg for keyword in call.keywords)]
    values = [_literal(node) for node in (*call.args, *(keyword.value for keyword in call.keywords))]
    if any(value is NotImplemented for value in values) or not set(names) <= set(params) or len(names) != len(values):
        return None
    return {str(name): value for name, value in zip(names, values, strict=True)}


def _literal(node: ast.expr) -> Any:
    """The literal's value, NotImplemented for what is none."""
    try:
        return read_literal(node)
    except ValueError:
        return NotImplemented


def _related(value: Any, other: Any, rng: Random) -> Any:
    """A value of the same type as `value` that stands in a relation to `other`, None when none suggests itself."""
    if isinstance(other, (list, tuple)) and other:
        item = rng.choice(other)
        if type(item) is type(value):
            return item
        if type(value) is int:
            return rng.randrange(len(other))
    if isinstance(other, str) and isinstance(value, str) and other:
        start = rng.randrange(len(other))
        return other[start : start + rng.randint(1, 3)]
    if isinstance(other, dict) and other and type(value) is type(next(iter(other))):
        return rng.choice(list(other))
    if type(value) is type(other) and isinstance(value, (int, list)) and rng.random() < 0.3:
        return other
    return None
