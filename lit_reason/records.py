"""The nouns that every room shares: questions, samples, grades and votes, and their Arrow schemas.

A pool on disk is nothing but rows of these records, so the schemas below are the open, versioned file format. `meta`
and `detail` are JSON text on disk and plain objects in memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 1

Message = dict[str, str]
"""One chat message: `{"role": "system" | "user" | "assistant", "content": text}`."""

FinishReason = Literal["stop", "length"]
GradeStatus = Literal["right", "wrong", "unparsed", "timed_out"]


@dataclass(frozen=True)
class Question:
    """What is asked. `gold` is a reference answer where one exists; `meta` holds what a grader or a report needs."""

    id: str
    prompt: str | list[Message]
    gold: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One generation for a question. `logprob` is the sum of the token log-probabilities under the sampled
    distribution."""

    pool_key: str
    question_id: str
    sample_index: int
    text: str
    n_prompt_tokens: int
    n_tokens: int
    finish_reason: FinishReason
    logprob: float | None = None
    token_ids: list[int] | None = None
    token_logprobs: list[float] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Grade:
    """A grader's verdict on one sample: four states, never a plain bool, because an unparsed answer is not a wrong
    one."""

    pool_key: str
    question_id: str
    sample_index: int
    grader: str
    status: GradeStatus
    answer: str | None = None
    answer_key: str | None = None
    score: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Vote:
    """The outcome of an aggregation: the chosen answer (None when nothing was parsed) and how strongly it was
    supported.

    `support` counts the samples that gave the answer, so support / n is a confidence. `tied` says that a written rule,
    not the score, chose among the answers of the best score. `n` samples and `n_tokens` (None: unknown) are the cost.
    `n_clamped` lengths were too short for the score and were counted as its shortest length.
    """

    answer: str | None
    scores: dict[str, float]
    support: float
    tied: bool
    n: int
    n_parsed: int
    n_tokens: int | None = None
    n_clamped: int = 0


Record = TypeVar("Record", Question, Sample, Grade)

_JSON_FIELDS = frozenset({"prompt", "meta", "detail"})


def schema(record: type) -> pyarrow.Schema:
    """The Arrow schema of `Question`, `Sample` or `Grade`; JSON-valued fields are stored as text."""
    import pyarrow as pa

    types = {
        Question: {"id": pa.string(), "prompt": pa.string(), "gold": pa.string(), "meta": pa.string()},
        Sample: {
            "pool_key": pa.string(),
            "question_id": pa.string(),
            "sample_index": pa.int32(),
            "text": pa.string(),
            "n_prompt_tokens": pa.int32(),
            "n_tokens": pa.int32(),
            "finish_reason": pa.string(),
            "logprob": pa.float64(),
            "token_ids": pa.list_(pa.int32()),
            "token_logprobs": pa.list_(pa.float32()),
            "seed": pa.int64(),
        },
        Grade: {
            "pool_key": pa.string(),
            "question_id": pa.string(),
            "sample_index": pa.int32(),
            "grader": pa.string(),
            "status": pa.string(),
            "answer": pa.string(),
            "answer_key": pa.string(),
            "score": pa.float64(),
            "detail": pa.string(),
        },
    }[record]
    return pa.schema(types.items(), metadata={"lit_reason": f"{record.__name__}@{SCHEMA_VERSION}"})


def to_table(record: type[Record], rows: list[Record]) -> pyarrow.Table:
    """Records of one kind as an Arrow table with that kind's schema."""
    import pyarrow as pa

    names = [f.name for f in fields(record)]
    columns = {name: [_encode(name, getattr(row, name)) for row in rows] for name in names}
    return pa.table(columns, schema=schema(record))


def from_table(record: type[Record], table: pyarrow.Table) -> list[Record]:
    """The inverse of `to_table`."""
    return [record(**{k: _decode(k, v) for k, v in row.items()}) for row in table.to_pylist()]


def _encode(name: str, value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if name in _JSON_FIELDS else value


def _decode(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON_FIELDS else value
