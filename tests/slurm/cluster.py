"""A real SLURM of two nodes on this machine: Debian's slurmctld, two slurmd and munge, all state in one folder.

A job of the partition `high` takes the nodes from one of `low`, the default, which gets its signal 20 seconds before.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "scontrol")

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=2
ReturnToService=2
MinJobAge=600
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=27001 CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=27002 CPUs=1 RealMemory=4000
PartitionName=low Nodes=n1,n2 Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""

REAL = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("slurmctld") is None, reason="no SLURM here: apt-get install slurm-wlm munge, as root"
    ),
]
"""Marks of tests that need it. Where slurmctld is installed, a cluster that does not start is a failure."""


class Cluster:
    """Started by `start`, ended by `stop`; `environment` points SLURM's commands at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1",
            "LIT_REASON_PYTHON": sys.executable, "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self._munge: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Ready when both nodes are idle; that takes seconds."""
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "slurm.conf").write_text(CONF.format(host=socket.gethostname(), folder=self.folder))
        Path("/run/munge").mkdir(exist_ok=True)
        shutil.chown("/run/munge", "munge", "munge")
        if not Path("/run/munge/munge.socket.2").is_socket():
            munged = ["runuser", "-u", "munge", "--", "munged", "--force", "--foreground"]
            self._munge = subprocess.Popen(munged, stderr=subprocess.DEVNULL)  # it reports every peer's credential
            time.sleep(1)
        for command in (["slurmctld"], ["slurmd", "-N", "n1"], ["slurmd", "-N", "n2"]):
            subprocess.run(command, env=self.environment, check=True, timeout=60)
        self.wait(lambda: self.run("sinfo", "-h", "-o", "%T").split() == ["idle"], 60)

    def run(self, *command: str) -> str:
        """What a command of SLURM's says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """What `scontrol show job` knows."""
        words = self.run("scontrol", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, condition: object, seconds: float) -> None:
        """Until the condition holds.

        Raises:
            TimeoutError: it did not in time.
        """
        end = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds} s: {self.run('squeue')}\n{self.run('sinfo')}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End what was started, by the process ids of the pid files."""
        for file in self.folder.glob("*.pid"):
            os.kill(int(file.read_text()), signal.SIGTERM)
        if self._munge is not None:
            self._munge.terminate()
