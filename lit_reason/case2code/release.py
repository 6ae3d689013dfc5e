"""The published row formats of every step, read and written (section 3).

What the release stores is text in text: a result is the JSON of its repr, an exception is a marker and the JSON of
`<class 'TypeError'>: message`, an input is the JSON of a dict's repr. Rows in which these are plain (`3`,
`TypeError: message`, `{'x': 1}`) are read as well. Rows after step 2 hold the function only inside the writer's prompt.
"""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.inputs import example_items, literal_or_none
from lit_reason.case2code.values import is_utf8, literal_text
from lit_reason.grading.code import parse_code, read_literal
from lit_reason.sandbox import CallResult, Outcome

Stage = Literal["raw", "written", "executed", "prompted"]
Row = Mapping[str, Any]

_EXCEPTION, _RETURN = "<|EXCEPTION|>", "<|RETURN|>"
_SECTION = re.compile(r"<\|EXAMPLE (INPU[RT]|OUTPUT) START\|> #*\n(.*?)#* <\|EXAMPLE \1 END\|>", re.DOTALL)
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_CLASS = re.compile(r"<class '(?:[\w.<>]+\.)?(\w+)'>(?:: ?(.*))?", re.DOTALL)
_TYPE = re.compile(r"([A-Za-z_]\w*)(?:: ?(.*))?", re.DOTALL)

_KINDS: dict[type, str] = {str: "text", list: "a list", int: "a whole number", float: "a number"}
_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "gen_answer_id"), (str, int, float)),
    **dict.fromkeys(("content", "code", "exec_code", "func_name", "example_str", "exec_raw_output", "python"), (str,)),
    **dict.fromkeys(("example_inputs", "example_outputs", "parsed_inputs", "choosed_example_idx"), (list,)),
    **dict.fromkeys(("cases", "shown", "hidden"), (list,)),
    "import_code": (list, str),
}


def row_id(row: Row) -> str:
    """The row's id: `id`, or `gen_answer_id` in the steps that have no other; empty where there is none."""
    return next((str(row[key]) for key in ("id", "gen_answer_id") if row.get(key) not in (None, "")), "")


def check_fields(row: Row) -> None:
    """Refuse fields of another kind than the formats have, and text that no file can hold and no model be shown.

    Raises:
        ValueError: naming the field.
    """
    for key, kinds in _FIELDS.items():
        if row.get(key) is not None and not isinstance(row[key], kinds):
            raise ValueError(f"{key!r} must be {' or '.join(_KINDS[kind] for kind in kinds)}, not {row[key]!r:.60}")
    for key in ("import_code", "example_inputs"):
        for item in row.get(key) or ():
            if not isinstance(item, str):
                raise ValueError(f"{key!r} must be a list of texts, but holds {item!r:.60}")
    for key in ("id", "gen_answer_id", "prompt", "output"):
        if isinstance(row.get(key), str) and not is_utf8(row[key]):
            raise ValueError(f"{key!r} is no UTF-8 text: a surrogate stands alone")


def code_field(row: Row, stage: Stage | None = None) -> str:
    """The field that holds the function's source; empty where none does. The prompt of a `prompted` row shows a model
    only cases, that of earlier steps shows a writer the function."""
    whole = (key for key in ("content", "code", "exec_code") if row.get(key))
    texts = ("output",) if stage == "prompted" else ("output", "prompt")
    fenced = (key for key in texts if isinstance(row.get(key), str) and _BLOCK.search(row[key]))
    return next(itertools.chain(whole, fenced), "")


def row_code(row: Row, stage: Stage | None = None) -> str:
    """The function's source: `content`, `code`, or what the last block of the writer's or of the model's text holds."""
    key = code_field(row, stage)
    text = str(row.get(key) or "")
    return str(_BLOCK.findall(text)[-1]) if key in ("output", "prompt") else text


def row_python(row: Row) -> str | None:
    """The minor version of Python that computed the row's outputs. Published rows do not say: None."""
    return str(row["python"]) if row.get("python") else None


