"""Every vote on a pool of one million samples: 62,500 questions, 16 samples each, graded (goal: 60 s and 2 GB).

    python benchmarks/aggregation.py [--questions 62500] [--samples 16]

Builds the pool in a temporary folder, texts included, then reads it in a process of its own, groups the answers and
evaluates every aggregator over all samples of each question. The peer is the obvious way, the plain functions called
question by question, on the first 2,000 questions; the two take turns, and must agree.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", ARROW_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
from fresh_process import measured

from lit_reason.aggregation import votes
from lit_reason.aggregation.columns import table_from_pool
from lit_reason.aggregation.scores import BestLogprob, usual_rules
from lit_reason.aggregation.subsets import accuracy
from lit_reason.aggregation.table import VoteTable
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question, Sample, schema

GRADER, PARTS, ROUNDS, SLICE = "exact@1", 20, 5, 2_000


def build(root: Path, n_questions: int, n: int) -> Path:
    """A pool whose right samples are shorter than its wrong ones."""
    asked = [Question(f"question-{i:06}", "?") for i in range(n_questions)]
    pool = SamplePool.open(root, {"model": "benchmark"}, None, asked)
    draw = np.random.default_rng(0)
    for part in np.array_split(np.arange(n_questions), PARTS):
        ids = np.repeat([f"question-{i:06}" for i in part], n)
        right = draw.random((len(part), n)) < draw.beta(1.2, 1.2, (len(part), 1))
        answer = np.where(right, 0, draw.integers(1, 6, (len(part), n))).ravel().astype(str)
        length = draw.lognormal(6, 0.5, (len(part), 1)) * np.where(right, 1, 1.5) * draw.lognormal(0, 0.3, right.shape)
        common = {"pool_key": [pool.key] * len(ids), "question_id": ids, "sample_index": np.tile(range(n), len(part))}
        samples = common | {
            "n_tokens": length.ravel().astype(int) + 1, "n_prompt_tokens": [30] * len(ids),
            "text": ["step\n" * 80] * len(ids), "finish_reason": ["stop"] * len(ids),
            "logprob": -100 * draw.random(len(ids)), "seed": [0] * len(ids),
        }  # fmt: skip
        grades = common | {
            "grader": [GRADER] * len(ids), "status": np.where(right.ravel(), "right", "wrong"), "answer": answer,
            "answer_key": answer, "score": draw.random(len(ids)), "detail": ["{}"] * len(ids),
        }  # fmt: skip
        pool._samples().append(_arrow(Sample, samples))
        pool._grades(GRADER).append(_arrow(Grade, grades))
    return pool.folder


def _arrow(record: type, columns: dict[str, Any]) -> pa.Table:
    rows = len(columns["question_id"])
    return pa.table({name: columns.get(name, [None] * rows) for name in schema(record).names}, schema=schema(record))


def vectorised(table: VoteTable) -> list[float]:
    """Expected accuracy of every rule that names a winner by its score."""
    return [at.accuracy for at in accuracy(table, _compared())]


def question_by_question(table: VoteTable) -> list[float]:
    """The same by the plain functions."""
    values: list[list[float]] = [[] for _ in _compared()]
    for q in range(len(table.questions)):
        names = [None if code < 0 else str(code) for code in table.codes[q]]
        right = {str(code) for code in np.flatnonzero(table.right_answers[q])}
        lengths, logprobs = table.lengths[q].tolist(), table.logprobs[q].tolist()  # type: ignore[index]
        held = [
            votes.majority_vote(names, lengths=lengths), votes.shortest_majority_vote(names, lengths),
            votes.power_vote(names, lengths, 0.5), votes.power_vote(names, lengths, 1),
            votes.centred_vote(names, lengths), votes.shortest_vote(names, lengths),
            votes.short_m_vote(names, lengths, 3), votes.longest_vote(names, lengths),
            votes.best_logprob_vote(names, logprobs),
        ]  # fmt: skip
        for own, vote in zip(values, held, strict=True):
            own.append(votes.expected_accuracy(vote, right))
    return [float(np.mean(own)) for own in values]


def _compared() -> list[Any]:
    return [*usual_rules()[1:-1], BestLogprob()]  # without the random one and the coverage


def evaluate(folder: Path) -> list[tuple[str, float]]:
    """The whole way from the files to every aggregator's accuracy."""
    began = time.perf_counter()
    table = table_from_pool(SamplePool(folder), GRADER)
    found = [("reading and grouping", time.perf_counter() - began)]
    for rule in usual_rules(logprobs=True, rewards=True):
        began = time.perf_counter()
        accuracy(table, [rule])
        found.append((rule.name, time.perf_counter() - began))
    return found


def main() -> None:
    """Measure the whole way, then the votes against the plain functions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=62_500)
    parser.add_argument("--samples", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = build(Path(temporary), arguments.questions, arguments.samples)
        parts, seconds, megabytes = measured(evaluate, folder)
        for name, own in parts:
            print(f"{name:36} {own:7.2f} s")
        n = arguments.questions * arguments.samples
        print(f"{f'{n:,} samples, everything':36} {seconds:7.2f} s, peak {megabytes:,.0f} MB", flush=True)
        table = table_from_pool(SamplePool(folder), GRADER).select(np.arange(min(SLICE, arguments.questions)))
    report(table)


def report(table: VoteTable) -> None:
    """The ratio to the plain functions, in turns."""
    assert np.allclose(vectorised(table), question_by_question(table)), "the two ways disagree"
    ratios = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        vectorised(table)
        middle = time.perf_counter()
        question_by_question(table)
        ratios.append((time.perf_counter() - middle) / (middle - began))
    print(f"ratio: {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
