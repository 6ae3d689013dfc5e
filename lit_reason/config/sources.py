"""YAML files and the command line, merged in the order they are given, each setting remembering where it was written.

Merging: mappings merge key by key and the later value wins. Lists of classes (callbacks, loggers) grow, so that an
overlay keeps its base's; lists of plain values are replaced. `key+:` always appends and `key=:` always replaces.
Naming another class starts its settings afresh. Keys beside `class_path` may stand there without `init_args`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lit_reason.config.classes import ClassIndex
from lit_reason.config.mistakes import COMMAND_LINE, Mistake, Origin, display_path

Path_ = tuple[str | int, ...]
CLASS_SLOTS: set[Path_] = {("model",), ("data",)}
CLASS_LISTS: set[Path_] = {("trainer", "callbacks"), ("trainer", "logger")}
_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but `1e-3` is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


class Settings:
    """The merged settings: plain `values`, and the `origins` of every key (paths leave out `init_args`)."""

    def __init__(self, index: ClassIndex) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Path_, Origin | None] = {}
        self.mistakes: list[Mistake] = []
        self.notes: list[str] = []
        self.unreadable = False
        self.index = index

    def add_file(self, name: str) -> None:
        """Merge a YAML file over what is there; unreadable files become mistakes."""
        loaded = read_yaml(name, self.mistakes)
        self.unreadable |= loaded is None
        if loaded is not None:
            values, origins = loaded
            self._add(values, lambda raw: closest(origins, raw))

    def add_argument(self, key: str, text: str) -> None:
        """Merge one `--key text` of the command line."""
        value: Any = plain_text(text)
        for part in reversed(key.split(".")):
            value = {part: value}
        self._add(value, lambda raw: COMMAND_LINE)

    def origin(self, path: Path_) -> Origin | None:
        """Where a key, or the nearest key above it, was written."""
        path = tuple(part for part in path if part not in _CLASS_KEYS)
        return closest(self.origins, path)

    def get(self, *path: str, default: Any = None) -> Any:
        """A value by path without `init_args`, as in `get("model", "backbone", "name")`."""
        node: Any = self.values
        for part in path:
            if isinstance(node, dict) and part not in node and isinstance(node.get("init_args"), dict):
                node = node["init_args"]
            if not isinstance(node, dict) or part not in node:
                return default
            node = node[part]
        return node

    def _add(self, overlay: dict[str, Any], origin_of: Callable[[Path_], Origin | None]) -> None:
        merged = _Merge(self, origin_of).merge(self.values, overlay, "", (), ())
        self.values = merged if isinstance(merged, dict) else self.values


class _Merge:
    """One overlay being merged: `raw` paths are the overlay's own, `clean` paths those of the merged settings."""

    def __init__(self, settings: Settings, origin_of: Callable[[Path_], Origin | None]) -> None:
        self.settings = settings
        self.origin_of = origin_of

    def merge(self, base: Any, new: Any, mode: str, raw: Path_, clean: Path_) -> Any:
        if clean in CLASS_LISTS and new in ("true", "false"):
            new = new == "true"  # a logger may be switched off
        elif clean in CLASS_LISTS and _names_class(new):
            new = [new]
        if mode == "=" or base is None or isinstance(base, (int, float)):
            return self.adopt(new, raw, clean)
        if isinstance(base, list):
            return self._onto_list(base, new, mode, raw, clean)
        if mode == "+":
            return [base, *self._items(new, 1, raw, clean)]
        if isinstance(base, dict) and isinstance(new, str) and "class_path" in base:
            new = {"class_path": new}
        if isinstance(base, str) and isinstance(new, dict) and "class_path" not in new:
            base = {"class_path": base}
        if isinstance(base, dict) and isinstance(new, dict):
            return self._onto_mapping(base, new, raw, clean)
        return self.adopt(new, raw, clean)

    def adopt(self, value: Any, raw: Path_, clean: Path_) -> Any:
        """A copy of an overlay's value with class nodes in their full form and every key's origin recorded."""
        self.settings.origins = {k: v for k, v in self.settings.origins.items() if k[: len(clean)] != clean}
        self._record(raw, clean)
        if isinstance(value, str) and (clean in CLASS_SLOTS or clean[:-1] in CLASS_LISTS):
            value = {"class_path": value}
        if isinstance(value, list):
            return self._items(value, 0, raw, clean)
        if isinstance(value, dict):
            return self._onto_mapping({}, value, raw, clean)
        return value

    def _onto_list(self, base: list[Any], new: Any, mode: str, raw: Path_, clean: Path_) -> Any:
        if isinstance(new, list):
            grows = (
                mode == "+"
                or clean in CLASS_LISTS
                or any(isinstance(v, dict) and "class_path" in v for v in [*base, *new])
            )
            return [*base, *self._items(new, len(base), raw, clean)] if grows else self.adopt(new, raw, clean)
        if mode == "+" or (clean in CLASS_LISTS and _names_class(new)):
            return [*base, *self._items(new, len(base), raw, clean)]
        if isinstance(new, dict) and base:  # callbacks.patience 5 means the last item, callbacks.0.patience the first
            at = len(base) - 1
            if all(str(key).isdigit() and int(key) < len(base) for key in new):
                key, new = next(iter(new.items()))
                at, raw = int(key), (*raw, key)
            return [*base[:at], self.merge(base[at], new, "", raw, (*clean, at)), *base[at + 1 :]]
        return self.adopt(new, raw, clean)

    def _onto_mapping(self, base: dict[str, Any], new: dict[str, Any], raw: Path_, clean: Path_) -> dict[str, Any]:
        is_class = clean in CLASS_SLOTS or "class_path" in base or "class_path" in new
        if "class_path" in new:
            base = self._same_class(base, str(new["class_path"]), raw, clean)
        result = dict(base)
        for key, value in new.items():
            plain, mode = (key[:-1], key[-1]) if isinstance(key, str) and key[-1:] in ("+", "=") else (key, "")
            here = (*raw, key)
            if plain == "class_path":
                self._record(here, clean)
            elif is_class and plain == "dict_kwargs":
                result[plain] = self.merge(base.get(plain, {}), value, mode, here, clean)
            elif is_class and plain == "init_args" and isinstance(value, dict):
                result["init_args"] = self._init_args(result.get("init_args"), value, here, clean)
            elif is_class:
                result["init_args"] = self._init_args(result.get("init_args"), {key: value}, raw, clean)
            else:
                result[plain] = self._child(base, plain, value, mode, here, (*clean, plain))
        return result

    def _init_args(self, base: dict[str, Any] | None, new: dict[str, Any], raw: Path_, clean: Path_) -> dict[str, Any]:
        result = dict(base or {})
        for key, value in new.items():
            plain, mode = (key[:-1], key[-1]) if isinstance(key, str) and key[-1:] in ("+", "=") else (key, "")
            result[plain] = self._child(result, plain, value, mode, (*raw, key), (*clean, plain))
        return result

    def _child(self, base: dict[str, Any], key: str, value: Any, mode: str, raw: Path_, clean: Path_) -> Any:
        if key not in base:
            value = [value] if mode == "+" and not isinstance(value, list) else value
            return self.merge(None, value, "", raw, clean)
        before, now = self.settings.origins.get(clean), self.origin_of(raw)
        if before is COMMAND_LINE and now is not COMMAND_LINE and not isinstance(value, dict):
            name = ".".join(map(str, clean))
            self.settings.notes.append(f"{name}: the file replaces what the command line said before it [{now}]")
        self._record(raw, clean)
        return self.merge(base[key], value, mode, raw, clean)

    def _same_class(self, base: dict[str, Any], name: str, raw: Path_, clean: Path_) -> dict[str, Any]:
        """The base with its settings if it is of class `name`, else only the new name, and a note of what is
        dropped."""
        path = self.settings.index.class_path(name) or name
        old = base.get("class_path")
        if old is None or old == path:
            return {**base, "class_path": path}
        dropped = ", ".join(base.get("init_args") or {})
        if dropped:
            key, short = ".".join(map(str, clean)), old.rpartition(".")[2]
            where = self.origin_of((*raw, "class_path"))
            self.settings.notes.append(
                f"{key}: {name} replaces {short}, whose settings are dropped: {dropped} [{where}]"
            )
        return {"class_path": path}

    def _items(self, new: Any, start: int, raw: Path_, clean: Path_) -> list[Any]:
        new = new if isinstance(new, list) else [new]
        return [self.adopt(item, (*raw, i), (*clean, start + i)) for i, item in enumerate(new)]

    def _record(self, raw: Path_, clean: Path_) -> None:
        self.settings.origins[clean] = self.origin_of(raw)


