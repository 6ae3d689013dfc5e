"""Who writes inputs (section 2, step 2): one small protocol, and the writer that reads what another one wrote.

`typed.py` writes without a language model, `model_writer.py` with one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from lit_reason.case2code.execute import Executor
from lit_reason.case2code.inputs import example_items
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.release import row_code, row_id
from lit_reason.case2code.rules import Candidate
from lit_reason.case2code.values import literal_text
from lit_reason.files import read_jsonl
from lit_reason.grading.code import parse_code

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What a writer did for a function: the candidate has inputs, or `reason` says why not.

    `n_lost` inputs were none that a literal writes; `row` is what the release would store of the writer's answer.
    """

    candidate: Candidate
    reason: str | None = None
    n_lost: int = 0
    row: Mapping[str, Any] = field(default_factory=dict)


class InputWriter(Protocol):
    """Gives functions the inputs on which they are run."""

    def write(self, candidates: Sequence[Candidate], executor: Executor) -> list[Written]:
        """One answer a candidate, in order. `executor` runs functions, for writers that try them."""
        ...


class ReplayWriter:
    """Takes inputs from a file of written rows, by the function's id or else by the function itself."""

    def __init__(self, path: Path | str) -> None:
        self._texts: dict[str, str] = {}
        for _, row in read_jsonl(path, _cut):
            text = str(row.get("example_str") or "")
            for key in filter(None, (row_id(row), _body(row_code(row)))):
                self._texts.setdefault(key, text)

    def write(self, candidates: Sequence[Candidate], executor: Executor) -> list[Written]:
        """The stored inputs; functions that the file does not know get none."""
        return [written(c, self._texts.get(c.id) or self._texts.get(c.body) or "") for c in candidates]


def written(candidate: Candidate, example_str: str, row: Mapping[str, Any] | None = None) -> Written:
    """The candidate with the inputs in a writer's text; what is no literal is left out and counted."""
    row = row or {}
    if not example_str.strip():
        return Written(candidate, "no_inputs", row=row)
    try:
        items = example_items(example_str)
    except ValueError:
        return Written(candidate, "bad_inputs", row=row)
    texts = tuple(dict.fromkeys(literal_text(item) for item in items if item))
    lost = sum(item is None for item in items)
    return Written(replace(candidate, inputs=texts), None if texts else "no_inputs", lost, row)


def _body(code: str) -> str:
    try:
        return normalised_body(code) if code and parse_code(code) else ""
    except ValueError:
        return ""  # too deep for a rule to let it pass, so nobody asks for it


def _cut(path: Path, line: int, why: str) -> None:
    logger.warning("%s:%d: not JSON: %s", path.name, line, why)
