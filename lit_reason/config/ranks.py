"""A rank that dies ends the whole run, with one line that says which it was and how to go on.

On one machine rank 0 starts the others. Lightning kills all of them when one dies, without a word, and the others live
on when rank 0 dies. Here rank 0 watches its children and they watch it; who finds a death ends what is left and has the
last word. Ranks that srun or torchrun started are ended by these; they only say in one line that they lost another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from lit_reason.errors import PlainError

LAUNCHER_VARIABLE = "LIT_REASON_LAUNCHER"
"""The process id of the rank 0 that started this rank."""

PERIOD = 0.5
GRACE = 10.0
"""Seconds that a rank has, after another one's death, to end by an error or a request of its own."""

SHYNESS = 3.0
"""Seconds that a rank waits before it says its error: most errors are those of all ranks."""

_LOST = (
    "gloo/transport",
    "Connection closed by peer",
    "Connection reset by peer",
    "Application timeout caused pair closure",
    "Timed out waiting",
)
"""gloo's words for it, which come in a plain RuntimeError; other errors of collectives have a class."""


class LostRank(PlainError, RuntimeError):
    """Another rank has ended or does not answer."""

    exit_code = 1


@contextmanager
def watched(trainer: Trainer, how_to_resume: Callable[[], str]) -> Iterator[None]:
    """Run what the trainer does on all its ranks; a death on this machine ends this process within seconds.

    Args:
        trainer: its launcher is replaced by one that watches.
        how_to_resume: the sentence that ends the last line, asked for when it is needed.

    Raises:
        LostRank: in place of the error that a collective raises when another rank is gone.
    """
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        launcher = trainer.strategy._launcher = _WatchingLauncher(launcher, how_to_resume)
    watch = launcher.watch if isinstance(launcher, _WatchingLauncher) else _Watch(how_to_resume)
    if watch.parent and not watch.is_alive():
        watch.start()
    try:
        yield
    except Exception as error:
        if not is_loss(error):
            watch.fail()
            raise
        watch.lose()
        raise LostRank(
            f"rank {trainer.global_rank} (process {os.getpid()}) lost the connection to another rank, which has ended "
            f"or does not answer ({_first_line(error)}); the run ends. {how_to_resume()}".rstrip()
        ) from None
    finally:
        watch.leave()


def is_loss(error: BaseException) -> bool:
    """Whether a collective failed because of another rank: its end, or its silence for the strategy's `timeout`."""
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _LOST)
    )


class _WatchingLauncher(_SubprocessScriptLauncher):
    """Lightning's launcher, which tells the children whose they are, and watches them."""

    def __init__(self, launcher: _SubprocessScriptLauncher, how_to_resume: Callable[[], str]) -> None:
        super().__init__(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
        self.watch = _Watch(how_to_resume)

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Start the other ranks of this node once, then call the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            os.environ[LAUNCHER_VARIABLE] = str(os.getpid())
            self._call_children_scripts()
            first = self.cluster_environment.node_rank() * self.num_processes
            self.watch.children = {first + i: child for i, child in enumerate(self.procs, 1)}
            self.watch.start()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            if not is_loss(error):
                self.watch.leave()  # at once: what Lightning tidies up on the way out may take long
            raise


class _Watch(threading.Thread):
    """Looks for a death among the children, or for that of the parent, as long as the main thread does not leave."""

    def __init__(self, how_to_resume: Callable[[], str]) -> None:
        super().__init__(daemon=True, name="rank-watch")
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self.parent = 0 if os.environ.get("LOCAL_RANK", "0") == "0" else int(os.environ.get(LAUNCHER_VARIABLE, "0"))
        self._how_to_resume = how_to_resume
        self._left = False
        self._heard = threading.Event()

    def run(self) -> None:
        """The thread: end this process when another rank is dead and the main thread has nothing better to say."""
        while (death := self._death()) is None:
            time.sleep(PERIOD)
            if self._left:
                return
        self._heard.wait(GRACE)
        if self._left:
            return
        self.end_children()
        if not self.parent or os.environ["LOCAL_RANK"] == "1":
            on_terminal = sys.stderr.isatty()  # where a bar may stand in the line
            line = f"{death}; the run ends. {self._how_to_resume()}".rstrip()
            os.write(sys.stderr.fileno(), f"{chr(10) * on_terminal}{line}\n".encode("utf-8", "backslashreplace"))
        os._exit(LostRank.exit_code)

    def leave(self) -> None:
        """The main thread is through, or fails by an error of its own, which it says itself."""
        self._left = True
        self._heard.set()

    def fail(self) -> None:
        """The main thread fails by an error of its own, which it says next. Of several ranks with one error, rank 0 is
        to say it: it ends the others."""
        if self.parent:
            time.sleep(SHYNESS)
        self.leave()
        self.end_children()

    def lose(self) -> None:
        """The main thread failed because of another rank: leave the last word to this thread, if there is one."""
        self._heard.set()
        if self.is_alive():
            self.join(GRACE)
        self.end_children()

    def end_children(self) -> None:
        """Gone when this returns; one that hangs in a collective heeds no other signal."""
        for child in self.children.values():
            child.kill()
        for child in self.children.values():
            child.wait()

    def _death(self) -> str | None:
        if self.parent:
            return f"rank 0 (process {self.parent}) was killed" if os.getppid() != self.parent else None
        dead = next(((rank, child) for rank, child in self.children.items() if child.poll()), None)
        if dead is None:
            return None
        rank, child = dead
        if child.returncode > 0:
            return f"rank {rank} (process {child.pid}) failed (exit code {child.returncode}; its error is above)"
        return f"rank {rank} (process {child.pid}) was killed by signal {-child.returncode}{_name(-child.returncode)}"


def _name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
