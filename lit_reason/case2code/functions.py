"""One row of Case2Code: a function, its cases, and which of them a prompt may show (section 3)."""

from __future__ import annotations

import ast
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lit_reason.grading.code import read_literal

PYTHON = ".".join(platform.python_version_tuple()[:2])
"""Minor version whose interpreter computed the outputs made here; exact outputs are only comparable within one."""

Source = Literal["planted", "real"]


@dataclass(frozen=True)
class Case:
    """An input and what the function did with it: it returned (`returned` is a repr) or raised (`error` is a type)."""

    kwargs: str
    returned: str | None = None
    error: str | None = None
    message: str = ""

    @property
    def output(self) -> str:
        """The expected output as one text: the repr of the value, or the exception's type (section 9.2)."""
        return self.error if self.error is not None else str(self.returned)

    @property
    def output_with_message(self) -> str:
        """The same as the release has it: an exception is `type: message` (section 5.3)."""
        return f"{self.error}: {self.message}" if self.error is not None and self.message else self.output

    def arguments(self) -> dict[str, Any]:
        """The input as values, built anew on each call because functions mutate their arguments (section 9.4)."""
        return ast.literal_eval(self.kwargs)

    def to_row(self) -> dict[str, str]:
        """`{"kwargs", "return"}` or `{"kwargs", "error", "message"}`."""
        if self.error is None:
            return {"kwargs": self.kwargs, "return": str(self.returned)}
        return {"kwargs": self.kwargs, "error": self.error, "message": self.message}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Case:
        """The inverse of `to_row`.

        Raises:
            ValueError: saying what is no case about the row.
        """
        if not isinstance(row, Mapping) or "kwargs" not in row or ("return" in row) == ("error" in row):
            raise ValueError("a case needs 'kwargs' and exactly one of 'return' and 'error'")
        for key in ("kwargs", "return", "error", "message"):
            if not isinstance(row.get(key, ""), str):
                raise ValueError(f"{key!r} of a case must be text, not {row[key]!r:.60}")
        if not _are_keywords(row["kwargs"]):
            raise ValueError(f"'kwargs' of a case must write a dict by literals, not {row['kwargs']!r:.60}")
        return cls(row["kwargs"], row.get("return"), row.get("error"), row.get("message", ""))


@dataclass(frozen=True)
class Function:
    """A function to be inferred. `code` is the whole program: needed imports, then the original source (section 9.1).

    `shown` and `hidden` are disjoint indices into `cases`, chosen once (section 9.7); `body` identifies the normalised
    body, by which train, val and test are kept apart (section 9.6); `origin` says where the function comes from. A
    published training row brings `prompt` and `output` as they are, and may have no cases. `python` is the version that
    computed the outputs, None where that is not known (section 9.3).
    """

    id: str
    name: str
    params: tuple[str, ...]
    code: str
    cases: tuple[Case, ...] = ()
    shown: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    source: Source = "real"
    family: str | None = None
    body: str = ""
    origin: str = ""
    python: str | None = PYTHON
    prompt: str = ""
    output: str = ""

    @property
    def shown_cases(self) -> list[Case]:
        """The cases that a prompt may show."""
        return [self.cases[i] for i in self.shown]

    def to_row(self) -> dict[str, Any]:
        """The function as one JSON object with the names of section 3."""
        row = {
            "id": self.id, "func_name": self.name, "params": list(self.params), "code": self.code,
            "cases": [case.to_row() for case in self.cases], "shown": list(self.shown), "hidden": list(self.hidden),
            "source": self.source, "family": self.family, "body": self.body, "origin": self.origin,
            "python": self.python,
        }  # fmt: skip
        return {**row, "prompt": self.prompt, "output": self.output} if self.prompt else row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Function:
        """The inverse of `to_row`; what is optional there may be missing here.

        Raises:
            ValueError: one readable line saying what is wrong with the row (section 11).
        """
        for key in ("id", "func_name", "code", "cases"):
            if row.get(key) in (None, "", []) and not (key == "cases" and row.get("prompt")):
                raise ValueError(f"no {key!r}")
        params = _parameters(row["code"], row["func_name"])
        cases = tuple(Case.from_row(case) for case in row.get("cases") or ())
        shown, hidden = tuple(row.get("shown", ())), tuple(row.get("hidden", ()))
        if set(shown) & set(hidden) or not all(type(i) is int and 0 <= i < len(cases) for i in shown + hidden):
            raise ValueError("'shown' and 'hidden' must be disjoint indices of 'cases'")
        return cls(
            str(row["id"]), row["func_name"], params, row["code"], cases, shown, hidden, row.get("source", "real"),
            row.get("family"), row.get("body", ""), row.get("origin", ""), row.get("python"),
            row.get("prompt", ""), row.get("output", ""),
        )  # fmt: skip


def _are_keywords(text: str) -> bool:
    try:
        value = read_literal(text)
    except ValueError:
        return False
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _parameters(code: str, name: str) -> tuple[str, ...]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"'code' does not parse: {error}") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return tuple(a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
    raise ValueError(f"'code' defines no function {name!r}")