def read_yaml(name: str, mistakes: list[Mistake]) -> tuple[dict[str, Any], dict[Path_, Origin]] | None:
    """A YAML file's mapping and the line of each of its keys; None, and a mistake, when it is not one."""
    file = Path(name)
    shown = display_path(file)
    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=_Loader)
    except FileNotFoundError:
        mistakes.append(Mistake("--config", "no such file", name, _nearest_file(file), COMMAND_LINE))
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        mistakes.append(Mistake("--config", f"cannot be read: {reason}", name, None, COMMAND_LINE))
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Origin(shown, mark.line + 1 if mark else None)
        mistakes.append(Mistake("", f"not valid YAML: {error.problem}", origin=where))
        return None
    except yaml.YAMLError as error:
        mistakes.append(Mistake("", f"not valid YAML: {error}", origin=Origin(shown)))
        return None
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        mistakes.append(Mistake("", "expected `key: value` lines at the top of the file", origin=Origin(shown, 1)))
        return None
    origins: dict[Path_, Origin] = {}
    before = len(mistakes)
    try:
        values = _constructed(_Loader(""), node, (), shown, origins, mistakes)
    except yaml.MarkedYAMLError as error:
        where = Origin(shown, error.problem_mark.line + 1 if error.problem_mark else None)
        mistakes.append(Mistake("", f"not valid YAML: {error.problem}", origin=where))
        return None
    return (values, origins) if len(mistakes) == before else None


