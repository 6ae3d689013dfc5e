"""Rows from disk train as rows in memory do, resume only where they were, and take no memory but for their number."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]
PLAIN, STORE = "tests.datamodules.in_memory.InMemoryRows", "InstructionDataModule"


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    draw = random.Random(0)
    rows = [{"prompt": "p" * draw.randint(1, 9), "completion": "x" * draw.randint(2, 50)} for _ in range(36)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "no answer"}]))
    return path


def command(root: Path, name: str, data: str, *more: str) -> list[str]:
    return [
        "fit", "--model=CausalLanguageModel", "--model.backbone={name: llama-tiny, tokenizer: bytes, dtype: float32}",
        "--model.lora=null", "--model.optimizer={name: sgd, lr: 0.3}", f"--data={data}", "--data.loading.row_tokens=64",
        "--data.loading.rows=2",
        "--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1",
        "--trainer.accumulate_grad_batches=2", f"--run.root={root}", f"--run.name={name}", "--run.id=x", *more,
    ]  # fmt: skip


def run(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def outcome(run: Path) -> tuple[dict[str, bytes], str]:
    weights = load_file(run / "model" / "model.safetensors")
    return {name: w.numpy().tobytes() for name, w in weights.items()}, (run / "metrics.csv").read_text()


@pytest.mark.parametrize("workers", [0, 2])
def test_training_equals_that_on_rows_in_memory(workers: int, rows_file: Path, tmp_path: Path) -> None:
    shared = (f"--data.path={rows_file}", f"--data.loading.num_workers={workers}")
    assert main(command(tmp_path, "plain", PLAIN, *shared)) == 0
    assert main(command(tmp_path, "store", STORE, *shared)) == 0
    weights, metrics = outcome(tmp_path / "store" / "x")
    assert (weights, metrics) == outcome(tmp_path / "plain" / "x")
    assert metrics.count("\n") > 8


@pytest.mark.slow
def test_two_processes_with_workers_train_as_on_rows_in_memory(rows_file: Path, tmp_path: Path) -> None:
    overlay = ("--config", str(ROOT / "configs/trainer/cpu_2proc.yaml"), "--data.loading.num_workers=1")
    for name, data in (("plain", PLAIN), ("store", STORE)):
        given = command(tmp_path, name, data, f"--data.path={rows_file}", *overlay)
        done = run(given, tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    assert outcome(tmp_path / "store" / "x") == outcome(tmp_path / "plain" / "x")


def test_other_rows_do_not_take_the_place_of_those_half_read(rows_file: Path, tmp_path: Path) -> None:
    given = [STORE, f"--data.path={rows_file}", "--trainer.callbacks+=Checkpoints"]
    kill = ("--trainer.callbacks.every_n_steps=1", "--trainer.callbacks+=tests.invariants.killer.KillAt")
    killed = run(command(tmp_path, "a", *given, *kill, "--trainer.callbacks.step=3"), tmp_path)
    assert killed.returncode == -9, killed.stderr[-2000:]
    os.utime(rows_file, (1, 1))  # the same rows, written again
    more = command(tmp_path, "a", *given, *kill, "--trainer.callbacks.step=4", "--ckpt_path=last")
    assert run(more, tmp_path).returncode == -9
    text = rows_file.read_text()
    rows_file.write_text(text.replace("x", "y"))
    refused = run(command(tmp_path, "a", *given, "--ckpt_path=last"), tmp_path)
    assert refused.returncode == 2
    assert "the rows are not those that the checkpoint's run was reading" in refused.stderr
    assert "Traceback" not in refused.stderr
    rows_file.write_text(text)
    done = run(command(tmp_path, "a", *given, "--ckpt_path=last"), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert main(command(tmp_path, "b", *given)) == 0
    assert outcome(tmp_path / "a" / "x") == outcome(tmp_path / "b" / "x")


def written(path: Path, n_bytes: int) -> Path:
    """So many bytes of rows of about 4,000 each, the last of them cut short."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=15)) for _ in range(5000)]

    def rows() -> Iterator[str]:
        while True:
            row = {"prompt": " ".join(draw.choices(words, k=50)), "completion": " ".join(draw.choices(words, k=200))}
            yield json.dumps(row) + "\n"

    with path.open("w") as stream:
        for row in rows():
            if stream.tell() + len(row) > n_bytes:
                stream.write(row[:100])
                return path
            stream.write(row)
    raise AssertionError


def memory(path: Path, cache: Path) -> dict[str, int]:
    """What `stream_memory.py` says of a file."""
    environment = {**os.environ, "LIT_REASON_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    script = str(ROOT / "tests" / "datamodules" / "stream_memory.py")
    done = subprocess.run([sys.executable, script, str(path)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def compare(large: int, small: int, tmp_path: Path) -> None:
    found = {}
    for size in (small, large):
        path = written(tmp_path / f"{size}.jsonl", size)
        found[size] = memory(path, tmp_path / "cache")
        path.unlink()  # pytest keeps what tests leave
    shutil.rmtree(tmp_path / "cache")
    print(found)
    n = found[large]["documents"]
    assert n * 4100 == pytest.approx(large, rel=0.05)
    # Sizes and the plan: under a hundred bytes a document of whatever length; in memory each would take 2,300.
    assert found[large]["peak"] - found[small]["peak"] < (4 << 20) + 100 * n


def test_a_larger_file_takes_no_more_memory(tmp_path: Path) -> None:
    compare(30_000_000, 10_000_000, tmp_path)


@pytest.mark.slow
def test_two_gigabytes_take_no_more_memory_than_twenty_megabytes(tmp_path: Path) -> None:
    compare(2_000_000_000, 20_000_000, tmp_path)
