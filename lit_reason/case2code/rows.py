"""Functions in JSON lines, at whatever step of the pipeline they stand (sections 3 and 11).

A raw row has `id`, `content` (or `code`) and perhaps `import_code` (a list of import lines); a written one also
`example_str`, the inputs that some writer wrote; an executed one what the function did with them. A row with `cases` is
a task in our own form: where no stage is named it is taken as it is, else it is an executed one like all others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lit_reason.case2code.functions import Function
from lit_reason.case2code.inputs import example_items
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.release import (
    Stage,
    case_calls,
    check_fields,
    code_field,
    row_code,
    row_id,
    row_python,
    shown_inputs,
    stored_cases,
)
from lit_reason.case2code.rules import Candidate, HarvestRules, Wording, as_it_is, harvest_text
from lit_reason.case2code.values import is_utf8, literal_text
from lit_reason.files import read_jsonl
from lit_reason.sandbox import Outcome


@dataclass(frozen=True)
class Rejected:
    """A function that is no task, or a row that holds none: `reason` is a key of the histogram, `detail` its words."""

    reason: str
    origin: str
    id: str = ""
    name: str = ""
    detail: str = ""

    @property
    def is_bad_row(self) -> bool:
        """Whether the row itself cannot be used, whatever its function."""
        return bool(self.detail)


BAD_ROW = "bad row"
NOT_LITERAL = "inputs that no literal writes"
OnDropped = Callable[[str, int], None]
"""Called as `on_dropped(what, how many)` for parts of rows that are left out."""


def read_functions(
    path: Path, rules: HarvestRules, on_dropped: OnDropped, stage: Stage | None = None
) -> Iterator[Candidate | Function | Rejected]:
    """Yield for every row a candidate, a task, or why it is neither; no row stops the next one.

    Args:
        path: a .jsonl file.
        rules: for the functions in it.
        on_dropped: told about inputs that cannot be used.
        stage: the step that the rows have behind them; None takes each row for what it holds.
    """
    bad: list[Rejected] = []

    def cut(_: Path, line: int, why: str) -> None:
        bad.append(Rejected(BAD_ROW, f"{path.name}:{line}", detail=f"not JSON: {why}"))

    seen: set[str] = set()
    for line, row in read_jsonl(path, cut):
        yield from bad
        bad.clear()
        item = _item(row, f"{path.name}:{line}", seen, rules, on_dropped, stage)
        if not isinstance(item, Rejected):
            seen.add(row_id(row))  # a row that cannot be used does not keep its id from a later one
        yield item
    yield from bad


def _item(
    row: dict[str, Any], place: str, seen: set[str], rules: HarvestRules, on_dropped: OnDropped, stage: Stage | None
) -> Candidate | Function | Rejected:
    identity = name = ""
    try:
        identity = row_id(row)
        name = str(row.get("func_name") or _first_definition(row, stage))
        check_fields(row)
        if not identity:
            raise ValueError("no 'id'")
        if identity in seen:
            raise ValueError(f"duplicate id {identity!r}")
        if row.get("cases") and stage is None:
            return _task(row)
        wording = _wording(row) if stage == "prompted" else None
        judged = rules.of_stored or not _brings_results(row, stage)
        found = (_candidate if judged else _unjudged)(row, f"{place} {identity}", rules, stage)
        if isinstance(found, str):
            return Rejected(found, f"{place} {identity}", identity, name)
        found = _with_inputs(replace(found, id=identity, wording=wording), row, on_dropped, stage)
        if judged:
            _check_arguments(found)
        return found
    except ValueError as error:
        return Rejected(BAD_ROW, place, identity, name, str(error))
    except (TypeError, KeyError, AttributeError, SyntaxError, MemoryError, RecursionError) as error:
        return Rejected(BAD_ROW, place, identity, name, f"malformed: {error}")


def _first_definition(row: dict[str, Any], stage: Stage | None) -> str:
    """The function's name as far as it can be told, for the list of rejected ones; the code may not even parse."""
    found = re.search(r"^[ \t]*(?:async )?def +(\w+)", row_code(row, stage), re.MULTILINE)
    return found[1] if found else ""


def _task(row: dict[str, Any]) -> Function:
    function = _own(row)
    if not all(is_utf8(case.output_with_message) for case in function.cases):
        raise ValueError("a result is no UTF-8 text: a surrogate stands alone")
    origin = function.origin or function.id
    return replace(function, body=normalised_body(function.code), source="real", family=None, origin=origin)


