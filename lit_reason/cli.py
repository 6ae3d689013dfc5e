"""`main(argv) -> exit code`: 0 done, 1 failed, 2 the user's mistake (one line each), 130 Ctrl-C.

Nothing heavy is imported before the command needs it: help and misspelt commands answer at once.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes, display_path
from lit_reason.config.request import Request, known_command, read_request
from lit_reason.errors import PlainError

if TYPE_CHECKING:
    from lit_reason.config.checks import Checker
    from lit_reason.run_directory import RunDirectory

OK, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, 130
_RUN_VARIABLE = "LIT_REASON_RUN"


def main(argv: list[str] | None = None) -> int:
    """Run one command line, `sys.argv` by default, and return the process's exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a locale that cannot show a character must not end a run
    try:
        return _dispatch(argv)
    except UserMistakes as error:
        for mistake in error.mistakes:
            _say(str(mistake))
        return USER_MISTAKE
    except PlainError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
            _say("interrupted")
            return INTERRUPTED
        return stop.code if isinstance(stop.code, int) else FAILED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception:
        traceback.print_exc()
        return FAILED


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        from lit_reason.config.help import overview

        print(overview())
        return OK
    command = known_command(argv[0])
    if command == "report":
        return _report(argv[1:])
    request = read_request(command, argv[1:])
    if request.help:
        from lit_reason.config.help import command_help

        print(command_help(request))
        return OK
    return _run(request, argv)


