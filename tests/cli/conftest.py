"""Runs of the toy module through `main`, in this process or in a fork that may be killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

TOY = [
    "--model=tests.cli.toy.Toy", "--data=tests.cli.toy.ToyData", "--trainer.accelerator=cpu", "--trainer.max_epochs=3",
    "--trainer.log_every_n_steps=1", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false",
    "--run.name=toy",
]  # fmt: skip

Command = Callable[..., int]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`toy("fit", "--key=value", ...)` in an empty working directory; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def command(name: str, *arguments: str) -> int:
        from lit_reason.cli import main

        return main([name, *TOY, *arguments])

    return command


@pytest.fixture
def forked(toy: Command) -> Command:
    """The same in a child process: the exit code, or minus the signal that ended it."""

    def command(name: str, *arguments: str) -> int:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = toy(name, *arguments)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return command


def runs(name: str = "toy") -> list[Path]:
    """The run directories of a name, oldest first."""
    return sorted(Path("runs", name).iterdir())
