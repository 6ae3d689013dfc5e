"""Guessing what kinds of arguments a function takes, from everything its source says about each parameter."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lit_reason.case2code.kinds import KINDS, Hints, kind_of
from lit_reason.case2code.lessons import lessons, meant
from lit_reason.case2code.usage import TYPE_KINDS, asks_types, uses

Scores = dict[str, float]

_PRIOR = {
    "int": 1.0, "str": 0.9, "list[int]": 0.9, "list[str]": 0.5, "nat": 0.4, "float": 0.4, "list[list[int]]": 0.3,
    "dict[str,int]": 0.3, "tuple[int]": 0.2, "list[pair]": 0.2, "set[int]": 0.1, "graph[int]": 0.1,
}  # fmt: skip

_ANNOTATION, _DEFAULT, _EXAMPLES, _NAME = 10.0, 4.0, 12.0, 2.5
"""Weights of the kinds of evidence; uses in the body weigh 0.6 to 4 each."""

_LESSON = 2.0
"""Weight of what one exception teaches."""

_MAX_HINTS = 8

_NAMES: dict[str, str] = {
    "int": "n k m i j x y z a b c p q d e start stop end num number value val total target base exp width height left "
    "right lo hi low high mod amount year month day step offset code power order degree",
    "nat": "size count length limit depth times level nth index idx pos position capacity max_len",
    "float": "f t r alpha eps epsilon tol rate ratio price weight angle theta radius",
    "str": "s text string st str1 str2 s1 s2 word name line pattern prefix suffix sentence msg message key src source "
    "path filename title label expr needle haystack txt phrase html url input_str",
    "char": "ch char letter sep delimiter",
    "digits": "digits num_str num1 num2 number_str",
    "list[int]": "arr array nums numbers lst l xs seq sequence items values list1 list2 coins prices heights weights "
    "arr1 arr2 nums1 nums2 iterable it elements vector v data coeffs poly perm",
    "sorted[int]": "sorted_list sorted_arr sorted_array",
    "list[str]": "words strs strings names tokens lines keys word_list args",
    "list[list[int]]": "matrix grid board mat m1 m2 rows image maze table",
    "list[pair]": "pairs intervals edges points edge_list",
    "graph[int]": "graph g adj tree adjacency",
    "dict[str,int]": "dct dic mapping counts counter freq dictionary params options kwargs",
    "bool": "flag reverse strict verbose inplace",
}
_BY_NAME = {name: kind for kind, names in _NAMES.items() for name in names.split()}

_ANNOTATIONS = (
    ("list[list[str", "list[list[str]]"), ("list[list", "list[list[int]]"), ("list[tuple", "list[pair]"),
    ("list[str", "list[str]"), ("list[float", "list[float]"), ("list[int", "list[int]"), ("Sequence[str", "list[str]"),
    ("tuple[int,int]", "pair"), ("dict[int,list", "graph[int]"), ("dict[str,list", "graph[str]"),
    ("dict[str,dict", "dict[str,dict]"), ("dict[int,int", "dict[int,int]"), ("set[str", "set[str]"),
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What a function's source says about its inputs.

    `scores` rates the kinds of each parameter; `hints` are literals of the body; `defaults` are literal defaults;
    `many_kinds` tells that the body asks for types; `hopeless` says why no literal can serve as some parameter, if so.
    """

    scores: dict[str, Scores]
    hints: Hints
    defaults: dict[str, Any]
    many_kinds: bool = False
    hopeless: str | None = None


    def after(self, params: Sequence[str], signature: Sequence[str], error: str, message: str) -> Evidence:
        """What is believed after a call with arguments of these kinds raised: the kinds met count half, those wanted
        gain, and a key that was missed is a hint. The same evidence where the exception teaches nothing."""
        scores, texts = {param: dict(score) for param, score in self.scores.items()}, self.hints.texts
        for lesson in lessons(error, message):
            if lesson.key and "dict" in {kind.partition("[")[0] for kind in signature}:
                texts = tuple(dict.fromkeys([lesson.key, *texts]))[:_MAX_HINTS]
            for param, kinds in meant(signature, params, lesson).items():
                if not lesson.key:
                    scores[param][signature[list(params).index(param)]] *= 0.5
                _add(scores[param], kinds, _LESSON)
        return replace(self, scores=scores, hints=replace(self.hints, texts=texts))


def gather(function: ast.FunctionDef, examples: Sequence[dict[str, Any]]) -> Evidence:
    """Weigh annotations, defaults, example calls, names and uses."""
    arguments = function.args.args
    defaults = _defaults(function)
    scores = {}
    for a in arguments:
        score = scores[a.arg] = dict(_PRIOR)
        _add(score, _annotated(a.annotation), _ANNOTATION)
        _add(score, [_BY_NAME.get(a.arg.lower().strip("_"), "")], _NAME)
        if a.arg in defaults:
            _add(score, [kind_of(defaults[a.arg]) or "none"], _DEFAULT if defaults[a.arg] is not None else 0.1)
        seen = [kind_of(example[a.arg]) or "none" for example in examples if a.arg in example]
        for kind in seen:
            _add(score, [kind], _EXAMPLES / len(seen))
    hopeless = None
    for use in uses(function, scores):
        if use.needs_object:
            hopeless = hopeless or f"{use.param} must be {use.needs_object}"
        _add(scores[use.param], use.kinds, use.weight)
    return Evidence(scores, _hints(function), defaults, asks_types(function), hopeless)


def _add(score: Scores, kinds: Sequence[str], weight: float) -> None:
    """Later kinds of the sequence gain less."""
    for rank, kind in enumerate(kinds):
        if kind in KINDS:
            score[kind] = score.get(kind, 0.0) + weight / (1 + 0.25 * rank)


def _annotated(node: ast.expr | None) -> Sequence[str]:
    if node is None:
        return ()
    text = ast.unparse(node).replace("typing.", "").replace(" ", "").strip("'\"")
    text = text.removeprefix("Optional[").replace("|None", "").replace("List[", "list[").replace("Dict[", "dict[")
    for start, kind in _ANNOTATIONS:
        if text.startswith(start):
            return (kind,)
    return TYPE_KINDS.get(text.split("[")[0].split("|")[0].split(".")[-1], ())


def _defaults(function: ast.FunctionDef) -> dict[str, Any]:
    """Defaults that are literals, by parameter."""
    values = function.args.defaults
    params: Sequence[ast.arg] = function.args.args[len(function.args.args) - len(values) :]
    found = {}
    for param, value in zip(params, values, strict=True):
        try:
            found[param.arg] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError):
            continue  # a computed default: passing every argument overrides it
    return found


def _hints(function: ast.FunctionDef) -> Hints:
    """Small integers and short strings of the body; the docstring is not part of it."""
    constants = [node.value for node in _constants(function)]
    ints = dict.fromkeys(c for c in constants if type(c) is int and 1 < c <= 1000)
    texts = dict.fromkeys(c for c in constants if isinstance(c, str) and 0 < len(c) <= 12)
    return Hints(tuple(ints)[:_MAX_HINTS], tuple(texts)[:_MAX_HINTS])


def _constants(function: ast.FunctionDef) -> Iterator[ast.Constant]:
    for statement in function.body:
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield from (node for node in ast.walk(statement) if isinstance(node, ast.Constant))
