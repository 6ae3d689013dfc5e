"""A pool of one million samples: time and peak memory of what runs and aggregators ask of it.

    python benchmarks/pool.py [--questions 62500] [--samples 16]

Builds the pool in a temporary folder (1.2 GB), part file by part file, then measures each reading in a process of its
own: the keys before and after compaction, columns, and columns joined with grades. The peer is what needs no library: a
JSON-lines file of the same rows, scanned for its keys with `json.loads`. The two are read in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", ARROW_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fresh_process import measured

from lit_reason import pool as pool_module
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question, Sample

GRADER = "exact@1"
WORDS = [f"word{i}" for i in range(2000)]


def build(folder: Path, n_questions: int, n_samples: int, rows_a_flush: int) -> Path:
    """The pool's folder; beside it lies `rows.jsonl` with the same rows."""
    pool_module.COMPACT_EVERY = 10**9  # the state before compaction is measured too
    draw = random.Random(0)
    questions = [Question(f"question-{i:06}", "?", gold="1") for i in range(n_questions)]
    pool = SamplePool.open(folder, {"model": "benchmark"}, None, questions)
    keys = [(question.id, index) for question in questions for index in range(n_samples)]
    draw.shuffle(keys)  # as a pool is filled: not in order
    for start in range(0, len(keys), rows_a_flush):
        chunk = keys[start : start + rows_a_flush]
        pool.append_samples([_sample(key, draw) for key in chunk])
        pool.append_grades(GRADER, [_grade(key, draw) for key in chunk])
    with (folder / "rows.jsonl").open("w") as file:
        for batch in pool.stream():
            file.writelines(json.dumps(asdict(sample)) + "\n" for sample in batch)
    return pool.folder


def _sample(key: tuple[str, int], draw: random.Random) -> Sample:
    text = " ".join(draw.choices(WORDS, k=100))
    return Sample("", *key, text, 30, draw.randrange(50, 500), "stop", logprob=-100 * draw.random())


def _grade(key: tuple[str, int], draw: random.Random) -> Grade:
    answer = str(draw.randrange(5))
    return Grade("", *key, GRADER, "right" if answer == "1" else "wrong", answer, answer)


def keys_of_jsonl(path: Path) -> int:
    """The peer."""
    with path.open("rb") as file:
        rows = map(json.loads, file)
        return len({(row["question_id"], row["sample_index"]) for row in rows})


def nothing(folder: Path) -> None:
    """What the imports alone take."""


def done(folder: Path) -> int:
    return len(SamplePool(folder).done())


def columns(folder: Path) -> int:
    return SamplePool(folder).table(["question_id", "sample_index", "n_tokens", "logprob"]).num_rows


def graded(folder: Path) -> int:
    return SamplePool(folder).graded_table(GRADER).num_rows


def compact(folder: Path) -> None:
    SamplePool(folder).compact()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=62_500)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--rows_a_flush", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        folder = build(Path(temporary), arguments.questions, arguments.samples, arguments.rows_a_flush)
        n, n_files = arguments.questions * arguments.samples, SamplePool(folder).n_files()
        print(f"{n:,} samples in {n_files:,} part files, built in {time.perf_counter() - began:.0f} s", flush=True)
        report(folder, Path(temporary) / "rows.jsonl", arguments.rounds)


def report(folder: Path, rows: Path, rounds: int) -> None:
    print(f"{'reading':44} {'seconds':>8} {'peak MB':>8}")
    for name, work in [("nothing", nothing), ("keys, before compaction", done), ("compaction", compact)]:
        print("{:44} {:8.1f} {:8.0f}".format(name, *measured(work, folder)[1:]), flush=True)
    print(f"{SamplePool(folder).n_files():,} part files after compaction")
    ratios = []
    for _ in range(rounds):
        ours, theirs = measured(done, folder)[1:], measured(keys_of_jsonl, rows)[1:]
        print("{:44} {:8.1f} {:8.0f}".format("keys", *ours))
        print("{:44} {:8.1f} {:8.0f}".format("keys of a JSON-lines file", *theirs), flush=True)
        ratios.append(theirs[0] / ours[0])
    for name, work in [("four columns", columns), ("four columns and grades", graded)]:
        print("{:44} {:8.1f} {:8.0f}".format(name, *measured(work, folder)[1:]), flush=True)
    print(f"ratio: {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
