"""The graded samples of all questions as columns: what every vote at once, subset estimates and length analyses read.

The text column is not needed, and right answers are looked up by code, so a million samples take a few seconds and
some hundred megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from lit_reason.aggregation.ballots import Ballots


@dataclass(frozen=True)
class VoteTable:
    """One row a question, its samples in order of their index; shorter rows are padded.

    Q questions, n samples of the question that has most, G distinct answers of the question that has most. Build it
    with `columns.table_from_columns`, `table_from_arrow` or `table_from_records`.

    Args:
        questions: the Q ids, in order of first appearance.
        answers: the distinct answers of the whole table, sorted.
        answer_ids: int [Q, G], which of `answers` a question's answer is; -1 where it has fewer.
        codes: int [Q, n], the sample's answer among its question's, in order of first appearance; -1 without one.
        present: bool [Q, n].
        lengths: float [Q, n], tokens; 0 where absent.
        right: bool [Q, n].
        logprobs: float [Q, n], NaN where unknown; or None. `rewards` and `steps` likewise.
        truncated: bool [Q, n], whether the sample hit the token limit; or None.
    """

    questions: tuple[str, ...]
    answers: np.ndarray
    answer_ids: np.ndarray
    codes: np.ndarray
    present: np.ndarray
    lengths: np.ndarray
    right: np.ndarray
    logprobs: np.ndarray | None = None
    rewards: np.ndarray | None = None
    steps: np.ndarray | None = None
    truncated: np.ndarray | None = None

    @cached_property
    def n_samples(self) -> np.ndarray:
        """int [Q]: samples of each question."""
        return self.present.sum(axis=1)

    @cached_property
    def answered(self) -> np.ndarray:
        """bool [Q, n]: the sample has an answer."""
        return self.codes >= 0

    @cached_property
    def right_answers(self) -> np.ndarray:
        """bool [Q, G]: most samples of the answer were graded right. Where a grader contradicts itself about one
        answer, `counts` says how often."""
        agreeing, of = self._agreement
        return 2 * agreeing > of

    @cached_property
    def ballots(self) -> Ballots:
        """One vote a question over all its samples."""
        everything = np.arange(self.codes.shape[1])[:, None]
        return self.ballots_of(np.arange(len(self.questions)), everything)

    def ballots_of(self, rows: np.ndarray, places: np.ndarray) -> Ballots:
        """R votes: the i-th of question `rows[i]` (int [R]) over the samples at `places` (int [n, R] or [n, 1])."""

        def of(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows, places]

        return Ballots(
            self.codes[rows, places], self.present[rows, places], self.lengths[rows, places],
            self.answer_ids.shape[1], self.right_answers[rows].T, self.answer_ids[rows].T,
            of(self.logprobs), of(self.rewards), of(self.steps),
        )  # fmt: skip

    def select(self, questions: np.ndarray) -> VoteTable:
        """The table of some questions only; bool [Q] or int positions."""
        chosen = np.arange(len(self.questions))[questions]
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("questions", "answers")}
        rows: dict[str, Any] = {name: None if array is None else array[chosen] for name, array in arrays.items()}
        return replace(self, questions=tuple(self.questions[i] for i in chosen), **rows)

    def counts(self) -> dict[str, int]:
        """What a report must say about the table besides its figures; only what occurs."""
        agreeing, of = self._agreement
        found = {
            "samples without a readable answer": int((self.present & ~self.answered).sum()),
            "questions without any readable answer": int((~self.answered.any(axis=1)).sum()),
            "questions with fewer samples than others": int((self.n_samples < self.codes.shape[1]).sum()),
            "answers graded both right and wrong": int(((agreeing > 0) & (agreeing < of)).sum()),
        }
        return {what: n for what, n in found.items() if n}

    @cached_property
    def _agreement(self) -> tuple[np.ndarray, np.ndarray]:
        """int [Q, G] each: samples of an answer that were graded right, and all its samples."""
        n_questions, n_answers = self.answer_ids.shape
        slots = (np.arange(n_questions)[:, None] * (n_answers + 1) + self.codes + 1).ravel()
        shape = n_questions, n_answers + 1
        of = np.bincount(slots, minlength=shape[0] * shape[1]).reshape(shape)[:, 1:]
        agreeing = np.bincount(slots, self.right.ravel(), shape[0] * shape[1]).reshape(shape)[:, 1:]
        return agreeing.astype(np.int64), of