def stored_cases(row: Row) -> tuple[tuple[str, ...], Outcome, int]:
    """The inputs of an executed row, what the function did with them, and how many inputs were left out because no
    literal writes them. Equal inputs count once.

    Raises:
        ValueError: inputs and outputs differ in number, or an output is neither a value nor an error.
    """
    outputs = row.get("example_outputs")
    sections = dict(_SECTION.findall(row.get("exec_raw_output") or ""))
    if outputs is None:
        outputs = _raw_outputs(sections.get("OUTPUT", ""))
    inputs = _aligned(row, sections, len(outputs))
    texts = [_output_text(output) for output in outputs]
    quoted = _are_quoted([text for kind, text in texts if kind == "return"])
    calls = [
        CallResult("return", json.loads(text) if quoted else text) if kind == "return" else _raised(text)
        for kind, text in texts
    ]
    found: dict[str, CallResult] = {}
    for item, call in zip(inputs, calls, strict=True):
        if item:
            found.setdefault(literal_text(item), call)
    status: Literal["ok", "error"] = "ok" if row.get("exec_status", True) else "error"
    return tuple(found), Outcome(status, tuple(found.values())), sum(not item for item in inputs)


def case_calls(cases: Sequence[Case]) -> dict[str, CallResult]:
    """Cases in our own form as what their calls gave, by input; equal inputs count once."""
    found: dict[str, CallResult] = {}
    for case in cases:
        raised = CallResult("error", case.error, case.message) if case.error is not None else None
        found.setdefault(literal_text(case.arguments()), raised or CallResult("return", str(case.returned)))
    return found


def shown_inputs(row: Row) -> frozenset[str]:
    """The inputs that a test row's prompt shows, as literal texts; empty where the row does not tell.

    Raises:
        ValueError: it names one that it does not have.
    """
    inputs = [_named(pairs) for pairs in row.get("parsed_inputs") or []] or _stored_inputs(row)
    chosen = row.get("choosed_example_idx") or []
    for i in chosen:
        if i not in range(len(inputs)):
            raise ValueError(f"'choosed_example_idx' names input {i!r:.60} of {len(inputs)}")
    return frozenset(literal_text(inputs[i]) for i in chosen if inputs[i])


def release_row(function: Function, stage: Stage, prompt: str = "", output: str = "") -> dict[str, Any]:
    """A function as the release stores it after a step; a `prompted` row is one for training."""
    if stage == "raw":
        imports, content = _without_imports(function.code)
        return {"id": function.id, "func_name": function.name, "content": content, "import_code": imports}
    if stage == "prompted":
        return {"id": function.id, "prompt": prompt, "output": output}
    written = written_row(function.id, function.name, function.code, [case.kwargs for case in function.cases])
    if stage == "written":
        return written
    return {**written, "exec_status": True, **_results(function.cases), "python": function.python}


def written_row(id: str, name: str, code: str, inputs: Sequence[str]) -> dict[str, Any]:
    """A function with its inputs, as literal texts, after step 2; there is no answer of a model to store."""
    example_str = "examples = [\n" + "".join(f"    {text},\n" for text in inputs) + "]"
    return {
        "gen_answer_id": id, "code": code, "func_name": name, "task": "write_testcase", "check_result": True,
        "example_str": example_str,
    }  # fmt: skip


def evaluation_row(function: Function, prompt: str, output: str, shown: Sequence[int]) -> dict[str, Any]:
    """A function in the format of the 500 test rows (section 4)."""
    parsed = [[[name, _json_literal(value)] for name, value in case.arguments().items()] for case in function.cases]
    return {
        **release_row(function, "executed"), "parsed_inputs": parsed, "exec_code": function.code, "output": output,
        "choosed_example_idx": list(shown), "prompt": prompt, "id": function.id,
    }  # fmt: skip


def _without_imports(code: str) -> tuple[list[str], str]:
    """The imports with which a program begins, one a line, and the rest of it."""
    leading = itertools.takewhile(lambda node: isinstance(node, (ast.Import, ast.ImportFrom)), ast.parse(code).body)
    imports = [(ast.unparse(node), node.end_lineno) for node in leading]
    lines = io.StringIO(code).readlines()  # splitlines would also split at form feeds, which the parser does not count
    rest = "".join(lines[imports[-1][1] :] if imports else lines)
    return [text for text, _ in imports], rest.lstrip("\n")