def _report(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        problem = "report needs one run directory, as in: train.py report runs/NAME/ID"
        raise UserMistakes([Mistake("", problem, " ".join(arguments), None, COMMAND_LINE)])
    from lit_reason.report import write_report

    print(f"report: {display_path(write_report(Path(arguments[0])))}")
    return OK


def _run(request: Request, argv: list[str]) -> int:
    """Check everything, then run the command in its run directory."""
    from jsonargparse import ArgumentError
    from lit_reason.config.checks import Checker

    checker = Checker(request)
    values = checker.checked()
    from lit_reason.config.launch import Launcher
    from lit_reason.config.noise import quiet

    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(_as_command_line(argv))
        session = stack.enter_context(_Session(request, checker))
        try:
            Launcher(request.command, values, session.choose)
        except ArgumentError as error:  # what only jsonargparse knows; seldom, as the checks come first
            raise UserMistakes(checker.mistakes or [Mistake("", _last_line(error), origin=None)]) from None
        if session.run is not None and request.command != "prepare" and is_main_process():
            _finish(session.run)
    return OK


class _Session:
    """Chooses the run directory once everything is known, describes it there, and tells relaunched ranks about it."""

    def __init__(self, request: Request, checker: Checker) -> None:
        self.request = request
        self.checker = checker
        self.run: RunDirectory | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._lock is not None:
            self._lock.close()
        if os.environ.get(_RUN_VARIABLE, "").startswith(f"{os.getpid()} "):
            del os.environ[_RUN_VARIABLE]
        if self.run is not None and exception[0] is not None and is_main_process():
            _say(f"run directory: {display_path(self.run.path)}")

    def choose(self, config: dict[str, Any]) -> RunDirectory | None:
        """The launcher's question: where does this run live? None stops after `--print_config`."""
        from lit_reason.config import cross_checks
        from lit_reason.config.choose_run import choose_run
        from lit_reason.run_directory import RunSettings, as_yaml

        settings, mistakes = self.request.settings, list(self.checker.mistakes)
        mistakes += cross_checks.class_checks(self.checker.groups, config, settings, mistakes)
        mistakes += cross_checks.machine_checks(config, settings)
        mistakes += cross_checks.backbone_checks(config, settings)
        _raise(mistakes)
        if self.request.print_config:
            print(as_yaml(config), end="")
            return None
        self.run = _handed_down()
        if self.run is None:
            origin = settings.origin(("ckpt_path",))
            run = RunSettings(**config["run"])
            self.run = choose_run(self.request.command, run, config, config.get("ckpt_path"), origin)
            if self.run.checkpoint is not None:
                _raise(cross_checks.checkpoint_checks(config, self.run.checkpoint, origin))
            if is_main_process():
                self._begin(config)
        return self.run

    def _begin(self, config: dict[str, Any]) -> None:
        """Write down what runs, before anything of it is built."""
        from lit_reason import run_directory as rd

        run, command = self.run, self.request.command
        assert run is not None
        for note in self.request.settings.notes:
            _say(f"note: {note}")
        if command == "prepare":
            return
        run.path.mkdir(parents=True, exist_ok=True)
        if command == "fit":
            self._lock = rd.lock(run.path)
            if self._lock is None:
                problem = f"{display_path(run.path)} is still being trained by another process"
                raise UserMistakes([Mistake("ckpt_path", problem)])
        header = rd.checkpoint_header(run.checkpoint) if run.checkpoint else {}
        self._print_changes(config, header)
        rd.write_description(run.path, command, config, run.continued)
        self._cut_metrics(header)
        print(f"run directory: {display_path(run.path)}", flush=True)
        os.environ[_RUN_VARIABLE] = f"{os.getpid()} " + json.dumps(
            [str(run.path), str(run.checkpoint) if run.checkpoint else None, run.continued]
        )

    def _cut_metrics(self, header: dict[str, Any]) -> None:
        """Rows after the checkpoint come again; an evaluation, and a run that never got to one, start theirs anew."""
        from lit_reason.metrics_csv import MetricsCSV

        assert self.run is not None
        in_place = self.run.continued and self.request.command != "fit"
        logger = MetricsCSV(str(self.run.path), f"metrics.{self.request.command}" if in_place else "metrics")
        resumes = self.run.continued and not in_place
        logger.cut_from(header["global_step"] if resumes else 0, header["ended_epoch"] if resumes else None)

    def _print_changes(self, config: dict[str, Any], header: dict[str, Any]) -> None:
        """What differs from the run that the checkpoint comes from."""
        from lit_reason import run_directory as rd

        assert self.run is not None
        if self.run.checkpoint is None:
            return
        source = self.run.path if self.run.continued else self.run.checkpoint.absolute().parent.parent
        print(f"from checkpoint: {display_path(self.run.checkpoint)} (step {header['global_step']})")
        if old := rd.read_config(source):
            for line in rd.changed_settings(old, config):
                print(f"changed setting: {line}")


def is_main_process() -> bool:
    """Whether this process writes: rank 0, by whatever launched it."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK"))


def _handed_down() -> RunDirectory | None:
    """The run directory of the process that relaunched this one as a further rank."""
    from lit_reason.run_directory import RunDirectory

    owner, _, handed = os.environ.get(_RUN_VARIABLE, "").partition(" ")
    if not handed or owner != str(os.getppid()) or "LOCAL_RANK" not in os.environ:
        return None
    path, checkpoint, continued = json.loads(handed)
    return RunDirectory(Path(path), Path(checkpoint) if checkpoint else None, continued)


@contextmanager
def _as_command_line(argv: list[str]) -> Iterator[None]:
    """Lightning starts further ranks from `sys.argv`, which must be this command even when Python code called `main`."""
    before = sys.argv
    sys.argv = [str(Path(__file__).resolve().parents[1] / "train.py"), *argv]
    try:
        yield
    finally:
        sys.argv = before


def _finish(run: RunDirectory) -> None:
    """Report and summary of a finished command."""
    from rich.console import Console

    try:
        from lit_reason.report import write_report
    except ImportError:
        return
    from lit_reason.results import Results, summary_table

    report = write_report(run.path)
    results = Results.load(run.path)
    if results.figures:
        Console().print(summary_table(results))
    print(f"report: {display_path(report)}", flush=True)


def _raise(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise UserMistakes(mistakes)


def _last_line(error: Exception) -> str:
    """jsonargparse explains from the outside in: the innermost reason is what helps."""
    reasons = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    telling = [line for line in reasons if not line.startswith(("Given value", "Expected a <class 'NoneType'>", "Subtypes"))]
    return (telling or reasons or ["the configuration is not valid"])[-1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
