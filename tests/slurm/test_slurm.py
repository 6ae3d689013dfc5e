"""A two-node job is signalled, requeued, resumed in its own run directory, and ends as an uninterrupted one does."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.slurm.cluster import PROGRAMS, Cluster

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("slurmctld") is None, reason="no SLURM here: apt-get install slurm-wlm munge, as root"
    ),
]  # where slurmctld is installed, a cluster that does not start is a failure


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assert all(map(shutil.which, PROGRAMS)) and os.geteuid() == 0
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [{"prompt": f"{i}", "completion": "".join(draw.choices("abc ", k=draw.randint(2, 40)))} for i in range(64)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def submit(cluster: Cluster, folder: Path, rows_file: Path) -> str:
    """The job's number."""
    cluster.environment |= {"LIT_REASON_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    said = cluster.run(
        "sbatch", "--parsable", f"--chdir={ROOT}", f"--output={folder}/job.log", str(ROOT / "configs/slurm/fit.sbatch"),
        "--config", "configs/trainer/ddp.yaml", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny",
        "--model.backbone.tokenizer=bytes", "--model.backbone.dtype=float32", "--data=InstructionDataModule",
        f"--data.path={rows_file}", "--data.loading.row_tokens=64", "--data.loading.rows=2",
        "--data.loading.pack=false", "--trainer.accelerator=cpu", "--trainer.max_steps=600",
        "--trainer.log_every_n_steps=1", f"--run.root={folder}/runs", "--run.name=slurm",
    )  # fmt: skip
    return said.strip()


def run_of(folder: Path) -> Path:
    """The one run directory of a job."""
    (run,) = (folder / "runs" / "slurm").iterdir()
    return run


def steps(folder: Path) -> int:
    """Rows of metrics.csv so far."""
    files = list(folder.glob("runs/slurm/*/metrics.csv"))
    return len(files[0].read_text().splitlines()) - 1 if files else 0


def finish(cluster: Cluster, job: str) -> None:
    cluster.wait(lambda: cluster.job(job)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"), 300)


def test_a_signalled_job_ends_as_an_uninterrupted_one(cluster, rows_file, tmp_path):
    whole, asked = tmp_path / "whole", tmp_path / "asked"
    for folder in (whole, asked):
        folder.mkdir()
    job = submit(cluster, whole, rows_file)
    finish(cluster, job)
    assert cluster.job(job)["JobState"] == "COMPLETED", (whole / "job.log").read_text()[-3000:]

    job = submit(cluster, asked, rows_file)
    cluster.wait(lambda: steps(asked) > 20, 120)
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    cluster.wait(lambda: int(cluster.job(job).get("Restarts", 0)) >= 1, 60)
    finish(cluster, job)
    log = (asked / "job.log").read_text()
    assert cluster.job(job)["JobState"] == "COMPLETED", log[-3000:]
    assert "from checkpoint: " in log and "train: " in log
    first, second = (load_file(next((run_of(f) / "model").glob("*.safetensors"))) for f in (whole, asked))
    assert all(torch.equal(first[name], second[name]) for name in first)
