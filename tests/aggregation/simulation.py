"""Pools whose truth is known (Shortest Majority Vote, check E): how often right, how long, and how the two hang
together."""

from __future__ import annotations

import numpy as np

from lit_reason.aggregation.columns import table_from_columns
from lit_reason.aggregation.table import VoteTable

ANSWERS = np.array(["gold", "main", "a", "b", "c", "d"], dtype=object)
WRONG_SHARES = [0.6, 0.1, 0.1, 0.1, 0.1]


def pool(n_questions: int, n: int, ratio: float, seed: int) -> VoteTable:
    """p ~ Beta(1.2, 1.2) right, else a main distractor or one of four; wrong samples are `ratio` times as long."""
    draw = np.random.default_rng(seed)
    right = draw.random((n_questions, n)) < draw.beta(1.2, 1.2, (n_questions, 1))
    code = np.where(right, 0, draw.choice(np.arange(1, 6), size=(n_questions, n), p=WRONG_SHARES))
    base = draw.lognormal(8, 0.5, (n_questions, 1))
    length = base * np.where(right, 1.0, ratio) * draw.lognormal(0, 0.35, (n_questions, n))
    return as_table(code, length, right)


def as_table(code: np.ndarray, length: np.ndarray, right: np.ndarray) -> VoteTable:
    """Matrices [questions, n] as a table."""
    import pyarrow as pa

    n_questions, n = code.shape
    names = pa.array([f"q{i}" for i in range(n_questions)])
    question = pa.DictionaryArray.from_arrays(np.repeat(np.arange(n_questions), n), names)
    answer = pa.DictionaryArray.from_arrays(code.ravel(), pa.array(ANSWERS))
    return table_from_columns(question, answer, length.ravel(), right.ravel())
