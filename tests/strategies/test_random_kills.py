"""Two processes, one of them killed at random moments and the run resumed each time, end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.strategies.conftest import FULL
from tests.strategies.modules import LANGUAGE_MODEL, STRATEGIES, command, weights
from tests.strategies.ranks import ROOT

N_STEPS = 120
PATIENCE = 120.0


class Training:
    """One training of two processes, started as often as it takes."""

    def __init__(self, strategy: str, folder: Path, name: str) -> None:
        self.run = folder / name / "only"
        self.checkpoints = self.run / "checkpoints"
        self._log = folder / f"{name}.log"
        self._starts, self._started = 0, 0.0
        self._command = [
            *command(STRATEGIES[strategy], FULL, folder, name), *LANGUAGE_MODEL, "--model.lora.r=4",
            "--model.lora.dropout=0.3", "--model.optimizer.name=adamw", "--trainer.max_epochs=-1",
            f"--trainer.max_steps={N_STEPS}", "--trainer.callbacks+=Checkpoints",
            "--trainer.callbacks.every_n_steps=2", "--ckpt_path=auto",
        ]  # fmt: skip

    def start(self) -> subprocess.Popen[bytes]:
        self._starts, self._started = self._starts + 1, time.time()
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "train.py"), *self._command],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    def finish(self) -> None:
        assert self.start().wait(PATIENCE) == 0, self.said()

    def said(self) -> str:
        return self._log.read_text()[-4000:]

    def is_together(self) -> bool:
        """Whether both processes of the last start have met."""
        return self._log.read_text().count("All distributed processes registered") == self._starts

    def rows(self) -> int:
        """Steps recorded so far, some of which a resumed run cuts off."""
        path = self.run / "metrics.csv"
        return path.read_bytes().count(b"\n") - 1 if path.exists() else 0

    def is_writing(self) -> bool:
        """Whether a checkpoint was begun since the last start that is not in its place."""
        try:
            return any(path.stat().st_mtime > self._started for path in self.checkpoints.glob(".*"))
        except FileNotFoundError:  # it moved to its place meanwhile
            return False

    def kill(self, rank: int, moment: Callable[[], bool]) -> None:
        """`kill -9` of one rank at a moment of the next start; both must be gone soon after."""
        first = self.start()
        end = time.monotonic() + PATIENCE
        while not (self.is_together() and moment()):
            assert first.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.001)
        second = int(Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()[0])
        os.kill([first.pid, second][rank], signal.SIGKILL)
        assert first.wait(60) == (1 if rank else -9), self.said()
        while Path(f"/proc/{second}").exists():
            assert time.monotonic() < end + 60, self.said()
            time.sleep(0.1)


def killed(training: Training, n: int, seed: int) -> int:
    """Kill it n times, then let it finish. How often a kill met the writing of a checkpoint."""
    draw = random.Random(seed)
    met = 0
    for i, row in enumerate(sorted(draw.sample(range(N_STEPS - 30), n))):
        rank, delay = draw.randrange(2), draw.uniform(0, 0.2)
        print(f"seed {seed}: rank {rank} from row {row} on, {'writing' if i % 2 else f'{delay:.2f} s later'}")

        def moment(row: int = row, writes: int = i % 2, delay: float = delay) -> bool:
            if training.rows() < row:
                return False
            if writes:
                return training.is_writing()
            time.sleep(delay)
            return True

        training.kill(rank, moment)
        met += training.is_writing()
    training.finish()
    return met


def same(training: Training, whole: Training) -> bool:
    """metrics.csv byte for byte, so no row twice, and every weight."""
    found, wanted = (weights(one.run / "model") for one in (training, whole))
    equal = all(torch.equal(found[name], wanted[name]) for name in wanted) and found.keys() == wanted.keys()
    return equal and (training.run / "metrics.csv").read_bytes() == (whole.run / "metrics.csv").read_bytes()


@pytest.mark.parametrize("strategy, n", [("ddp", 2), pytest.param("fsdp2", 20, marks=pytest.mark.slow)])
def test_killed_at_random_moments(strategy, n, tmp_path):
    whole = Training(strategy, tmp_path, "whole")
    whole.finish()
    seed = random.SystemRandom().randrange(10**6)
    training = Training(strategy, tmp_path, "killed")
    met = killed(training, n, seed)
    assert same(training, whole), f"seed {seed}"
    assert n < 20 or met > 2, f"seed {seed}: only {met} of {n} kills met the writing of a checkpoint"
    assert len(list(training.checkpoints.iterdir())) == 2  # nothing torn is left
