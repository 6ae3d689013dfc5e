"""The functions of `configs/studies/smoke.yaml`, which shows in a minute how a study is written."""

from __future__ import annotations

import random
from pathlib import Path

from jsonargparse.typing import PositiveInt

from lit_reason.charts import Chart, Series
from lit_reason.files import write_jsonl_atomic
from lit_reason.results import Figure, Results, count
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyResults, Table, judged, over_seeds


def additions(out: Path, n: PositiveInt, largest: PositiveInt = 99, seed: int = 0) -> None:
    """Write `n` different additions, nine tenths to train.jsonl and the rest to held_out.jsonl.

    Args:
        out: directory of the run.
        n: how many.
        largest: the largest summand.
        seed: which additions are drawn.
    """
    pairs = [(a, b) for a in range(largest + 1) for b in range(largest + 1)]
    drawn = random.Random(seed).sample(pairs, n)
    rows = [{"prompt": f"{a} + {b} =", "completion": str(a + b)} for a, b in drawn]
    write_jsonl_atomic(out / "train.jsonl", rows[: n - n // 10])
    write_jsonl_atomic(out / "held_out.jsonl", rows[n - n // 10 :])
    found = Results(run="additions")
    found.put(count("rows", "train", "", n - n // 10))
    found.put(count("rows", "held out", "", n // 10))
    found.save(out)


def tables(runs: FinishedRuns) -> StudyResults:
    """The held-out loss after the first and after the second fit, and whether the second lowered it."""
    after = {name: [_loss(run) for run in runs.of(name)] for name in ("first", "second")}
    losses = {name: over_seeds("loss", "held out", name, figures) for name, figures in after.items()}
    pairs = zip(after["first"], after["second"], strict=True)
    key = ("fall of the loss", "held out", "")
    fall = over_seeds(*key, [Figure(*key, one.value - two.value, seeds=one.seeds, kind="value") for one, two in pairs])
    rows = [[name, losses[name], fall if name == "second" else None, len(runs.of(name))] for name in after]
    claim = judged(
        "A second fit that starts from the first one's exported model lowers the held-out loss further.",
        "no paper: this study only shows how studies work", "a fall above 0", fall, above=0.0,
    )  # fmt: skip
    return StudyResults(
        [Table("Held-out loss by fit", ["fit", "loss", "fall", "seeds"], rows, "Means over seeds, Student's t.")],
        [Chart("lines", "Training loss", "steps of a fit", "loss", [_curve(runs, name) for name in after])],
        [claim],
    )


def _loss(run: FinishedRun) -> Figure:
    """The last validation of a fit; nats a target token."""
    loss = run.curve("val/loss")[-1][1]
    return Figure("loss", "held out", run.name, loss, seeds=[run.variables["seed"]], kind="value")


def _curve(runs: FinishedRuns, name: str) -> Series:
    """A fit's training loss, the mean over its seeds with their range."""
    curves = [run.curve("train/loss") for run in runs.of(name)]
    steps = [step for step, _ in curves[0]]
    at = [[loss for _, loss in points] for points in zip(*curves, strict=True)]
    return Series(name, steps, [sum(losses) / len(losses) for losses in at], [*map(min, at)], [*map(max, at)])
