"""Building a `VoteTable` from plain columns, from a pool's Arrow columns, or from records, with every row checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.protocol import answer_keys
from lit_reason.aggregation.table import VoteTable
from lit_reason.aggregation.votes import count_steps

if TYPE_CHECKING:
    import pyarrow

    from lit_reason.pool import SamplePool
    from lit_reason.records import Grade, Sample

_KEY = ("question_id", "sample_index")

Column = Any
"""A list, a NumPy array, or an Arrow array; only a list or an Arrow array can hold missing numbers."""


def table_from_columns(
    question: Column,
    answer: Column,
    length: Column,
    right: Column,
    *,
    index: Column | None = None,
    logprob: Column | None = None,
    reward: Column | None = None,
    steps: Column | None = None,
    truncated: Column | None = None,
) -> VoteTable:
    """From one value a sample.

    Args:
        question: id of the sample's question.
        answer: canonical answer, None where none was read.
        length: tokens; 0 only where there is no answer.
        right: verdict.
        index: place of the sample among its question's; by default its place among the rows.
        logprob: missing where unknown; reward and steps likewise.
        reward: of a scorer.
        steps: of the chain.
        truncated: whether the sample hit the token limit.

    Raises:
        AggregationError: there is no sample, one occurs twice, or a value is impossible; the message names the row.
    """
    ids, number = _first_seen(_texts(question))
    if not ids:
        raise AggregationError("there is no sample to aggregate")
    answers, code = _sorted_codes(_texts(answer))
    place = _places(number) if index is None else np.asarray(index, dtype=np.int64)

    def name(row: int) -> str:
        return _name(ids[number[row]], int(place[row]))

    _check_unique(number, place, name)
    order = np.lexsort((place, number))
    rows, columns = _grid(number[order])
    shape = len(ids), int(columns.max()) + 1

    def grid(values: np.ndarray, absent: Any) -> np.ndarray:
        found = np.full(shape, absent, dtype=values.dtype)
        found[rows, columns] = values[order]
        return found

    def optional(values: Column | None, what: str) -> np.ndarray | None:
        return None if values is None else grid(_numbers(values, what, name), np.nan)

    lengths = _lengths(length, code, name)
    codes, answer_ids = _own_codes(number[order], code[order], len(ids))
    own = np.full(shape, -1, dtype=np.int64)
    own[rows, columns] = codes
    return VoteTable(
        tuple(ids), answers, answer_ids, own, grid(np.ones(len(number), dtype=bool), False), grid(lengths, 0.0),
        grid(np.asarray(right, dtype=bool), False), optional(logprob, "log-probability"), optional(reward, "reward"),
        optional(steps, "number of steps"),
        None if truncated is None else grid(np.asarray(truncated, dtype=bool), False),
    )  # fmt: skip


def table_from_pool(
    pool: SamplePool, grader: str, *, group_by: str = "answer_key", with_text: bool = False
) -> VoteTable:
    """The samples of a pool and the grades of `grader`; texts stay on disk unless steps are to be counted.

    Raises:
        AggregationError: as `table_from_arrow`.
    """
    columns = [*_KEY, "n_tokens", "logprob", "finish_reason", *(["text"] if with_text else [])]
    grades = pool.grade_table(grader, [*_KEY, "status", group_by, "score"])
    return table_from_arrow(pool.table(columns), grades, group_by=group_by, with_text=with_text)


def table_from_arrow(
    samples: pyarrow.Table, grades: pyarrow.Table, *, group_by: str = "answer_key", with_text: bool = False
) -> VoteTable:
    """From a pool's columns, samples and grades joined on (question_id, sample_index).

    Args:
        samples: question_id, sample_index, n_tokens, and logprob and finish_reason where it has them.
        grades: question_id, sample_index, status, the column `group_by`, and score where it has it.
        group_by: `answer_key` (equal in the grader's sense) or `answer` (equal as text).
        with_text: count each sample's steps, for which `samples` needs its text.

    Raises:
        AggregationError: as `table_from_columns`; or a sample has no grade.
    """
    import pyarrow.compute as pc

    grades = grades.take(_rows_of_grades(samples, grades))
    read = pc.not_equal(grades["status"], "unparsed")
    optional: dict[str, Column] = {}
    if "logprob" in samples.column_names and samples["logprob"].null_count < len(samples):
        optional["logprob"] = samples["logprob"]
    if "score" in grades.column_names and grades["score"].null_count < len(grades):
        optional["reward"] = grades["score"]
    if "finish_reason" in samples.column_names:
        optional["truncated"] = pc.equal(samples["finish_reason"], "length").to_numpy()
    if with_text:
        optional["steps"] = [count_steps(text.as_py()) for text in samples["text"]]
    return table_from_columns(
        samples["question_id"], pc.if_else(read, grades[group_by], None), samples["n_tokens"],
        pc.equal(grades["status"], "right").to_numpy(), index=samples["sample_index"].to_numpy(), **optional,
    )  # fmt: skip


def table_from_records(samples: Sequence[Sample], grades: Sequence[Grade], *, with_text: bool = False) -> VoteTable:
    """From records, `grades[i]` belonging to `samples[i]`; `with_text` counts each sample's steps.

    Raises:
        AggregationError: as `table_from_columns`; or a grade belongs to another sample.
    """
    if len(samples) != len(grades):
        raise AggregationError(f"{len(samples)} samples, but {len(grades)} grades")
    for sample, grade in zip(samples, grades, strict=True):
        if (sample.question_id, sample.sample_index) != (grade.question_id, grade.sample_index):
            own, other = (_name(row.question_id, row.sample_index) for row in (sample, grade))
            raise AggregationError(f"{own} is paired with the grade of {other}")
    optional: dict[str, Column] = {
        "logprob": [sample.logprob for sample in samples],
        "reward": [grade.score for grade in grades],
    }
    return table_from_columns(
        [s.question_id for s in samples], answer_keys(grades), [s.n_tokens for s in samples],
        [g.status == "right" for g in grades], index=[s.sample_index for s in samples],
        truncated=[s.finish_reason == "length" for s in samples],
        steps=[count_steps(s.text) for s in samples] if with_text else None,
        **{name: values for name, values in optional.items() if any(v is not None for v in values)},
    )  # fmt: skip


def _texts(values: Column) -> pyarrow.DictionaryArray:
    """Texts as codes into their dictionary, in order of first appearance; nulls stay nulls."""
    import pyarrow as pa

    if not isinstance(values, pa.Array | pa.ChunkedArray):
        for i, value in enumerate(values):
            if value is not None and not isinstance(value, str):
                raise AggregationError(f"row {i}: {value!r} is not a text")
        values = pa.array(values, type=pa.string())
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values if pa.types.is_dictionary(values.type) else values.dictionary_encode()


def _first_seen(texts: pyarrow.DictionaryArray) -> tuple[list[str], np.ndarray]:
    """The ids in order of first appearance, and int64 [rows], which of them a row has."""
    if texts.null_count:
        raise AggregationError("a sample has no question id")
    code = texts.indices.to_numpy().astype(np.int64)
    used, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return [texts.dictionary[int(used[i])].as_py() for i in order], rank[inverse]


def _sorted_codes(texts: pyarrow.DictionaryArray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct texts in order, and int64 [rows], which of them a row has; -1 for null."""
    distinct = np.array(texts.dictionary.to_pylist(), dtype=object)
    order = np.argsort(distinct) if len(distinct) else np.empty(0, dtype=np.int64)
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return distinct[order], rank[texts.indices.fill_null(-1).to_numpy()]


def _places(number: np.ndarray) -> np.ndarray:
    """Each row's place among the rows of its question."""
    order = np.argsort(number, kind="stable")
    places = np.empty_like(number)
    places[order] = _grid(number[order])[1]
    return places


def _grid(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each sample, which come sorted by question."""
    starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
    counts = np.diff(np.r_[starts, len(number)])
    return number, np.arange(len(number)) - np.repeat(starts, counts)


def _own_codes(number: np.ndarray, code: np.ndarray, n_questions: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers numbered anew in each question by first appearance; and int64 [Q, G], which answer that number is."""
    n_answers = int(code.max(initial=-1)) + 1
    voting = np.flatnonzero(code >= 0)
    pairs, first, inverse = np.unique(
        number[voting] * max(n_answers, 1) + code[voting], return_index=True, return_inverse=True
    )
    order = np.argsort(first)  # rows are sorted by question, so this keeps the answers of a question together
    own = np.empty(len(pairs), dtype=np.int64)
    questions = pairs[order] // max(n_answers, 1)
    if len(order):
        own[order] = _grid(questions)[1]
    codes = np.full(len(code), -1, dtype=np.int64)
    codes[voting] = own[inverse]
    answer_ids = np.full((n_questions, max(int(own.max(initial=-1)) + 1, 1)), -1, dtype=np.int64)
    answer_ids[pairs // max(n_answers, 1), own] = pairs % max(n_answers, 1)
    return codes, answer_ids


def _lengths(values: Column, code: np.ndarray, name: Callable[[int], str]) -> np.ndarray:
    lengths = _floats(values)[0]
    bad = ~np.isfinite(lengths) | (lengths < 0) | ((lengths == 0) & (code >= 0))
    if bad.any():
        row = int(bad.argmax())
        found = "missing" if np.isnan(lengths[row]) else f"{lengths[row]:g}"
        raise AggregationError(f"{name(row)}: the length is {found}, not a positive number of tokens")
    return lengths


def _numbers(values: Column, what: str, name: Callable[[int], str]) -> np.ndarray:
    """Finite numbers, NaN only where one is missing."""
    found, missing = _floats(values)
    bad = ~np.isfinite(found) & ~missing
    if bad.any():
        row = int(bad.argmax())
        raise AggregationError(f"{name(row)}: the {what} is {found[row]}, not a finite number")
    return found


def _floats(values: Column) -> tuple[np.ndarray, np.ndarray]:
    """float64 [rows], NaN where missing, and bool [rows], where it is missing."""
    import pyarrow as pa

    if isinstance(values, np.ndarray):
        return values.astype(np.float64), np.zeros(len(values), dtype=bool)
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(list(values), from_pandas=False)
    missing = np.asarray(column.is_null())
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).copy() if len(column) else np.empty(0), missing


def _rows_of_grades(samples: pyarrow.Table, grades: pyarrow.Table) -> np.ndarray:
    """int64 [samples]: the row of each sample's grade."""
    import pyarrow as pa

    ids = pa.chunked_array([*samples["question_id"].chunks, *grades["question_id"].chunks])
    number = ids.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    place = np.concatenate([table["sample_index"].to_numpy() for table in (samples, grades)]).astype(np.int64)
    keys = number * (int(place.max(initial=0)) + 1) + place
    wanted, present = keys[: len(samples)], keys[len(samples) :]
    order = np.argsort(present, kind="stable")
    at = np.searchsorted(present[order], wanted)
    found = at < len(present)
    found[found] = present[order][at[found]] == wanted[found]
    if not found.all():
        row = int(np.argmin(found))
        raise AggregationError(f"{_name(samples['question_id'][row].as_py(), int(place[row]))} has no grade")
    return order[at]


def _check_unique(number: np.ndarray, place: np.ndarray, name: Callable[[int], str]) -> None:
    order = np.lexsort((place, number))
    twice = (np.diff(number[order]) == 0) & (np.diff(place[order]) == 0)
    if twice.any():
        raise AggregationError(f"{name(int(order[1:][twice][0]))} occurs twice")


def _name(question_id: str, index: int) -> str:
    return f"sample {index} of question {question_id!r}"
