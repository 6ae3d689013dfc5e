"""A study's YAML file: read, merged with `smoke` and the command line, and checked for its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_reason.config.mistakes import COMMAND_LINE, Mistake, Origin, UserMistakes, nearest
from lit_reason.config.sources import Path_, closest, plain_text, read_yaml
from lit_reason.study.references import references, replaced

TRAINER_COMMANDS = ("fit", "validate", "test", "predict", "prepare")

_STUDY_KEYS = ("name", "title", "paper", "seeds", "variables", "runs", "tables", "smoke")
_RUN_KEYS = ("command", "call", "config", "set", "once", "each", "inputs")
_NAME = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True)
class RunSpec:
    """One entry of `runs`.

    Args:
        name: its key.
        command: a Trainer's command, or None for a function.
        call: the function's dotted path, or None for a command.
        config: configuration files of the command, the later wins.
        set: nested settings over them, or the function's arguments.
        once: made once, not once a seed.
        each: further variables and their values.
        inputs: files and folders whose content the run depends on beside those that its settings name.
    """

    name: str
    command: str | None = None
    call: str | None = None
    config: list[str] = field(default_factory=list)
    set: dict[str, Any] = field(default_factory=dict)
    once: bool = False
    each: dict[str, list[Any]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """A study as its file describes it; `values` is the merged file, `origins` says where each key was written."""

    name: str
    title: str
    paper: str
    seeds: list[int]
    tables: str | None
    runs: dict[str, RunSpec]
    values: dict[str, Any]
    origins: dict[Path_, Origin | None]

    def origin(self, *path: str | int) -> Origin | None:
        """Where a key, or the nearest one above it, was written."""
        return closest(self.origins, path)


def read_study(file: str, overrides: list[tuple[str, str]], smoke: bool = False) -> Study:
    """The study of a file.

    Raises:
        UserMistakes: everything that is wrong with its shape, one line each.
    """
    mistakes: list[Mistake] = []
    loaded = read_yaml(file, mistakes)
    if loaded is None:
        raise UserMistakes(mistakes)
    merge = _Merge()
    values, origins = loaded
    short_form = values.pop("smoke", None)
    merge.add(values, lambda path: closest(origins, path))
    if smoke:
        if not isinstance(short_form, dict):
            raise UserMistakes([Mistake("--smoke", "the study has no section `smoke`", file, None, COMMAND_LINE)])
        merge.add(short_form, lambda path: closest(origins, ("smoke", *path)))
    for key, text in overrides:
        value: Any = plain_text(text)
        for part in reversed(key.split(".")):
            value = {part: value}
        merge.add(value, lambda path: COMMAND_LINE)
    reader = _Reader(merge.values, merge.origins)
    study = reader.study(Path(file).stem, smoke)
    if reader.mistakes:
        raise UserMistakes(reader.mistakes)
    return study


class _Merge:
    """Mappings merge key by key, anything else is replaced; `a.b: 1` in a `set` is `a: {b: 1}`."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Path_, Origin | None] = {}

    def add(self, overlay: Mapping[str, Any], origin_of: Any) -> None:
        self._onto(self.values, overlay, (), (), origin_of)

    def _onto(self, base: dict[str, Any], new: Mapping[str, Any], raw: Path_, clean: Path_, origin_of: Any) -> None:
        in_set = len(clean) >= 3 and (clean[0], clean[2]) == ("runs", "set")
        for key, value in new.items():
            *above, last = str(key).split(".") if in_set else [key]
            node, here = base, clean
            for part in above:
                here = (*here, part)
                if not isinstance(node.get(part), dict):
                    node[part] = {}
                node = node[part]
                self.origins.setdefault(here, origin_of((*raw, key)))
            here = (*here, last)
            self.origins[here] = origin_of((*raw, key))
            if isinstance(value, Mapping):
                inner = node.get(last)
                node[last] = inner if isinstance(inner, dict) else {}
                self._onto(node[last], value, (*raw, key), here, origin_of)
            else:
                node[last] = value


