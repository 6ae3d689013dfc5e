"""All answers to a set of questions, gathered from all processes, and what they leave in a run directory.

    pools.json       where the samples and grades lie
    examples.jsonl   some answers with their verdicts
    results.json     what they cost, and what was dropped (figures are the caller's)
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lit_reason.evaluation import Evaluation, Row
from lit_reason.files import read_jsonl, stable_hash, write_json_atomic, write_jsonl_atomic
from lit_reason.pool import SamplePool
from lit_reason.results import Results
from lit_reason.sampling.protocol import SamplingSettings

POOLS_FILE = "pools.json"
EXAMPLES_FILE = "examples.jsonl"

Gathered = TypeVar("Gathered")


@dataclass
class Answers:
    """The rows of one grader for all questions, whoever sampled them.

    Args:
        pool: where they are stored.
        settings: how they were sampled.
        evaluation: rows in the order of the questions, each answer once. The processes worked side by side, so its
            seconds are those of the slowest.
        subject: tells these answers from those to other questions of the same run; empty for the run's own.
    """

    pool: SamplePool
    settings: SamplingSettings
    evaluation: Evaluation
    subject: str = ""

    @classmethod
    def gather(
        cls, own: Evaluation, pool: SamplePool, settings: SamplingSettings, order: Sequence[str], subject: str = ""
    ) -> Answers:
        """Put together what each process evaluated, in every process; `order` lists the ids of all questions.

        Every process calls this once, however many questions were its own.
        """
        parts = all_gather(own)
        rows = {(row.question.id, row.sample.sample_index): row for part in parts for row in part.rows}
        together = Evaluation(
            [rows[question_id, index] for question_id in order for index in range(settings.n)],
            sum((part.dropped for part in parts), Counter()),
            max(part.seconds_sampling for part in parts),
            max(part.seconds_grading for part in parts),
            sum(part.n_sampled for part in parts),
        )
        return cls(pool, settings, together, subject)

    @property
    def rows(self) -> list[Row]:
        """One row an answer."""
        return self.evaluation.rows

    @property
    def kind(self) -> str:
        """`greedy` or `sampled`, behind the subject where there is one."""
        kind = "greedy" if self.settings.greedy else "sampled"
        return f"{self.subject}_{kind}" if self.subject else kind

    def account(self, results: Results, when: str) -> None:
        """Note what the answers cost and what was dropped. Seconds stay those of the process that did the work."""
        name, found = f"{when}, {self.kind}", self.evaluation
        results.cost[f"{name}: prompt tokens"] = sum(row.sample.n_prompt_tokens for row in self.rows)
        results.cost[f"{name}: sampled tokens"] = sum(row.sample.n_tokens for row in self.rows)
        for work, seconds in {"sampling": found.seconds_sampling, "grading": found.seconds_grading}.items():
            key = f"{name}: seconds spent {work}"
            if found.n_sampled or key not in results.cost:
                results.cost[key] = round(seconds, 3)
        for why, n in found.dropped.items():
            results.dropped[f"{name}: {why}"] = n


def read_pools(run_dir: Path) -> list[dict[str, Any]]:
    """The pools of a run: `when`, `answers` (greedy or sampled), `key`, `folder` (from the run directory), `grader`."""
    path = run_dir / POOLS_FILE
    return json.loads(path.read_bytes()) if path.exists() else []


def write_pools(run_dir: Path, when: str, answers: Iterable[Answers]) -> None:
    """Say where the answers of this moment lie, in place of an earlier word about it."""
    others = [entry for entry in read_pools(run_dir) if entry["when"] != when]
    entries = [
        {
            "when": when,
            "answers": several.kind,
            "key": several.pool.key,
            "folder": os.path.relpath(several.pool.folder, run_dir),
            "grader": several.rows[0].grade.grader,
        }
        for several in answers
    ]
    write_json_atomic(run_dir / POOLS_FILE, others + entries)


def write_examples(run_dir: Path, when: str, rows: Sequence[Row], n: int) -> None:
    """Write `n` answers of each source of questions (`meta["source"]`), in place of earlier ones of this moment."""
    path = run_dir / EXAMPLES_FILE
    others = [row for _, row in read_jsonl(path) if row["when"] != when] if path.exists() else []
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row.question.meta.get("source", ""), []).append(row)
    chosen = [_example(row, when) for group in by_source.values() for row in choose_examples(group, n)]
    write_jsonl_atomic(path, others + chosen)


def choose_examples(rows: Sequence[Row], n: int) -> list[Row]:
    """A fixed mixture: two thirds are the same questions at every moment, so that their answers can be compared; the
    others show the outcomes that are rarest among these."""
    shuffled = sorted(rows, key=lambda row: stable_hash(row.question.id))
    chosen = shuffled[: n - n // 3]
    rest = shuffled[len(chosen) :]
    while rest and len(chosen) < n:
        seen = Counter(row.grade.detail.get("kind") for row in chosen)
        chosen.append(min(rest, key=lambda row: seen[row.grade.detail.get("kind")]))
        rest.remove(chosen[-1])
    return chosen


def _example(row: Row, when: str) -> dict[str, Any]:
    question, sample, grade = row
    return {
        "split": question.meta.get("source", ""),
        "when": when,
        "family": question.meta.get("family"),
        "question_id": question.id,
        "prompt": question.prompt,
        "answer": sample.text,
        "gold": question.gold,
        "status": grade.status,
        "kind": grade.detail.get("kind"),
        "detail": grade.detail,
    }


def all_gather(own: Gathered) -> list[Gathered]:
    """What each process holds, in every process, in their order. All of them call it."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return [own]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, own)
    return parts