def _own(row: dict[str, Any]) -> Function:
    return Function.from_row({**row, "id": row_id(row)})


def _brings_results(row: dict[str, Any], stage: Stage | None) -> bool:
    return stage in ("executed", "prompted") or (stage is None and _has_results(row))


def _has_results(row: dict[str, Any]) -> bool:
    return bool(row.get("cases")) or "example_outputs" in row or "exec_raw_output" in row


def _unjudged(row: dict[str, Any], origin: str, rules: HarvestRules, stage: Stage | None) -> Candidate | str:
    """The program as it was run elsewhere: the release executes without the imports that are listed apart."""
    found = as_it_is(_content(row, stage), str(row.get("func_name") or ""), origin)
    if isinstance(found, Candidate) and row.get("func_name") not in (None, "", found.name):
        raise ValueError(f"{code_field(row, stage)!r} defines no function {row['func_name']!r}")
    return found


_NO_CODE: dict[Stage | None, str] = {
    "written": "no 'content', and no python block in 'prompt'",
    "executed": "no 'code'",
    "prompted": "no python block in 'output'",
}


def _content(row: dict[str, Any], stage: Stage | None) -> str:
    content = row_code(row, stage)
    if not content:
        raise ValueError(_NO_CODE.get(stage, "no 'content'"))
    return content


def _candidate(row: dict[str, Any], origin: str, rules: HarvestRules, stage: Stage | None) -> Candidate | str:
    content = _content(row, stage)
    imports = row.get("import_code") or []
    lines = imports.splitlines() if isinstance(imports, str) else imports
    found = list(harvest_text("\n".join([*lines, content]) + "\n", origin, rules))
    candidates = [item for item in found if isinstance(item, Candidate)]
    name = row.get("func_name")
    if name and candidates and name not in {candidate.name for candidate in candidates}:
        if not re.search(rf"^def +{re.escape(str(name))}\b", content, re.MULTILINE):
            raise ValueError(f"{code_field(row, stage)!r} defines no function {name!r}")
        candidates = []  # what passes are only the functions that it calls
    if not candidates:
        return next((item for item in found if isinstance(item, str)), "R2")
    return replace(next((c for c in candidates if c.name == name), candidates[0]), origin=origin)


def _with_inputs(candidate: Candidate, row: dict[str, Any], on_dropped: OnDropped, stage: Stage | None) -> Candidate:
    """The candidate with what the row's stage says of its inputs and their results."""
    if _has_results(row) and _brings_results(row, stage):
        return _with_results(candidate, row, on_dropped)
    if stage == "executed":
        raise ValueError("no 'example_outputs'")
    if stage == "prompted":
        return replace(candidate, python=row_python(row))
    if stage == "written" or (stage is None and row.get("example_str")):
        items = example_items(row["example_str"]) if row.get("example_str") else []
        on_dropped(NOT_LITERAL, sum(item is None for item in items))
        return replace(candidate, inputs=tuple(dict.fromkeys(literal_text(item) for item in items if item)))
    return candidate


def _with_results(candidate: Candidate, row: dict[str, Any], on_dropped: OnDropped) -> Candidate:
    """The candidate with what it did elsewhere, which the filter will judge."""
    if row.get("cases"):
        task = _own(row)
        calls, shown = case_calls(task.cases), frozenset(case_calls(task.shown_cases))
        candidate = replace(candidate, inputs=tuple(calls), shown=shown, python=task.python)
        outcome = Outcome("ok", tuple(calls.values()))
    else:
        inputs, outcome, n_lost = stored_cases(row)
        on_dropped(NOT_LITERAL, n_lost)
        candidate = replace(candidate, inputs=inputs, shown=shown_inputs(row), python=row_python(row))
    return replace(candidate, outcome=outcome)


def _check_arguments(candidate: Candidate) -> None:
    if candidate.outcome is None:
        return
    for text, call in zip(candidate.inputs or (), candidate.outcome.calls, strict=True):
        unknown = ast.literal_eval(text).keys() - set(candidate.params)
        if unknown and call.status == "return":
            raise ValueError(f"a call returned although there is no parameter {min(unknown)!r}")


def _wording(row: dict[str, Any]) -> Wording:
    for key in ("prompt", "output"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise ValueError(f"no {key!r}")
    return Wording(row["prompt"], row["output"])
