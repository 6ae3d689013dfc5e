"""One checked command running: its directory is chosen and described first, and further ranks are told about it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from jsonargparse import ArgumentError
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lit_reason import run_directory as rd
from lit_reason.config import cross_checks
from lit_reason.config.checks import Checker
from lit_reason.config.choose_run import choose_run
from lit_reason.config.launch import Launcher
from lit_reason.config.mistakes import Mistake, UserMistakes, display_path
from lit_reason.config.noise import quiet
from lit_reason.config.ranks import LAUNCHER_VARIABLE
from lit_reason.config.request import Request
from lit_reason.config.sources import Settings
from lit_reason.metrics_csv import MetricsCSV

_RUN_VARIABLE = "LIT_REASON_RUN"
"""Tells a relaunched rank which directory its parent chose: the parent's process id, then JSON."""

_RANK_VARIABLES = (
    _RUN_VARIABLE,
    LAUNCHER_VARIABLE,
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)


def run_checked(request: Request, checker: Checker, values: dict[str, Any], argv: list[str]) -> Path | None:
    """Run the command. Returns the run directory for this process to report on, or None where there is nothing to.

    Raises:
        UserMistakes: everything that `checker` and the checks of a complete configuration found.
    """
    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(_process_state(argv))
        session = stack.enter_context(_Session(request, checker))
        try:
            Launcher(request.command, values, session.choose)
        except ArgumentError as error:  # what only jsonargparse knows; seldom, as the checks come first
            raise UserMistakes(checker.mistakes or [Mistake("", _innermost_reason(error))]) from None
        except MisconfigurationException as error:  # what Lightning finds out when it runs
            raise UserMistakes([Mistake("", str(error))]) from None
    if session.run is None or request.command == "prepare" or not is_main_process():
        return None
    return session.run.path


def mistakes_of(request: Request) -> list[Mistake]:
    """Everything that this command line would be refused for before its run begins, without running it."""
    checker = Checker(request)
    return _said_of(request, checker, lambda config: _all_mistakes(checker, request.settings, config))


def configuration_of(request: Request) -> dict[str, Any]:
    """The complete configuration of a fit that is planned for another machine, perhaps, and with data that is there.

    Raises:
        UserMistakes: everything that is wrong with the model or with a setting itself.
    """
    request = replace(request, command="fit")
    checker, complete = Checker(request), {}

    def check(config: dict[str, Any]) -> list[Mistake]:
        complete.update(config)
        of_model = {path: cls for path, cls in checker.groups.items() if path[0] == "model"}
        mistakes = list(checker.mistakes)
        mistakes += cross_checks.class_checks(of_model, config, request.settings, mistakes)
        return mistakes + cross_checks.backbone_checks(config, request.settings)

    _raise(_said_of(request, checker, check))
    return complete


def _said_of(request: Request, checker: Checker, check: Callable[[dict[str, Any]], list[Mistake]]) -> list[Mistake]:
    """What `check` says of the complete configuration, or why there is none."""
    values, found = checker.checked(), []

    def choose(config: dict[str, Any]) -> None:
        found.extend(check(config))

    with quiet():
        try:
            Launcher(request.command, values, choose)
        except ArgumentError as error:
            found.extend(checker.mistakes or [Mistake("", _innermost_reason(error))])
    return found


def is_main_process() -> bool:
    """Whether this process writes: rank 0, by whatever launched it."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK"))


class _Session:
    """Answers the launcher's question where the run lives, and puts back what it changed in this process."""

    def __init__(self, request: Request, checker: Checker) -> None:
        self.request = request
        self.checker = checker
        self.run: rd.RunDirectory | None = None
        self._lock: IO[str] | None = None
        self._made = False

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._lock is not None:
            self._lock.close()
        if self.run is None or self._lock is None or exception[0] is None:
            return
        if exception[0] is UserMistakes and self._made and _holds_nothing(self.run.path):
            shutil.rmtree(self.run.path)  # the mistake showed only when the trainer was built
        else:
            kept = rd.newest_checkpoint(self.run.path)
            hint = f"; --ckpt_path last continues at step {rd.step_of(kept)}" if kept else ""
            _say(f"run directory: {display_path(self.run.path)}{hint}", sys.stderr)

    def choose(self, config: dict[str, Any]) -> rd.RunDirectory | None:
        """The run directory of a complete configuration; None stops after `--print_config`."""
        settings = self.request.settings
        _raise(_all_mistakes(self.checker, settings, config))
        if self.request.print_config:
            sys.stdout.write(rd.as_yaml(config))
            return None
        self.run = _handed_down()
        if self.run is None:
            origin = settings.origin(("ckpt_path",))
            settings_of_run = rd.RunSettings(**config["run"])
            self.run = choose_run(self.request.command, settings_of_run, config, config.get("ckpt_path"), origin)
            if self.run.checkpoint is not None:
                _raise(cross_checks.checkpoint_checks(config, self.run.checkpoint, origin))
            if is_main_process():
                self._begin(self.run, config)
        return self.run

    def _begin(self, run: rd.RunDirectory, config: dict[str, Any]) -> None:
        """Write down what runs, before anything of it is built."""
        command = self.request.command
        for note in self.request.settings.notes:
            _say(f"note: {note}", sys.stderr)
        if command == "prepare":
            return
        self._made = not run.path.exists()
        run.path.mkdir(parents=True, exist_ok=True)
        if command == "fit":
            self._lock = rd.lock(run.path)
            if self._lock is None:
                raise UserMistakes([Mistake("run", f"{display_path(run.path)} is being trained by another process")])
        header = rd.checkpoint_header(run.checkpoint) if run.checkpoint else {}
        _say_what_continues(run, config, header)
        rd.write_description(run.path, command, config, run.continued)
        _cut_metrics(run, command, header)
        _say(f"run directory: {display_path(run.path)}")
        handed = [str(run.path), str(run.checkpoint) if run.checkpoint else None, run.continued]
        os.environ[_RUN_VARIABLE] = f"{os.getpid()} {json.dumps(handed)}"