def _constructed(
    loader: _Loader, node: yaml.Node, path: Path_, file: str, origins: dict[Path_, Origin], mistakes: list[Mistake]
) -> Any:
    """The node's value; the line of every key goes to `origins`, keys given twice to `mistakes`."""
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            origins[(*path, i)] = Origin(file, item.start_mark.line + 1)
        return [_constructed(loader, item, (*path, i), file, origins, mistakes) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    written = [key.value for key, _ in node.value]
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        here, line = (*path, key), key_node.start_mark.line + 1
        if key in result and written.count(key_node.value) > 1:
            first = origins[here].line
            name = ".".join(map(str, here))
            mistakes.append(Mistake(name, f"is given twice, first on line {first}", origin=Origin(file, line)))
        origins[here] = Origin(file, line)
        result[key] = _constructed(loader, value_node, here, file, origins, mistakes)
    return result


def plain_text(text: str) -> Any:
    """A command-line value: text, except null and what is written as a YAML list or mapping (types are applied
    later)."""
    if text in ("null", "~", ""):
        return None if text else text
    if text[0] in "[{":
        try:
            return yaml.load(text, Loader=_Loader)
        except yaml.YAMLError:
            return text
    return text


def _names_class(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and "class_path" in value)


def closest(origins: Mapping[Path_, Origin | None], path: Path_) -> Origin | None:
    """Where a key, or the nearest key above it, was written."""
    while path and path not in origins:
        path = path[:-1]
    return origins.get(path)


def _nearest_file(file: Path) -> str | None:
    from lit_reason.config.mistakes import nearest

    if not file.parent.is_dir():
        return None
    found = nearest(file.name, (other.name for other in file.parent.iterdir() if other.suffix in (".yaml", ".yml")))
    return str(file.parent / found) if found else None
