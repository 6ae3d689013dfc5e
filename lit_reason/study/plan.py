"""From a study to its steps: runs ordered by what they build on, one step for each seed and value, each with an id."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes, nearest, shown
from lit_reason.config.request import Request, read_request
from lit_reason.config.resolved import resolved_texts
from lit_reason.files import stable_hash
from lit_reason.study.file import RunSpec, Study, leaves
from lit_reason.study.references import KNOWN_BEFOREHAND, Reference, artifact_path, references, replaced

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
FINISHED_FILE = "finished.json"
HASHED_WHOLE = 64 * 1024 * 1024
"""Bytes of an input file up to which its content counts; of larger ones size and time of change do."""


@dataclass
class Step:
    """One run for one seed and one value of each variable.

    Args:
        spec: the run.
        variables: values by name, `seed` first unless the run is made once.
        needs: the steps whose artifacts it uses, by run name.
        id: the hash of everything that it depends on.
        run_dir: where it works.
    """

    spec: RunSpec
    variables: dict[str, Any]
    needs: dict[str, Step] = field(default_factory=dict)
    id: str = ""
    run_dir: Path = Path()

    @property
    def label(self) -> str:
        """The step's name for people: `strong, tau 0.5, seed 1`."""
        return ", ".join([self.spec.name, *(f"{name} {value}" for name, value in self.variables.items())])

    def value_of(self, reference: Reference) -> Any:
        """What a reference stands for in a command line; a path that only its run can know stays as it is written
        until that run has finished.

        Raises:
            PlainError: the finished run has left no such thing.
        """
        if reference.run is None:
            return str(self.run_dir) if reference.name == "run_dir" else self.variables[reference.name]
        source = self.needs[reference.run]
        if reference.name in KNOWN_BEFOREHAND:
            return str(source.run_dir / KNOWN_BEFOREHAND[reference.name])
        if is_finished(source.run_dir):
            return str(artifact_path(source.run_dir, reference.name))
        return str(reference)

    def identity_of(self, reference: Reference) -> Any:
        """What a reference adds to the id: another run by its id, wherever it lies."""
        if reference.run is None:
            return "{run_dir}" if reference.name == "run_dir" else self.variables[reference.name]
        return f"{{{self.needs[reference.run].id}.{reference.name}}}"

    def settings(self) -> dict[str, Any]:
        """The run's own settings, references replaced."""
        return replaced(self.spec.set, self.value_of)

    def arguments(self) -> list[str]:
        """The command line after the interpreter."""
        settings = self.settings()
        if self.spec.call:
            given = [word for key, value in settings.items() for word in (f"--{key}", _text(value))]
            return ["-m", "lit_reason.study.step", self.spec.call, "--out", str(self.run_dir), *given]
        given = [word for key, text in _options(settings) for word in (f"--{key}", text)]
        place = {"run.root": str(self.run_dir.parent.parent), "run.name": self.spec.name, "run.id": self.id}
        words = [word for key, text in place.items() for word in (f"--{key}", text)]
        return [_short(TRAIN), str(self.spec.command), *self._files(), *given, *self._seed(), *words, *self._resume()]

    def request(self) -> Request:
        """The command line as the configuration reads it; only for a Trainer's command."""
        return read_request(str(self.spec.command), self.arguments()[2:])

    def _files(self) -> list[str]:
        return [word for file in self.spec.config for word in ("--config", replaced(file, self.value_of))]

    def _seed(self) -> list[str]:
        chosen = "seed" not in self.variables or "seed" in (self.spec.set.get("run") or {})
        return [] if chosen else ["--run.seed", str(self.variables["seed"])]

    def _resume(self) -> list[str]:
        """A fit goes on from its own checkpoint where it has one; only a fresh one starts from another run's."""
        if self.spec.command != "fit":
            return []
        fresh = not any((self.run_dir / "checkpoints").glob("[!.]*"))
        return [] if fresh and "ckpt_path" in self.spec.set else ["--ckpt_path", "auto"]


def plan(study: Study, root: Path) -> list[Step]:
    """All steps of a study in the order in which they run, with ids and directories.

    Raises:
        UserMistakes: unknown references, cycles, unreadable configuration files, one line each.
    """
    mistakes = _reference_mistakes(study)
    order = _ordered(study, mistakes)
    if mistakes:
        raise UserMistakes(mistakes)
    steps: list[Step] = []
    for spec in order:
        for variables in _combinations(spec, study.seeds):
            step = Step(spec, variables)
            step.needs = {name: _match(steps, name, variables) for name in dict.fromkeys(needed_runs(spec))}
            problems = [placed(study, step, mistake) for mistake in _identify(step, root)]
            mistakes += [m for m in problems if str(m) not in map(str, mistakes)]
            steps.append(step)
    if mistakes:
        raise UserMistakes(mistakes)
    return steps


def is_finished(run_dir: Path) -> bool:
    """Whether a step ended well here; the mark is the last thing that it gets."""
    return (run_dir / FINISHED_FILE).exists()


