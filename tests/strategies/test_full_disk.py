"""A disk that fills up while a checkpoint is written: a real one, of memory. What was there before stays, and the run
goes on from it once there is room."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lit_reason import disk
from lit_reason.cli import main
from lit_reason.metrics_csv import MetricsCSV
from lit_reason.run_directory import newest_checkpoint
from tests.strategies.conftest import FULL
from tests.strategies.modules import LANGUAGE_MODEL, STRATEGIES, command, weights
from tests.strategies.test_failure import started

ADAM = [
    *LANGUAGE_MODEL, "--model.lora=null", "--model.optimizer.name=adamw", "--trainer.callbacks+=Checkpoints",
    "--trainer.callbacks.every_n_steps=1", "--trainer.max_epochs=2", "--model.schedule.name=constant",
]  # fmt: skip
FIRST = ("--trainer.max_steps=2",)
NEXT = ("--trainer.max_steps=5", "--ckpt_path=last")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB, gone afterwards."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all room but `leave` bytes."""
    filler = folder / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(folder).free - leave))
    return filler


def same(run: Path, whole: Path) -> bool:
    found, wanted = (weights(folder / "model") for folder in (run, whole))
    assert (run / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


def meets_a_full_disk(fit, folder: Path, run: Path) -> None:
    """Two steps; then there is room for half a checkpoint; then there is room again."""
    assert fit(*FIRST)[0] == 0
    kept = run / "checkpoints" / "step=000002.ckpt"
    filler = fill(folder, leave=disk.size(kept) // 2)
    code, said = fit(*NEXT)
    assert code == 1 and "Traceback" not in said, said[-3000:]
    (line,) = [line for line in said.splitlines() if "could not be written" in line]
    wanted = rf"the checkpoint {re.escape(str(run))}/checkpoints/step=000003\.ckpt could not be written: .+ \((.+) MB "
    found = re.match(rf"{wanted}needed, as for the one before, (.+) MB free\)\. With more room, go on with", line)
    assert found and float(found[1]) > float(found[2]) > 0, line
    assert line.endswith(f"--ckpt_path=last ({kept}, step 2)")
    assert newest_checkpoint(run) == kept
    filler.unlink()
    code, said = fit(*NEXT)
    assert code == 0, said[-3000:]
    assert {path.name for path in kept.parent.iterdir()} == {"step=000004.ckpt", "step=000005.ckpt"}  # nothing torn


def test_one_process(small_disk, capfd):
    def run_in(folder: Path, *more: str) -> tuple[int, str]:
        code = main([*command("cpu", FULL, folder, "full", processes=1), *ADAM, *more])
        return code, capfd.readouterr().err

    meets_a_full_disk(lambda *more: run_in(small_disk, *more), small_disk, small_disk / "full" / "only")
    assert run_in(small_disk.parent, "--trainer.max_steps=5")[0] == 0
    assert same(small_disk / "full" / "only", small_disk.parent / "full" / "only")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["fsdp2", "zero2"])
def test_sharded(strategy, small_disk):
    def run_in(folder: Path, *more: str) -> tuple[int, str]:
        done = started([*command(STRATEGIES[strategy], FULL, folder, "full"), *ADAM, *more])
        return done.returncode, done.stderr

    meets_a_full_disk(lambda *more: run_in(small_disk, *more), small_disk, small_disk / "full" / "only")
    assert run_in(small_disk.parent, "--trainer.max_steps=5")[0] == 0
    assert same(small_disk / "full" / "only", small_disk.parent / "full" / "only")


def test_no_room_for_a_row_of_metrics(small_disk):
    """The file that meets the full disk is named, and its whole rows are there once there is room."""
    logger = MetricsCSV(str(small_disk), "metrics")
    logger.log_metrics({"train/loss": 0.5}, 0)
    filler = fill(small_disk, leave=0)
    with pytest.raises(OSError) as raised:
        for step in range(1, 1000):
            logger.log_metrics({"train/loss": 0.5}, step)
    assert disk.no_room(raised.value) == "No space left on device"
    assert raised.value.filename == str(small_disk / "metrics.csv")
    filler.unlink()
    again = MetricsCSV(str(small_disk), "metrics")
    again.cut_from(step)
    again.log_metrics({"train/loss": 0.5}, step)
    rows = [f"{i},0.5" for i in range(step + 1)]
    assert (small_disk / "metrics.csv").read_text().splitlines() == ["step,train/loss", *rows]