class _Reader:
    """Turns merged values into a `Study` and keeps every mistake."""

    def __init__(self, values: dict[str, Any], origins: dict[Path_, Origin | None]) -> None:
        self.values, self.origins = values, origins
        self.mistakes: list[Mistake] = []

    def study(self, stem: str, smoke: bool) -> Study:
        values = self.values
        self._known(values, _STUDY_KEYS, ())
        runs = self._with_variables(values.get("runs"))
        if not isinstance(runs, dict) or not runs:
            self._say(("runs",), "expected at least one run, as in `runs: {weak: {command: fit, config: weak.yaml}}`")
            runs = {}
        name = self._text(("name",), stem)
        if not _NAME.fullmatch(name):
            self._say(("name",), "expected letters, digits, - and _, beginning with a letter", name)
        return Study(
            name=f"{name}-smoke" if smoke else name,
            title=self._text(("title",), name.replace("_", " ")),
            paper=self._text(("paper",), ""),
            seeds=self._seeds(values.get("seeds", [0])),
            tables=self._text(("tables",), "") or None,
            runs={str(key): self._run(str(key), run) for key, run in runs.items()},
            values=values,
            origins=self.origins,
        )

    def _with_variables(self, runs: Any) -> Any:
        """The runs with `${name}` of every study-wide variable replaced by its value."""
        given = self._mapping(("variables",), self.values.get("variables"))
        used = {reference.name for reference in references(runs) if reference.run is None}
        for name, value in given.items():
            if name in ("seed", "run_dir") or not str(name).isidentifier():
                self._say(("variables", name), "expected the name of a variable other than seed and run_dir", name)
            elif name not in used:
                self._say(("variables", name), "no run uses it", ..., nearest(name, sorted(used)))
            elif not isinstance(value, str | int | float):
                self._say(("variables", name), "expected a text, a number, true or false", value)
        return replaced(runs, lambda reference: given.get(reference.text, str(reference)))

    def _run(self, name: str, values: Any) -> RunSpec:
        here: Path_ = ("runs", name)
        if not _NAME.fullmatch(name):
            self._say(here, "expected a name of letters, digits, - and _, beginning with a letter", name)
        if not isinstance(values, dict):
            self._say(here, "expected the settings of a run, key by key", values)
            return RunSpec(name)
        self._known(values, _RUN_KEYS, here)
        command, call = values.get("command"), values.get("call")
        if (command is None) == (call is None):
            self._say(here, f"needs either `command` ({', '.join(TRAINER_COMMANDS)}) or `call` (a function)")
        if command is not None and command not in TRAINER_COMMANDS:
            close = nearest(str(command), TRAINER_COMMANDS)
            self._say((*here, "command"), f"expected one of {', '.join(TRAINER_COMMANDS)}", command, close)
        if call is not None and not re.fullmatch(r"\w+(\.\w+)+", str(call)):
            self._say((*here, "call"), "expected the dotted path of a function", call)
        if call is not None and "config" in values:
            self._say((*here, "config"), "belongs to a command; a function takes what stands under `set`")
        return RunSpec(
            name, command, call,
            config=self._texts((*here, "config"), values.get("config")),
            set=self._mapping((*here, "set"), values.get("set")),
            once=self._flag((*here, "once"), values.get("once", False)),
            each=self._each((*here, "each"), values.get("each")),
            inputs=self._texts((*here, "inputs"), values.get("inputs")),
        )  # fmt: skip

    def _each(self, here: Path_, value: Any) -> dict[str, list[Any]]:
        each = self._mapping(here, value)
        for name, values in each.items():
            if name in ("seed", "run_dir", *(self.values.get("variables") or {})) or not str(name).isidentifier():
                self._say((*here, name), "expected the name of a variable other than seed and run_dir", name)
            simple = isinstance(values, list) and values and all(isinstance(v, str | int | float) for v in values)
            if not simple or len(set(map(str, values))) < len(values):
                self._say((*here, name), "expected a list of different values, as in [0, 0.5]", values)
        return {name: values for name, values in each.items() if isinstance(values, list)}

    def _seeds(self, value: Any) -> list[int]:
        value = [value] if isinstance(value, int | str) and not isinstance(value, bool) else value
        found = [int(seed) for seed in value if str(seed).isdigit()] if isinstance(value, list) else []
        if not isinstance(value, list) or not value or len(set(found)) < len(value):
            self._say(("seeds",), "expected a list of different whole numbers >= 0", value)
        return found

    def _text(self, here: Path_, default: str) -> str:
        value = self.values.get(str(here[0]), default)
        if not isinstance(value, str):
            self._say(here, "expected text", value)
        return str(value)

    def _texts(self, here: Path_, value: Any) -> list[str]:
        value = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._say(here, "expected a path or a list of paths", value)
            return []
        return value

    def _mapping(self, here: Path_, value: Any) -> dict[str, Any]:
        if value is not None and not isinstance(value, dict):
            self._say(here, "expected `key: value` pairs", value)
        return value if isinstance(value, dict) else {}

    def _flag(self, here: Path_, value: Any) -> bool:
        if not isinstance(value, bool) and value not in ("true", "false"):
            self._say(here, "expected true or false", value)
        return value in (True, "true")

    def _known(self, values: Mapping[str, Any], known: tuple[str, ...], here: Path_) -> None:
        for key in values:
            if key not in known:
                self._say((*here, key), "is no setting of a " + ("run" if here else "study"), ..., nearest(key, known))

    def _say(self, path: Path_, problem: str, value: Any = ..., nearest: str | None = None) -> None:
        key = ".".join(map(str, path))
        self.mistakes.append(Mistake(key, problem, value, nearest, closest(self.origins, path)))


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value below mappings and lists with its path."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))
    else:
        yield path, value
