"""Running the steps of a study: one process each, its output in a log, its end marked, the rest skipped.

A step that ended well leaves `finished.json` as its last file; what has none runs again, a fit from its newest
checkpoint. A study that is killed takes its running step along (Linux), which writes a checkpoint first; until it has,
the lock that it inherited keeps a new start waiting.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from lit_reason.config.mistakes import display_path
from lit_reason.errors import PlainError
from lit_reason.files import write_json_atomic
from lit_reason.run_directory import lock
from lit_reason.study.plan import FINISHED_FILE, Step, is_finished
from lit_reason.study.progress import Progress

LOG_FILE = "log.txt"
LAST_LINES = 15
POLL_SECONDS = 0.2
GRACE_SECONDS = 60.0
"""How long an interrupted step may take to write its checkpoint before it is killed."""


class StudyFailed(PlainError):
    """A run of a study failed; the message says which, its last lines, and how to repeat it by hand."""

    exit_code = 1


@dataclass
class Outcome:
    """Which steps ended well, failed, or had to be left because they build on one that failed."""

    finished: list[Step] = field(default_factory=list)
    failed: list[Step] = field(default_factory=list)
    left: list[Step] = field(default_factory=list)


def why_it_runs(step: Step, running: Sequence[Step] = ()) -> str:
    """Why a step is run, in a few words; empty where it is finished."""
    if is_finished(step.run_dir):
        return ""
    if any((step.run_dir / "checkpoints").glob("[!.]*")):
        return "half finished, goes on from its checkpoint"
    if (step.run_dir / LOG_FILE).exists():
        return "did not finish, starts again"
    changed = [name for name, needed in step.needs.items() if needed in running]
    if changed:
        return f"builds on {', '.join(changed)}"
    others = any(is_finished(path) for path in step.run_dir.parent.glob("*"))
    return "new settings or inputs" if others else "new"


def run_steps(steps: Sequence[Step], folder: Path, keep_going: bool, progress: Progress) -> Outcome:
    """Run what is not finished, in order.

    Raises:
        StudyFailed: a step failed, and `keep_going` is off.
    """
    outcome = Outcome()
    with _held(folder, progress.say) as held:
        for step in steps:
            if any(needed in outcome.failed + outcome.left for needed in step.needs.values()):
                outcome.left.append(step)
                progress.skip(step.label, "left: it builds on a run that failed")
            elif is_finished(step.run_dir):
                outcome.finished.append(step)
                progress.skip(step.label, f"finished before, {display_path(step.run_dir)}")
            elif _run(step, held, progress):
                outcome.finished.append(step)
            elif keep_going:
                outcome.failed.append(step)
                progress.say(_failure(step))
            else:
                raise StudyFailed(_failure(step))
    return outcome


def seconds_of(run_dir: Path) -> float:
    """How long the start that finished a step took."""
    return float(json.loads((run_dir / FINISHED_FILE).read_bytes())["seconds"])


def command_line(step: Step) -> str:
    """A step's command as it is typed."""
    return shlex.join([display_path(sys.prefix) + "/bin/python" if _in_tree() else sys.executable, *step.arguments()])


def _in_tree() -> bool:
    return Path(sys.prefix).is_relative_to(Path.cwd()) and Path(sys.prefix, "bin", "python").exists()


def _run(step: Step, held: IO[str], progress: Progress) -> bool:
    """Run one step to its end; whether it ended well."""
    step.run_dir.mkdir(parents=True, exist_ok=True)
    log = step.run_dir / LOG_FILE
    began = time.monotonic()
    progress.start(step.label, command_line(step))
    with log.open("ab") as stream:
        stream.write(f"$ {command_line(step)}\n".encode())
        stream.flush()
        process = subprocess.Popen(
            [sys.executable, *step.arguments()],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, pass_fds=(held.fileno(),),
            process_group=0,  # Ctrl-C is the study's: it asks the step to write a checkpoint
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}, preexec_fn=_dies_with_us(),
        )  # fmt: skip
        code = _followed(process, log, stream.tell(), progress)
    seconds = time.monotonic() - began
    progress.end(step.label, code, seconds)
    if code == 0:
        write_json_atomic(step.run_dir / FINISHED_FILE, _mark(step, seconds))
    return code == 0


def _mark(step: Step, seconds: float) -> dict[str, Any]:
    return {
        "run": step.spec.name,
        "variables": step.variables,
        "id": step.id,
        "needs": {name: needed.id for name, needed in step.needs.items()},
        "command": command_line(step),
        "seconds": round(seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _followed(process: subprocess.Popen[bytes], log: Path, at: int, progress: Progress) -> int:
    """Show what the process writes until it ends. An interrupted study waits for its step's last checkpoint."""
    try:
        with log.open("rb") as stream:
            stream.seek(at)
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                progress.output(stream.read())
            progress.output(stream.read())
    except BaseException:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    return process.returncode


def _failure(step: Step) -> str:
    log = step.run_dir / LOG_FILE
    lines = log.read_bytes().decode("utf-8", "replace").replace("\r", "\n").splitlines()
    last = [f"  | {line}" for line in lines if line.strip()][-LAST_LINES:]
    where = [f"log: {display_path(log)}", f"by hand: {command_line(step)}"]
    return "\n".join([f"{step.label}: failed; its last lines:", *last, *where])


class _held:
    """The study's directory, held against a second study; the returned file is what a step inherits."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say

    def __enter__(self) -> IO[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = self.folder / ".pid"
        found, told = lock(self.folder), False
        while found is None:
            pid = owner.read_text() if owner.exists() else ""
            if pid.isdigit() and _is_alive(int(pid)):
                raise PlainError(f"{display_path(self.folder)}: the study is being run by process {pid}")
            if not told:
                self.say("waiting for the run that a killed study left behind")
            told = True
            time.sleep(POLL_SECONDS)
            found = lock(self.folder)
        owner.write_text(str(os.getpid()))
        self._stream = found
        return found

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _dies_with_us() -> Callable[[], None] | None:
    """For a new process: ask Linux for SIGTERM when the study dies, on which a fit writes a checkpoint and ends."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc, parent, set_death_signal = ctypes.CDLL(None), os.getpid(), 1

    def ask() -> None:
        libc.prctl(set_death_signal, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died meanwhile
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