def _all_mistakes(checker: Checker, settings: Settings, config: dict[str, Any]) -> list[Mistake]:
    """What the checker found, and what a complete configuration shows."""
    mistakes = list(checker.mistakes)
    mistakes += cross_checks.class_checks(checker.groups, config, settings, mistakes)
    mistakes += cross_checks.command_checks(checker.request.command, config, settings)
    mistakes += cross_checks.machine_checks(config, settings)
    return mistakes + cross_checks.backbone_checks(config, settings)


def _holds_nothing(run: Path) -> bool:
    """Whether only what describes the run was written."""
    return {path.name for path in run.iterdir()} <= {"config.yaml", "environment.json", ".lock"}


def _say_what_continues(run: rd.RunDirectory, config: dict[str, Any], header: dict[str, Any]) -> None:
    """The checkpoint, and what differs from the run that it comes from."""
    if run.checkpoint is None:
        return
    source = run.path if run.continued else run.checkpoint.absolute().parent.parent
    _say(f"from checkpoint: {display_path(run.checkpoint)} (step {header['global_step']})")
    if old := rd.read_config(source):
        for line in rd.changed_settings(old, config):
            _say(f"changed setting: {line}")


def _cut_metrics(run: rd.RunDirectory, command: str, header: dict[str, Any]) -> None:
    """Rows after the checkpoint come again; an evaluation, and a run that never got to one, start theirs anew."""
    evaluates_in_place = run.continued and command != "fit"
    logger = MetricsCSV(str(run.path), f"metrics.{command}" if evaluates_in_place else "metrics")
    logger.cut_from(header["global_step"] if run.continued and not evaluates_in_place else 0)


def _handed_down() -> rd.RunDirectory | None:
    """The run directory of the process that relaunched this one as a further rank."""
    owner, _, handed = os.environ.get(_RUN_VARIABLE, "").partition(" ")
    if not handed or owner != str(os.getppid()) or "LOCAL_RANK" not in os.environ:
        return None
    path, checkpoint, continued = json.loads(handed)
    return rd.RunDirectory(Path(path), Path(checkpoint) if checkpoint else None, continued)


@contextmanager
def _process_state(argv: list[str]) -> Iterator[None]:
    """Lightning starts further ranks from `sys.argv`, which must be this command even when Python code called `main`;
    it ignores Ctrl-C for good after the first one, and leaves ranks in the environment. All is as before
    afterwards."""
    arguments, environment = sys.argv, dict(os.environ)
    in_main_thread = threading.current_thread() is threading.main_thread()
    on_interrupt = signal.getsignal(signal.SIGINT)
    sys.argv = [str(Path(__file__).resolve().parents[2] / "train.py"), *argv]
    try:
        yield
    finally:
        sys.argv = arguments
        if in_main_thread:
            signal.signal(signal.SIGINT, on_interrupt)
        for name in _RANK_VARIABLES:
            if name not in environment:
                os.environ.pop(name, None)


def _innermost_reason(error: Exception) -> str:
    """jsonargparse explains from the outside in: the innermost reason is what helps."""
    reasons = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    outer = ("Given value", "Expected a <class 'NoneType'>", "Subtypes")
    telling = [line for line in reasons if not line.startswith(outer)]
    return (telling or reasons or ["the configuration is not valid"])[-1]


def _raise(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise UserMistakes(mistakes)


def _say(line: str, stream: IO[str] | None = None) -> None:
    stream = stream or sys.stdout
    stream.write(f"{line}\n")
    stream.flush()