def _results(cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "example_inputs": [json.dumps(case.kwargs) for case in cases],
        "example_outputs": [
            {"return": json.dumps(case.returned)}
            if case.error is None
            else {"error": f"{_EXCEPTION} " + json.dumps(f"<class '{case.error}'>: {case.message}")}
            for case in cases
        ],
    }


def _json_literal(value: Any) -> str:
    """A literal as the release shows it: strings as JSON, everything else as its repr."""
    return json.dumps(value) if isinstance(value, str) else literal_text(value)


def _aligned(row: Row, sections: Mapping[str, str], n: int) -> list[dict[str, Any] | None]:
    """The inputs that belong to `n` outputs, None where no literal writes one, from whichever fields hold as many."""
    raw = sections.get("INPUR") or sections.get("INPUT") or ""
    printed = [literal_or_none(_unquoted(part)) for part in map(str.strip, raw.split("<|EX|>")) if part]
    found: list[list[dict[str, Any] | None]] = [
        _stored_inputs(row) or printed,
        [_named(pairs) for pairs in row.get("parsed_inputs") or []],
        _examples(row.get("example_str") or ""),
    ]
    fitting = [column for column in found if len(column) == n]
    if not fitting:
        lengths = [len(column) for column in found if column]
        raise ValueError(f"{max(lengths, default=0)} inputs but {n} outputs")
    return [next((item for item in items if item), None) for items in zip(*fitting, strict=True)]


def _stored_inputs(row: Row) -> list[dict[str, Any] | None]:
    return [literal_or_none(_unquoted(text)) for text in row.get("example_inputs") or []]


def _examples(text: str) -> list[dict[str, Any] | None]:
    try:
        return example_items(text)
    except ValueError:
        return []  # the inputs may stand in another field


def _named(pairs: Sequence[Sequence[str]]) -> dict[str, Any] | None:
    try:
        return {str(name): read_literal(text) for name, text in pairs}
    except (ValueError, TypeError):
        return None


def _raw_outputs(text: str) -> list[dict[str, str]]:
    """Step 3's printed results as those of step 4."""
    outputs: list[dict[str, str]] = []
    for part in filter(None, map(str.strip, text.split("<|OUT|>"))):
        if _EXCEPTION in part:
            outputs.append({"error": part})
            continue
        before_and_after = part.split(_RETURN)
        if len(before_and_after) != 2:
            raise ValueError(f"an output is neither a value nor an error: {part[:60]!r}")
        outputs.append({"return": before_and_after[1].strip()})
    return outputs


def _output_text(output: Mapping[str, str]) -> tuple[str, str]:
    """`return` or `error`, and its text; one that is null is not there."""
    given = {key: output[key] for key in ("return", "error") if output.get(key) is not None} if output else {}
    kind, text = next(iter(given.items()), ("", None))
    if not kind:
        raise ValueError(f"an output is neither a value nor an error: {str(output)[:60]}")
    if not isinstance(text, str):
        raise ValueError(f"{kind!r} of 'example_outputs' must be text, not {text!r:.60}")
    return kind, text


def _raised(text: str) -> CallResult:
    text = _unquoted(text.replace(_EXCEPTION, "", 1).strip())
    match = _CLASS.fullmatch(text) or _TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"an error names no exception: {text[:60]!r}")
    return CallResult("error", match[1], match[2] or "")


def _are_quoted(texts: Sequence[str]) -> bool:
    """Whether results are the JSON of a repr: then all of them are JSON strings, and hold an expression somewhere.

    A plain repr is a JSON string only if it is that of a text with an apostrophe, such as `"it's"`; that this is so of
    all results, and that all are still Python without their quotes, does not happen.
    """
    decoded = [_decoded(text) for text in texts]
    return bool(texts) and None not in decoded and any(parse_code(text or "") for text in decoded)


def _unquoted(text: str) -> str:
    decoded = _decoded(text)
    return text if decoded is None else decoded


def _decoded(text: str) -> str | None:
    """What a JSON string holds, None for other texts."""
    if not text.startswith('"'):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
