"""Functions in JSON lines: raw ones still to be run, with or without inputs, or whole tasks (sections 3 and 11).

A raw row has `id`, `content` (or `code`), perhaps `import_code` (a list of import lines) and perhaps `example_str`, the
inputs that some other writer wrote for it. A row with `cases`, or with the released `parsed_inputs` and
`example_outputs`, has been run and is taken as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lit_reason.case2code.functions import Function
from lit_reason.case2code.inputs import parse_examples
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.rules import Candidate, harvest_text
from lit_reason.case2code.values import literal_text
from lit_reason.files import read_jsonl

OnBad = Callable[[str, str], None]
"""Called as `on_bad("file:line", reason)` for a row that cannot be used."""


def read_functions(
    path: Path, on_bad: OnBad, max_lines: int = 60, max_chars: int = 4096
) -> Iterator[Candidate | Function | str]:
    """Yield for every usable row a function that was run, a candidate, or the rule (R1 to R8) that it breaks."""
    seen: set[str] = set()
    for line, row in read_jsonl(path, on_bad=lambda _, line, why: on_bad(f"{path.name}:{line}", f"not JSON: {why}")):
        place = f"{path.name}:{line}"
        try:
            identity = str(row.get("id") or "")
            if not identity:
                raise ValueError("no 'id'")
            if identity in seen:
                raise ValueError(f"duplicate id {identity!r}")
            seen.add(identity)
            if row.get("cases") or row.get("example_outputs"):
                yield _executed(row)
            else:
                yield _raw(row, f"{place} {identity}", max_lines, max_chars)
        except ValueError as error:
            on_bad(place, str(error))
        except (TypeError, KeyError, AttributeError, SyntaxError) as error:
            on_bad(place, f"malformed: {error}")


def _executed(row: dict[str, Any]) -> Function:
    """A task as it is, in our own form or in the released one."""
    if not row.get("cases"):
        inputs, outputs = row.get("parsed_inputs") or [], row["example_outputs"]
        if len(inputs) != len(outputs):
            raise ValueError(f"{len(inputs)} inputs but {len(outputs)} outputs")
        row = {**row, "cases": [_case(pairs, output) for pairs, output in zip(inputs, outputs, strict=True)]}
    function = Function.from_row(row)
    body = normalised_body(function.code)
    origin = function.origin or function.id
    return replace(function, id=f"real-{body}", body=body, source="real", family=None, origin=origin)


def _case(pairs: list[list[str]], output: dict[str, str]) -> dict[str, str]:
    """A released case: the input is a list of [name, literal text], an error is `type: message`."""
    kwargs = literal_text({name: ast.literal_eval(text) for name, text in pairs})
    if "return" in output:
        return {"kwargs": kwargs, "return": output["return"]}
    error, _, message = output["error"].partition(": ")
    return {"kwargs": kwargs, "error": error, "message": message}


def _raw(row: dict[str, Any], origin: str, max_lines: int, max_chars: int) -> Candidate | str:
    content = row.get("content") or row.get("code")
    if not content:
        raise ValueError("no 'content'")
    imports = row.get("import_code") or []
    lines = imports.splitlines() if isinstance(imports, str) else imports
    found = list(harvest_text("\n".join([*lines, content]) + "\n", origin, max_lines, max_chars))
    candidates = [item for item in found if isinstance(item, Candidate)]
    name = row.get("func_name")
    if name and candidates and name not in {candidate.name for candidate in candidates}:
        raise ValueError(f"'content' defines no function {name!r}")
    if not candidates:
        return str(found[0]) if found else "R2"
    chosen = next((candidate for candidate in candidates if candidate.name == name), candidates[0])
    if not row.get("example_str"):
        return replace(chosen, origin=origin)
    inputs = tuple(dict.fromkeys(literal_text(item) for item in parse_examples(row["example_str"])))
    return replace(chosen, origin=origin, inputs=inputs)
