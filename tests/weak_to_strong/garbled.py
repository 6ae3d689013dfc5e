"""The reasoning study's questions with every gold answer of H2 replaced: what a study that leaks would notice."""

from __future__ import annotations

from functools import wraps

from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.weak_to_strong import steps

GARBAGE = "garbage"


@wraps(steps.make_questions)
def make_questions(out, **settings):
    steps.make_questions(out, **settings)
    for name in ("h2_gold", "h2_gold_rows"):
        rows = [row for _, row in read_jsonl(out / f"{name}.jsonl")]
        there = {"gold": GARBAGE, "answer": GARBAGE, "target": rf"\boxed{{{GARBAGE}}}"}
        changed = [{**row, **{key: value for key, value in there.items() if key in row}} for row in rows]
        write_jsonl_atomic(out / f"{name}.jsonl", changed)
