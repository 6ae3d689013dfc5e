"""A job on two nodes is signalled, loses its nodes or a process, goes on in its own run directory, and ends as one that
nothing disturbs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lit_reason.run_directory import newest_checkpoint, step_of
from tests.slurm.cluster import REAL, ROOT, Cluster

pytestmark = REAL


def submit(cluster: Cluster, folder: Path, rows_file: Path) -> str:
    """The job's number. Its log and its runs are in the folder, which is made."""
    folder.mkdir()
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
    """Optimizer steps recorded so far."""
    files = list(folder.glob("runs/slurm/*/metrics.csv"))
    rows = files[0].read_text().splitlines()[1:] if files else []
    return int(rows[-1].partition(",")[0]) + 1 if rows else 0


def finish(cluster: Cluster, job: str, folder: Path, state: str = "COMPLETED") -> str:
    """Wait for the end, which must be in that state; what the job said, which is lines and no bar."""
    cluster.wait(lambda: cluster.job(job)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"), 300)
    log = (folder / "job.log").read_bytes().decode()
    assert cluster.job(job)["JobState"] == state, log[-3000:]
    assert "train: " in log and "\r" not in log and "\x1b" not in log
    return log


def ends_as(folder: Path, whole: Path) -> bool:
    """Whether a job's run has the metrics, byte for byte, and the weights of another one."""
    first, second = (load_file(next((run_of(f) / "model").glob("*.safetensors"))) for f in (folder, whole))
    assert (run_of(folder) / "metrics.csv").read_bytes() == (run_of(whole) / "metrics.csv").read_bytes()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(cluster: Cluster, rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job that nothing disturbs."""
    folder = tmp_path_factory.mktemp("jobs") / "whole"
    finish(cluster, submit(cluster, folder, rows_file), folder)
    return folder


def test_a_signalled_job_ends_as_an_uninterrupted_one(cluster, rows_file, whole, tmp_path):
    folder = tmp_path / "asked"
    job = submit(cluster, folder, rows_file)
    cluster.wait(lambda: steps(folder) > 20, 120)
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    cluster.wait(lambda: int(cluster.job(job).get("Restarts", 0)) >= 1, 60)
    log = finish(cluster, job, folder)
    assert int(cluster.job(job)["Restarts"]) == 1 and "from checkpoint: " in log
    assert ends_as(folder, whole)


def test_a_job_of_a_higher_partition_takes_the_nodes_and_gives_them_back(cluster, rows_file, whole, tmp_path):
    folder = tmp_path / "low"
    job = submit(cluster, folder, rows_file)
    cluster.wait(lambda: steps(folder) > 20, 120)
    high = cluster.run("sbatch", "--parsable", "--partition=high", "--nodes=2", "--output=/dev/null", "--wrap=sleep 15")
    cluster.wait(lambda: cluster.job(high.strip())["JobState"] == "RUNNING", 60)
    assert cluster.job(job)["JobState"] == "PENDING"
    kept = newest_checkpoint(run_of(folder))  # written between the signal and the loss of the nodes
    assert kept is not None and step_of(kept) == steps(folder)
    log = finish(cluster, job, folder)
    assert cluster.job(high.strip())["JobState"] == "COMPLETED"
    assert int(cluster.job(job)["Restarts"]) >= 1 and f"from checkpoint: {kept} (step {step_of(kept)})" in log
    assert ends_as(folder, whole)


def test_a_killed_rank_ends_the_job_and_a_requeue_goes_on(cluster, rows_file, whole, tmp_path):
    folder = tmp_path / "killed"
    job = submit(cluster, folder, rows_file)
    cluster.wait(lambda: steps(folder) > 60, 120)
    os.kill(process_of(job, rank=1), signal.SIGKILL)
    cluster.wait(lambda: cluster.job(job)["JobState"] == "FAILED", 60)
    log = finish(cluster, job, folder, "FAILED")
    assert "task 1: Killed" in log and "Traceback" not in log
    assert log.splitlines()[-1].endswith(f"It goes on from its last checkpoint with: scontrol requeue {job}")
    cluster.wait(lambda: processes_of(job) == [], 10)
    cluster.run("scontrol", "requeue", job)
    cluster.wait(lambda: cluster.job(job)["JobState"] != "FAILED", 30)
    finish(cluster, job, folder)
    assert ends_as(folder, whole)


def process_of(job: str, rank: int) -> int:
    """The process id of one rank of a job."""
    (found,) = [pid for pid, environment in processes_of(job) if f"SLURM_PROCID={rank}" in environment]
    return found


def processes_of(job: str) -> list[tuple[int, list[str]]]:
    """Ids and environments of a job's Python processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((folder / name).read_text().split("\0") for name in ("cmdline", "environ"))
        except OSError:  # it ended meanwhile
            continue
        if "train.py" in command and f"SLURM_JOB_ID={job}" in environment and command[0] == sys.executable:
            found.append((int(folder.name), environment))
    return found