def wanted_steps(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """The steps of these runs and of all that they build on, in order; all steps when no name is given."""
    if not names:
        return list(steps)
    kept: set[str] = set()
    for step in reversed(steps):
        if step.spec.name in names or step.spec.name in kept:
            kept |= {step.spec.name, *step.needs}
    return [step for step in steps if step.spec.name in kept]


def placed(study: Study, step: Step, mistake: Mistake) -> Mistake:
    """A mistake of one run with the run's name, and with the study's line in place of the command line that the study
    made."""
    origin = mistake.origin
    if origin in (None, COMMAND_LINE):
        keys = mistake.key.removeprefix("--").split(".")
        keys = keys if step.spec.call or keys[0] in ("config", "inputs") else ["set", *keys]
        origin = study.origin("runs", step.spec.name, *keys)
    return replace(mistake, key=f"runs.{step.spec.name}: {mistake.key}", origin=origin)


def needed_runs(spec: RunSpec) -> list[str]:
    """The runs whose artifacts a run names, in order of appearance."""
    return [found.run for found in references([spec.set, spec.config, spec.inputs]) if found.run]


def _reference_mistakes(study: Study) -> list[Mistake]:
    found: list[Mistake] = []
    for spec in study.runs.values():
        for key in ("set", "config", "inputs"):
            for path, value in leaves(getattr(spec, key)):
                for reference in references(value):
                    problem, close = _problem(study, spec, reference)
                    here = ("runs", spec.name, key, *path)
                    if problem:
                        name = ".".join(map(str, here))
                        found.append(Mistake(name, problem, str(reference), close, study.origin(*here)))
    return found


def _problem(study: Study, spec: RunSpec, reference: Reference) -> tuple[str, str | None]:
    own = {"run_dir", *spec.each, *([] if spec.once else ["seed"])}
    if reference.run is None:
        if reference.name in own:
            return "", None
        wanted = "is neither a variable of this run nor an artifact, written ${run.artifact}"
        close = nearest(reference.name, own)
        return wanted, f"${{{close}}}" if close else None
    source = study.runs.get(reference.run)
    if source is None:
        close = nearest(reference.run, study.runs)
        return f"there is no run {reference.run!r}", f"${{{close}.{reference.name}}}" if close else None
    for name, values in {**source.each, **({} if source.once else {"seed": study.seeds})}.items():
        if name not in own:
            return f"{reference.run} is made for each {name}, of which this run knows nothing", None
        missing = [value for value in spec.each.get(name, []) if value not in values]
        if missing:
            return f"{reference.run} is not made for {name} {', '.join(map(str, missing))}", None
    return "", None


def _ordered(study: Study, mistakes: list[Mistake]) -> list[RunSpec]:
    """Runs in the order of the file, each after those that it builds on; a cycle becomes a mistake."""
    done: dict[str, RunSpec] = {}
    circles: dict[frozenset[str], tuple[str, str]] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            circles.setdefault(frozenset(path[path.index(name) :]), (name, circle))
            return
        for needed in needed_runs(study.runs[name]):
            if needed not in done and needed in study.runs:
                visit(needed, (*path, name))
        done.setdefault(name, study.runs[name])

    for name in study.runs:
        visit(name, ())
    mistakes += [
        Mistake("runs", f"wait for each other: {circle}", origin=study.origin("runs", name))
        for name, circle in circles.values()
    ]
    return list(done.values())


def _combinations(spec: RunSpec, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    axes: dict[str, Sequence[Any]] = {**spec.each, **({} if spec.once else {"seed": seeds})}
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _match(steps: Sequence[Step], name: str, variables: dict[str, Any]) -> Step:
    """The step of a run that has the same value of every variable that it has."""
    return next(s for s in steps if s.spec.name == name and s.variables.items() <= variables.items())


def _identify(step: Step, root: Path) -> list[Mistake]:
    """Set the step's id and directory; returns what is wrong with its configuration files."""
    mistakes: list[Mistake] = []
    spec = step.spec
    own = replaced(spec.set, step.identity_of)
    if spec.call:
        texts = {f"set.{'.'.join(map(str, path))}": shown(value, sys.maxsize) for path, value in leaves(own)}
    else:
        words = [word for key, text in _options(own) for word in (f"--{key}", text)]
        request = read_request(str(spec.command), [*_config_words(step), *words, *step._seed()])
        mistakes = list(request.settings.mistakes)
        texts = resolved_texts(request.settings)
    named = [text for text in texts.values() if "\n" not in text and os.path.isfile(text)]
    listed = [replaced(text, step.value_of) for text in spec.inputs if not any(r.run for r in references(text))]
    absent = [file for file in listed if not os.path.exists(file)]
    mistakes += [Mistake("inputs", "no such file or folder", file) for file in absent]
    contents = {file: _fingerprint(Path(file)) for file in [*named, *listed] if file not in absent}
    needs = {name: needed.id for name, needed in step.needs.items()}
    step.id = stable_hash([spec.command or spec.call, texts, contents, needs], 12)
    step.run_dir = root / spec.name / step.id
    return mistakes


def _config_words(step: Step) -> list[str]:
    return [word for file in step.spec.config for word in ("--config", replaced(file, step.value_of))]


def _options(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as `key.sub`, `text` pairs; lists and objects of a class are written as YAML."""
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and "class_path" not in value:
            yield from _options(value, f"{name}.")
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    """A value as the command line reads it: JSON, except that text stands for itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _fingerprint(path: Path) -> str:
    """A file's content, or that of every file of a folder; large files count by size and time of change."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return stable_hash([[str(file.relative_to(path)), _fingerprint(file)] for file in files])
    status = path.stat()
    if status.st_size > HASHED_WHOLE:
        return f"{status.st_size}/{status.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _short(path: Path) -> str:
    """A path as it is typed where it lies below the working directory, else in full."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
