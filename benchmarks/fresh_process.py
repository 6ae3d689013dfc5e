"""Work measured in a process of its own, so that one measurement leaves nothing behind for the next."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("spawn")


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """What `work(*arguments)` returns in a fresh process, its seconds without imports, and the process's peak in MB."""
    queue: Any = _CONTEXT.SimpleQueue()
    process = _CONTEXT.Process(target=_measure, args=(queue, work, arguments))
    process.start()
    found = queue.get()
    process.join()
    return found


def _measure(queue: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401

    began = time.perf_counter()
    found = work(*arguments)
    queue.put((found, time.perf_counter() - began, _peak_mb()))


def _peak_mb() -> float:
    """The largest memory of this process. `ru_maxrss` would be its parent's: Linux hands that on through exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
