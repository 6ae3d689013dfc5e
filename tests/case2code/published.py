"""Invented rows in the published formats of every step; nothing of the release is copied.

The functions are ours, and their results are what they do here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GOOD = {
    "clip_sum": ("def clip_sum(xs, cap):\n    s = sum(xs)\n    return cap if s > cap else s\n",
                 [{"xs": [i, 2 * i, 3], "cap": 9 + i} for i in range(10)]),
    "shout": ("def shout(word):\n    return word.upper() + '!'\n",
              [{"word": w} for w in ("lake", "it's", "", "Sun", 'a "b"', "x y", "9", "oak", "Elm", "pine")]),
    "inverse": ("def inverse(x):\n    return 60 // x\n", [{"x": i} for i in range(10)]),
    "letters": ("def letters(s):\n    return set(s)\n", [{"s": "lake"[: i % 5] + "sun"[: i % 4]} for i in range(10)]),
}  # fmt: skip
CONSTANT = ("def constant(x):\n    return 7\n", [{"x": i} for i in range(10)])
UNDEFINED = (
    "def undefined(x):\n    if x > 3:\n        return helper(x)\n    return x\n", [{"x": i} for i in range(10)],
)  # fmt: skip
FAILING = ("def failing(x):\n    return x.nothing\n", [{"x": i} for i in range(10)])


def deep(n: int) -> str:
    """A function whose syntax tree is as deep as it has terms."""
    return f"def deep(x):\n    return {'+'.join(['x'] * n)}\n"


Inputs = Sequence[dict[str, Any]]


def results(code: str, name: str, inputs: Inputs) -> list[tuple[str, Any]]:
    """("return", repr) or ("error", (type, message)) of each call."""
    scope: dict[str, Any] = {}
    exec(code, scope)
    found: list[tuple[str, Any]] = []
    for kwargs in inputs:
        try:
            found.append(("return", repr(scope[name](**kwargs))))
        except Exception as error:
            found.append(("error", (type(error), str(error))))
    return found


def example_str(inputs: Inputs, rest: Inputs = ()) -> str:
    """What a writer answers: a list of `dict(...)`, and perhaps a second block."""

    def block(items: Inputs) -> str:
        return "".join(f"    dict({', '.join(f'{k}={v!r}' for k, v in item.items())}),  # one\n" for item in items)

    text = f"examples = [\n{block(inputs)}]"
    return f"{text}\nexamples += [\n{block(rest)}]" if rest else text


def raw(id: str, code: str) -> dict[str, Any]:
    return {"id": id, "content": code, "import_code": []}


def written(id: str, code: str, inputs: Inputs, **other: Any) -> dict[str, Any]:
    """After step 2: the function stands in the prompt alone."""
    text = example_str(inputs)
    prompt = f"Write inputs.\n```python\nexamples = []\n```\nFunction:\n```python\n{code}\n```\nExamples:\n"
    return {"prompt": prompt, "gen_answer_id": id, "completions": f"```python\n{text}\n```", "num_gen_tokens": 9,
            "task": "write_testcase", "check_result": True, "retry_time": 1, "example_str": text, **other}  # fmt: skip


def executed(id: str, name: str, code: str, inputs: Inputs) -> dict[str, Any]:
    """After step 3: the results are what the process printed."""
    printed = "############ <|EXAMPLE INPUR START|> ############\n"
    printed += "".join(f"<|EX|> {json.dumps(repr(item))}\n" for item in inputs)
    printed += "############ <|EXAMPLE INPUR END|> ############\n############ <|EXAMPLE OUTPUT START|> ############\n"
    for kind, value in results(code, name, inputs):
        text = f"<|RETURN|> {json.dumps(value)}" if kind == "return" else f"<|EXCEPTION|> {_error(value)}"
        printed += f"<|OUT|>\n{text}\n"
    printed += "############ <|EXAMPLE OUTPUT END|> ############"
    more = {"code": code, "func_name": name, "exec_raw_output": printed, "exec_status": True}
    return {**written(id, code, inputs), **more}


def filtered(id: str, name: str, code: str, inputs: Inputs, rest: Inputs = ()) -> dict[str, Any]:
    """After step 4."""
    row = executed(id, name, code, inputs)
    del row["exec_raw_output"]
    outputs = [
        {"return": json.dumps(value)} if kind == "return" else {"error": f"<|EXCEPTION|> {_error(value)}"}
        for kind, value in results(code, name, [*inputs, *rest])
    ]
    stored = {"example_inputs": [json.dumps(repr(item)) for item in inputs], "example_outputs": outputs}
    return {**row, "example_str": example_str(inputs, rest), **stored}


def plain(id: str, name: str, code: str, inputs: Inputs) -> dict[str, Any]:
    """After step 4, results as plain text."""
    outputs = [
        {"return": value} if kind == "return" else {"error": f"{value[0].__name__}: {value[1]}"}
        for kind, value in results(code, name, inputs)
    ]
    return {"id": id, "func_name": name, "code": code, "example_inputs": [repr(item) for item in inputs],
            "example_outputs": outputs}  # fmt: skip


def training(id: str, name: str, code: str, inputs: Inputs) -> dict[str, Any]:
    output = f"It is:\n```python\n{code}\n```"
    return {"id": id, "prompt": f"Find the function {name}.\n{inputs[0]}\n", "output": output}


def test_row(id: str, name: str, code: str, inputs: Inputs, rest: Inputs, shown: Sequence[int]) -> dict[str, Any]:
    """The 500-row format: only `inputs` may be shown, `rest` is hidden."""
    row = filtered(id, name, code, inputs, rest)
    for key in ("completions", "gen_answer_id", "task"):
        del row[key]
    parsed = [[[k, json.dumps(v) if isinstance(v, str) else repr(v)] for k, v in item.items()] for item in inputs]
    return {**row, **training(id, name, code, inputs), "parsed_inputs": parsed, "choosed_example_idx": list(shown)}


def write(path: Path, rows: Sequence[Any]) -> Path:
    """The rows as JSON lines; texts are written as they are."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def _error(value: Any) -> str:
    return json.dumps(f"{value[0]}: {value[1]}")
