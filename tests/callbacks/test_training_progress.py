"""The training progress callback under a real Trainer, in a log file and on a real (pseudo) terminal."""

import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from callbacks.progress import Progress, metrics_text, planned_steps

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_model_summary": False,
}  # fmt: skip


class Line(LightningModule):
    """Fits one weight; logs a loss for the bar, one metric that is not for it, and counts reads of its values."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        loss = ((self.weight - batch) ** 2).mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        self.log("speed/target_tokens_per_s", 1234.5, batch_size=len(batch))
        self.log("train/other", 3.0, batch_size=len(batch))
        return loss

    def validation_step(self, batch: torch.Tensor) -> None:
        self.log("val/loss", batch.mean(), batch_size=len(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(batches: int) -> DataLoader[Any]:
    return DataLoader(torch.ones(batches * 2), batch_size=2)


def fit(tmp_path: Path, **options: Any) -> Trainer:
    trainer = Trainer(default_root_dir=tmp_path, num_sanity_val_steps=0, log_every_n_steps=1, **QUIET, **options)
    trainer.fit(Line(), loader(6), loader(2))
    return trainer


def test_a_log_gets_lines_with_step_loss_and_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lit_reason.progress.QUIET_SECONDS", 0)
    fit(tmp_path, callbacks=[Progress(every_seconds=1e-9)], max_epochs=2)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("train: ")]
    assert re.fullmatch(
        r"train: 1/12 steps \(8 %\), [\d,.]+ steps/s, \d+ s left, loss 1, 1,234 target tokens/s", lines[0]
    )
    assert [line.split()[1] for line in lines] == [f"{step}/12" for step in [*range(1, 13), 12]]
    assert "taken" in lines[-1] and "other" not in lines[-1]


def test_it_replaces_lightnings_own_bar(tmp_path: Path) -> None:
    trainer = fit(tmp_path, callbacks=[Progress()], max_steps=1)
    assert isinstance(trainer.progress_bar_callback, Progress)


def test_metrics_are_not_read_on_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    original = Trainer.progress_bar_metrics
    counting = property(lambda self: read.append(1) or original.__get__(self))
    monkeypatch.setattr(Trainer, "progress_bar_metrics", counting)
    fit(tmp_path, callbacks=[Progress(every_seconds=3600)], max_epochs=3)
    assert len(read) == 1, "once, for the last line"


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"max_steps": 4}, 4),
        ({"max_epochs": 2}, 12),
        ({"max_epochs": 2, "accumulate_grad_batches": 4}, 4),
        ({"max_epochs": 2, "max_steps": 100, "limit_train_batches": 3}, 6),
    ],
)
def test_planned_steps_is_where_training_ends(tmp_path: Path, options: dict[str, Any], steps: int) -> None:
    trainer = fit(tmp_path, callbacks=[Progress()], **options)
    assert planned_steps(trainer) == trainer.global_step == steps


def test_metrics_text() -> None:
    assert metrics_text({"train/loss": 0.51234, "speed/target_tokens_per_s": 12_345.6, "lr": 2e-05}) == (
        "loss 0.5123, 12,346 target tokens/s, lr 2e-05"
    )


def test_a_real_terminal_gets_bars_for_training_and_validation(tmp_path: Path) -> None:
    program = tmp_path / "run.py"
    program.write_text(
        textwrap.dedent(
            """
            import sys, time
            sys.path[:0] = {paths!r}
            from lightning.pytorch import Callback, Trainer
            from test_training_progress import QUIET, Line, loader
            from callbacks.progress import Progress
            from lit_reason.progress import track

            class Sampling(Callback):
                def on_validation_epoch_end(self, trainer, pl_module):
                    for _ in track(range(3), "sample", unit="prompts"):
                        time.sleep(0.4)

            trainer = Trainer(callbacks=[Progress(), Sampling()], max_steps=3, num_sanity_val_steps=0, **QUIET)
            trainer.fit(Line(), loader(3), loader(2))
            print("the end")
            """
        ).format(paths=[str(Path(__file__).parents[2]), str(Path(__file__).parent)])
    )
    screen = run_on_a_terminal([sys.executable, str(program)], cwd=tmp_path)
    assert "train" in screen and "sample" in screen and "━" in screen
    assert "sample: 3/3 prompts (100 %)" in screen
    assert screen.rstrip().endswith("the end")
    assert "Traceback" not in screen


def run_on_a_terminal(command: list[str], cwd: Path) -> str:
    """What a person would have seen, escape codes removed."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=env)
    os.close(slave)
    output = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux reports the end of a terminal as an input/output error
            break
        if not piece:
            break
        output += piece
    os.close(master)
    assert process.wait(timeout=60) == 0, output.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode())
