"""What a study says while it runs: a live line on a terminal, the run's own lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lit_reason.progress import duration

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """Counts steps and estimates what is left from how long runs of the same name took.

    Args:
        steps: labels of all steps, in order.
        known: seconds by label of the steps that need not run, and by run name of earlier ones.
    """

    def __init__(self, steps: list[str], todo: list[str], known: Mapping[str, float]) -> None:
        from rich import get_console

        self._console = get_console()
        self._steps, self._todo = steps, list(todo)
        self._taken: dict[str, list[float]] = {name: [seconds] for name, seconds in known.items()}
        self._status: Status | None = None
        self._tail = self._running = ""

    def say(self, text: str) -> None:
        """A line of the study itself."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        sys.stdout.flush()

    def skip(self, label: str, why: str) -> None:
        """A step that does not run."""
        if label in self._todo:
            self._todo.remove(label)
        self.say(f"{self._place(label)}: {why}")

    def start(self, label: str, command: str) -> None:
        """A step begins."""
        self.say(f"{self._place(label)}: {command}")
        self._tail, self._running = "", self._place(label)
        if self._console.is_terminal:
            self._status = self._console.status(f"{self._place(label)} · {self.left()}")
            self._status.start()

    def output(self, data: bytes) -> None:
        """What the running step has written since the last call."""
        if not data:
            return
        *lines, self._tail = (self._tail + data.decode("utf-8", "replace")).replace("\r", "\n").split("\n")
        lines = [line.rstrip() for line in lines if line.strip()]
        if self._status is not None:
            if lines:
                from rich.text import Text

                self._status.update(Text(f"{self._running} · {lines[-1][:200]} · {self.left()}"))
            return
        for line in lines:
            self.say(f"  | {line}")

    def end(self, label: str, code: int, seconds: float) -> None:
        """A step has ended."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if label in self._todo:
            self._todo.remove(label)
        self._taken.setdefault(_run_name(label), []).append(seconds)
        words = f"done in {duration(seconds)}" if code == 0 else f"failed (exit code {code}) after {duration(seconds)}"
        self.say(f"{self._place(label)}: {words}; {self.left()}")

    def left(self) -> str:
        """How many runs are left, and about how long they take, where anything is known about that."""
        if not self._todo:
            return "no run left"
        every = [seconds for taken in self._taken.values() for seconds in taken]
        words = f"{len(self._todo)} run{'s' if len(self._todo) > 1 else ''} left"
        if not every:
            return words
        usual = sum(every) / len(every)
        about = sum(_mean(self._taken.get(_run_name(label))) or usual for label in self._todo)
        return f"{words}, about {duration(about)}"

    def _place(self, label: str) -> str:
        return f"[{self._steps.index(label) + 1}/{len(self._steps)}] {label}"


def _run_name(label: str) -> str:
    return label.partition(",")[0]


def _mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None
