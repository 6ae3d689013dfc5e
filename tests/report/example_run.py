"""A run directory like the demo's, generated: the right files with plausible contents, a few seconds of work for
nobody.

`python tests/report/example_run.py FOLDER` writes one and its report, to look at.
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path
from typing import Any

from lit_reason import results
from lit_reason.files import write_json_atomic, write_jsonl_atomic, write_text_atomic
from lit_reason.results import Results, difference, mean, share

FAMILIES = {
    "prefix": ("prefix + s", 0.95), "suffix": ("s + suffix", 0.9), "replace": ("s.replace(a, b)", 0.8),
    "append": ("xs + [value]", 0.75), "count": ("xs.count(value)", 0.65), "join": ("sep.join(xs)", 0.6),
    "split": ("s.split(sep)", 0.5), "greater_than": ("[x for x in xs if x > limit]", 0.15),
    "add": ("[x + amount for x in xs]", 0.05), "take_every_nth": ("xs[::step]", 0.0),
}  # fmt: skip
KINDS = ("wrong", "missing_function", "syntax", "runtime", "timeout", "no_code", "truncated")
PER_FAMILY = 12
STEPS = 300


def write_example_run(run_dir: Path, seed: int = 0) -> Path:
    """Fill `run_dir` with every file that a report reads."""
    draw = random.Random(seed)
    _write_settings(run_dir)
    _write_curves(run_dir, draw)
    rows = [_graded(draw, when, *question) for when in ("before", "after") for question in _questions()]
    _write_results(run_dir, rows)
    write_jsonl_atomic(run_dir / "examples.jsonl", [{k: v for k, v in row.items() if k != "score"} for row in rows])
    return run_dir


def _questions() -> list[tuple[str, str | None, int]]:
    planted = [("planted", family, i) for family in FAMILIES for i in range(PER_FAMILY)]
    return planted + [("real", None, i) for i in range(128)]


def _graded(draw: random.Random, when: str, split: str, family: str | None, i: int) -> dict[str, Any]:
    body, skill = FAMILIES.get(family or "", ("sum(x for x in xs if x % 2 == 0)", 0.1))
    right = draw.random() < (skill if when == "after" else 0.01 if family else 0.08)
    weights = (6, 1, 1, 2, 0.3, 0, 0.2) if when == "after" else (2, 5, 2, 2, 0.2, 4, 3)
    kind = "ok" if right else draw.choices(KINDS, weights)[0]
    gold = f"def solve_{i}(xs, value='{family}-{i}'):\n    return {body}\n"
    long_way = gold.replace("return", "result =") + "    return result  # a longer line than fits: " + "x" * 60
    answer = f"Here is the function:\n\n```python\n{gold if right else long_way}```\n"
    cases = "\n".join(f'Input: xs={[n, n + 1, "é<b>"]!r}\nOutput: {[n * i]}' for n in range(4))
    prompt = f"Find the function behind these cases.\n\nThe function is called solve_{i}.\n\n{cases}"
    messages = [{"role": "user", "content": f"Write a Python function solve_{i}(xs, value).\n{cases}"}]
    failed = [{"call": f"solve_{i}(xs=[7, 8])", "expected": f"[{7 * i}]", "got": "[]", "shown": False}]
    detail = {"strict": right, "shown_pass": right or i % 3 == 0, "hidden_pass": right, "kind": kind}
    return {
        "split": split, "when": when, "family": family, "question_id": f"{split}-{family or 'function'}-{i:03}",
        "prompt": prompt if when == "after" else messages, "gold": gold,
        "answer": "I am not sure what is asked." if kind == "no_code" else answer,
        "status": "right" if right else "unparsed" if kind == "no_code" else "wrong", "kind": kind,
        "detail": detail if right else {**detail, "failed": failed},
        "score": 1.0 if right else round(draw.random() * 0.8, 2),
    }  # fmt: skip


def _write_results(run_dir: Path, rows: list[dict[str, Any]]) -> None:
    found = Results(run="case2code/smollm2")
    for split in ("planted", "real"):
        scores: dict[str, list[bool]] = {}
        for when in ("before", "after"):
            here = [row for row in rows if (row["split"], row["when"]) == (split, when)]
            scores[when] = [row["status"] == "right" for row in here]
            found.put(share("strict_pass@1", split, when, sum(scores[when]), len(here), [0]))
            found.put(mean("case_fraction", split, when, [row["score"] for row in here], [0]))
            for kind in ("ok", *KINDS):
                found.put(share(f"kind/{kind}", split, when, sum(row["kind"] == kind for row in here), len(here)))
            for family in FAMILIES if split == "planted" else ():
                part = [row["status"] == "right" for row in here if row["family"] == family]
                found.put(share("strict_pass@1", f"planted/{family}", when, sum(part), len(part), [0]))
        found.put(difference("strict_pass@1", split, scores["before"], scores["after"]))
    found.put(results.count("functions harvested", "real", "", 412))
    found.cost = {"training seconds": 508.24, "evaluation seconds": 141.9, "sampled tokens": 31_744}
    found.dropped = {"rows longer than the context": 3, "functions without a return value": 1_204}
    found.save(run_dir)


def _write_curves(run_dir: Path, draw: random.Random) -> None:
    metrics, speed, tokens = ["step,epoch,train/loss,train/lr,train/target_tokens,val/loss"], [], 0
    speed.append(
        "step,speed/target_tokens_per_s,speed/prompt_tokens_per_s,speed/padding_tokens_per_s,speed/tokens_per_s,"
        "speed/useful_share,speed/flop_utilisation"
    )
    for step in range(STEPS):
        rate = 1e-3 * min((step + 1) / 15, 0.5 + 0.5 * math.cos(math.pi * step / STEPS))
        loss = 0.35 + 1.6 * math.exp(-step / 40) + draw.gauss(0, 0.06)
        tokens += draw.randint(600, 800)
        validation = f"{loss + 0.05:.6f}" if (step + 1) % 50 == 0 else ""
        metrics.append(f"{step},0,{loss:.6f},{rate:.9f},{tokens},{validation}")
        if (step + 1) % 5 == 0:
            target, prompt, padding = (max(0.0, draw.gauss(mean, 6)) for mean in (131, 297, 14))
            useful = (target + prompt) / (target + prompt + padding)
            speed.append(f"{step},{target:.2f},{prompt:.2f},{padding:.2f},{target + prompt:.2f},{useful:.4f},0.41")
    write_text_atomic(run_dir / "metrics.csv", "\n".join(metrics) + "\n")
    write_text_atomic(run_dir / "speed.csv", "\n".join(speed) + "\n")


def _write_settings(run_dir: Path) -> None:
    write_text_atomic(
        run_dir / "config.yaml",
        "run:\n  root: runs\n  name: case2code/smollm2\n  seed: 0\nmodel:\n"
        "  class_path: lit_reason.language_model.CausalLanguageModel\n  init_args:\n"
        "    backbone:\n      name: smollm2-135m\n      dtype: auto\n    lora:\n      r: 16\n"
        "data:\n  class_path: datamodules.case2code.Case2CodeDataModule\n  init_args:\n"
        f"    a_long_setting: {'x' * 200}\ntrainer:\n  max_steps: {STEPS}\n",
    )
    write_json_atomic(
        run_dir / "environment.json",
        {
            "started": "2026-01-31T10:15:00.000+00:00",
            "argv": ["fit", "--config", "configs/case2code/smollm2.yaml"],
            "python": "3.11.7",
            "versions": {"torch": "2.13.0", "lightning": "2.6.6", "transformers": "5.23.0", "peft": "0.21.2"},
            "revision": "b819d61c0ffee0000000000000000000000000000",
            "cpu": {"name": "a processor with a long name", "cores": 2, "bf16": True, "flags": ["avx2", "avx512_bf16"]},
        },
    )


if __name__ == "__main__":
    from lit_reason.report import write_report

    print(write_report(write_example_run(Path(sys.argv[1]))))
