"""Every run's configuration, checked by the very checker that `fit` uses, before any run of a study starts.

The checks import the classes of all runs, and with them torch. They work in a process of their own, so that the study
itself stays small beside the runs that it starts.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from lit_reason.config.classes import class_index
from lit_reason.config.mistakes import Mistake, UserMistakes, nearest
from lit_reason.config.request import Request
from lit_reason.config.sources import Settings
from lit_reason.study.file import Study, leaves
from lit_reason.study.plan import Step, placed
from lit_reason.study.references import references


def check_runs(study: Study, steps: Sequence[Step]) -> None:
    """Check all steps and the tables function.

    Raises:
        UserMistakes: every mistake, named by run, key and line.
        RuntimeError: the checking process died.
    """
    # A fork is safe in a process without threads, and spares importing everything again; elsewhere a fresh one serves.
    start = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with ProcessPoolExecutor(1, multiprocessing.get_context(start)) as pool:
        try:
            mistakes = pool.submit(all_mistakes, study, steps).result()
        except BrokenProcessPool:
            raise RuntimeError("the process that checks the runs' configurations died (out of memory?)") from None
    if mistakes:
        raise UserMistakes(mistakes)


def all_mistakes(study: Study, steps: Sequence[Step]) -> list[Mistake]:
    """What is wrong with any step; a mistake that all seeds share is named once."""
    found: dict[str, Mistake] = {}
    for step in _different(steps):
        for mistake in _call_mistakes(step) if step.spec.call else _command_mistakes(step):
            mistake = placed(study, step, mistake)
            found.setdefault(str(mistake), mistake)
    if study.tables and (why := function_of(study.tables)[1]):
        mistake = Mistake("tables", why, study.tables, None, study.origin("tables"))
        found[str(mistake)] = mistake
    return list(found.values())


def function_of(path: str) -> tuple[Any, str | None]:
    """The function of a dotted path, or why there is none."""
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        return None, f"cannot be imported: {error}"
    except Exception as error:
        return None, f"{module_name} cannot be imported: {type(error).__name__}: {error}"
    function = getattr(module, name, None)
    if not callable(function):
        close = nearest(name, [key for key, value in vars(module).items() if callable(value)])
        return None, f"{module_name} has no function {name}" + (f"; did you mean {close}?" if close else "")
    return function, None


def call_arguments(function: Any, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """Typed arguments of a function, and what is wrong with them."""
    from lit_reason.config.checks import Checker

    settings = Settings(class_index())
    settings.values = arguments
    checker = Checker(Request("study", settings))
    return checker.arguments(function), checker.mistakes


def _different(steps: Sequence[Step]) -> list[Step]:
    """One step for all seeds of a run that uses its seed for nothing but `run.seed`: they are wrong alike."""
    found: dict[str, Step] = {}
    for step in steps:
        named = {reference.name for reference in references([step.spec.set, step.spec.config]) if not reference.run}
        about = {name: value for name, value in step.variables.items() if name != "seed" or name in named}
        found.setdefault(str((step.spec.name, about)), step)
    return list(found.values())


def _call_mistakes(step: Step) -> list[Mistake]:
    function, why = function_of(str(step.spec.call))
    if why:
        return [Mistake("call", why, step.spec.call)]
    _, mistakes = call_arguments(function, {"out": str(step.run_dir), **step.settings()})
    return [replace(mistake, key=f"set.{mistake.key}") for mistake in mistakes]


def _command_mistakes(step: Step) -> list[Mistake]:
    """Those of the command line. A path that is handed on does not exist yet, and is no mistake for that."""
    from lit_reason.config.session import mistakes_of

    handed_on = [
        ".".join(map(str, path)).replace(".init_args", "")
        for path, value in leaves(step.spec.set)
        if any(reference.run or reference.name == "run_dir" for reference in references(value))
    ]
    return [
        mistake
        for mistake in mistakes_of(step.request())
        if not any(mistake.key == key or mistake.key.startswith(f"{key}.") for key in handed_on)
    ]
