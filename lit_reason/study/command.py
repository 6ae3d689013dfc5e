"""`train.py study`: from its arguments to the finished study."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes, display_path, nearest
from lit_reason.files import write_text_atomic
from lit_reason.study.file import Study, read_study
from lit_reason.study.plan import Step, is_finished, plan, wanted_steps
from lit_reason.study.runner import Outcome, command_line, run_steps, seconds_of, why_it_runs

STUDY_FILE = "study.yaml"
"""The study as it ran, in its directory; a directory that holds one is a study's."""

HELP = """\
train.py study: all runs of a study, in order, each in a process of its own; finished ones are skipped

usage: train.py study --config configs/studies/NAME.yaml [options] [--key value ...]

  --config FILE      the study
  --only RUN         this run and what it builds on, nothing else; may be given several times
  --dry_run          check every run; print them, their command lines, and whether and why each would run
  --smoke            the study's short form, kept apart from the full one
  --keep_going       after a failed run go on with those that do not build on it
  --root FOLDER      where runs are kept (default runs); the study lies in FOLDER/studies/NAME
  --key value        any key of the study's file: --seeds '[0, 1]', --runs.weak.set.trainer.max_steps 5

A study that was stopped or killed goes on where it was: give the same command again.
How the file is written stands at the head of lit_reason/study/__init__.py.
"""


@dataclass
class StudyRequest:
    """What the command line asked for."""

    file: str = ""
    only: list[str] = field(default_factory=list)
    dry_run: bool = False
    smoke: bool = False
    keep_going: bool = False
    help: bool = False
    root: str = "runs"
    overrides: list[tuple[str, str]] = field(default_factory=list)


def study_command(arguments: list[str]) -> int:
    """Run `train.py study ...`; 0 when every run that was asked for is finished, 1 when one failed."""
    from lit_reason.study.checks import check_runs

    request = read_arguments(arguments)
    if request.help:
        sys.stdout.write(HELP)
        return 0
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    study = read_study(request.file, request.overrides, request.smoke)
    folder = Path(request.root) / "studies" / study.name
    steps = plan(study, folder)
    _check_names(request.only, study)
    wanted = wanted_steps(steps, request.only)
    check_runs(study, wanted)
    if request.dry_run:
        sys.stdout.write("\n".join(_planned(wanted)) + "\n")
        return 0
    return _run(study, steps, wanted, folder, request)


def read_arguments(arguments: list[str]) -> StudyRequest:
    """The arguments after the command.

    Raises:
        UserMistakes: everything that is wrong with them.
    """
    request, mistakes, files = StudyRequest(), list[Mistake](), list[str]()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        name = key.removeprefix("--")
        if key in ("-h", "--help"):
            request.help = True
        elif name in ("dry_run", "smoke", "keep_going") and key.startswith("--") and not equals:
            setattr(request, name, True)
        elif not key.startswith("-"):
            mistakes.append(Mistake(word, "settings are written --key value", origin=COMMAND_LINE))
        elif not equals and (not rest or rest[0].startswith("--")):
            close = nearest(name, ("dry_run", "smoke", "keep_going"))
            mistakes.append(Mistake(name, "needs a value", ..., f"--{close}" if close else None, COMMAND_LINE))
        else:
            _put(request, files, key, value if equals else rest.pop(0))
    if len(files) != 1 and not request.help:
        problem = "a study is one file, as in: train.py study --config configs/studies/NAME.yaml"
        mistakes.append(Mistake("--config", problem, ", ".join(files) if files else ..., None, COMMAND_LINE))
    if mistakes:
        raise UserMistakes(mistakes)
    request.file = files[0] if files else ""
    return request


def _put(request: StudyRequest, files: list[str], key: str, value: str) -> None:
    if key in ("--config", "-c"):
        files.append(value)
    elif key == "--only":
        request.only.append(value)
    elif key == "--root":
        request.root = value
    else:
        request.overrides.append((key.removeprefix("--"), value))


def _check_names(names: list[str], study: Study) -> None:
    unknown = [name for name in names if name not in study.runs]
    if unknown:
        raise UserMistakes(
            Mistake("--only", "the study has no such run", name, nearest(name, study.runs), COMMAND_LINE)
            for name in unknown
        )


def _planned(steps: list[Step]) -> list[str]:
    """The plan in lines: for each step what happens and why, and its command line."""
    lines, running = [], list[Step]()
    for number, step in enumerate(steps, 1):
        why = why_it_runs(step, running)
        if why:
            running.append(step)
        lines.append(f"[{number}/{len(steps)}] {step.label}: {f'run ({why})' if why else 'skip (finished)'}")
        lines.append(f"    {command_line(step)}")
    return [*lines, f"{len(running)} of {len(steps)} runs would run"]


def _run(study: Study, steps: list[Step], wanted: list[Step], folder: Path, request: StudyRequest) -> int:
    import yaml

    from lit_reason.study.progress import Progress

    text = yaml.safe_dump(study.values, sort_keys=False, allow_unicode=True, width=120)
    write_text_atomic(folder / STUDY_FILE, text)
    done = {step.spec.name: seconds_of(step.run_dir) for step in wanted if is_finished(step.run_dir)}
    todo = [step.label for step in wanted if not is_finished(step.run_dir)]
    progress = Progress([step.label for step in wanted], todo, done)
    with _terminable():
        outcome = run_steps(wanted, folder, request.keep_going, progress)
    if outcome.failed:
        names = ", ".join(step.label for step in outcome.failed)
        progress.say(f"failed: {names}; left for that reason: {len(outcome.left)} runs")
        return 1
    return _concluded(study, steps, folder, outcome, progress)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, as a cluster sends it, is handed to the running step like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _concluded(study: Study, steps: list[Step], folder: Path, outcome: Outcome, progress: Any) -> int:
    """Tables and report once all runs are there; after `--only`, a word on what is missing."""
    missing = [step.label for step in steps if not is_finished(step.run_dir)]
    if missing:
        progress.say(f"{len(outcome.finished)} runs are finished; the study's tables wait for {len(missing)} more")
        return 0
    from rich import get_console

    from lit_reason.report import write_report
    from lit_reason.study.outcome import conclude, shown

    for part in shown(conclude(study, steps, folder)):
        get_console().print(part)
    progress.say(f"report: {display_path(write_report(folder))}")
    return 0
