"""Data prepared by an array job, in parts, is the data prepared at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.slurm.cluster import REAL, ROOT, Cluster

pytestmark = REAL


def contents(cache: Path) -> dict[str, bytes]:
    """Every file of the data in a cache, but for locks and what says which parts there were."""
    files = [path for path in cache.rglob("*") if path.is_file() and not path.name.startswith("shard-")]
    files = [path for path in files if path.suffix != ".lock"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def prepare(cache: Path, arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "train.py", "prepare", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=200, env={**os.environ, "LIT_REASON_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def array(cluster: Cluster, cache: Path, folder: Path, tasks: str, arguments: list[str], **environment: str) -> None:
    """Run the array job to its end."""
    before = dict(cluster.environment)
    cluster.environment |= {"LIT_REASON_CACHE": str(cache), **environment}
    said = cluster.run(
        "sbatch", "--parsable", f"--chdir={ROOT}", f"--array={tasks}", f"--output={folder}/%a.log",
        str(ROOT / "configs/slurm/prepare.sbatch"), *arguments,
    )  # fmt: skip
    job = said.strip()
    cluster.wait(lambda: not cluster.run("squeue", "-h", "-j", job), 300)
    cluster.environment = before


def test_parts_of_an_array_job_are_put_together(cluster, rows_file, tmp_path):
    arguments = [
        "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes",
        "--data=InstructionDataModule", f"--data.path={rows_file}", "--trainer.accelerator=cpu",
    ]  # fmt: skip
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    said = prepare(whole, arguments)
    array(cluster, parts, tmp_path, "0-2", arguments)
    array(cluster, parts, tmp_path, "1", arguments, PARTS="3")  # as one does that failed; once more does no harm
    assert [(tmp_path / f"{i}.log").read_text().count(f"part {i}/3 is ready") for i in range(3)] == [1, 2, 1]
    assert prepare(parts, arguments) == said
    assert contents(parts) == contents(whole) != {}
