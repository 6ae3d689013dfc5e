"""Progress that is readable in both places it is read: one live bar a job on a terminal, a plain line now and then in
a log.

All jobs of a process share one display, so a `track` inside a training run adds its line below the training bar
instead of fighting with it. The display has no refresh thread: it is drawn from `update`, in the thread that works,
so a forked data worker never inherits a lock that a thread held. A job that ends leaves one plain line behind, on a
terminal too.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Item = TypeVar("Item")

LINE_SECONDS = 10.0
"""How often a job off a terminal prints a line."""

DRAW_SECONDS = 0.25
"""How often a bar on a terminal is drawn again; slow enough that reading metrics for it costs nothing."""

QUIET_SECONDS = 1.0
"""A job shorter than this leaves no line behind: a log of many short validations stays readable."""


def track(iterable: Iterable[Item], description: str, total: int | None = None, unit: str = "") -> Iterator[Item]:
    """Yield the items of `iterable` and show how far it is.

    `total` is taken from `len(iterable)` where it has one; without it the line shows count and rate, no percentage.
    `unit` names the items ("functions", "samples").
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Job(description, total, unit) as job:
        for item in iterable:
            yield item
            job.update(job.done + 1)


class Job:
    """One piece of work that counts up, as a context manager: `update(done)` as often as you like, it draws when due.

    Args:
        description: what is being done, a word or two.
        total: how many units there are, None when nobody knows.
        unit: the name of a unit, plural.
        done: where the work starts when it continues earlier work; the rate counts only what is done from here.
        every_seconds: how often a line is printed off a terminal.
        clock: seconds that only go up; tests pass their own.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        unit: str = "",
        done: int = 0,
        every_seconds: float = LINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, done
        self._clock, self._first, self._began = clock, done, clock()
        self._drawn = self._began
        self._paused_at: float | None = None
        self._note = ""
        self._silent = not _is_first_rank()
        self._bar = _Bar.open(self) if _console().is_terminal and not self._silent else None
        self._interval = DRAW_SECONDS if self._bar else every_seconds

    def update(self, done: int, note: Callable[[], str] | None = None) -> None:
        """Say that `done` units are done. `note()` gives more words; it is called only when a line is due and at the
        end, whose line `close` prints.
        """
        self.done = done
        now = self._clock()
        due = now - self._drawn >= self._interval
        if self._silent or not (due or done == self.total):
            return
        if note is not None:
            self._note = note()
        self._drawn = now
        if self._bar:
            self._bar.draw(self)
        elif due:
            _say(self.line())

    def pause(self) -> None:
        """Stop the clock of the rate, while other work runs inside this job."""
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> None:
        """Start the clock again after `pause`."""
        if self._paused_at is not None:
            self._began += self._clock() - self._paused_at
            self._paused_at = None

    def close(self) -> None:
        """End the job: the bar goes away, and a last line stays unless the job was very short. May be called twice."""
        self.resume()
        if self._bar:
            self._bar.close()
            self._bar = None
        if not self._silent and self._elapsed() >= QUIET_SECONDS:
            _say(self.line(ended=True))
        self._silent = True

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def line(self, ended: bool = False) -> str:
        """Everything there is to say, in one line: done of total, rate, time left (or taken, once `ended`), note."""
        rest = f"{duration(self._elapsed())} taken" if ended else self._time_left()
        counted = self._counted() + (f" ({100 * self.done // self.total} %)" if self.total else "")
        return f"{self.description}: {_joined(counted, self._rate_text(), rest, self._note)}"

    def _elapsed(self) -> float:
        return (self._clock() if self._paused_at is None else self._paused_at) - self._began

    def _rate(self) -> float:
        elapsed = self._elapsed()
        return (self.done - self._first) / elapsed if elapsed > 0 else 0.0

    def _counted(self) -> str:
        count = f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"
        return f"{count} {self.unit}".rstrip()

    def _rate_text(self) -> str:
        rate = self._rate()
        if rate <= 0:
            return ""
        if rate < 1:
            return f"{1 / rate:.3g} s each"
        number = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        return f"{number} {self.unit}".rstrip() + "/s"

    def _time_left(self) -> str:
        rate = self._rate()
        if self.total is None or rate <= 0 or self.done > self.total:
            return ""
        return f"{duration((self.total - self.done) / rate)} left"


class _Bar:
    """One task of the display that all jobs share; it appears with the first job and goes with the last."""

    _display: Progress | None = None

    def __init__(self, display: Progress, task: TaskID) -> None:
        self._on, self._task = display, task

    @classmethod
    def open(cls, job: Job) -> _Bar:
        if cls._display is None:
            cls._display = _new_display()
            with _logs_follow():
                cls._display.start()
        task = cls._display.add_task(job.description, total=job.total, completed=job.done, text=job._counted())
        cls._display.refresh()
        return cls(cls._display, task)

    def draw(self, job: Job) -> None:
        text = _joined(job._counted(), job._rate_text(), job._time_left(), job._note)
        self._on.update(self._task, completed=job.done, text=text, refresh=True)

    def close(self) -> None:
        self._on.remove_task(self._task)
        self._on.refresh()
        if not self._on.tasks:
            with _logs_follow():
                self._on.stop()
            _Bar._display = None


def _new_display() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    name, text = TextColumn("{task.description:<8}"), TextColumn("{task.fields[text]}", markup=False)
    return Progress(name, BarColumn(bar_width=24), text, console=_console(), auto_refresh=False, transient=True)


@contextmanager
def _logs_follow() -> Iterator[None]:
    """Let log handlers follow stdout and stderr, which a display replaces while it lives.

    A handler keeps the stream it was made with, and one that writes past the display tears it.
    """
    before = sys.stdout, sys.stderr
    yield
    moved = dict(zip(before, (sys.stdout, sys.stderr), strict=True))
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):  # a name that only has children is no logger
            if isinstance(handler, logging.StreamHandler) and handler.stream in moved:
                handler.setStream(moved[handler.stream])


def _console() -> Console:
    # The process-wide console, the one that Lightning's own bars use: rich stacks live displays of one console.
    from rich import get_console

    return get_console()


def _say(line: str) -> None:
    _console().print(line, markup=False, highlight=False, soft_wrap=True)


def _is_first_rank() -> bool:
    # Lightning keeps the process's rank here, whichever launcher started it; without Lightning there is one process.
    from lightning_utilities.core.rank_zero import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """`12 s`, `3:05`, `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
