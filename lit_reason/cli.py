"""`main(argv) -> exit code`: 0 done, 1 failed, 2 the user's mistake (one line each), 130 Ctrl-C, 143 SIGTERM.

Nothing heavy is imported before the command needs it: help and misspelt commands answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes, display_path
from lit_reason.config.request import Request, known_command, read_request
from lit_reason.disk import no_room
from lit_reason.errors import PlainError

OK, FAILED, INTERRUPTED = 0, 1, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command line, `sys.argv` by default, and return the process's exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a locale that cannot show a character must not end a run
    try:
        return _dispatch(argv)
    except PlainError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
            return _interrupted()
        return stop.code if isinstance(stop.code, int) else FAILED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if isinstance(error, OSError) and (reason := no_room(error)):
            _say(f"a file could not be written: {reason}: {error.filename or 'see the run directory'}")
        else:
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
    if command == "study":
        from lit_reason.study.command import study_command

        return study_command(argv[1:])
    if command == "export":
        return _export(argv[1:])
    request = read_request(command, argv[1:])
    if request.help:
        from lit_reason.config.help import command_help

        print(command_help(request))
        return OK
    if command == "estimate":
        from lit_reason.config.estimate import estimate

        return estimate(request)
    return _run(request, argv)


def _report(arguments: list[str]) -> int:
    """`train.py report DIR`, or `train.py report --compare RUN_A RUN_B`"""
    compares, folders = "--compare" in arguments, [Path(word) for word in arguments if word != "--compare"]
    usage = "train.py report RUN_OR_STUDY_DIR, or train.py report --compare RUN_A RUN_B"
    if set(arguments) & {"-h", "--help"}:
        print(f"usage: {usage}")
        return OK
    if len(folders) != 1 + compares or not all(folder.is_dir() for folder in folders):
        wanted = "two run directories" if compares else "one run or study directory"
        raise UserMistakes([Mistake("", f"report needs {wanted}: {usage}", " ".join(arguments), None, COMMAND_LINE)])
    if compares:
        return _compare(*folders)
    from lit_reason.report import write_report
    from lit_reason.report.load import require_run

    require_run(folders[0])
    print(f"report: {display_path(write_report(folders[0]))}")
    return OK


def _export(arguments: list[str]) -> int:
    """`train.py export CHECKPOINT [--to FOLDER] [--merge]`"""
    import argparse

    parser = argparse.ArgumentParser("train.py export", description="a checkpoint as a Hugging Face folder")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or a run directory for its newest one")
    parser.add_argument("--to", type=Path, help="the folder to write; beside the checkpoints by default")
    parser.add_argument("--merge", action="store_true", help="with LoRA: base and adapter as one model")
    options = parser.parse_args(arguments)
    from lit_reason.consolidate import export_checkpoint

    print(f"model: {display_path(export_checkpoint(options.checkpoint, options.to, options.merge))}")
    return OK


def _compare(a: Path, b: Path) -> int:
    """Print two runs beside each other and leave the page in the second one's directory."""
    from rich.console import Console

    from lit_reason.report import write_comparison
    from lit_reason.report.compare import compare, table_of

    comparison = compare(a, b)
    print(f"A: {comparison.a}\nB: {comparison.b}")
    Console().print(table_of(comparison))
    print(f"{comparison.summary()}\ncomparison: {display_path(write_comparison(comparison, b / 'compare.html'))}")
    return OK


def _run(request: Request, argv: list[str]) -> int:
    """Check everything, run the command in its run directory, and report."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # classes of the user's own are found where the command is typed
    from lit_reason.config.noise import delay_bars

    delay_bars()
    from lit_reason.config.checks import Checker
    from lit_reason.config.session import run_checked

    checker = Checker(request)
    values = checker.checked()
    run_directory = run_checked(request, checker, values, argv)
    if run_directory is not None:
        _finish(run_directory)
    return OK


def _finish(run_directory: Path) -> None:
    """Report and summary of a finished command."""
    from rich.console import Console

    from lit_reason.report import write_report
    from lit_reason.results import Results, summary_table

    report = write_report(run_directory)
    results = Results.load(run_directory)
    if results.figures:
        Console().print(summary_table(results))
    print(f"report: {display_path(report)}", flush=True)


def _interrupted() -> int:
    _say("interrupted")
    return INTERRUPTED


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
