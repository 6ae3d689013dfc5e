"""Instruction rows of any number: preparing them, iterating an epoch of them, and the memory that both take.

    python benchmarks/streaming.py [--megabytes 100] [--rounds 3]

Ours is `InstructionDataModule` on a JSON-lines file, from an empty cache: one pass into a token store, then an epoch
of packed batches. The peer is the `datasets` library on the same file: `load_dataset("json")`, a batched `map` that
renders and tokenises the same spans with the same tokenizer (SmolLM2's) and marks targets, then an epoch in a shuffled
order, the documents as arrays; it packs nothing. Both prepare on one thread, in turns, each in a process of its own,
whose peak is shown with the pages of mapped files that were in memory then.
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
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.update(
    OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
)  # fmt: skip
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fresh_process import measured

ROW_TOKENS, ROWS = 8192, 2


def write(path: Path, n_bytes: int) -> int:
    """A file of so many bytes; returns the number of rows, of 2 KB on average and very unequal lengths."""
    draw, n = random.Random(0), 0
    words = Path(__file__).read_text().split()
    with path.open("w") as stream:
        while stream.tell() < n_bytes:
            texts = [
                " ".join(draw.choices(words, k=min(1000, int(draw.expovariate(1 / mean)) + 1))) for mean in (50, 250)
            ]
            stream.write(json.dumps({"prompt": f"{n} {texts[0]}", "completion": texts[1]}) + "\n")
            n += 1
    return n


def chat() -> Any:
    from lit_reason.backbones import Backbone, load_tokenizer
    from lit_reason.chat import Chat

    return Chat(load_tokenizer(Backbone()))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def ours(path: Path) -> dict[str, float]:
    own = chat()
    os.environ["LIT_REASON_CACHE"] = str(path.parent)
    import torch

    from datamodules.instruction import InstructionDataModule
    from lit_reason.batches import Loading

    torch.set_num_threads(1)
    data = InstructionDataModule(str(path), validation_share=0, loading=Loading(ROW_TOKENS, ROWS))
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        lightning_module=SimpleNamespace(chat=own),
        accumulate_grad_batches=1,
        world_size=1,
        global_rank=0,
        current_epoch=0,
    )
    _, preparing = timed(data.prepare_data)
    data.setup("fit")
    n_tokens, iterating = timed(lambda: sum(batch["n_tokens"] for batch in data.train_dataloader()))
    return {"tokens": n_tokens, "prepare": preparing, "iterate": iterating}


def theirs(path: Path) -> dict[str, float]:
    import datasets
    import numpy as np

    own = chat()

    def tokenise(rows: dict[str, list[str]]) -> dict[str, list[Any]]:
        spans = [
            own.spans("", [{"role": "user", "content": a}, {"role": "assistant", "content": b}])
            for a, b in zip(rows["prompt"], rows["completion"], strict=True)
        ]
        flat = iter(own.tokenizer([s.text for row in spans for s in row], add_special_tokens=False)["input_ids"])
        parts = [[(next(flat), span.is_target) for span in row] for row in spans]
        ids = [[token for tokens, _ in row for token in tokens] for row in parts]
        return {"input_ids": ids, "is_target": [[t for tokens, t in row for _ in tokens] for row in parts]}

    def prepare() -> Any:
        cache = path.parent / "datasets"
        raw = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))
        return raw.map(tokenise, batched=True, remove_columns=raw.column_names)

    def iterate() -> int:
        shuffled = data.shuffle(seed=0).with_format("numpy")
        return sum(len(np.asarray(row["input_ids"])) for row in shuffled)

    data, preparing = timed(prepare)
    n_tokens, iterating = timed(iterate)
    return {"tokens": n_tokens, "prepare": preparing, "iterate": iterating}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    chat()  # the embedded model is converted before anything is measured
    ratios: dict[str, list[float]] = {"prepare": [], "iterate": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            n = write(path, arguments.megabytes * 10**6)
            found = {}
            for name, work in (("lit-reason", ours), ("datasets", theirs)):
                found[name], _, peak = measured(work, path)
                print(_line(name, n, found[name], peak), flush=True)
            assert found["lit-reason"]["tokens"] == found["datasets"]["tokens"]
            for what, values in ratios.items():
                values.append(found["datasets"][what] / found["lit-reason"][what])
    for what, values in ratios.items():
        print(f"ratio, {what}: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def _line(name: str, n: int, found: dict[str, float], peak: float) -> str:
    parts = [
        f"{what} {n / found[what]:,.0f} documents/s, {found['tokens'] / found[what]:,.0f} tokens/s"
        for what in ("prepare", "iterate")
    ]
    return f"{name:11} {found['tokens']:,} tokens; {'; '.join(parts)}; peak {peak:,.0f} MB"


if __name__ == "__main__":
    main()
