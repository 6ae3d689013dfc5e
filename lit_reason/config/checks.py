"""Every mistake of a configuration at once: names, classes, types and ranges, checked against signatures before any
model or data exists. What remains valid goes on to jsonargparse, which has the last word."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt, restricted_number_type

from lit_reason.config.defaults import names as built_in_names
from lit_reason.config.defaults import with_defaults
from lit_reason.config.mistakes import Mistake, nearest
from lit_reason.config.request import Request
from lit_reason.config.sources import CLASS_LISTS, Path_
from lit_reason.config.types import (
    choices,
    class_bases,
    described,
    is_kind,
    is_open,
    item_annotation,
    members,
    nested_group,
    per_cent,
    typed,
)

_MISSING = object()
_MINUS_ONE_OR_MORE: Any = restricted_number_type("MinusOneOrMore", int, (">=", -1))  # -1 is no limit

TRAINER_TYPES: dict[str, Any] = {
    "accumulate_grad_batches": PositiveInt,
    "num_nodes": PositiveInt,
    "max_epochs": _MINUS_ONE_OR_MORE | None,
    "max_steps": _MINUS_ONE_OR_MORE,
    "log_every_n_steps": NonNegativeInt | None,
    "check_val_every_n_epoch": PositiveInt | None,
    "gradient_clip_val": NonNegativeFloat | None,
    "limit_train_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_val_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_test_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_predict_batches": NonNegativeInt | NonNegativeFloat | None,
}
"""Ranges that Lightning's own annotations leave open."""


class Checker:
    """Walks the merged settings beside the signatures they belong to. `mistakes` holds what is wrong; the settings that
    `checked` returns lack it. `groups` are the classes met on the way, for their own `check_config`."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.settings = request.settings
        self.mistakes = list(request.settings.mistakes)
        self.groups: dict[Path_, type] = {}

    def checked(self) -> dict[str, Any]:
        """The settings with defaults, class paths in full, and typed values; wrong ones are left out."""
        from lightning.pytorch import LightningDataModule, LightningModule

        from lit_reason.config.launch import Trainer
        from lit_reason.run_directory import RunSettings

        values = dict(self.settings.values)
        roots: dict[str, Any] = {
            "run": RunSettings,
            "model": LightningModule,
            "data": LightningDataModule,
            "trainer": Trainer,
        }
        arguments = {p.name: p for p in _parameters(getattr(Trainer, self.request.command), method=True)}
        others = {name: p for name, p in arguments.items() if name not in _HANDED_OVER}
        result: dict[str, Any] = {}
        self._known_top_level(values, {**roots, **others}, roots)
        for name, parameter in others.items():
            if name in values:
                self._put(result, name, self._value(values[name], parameter.annotation, (name,)))
        for name in ("run", "trainer"):
            if name in values:
                self._put(result, name, self._group(values[name], roots[name], (name,)))
        for name in ("model", "data"):
            if values.get(name) is not None:
                self._put(result, name, self._class(values[name], (roots[name],), (name,)))
        if not self.settings.unreadable:  # what is missing may stand in the file that could not be read
            self._required(values)
        self._reserved(result)
        result.setdefault("run", {}).setdefault("name", self.request.default_name)
        return with_defaults(result)  # added last: they are ours, so they need no check

    def arguments(self, target: Any) -> dict[str, Any]:
        """The settings as arguments of one function: names known, values of their types, nothing required missing."""
        return self._group(self.settings.values, target, ())

    def _known_top_level(self, values: Mapping[str, Any], known: Mapping[str, Any], roots: Mapping[str, Any]) -> None:
        for key in values:
            if key in known:
                continue
            homes = [
                f"{name}.{key}" for name in ("trainer", "run") if key in {p.name for p in _parameters(roots[name])}
            ]
            homes += [f"model.{key}"] if key in self._names_of_model() else []
            close = homes[0] if homes else nearest(key, known)
            self._say((key,), "is no setting", nearest=close)

    def _names_of_model(self) -> set[str]:
        model = self.settings.get("model", "class_path")
        cls = _imported(self.settings.index.class_path(model) or "")[0] if isinstance(model, str) else None
        return {p.name for p in _parameters(cls)} if inspect.isclass(cls) else set()

    def _required(self, values: Mapping[str, Any]) -> None:
        if values.get("model") is None:
            self._say(("model",), "is missing: name a LightningModule, as in --model CausalLanguageModel")
        if values.get("data") is None and self.request.command == "prepare":
            self._say(("data",), "is missing: prepare builds the data of a LightningDataModule")

    def _reserved(self, result: dict[str, Any]) -> None:
        if result.get("trainer", {}).pop("default_root_dir", None) is not None:
            self._say(("trainer", "default_root_dir"), "the run directory is chosen by run.root, run.name and run.id")
        for i, name in enumerate(result.get("run", {}).get("without") or []):
            if name not in built_in_names():
                self._say(
                    ("run", "without", i), "is no built-in callback or logger", name, nearest(name, built_in_names())
                )

    def _group(self, values: Any, target: Any, path: Path_) -> Any:
        """Settings of one signature: every name known, every value of its type, nothing required missing."""
        if not isinstance(values, dict):
            return self._say(path, f"expected settings of {target.__name__}, key by key", values)
        parameters = {p.name: p for p in _parameters(target)}
        self.groups[path] = target
        result: dict[str, Any] = {}
        for key, value in values.items():
            here = (*path, key)
            if key not in parameters:
                close = nearest(str(key), parameters)
                self._say(
                    here,
                    f"is no setting of {target.__name__}",
                    nearest=".".join(map(str, (*path, close))) if close else None,
                )
                continue
            annotation = TRAINER_TYPES.get(key) if path == ("trainer",) else None
            self._put(result, key, self._value(value, annotation or parameters[key].annotation, here))
        for name, parameter in parameters.items():
            if parameter.default is inspect.Parameter.empty and name not in values:
                self._say((*path, name), f"is required by {target.__name__}", origin_path=path)
        return result

    def _value(self, value: Any, annotation: Any, path: Path_) -> Any:
        """One value against its annotation, or `_MISSING` after a mistake."""
        bases, group, item = class_bases(annotation), nested_group(annotation), item_annotation(annotation)
        if isinstance(value, dict) and "class_path" in value and bases:
            return self._class(value, bases, path)
        if isinstance(value, str) and bases and (self._is_class_name(value) or str not in members(annotation)):
            return self._class({"class_path": value}, bases, path)
        if isinstance(value, dict) and group is not None:
            return self._group(value, group, path)
        if isinstance(value, list) and item is not None:
            items = [self._value(v, item, (*path, i)) for i, v in enumerate(value)]
            return [v for v in items if v is not _MISSING]
        if isinstance(value, dict) and path in CLASS_LISTS:
            return self._say(path, f"name a {bases[0].__name__} before its settings")
        if is_open(annotation) or (isinstance(value, dict) and bases):
            return value  # settings of a default class; jsonargparse knows which
        if value is None and type(None) not in members(annotation):
            return self._say(path, f"expected {described(annotation)}", value)
        try:
            return typed(value, annotation)
        except ValueError:
            words = choices(annotation)
            if len(words) > 9:
                return self._say(path, "is none of the allowed words", value, nearest(str(value), words))
            fraction = per_cent(value, annotation)
            expected = f"expected {described(annotation)}{', as a fraction' if fraction else ''}"
            return self._say(path, expected, value, fraction or nearest(str(value), words))

    def _is_class_name(self, value: str) -> bool:
        return bool(self.settings.index.find(value)) or ("." in value and value.rpartition(".")[2][:1].isupper())

    def _class(self, value: Any, bases: tuple[type, ...], path: Path_) -> Any:
        """A class by name below one of `bases`, and its settings."""
        if not isinstance(value, dict) or not isinstance(value.get("class_path"), str):
            wanted = bases[0].__name__
            return self._say(path, f"expected the name of a {wanted}", value if not isinstance(value, dict) else ...)
        name = value["class_path"]
        full = self.settings.index.class_path(name)
        if full is None:
            problem, close = self.settings.index.problem(name, bases[0].__name__)
            return self._say(path, problem, name, close)
        cls, why = _imported(full)
        if why:
            close = self.settings.index.problem(name, bases[0].__name__)[1]
            return self._say(path, why, name, close)
        if inspect.isclass(cls) and not any(is_kind(cls, base) for base in bases):
            wanted = " or ".join(base.__name__ for base in bases)
            return self._say(path, f"{cls.__name__} is not a {wanted}", name, nearest(cls.__name__, self._kinds(bases)))
        if cls in bases and cls.__module__.startswith("lightning."):  # ours are concrete, and may be named themselves
            return self._say(path, f"{cls.__name__} is the base class; name a class of that kind", name)
        arguments = value.get("init_args") or {}
        if path[:2] == ("trainer", "logger") and any(p.name == "save_dir" for p in _parameters(cls)):
            arguments = {"save_dir": "{run_dir}", **arguments}
        return {**value, "class_path": full, "init_args": self._group(arguments, cls, path)}

    def _kinds(self, bases: tuple[type, ...]) -> list[str]:
        return [name for base in bases for name in self.settings.index.kinds_of(base.__name__)]

    def _put(self, result: dict[str, Any], key: str, value: Any) -> None:
        if value is not _MISSING:
            result[key] = value

    def _say(
        self, path: Path_, problem: str, value: Any = ..., nearest: str | None = None, origin_path: Path_ | None = None
    ) -> Any:
        key = ".".join(map(str, path))
        self.mistakes.append(Mistake(key, problem, value, nearest, self.settings.origin(origin_path or path)))
        return _MISSING


_HANDED_OVER = {"self", "model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}


def _parameters(target: Any, method: bool = False) -> list[Any]:
    """Parameters of a class, `**kwargs` followed into its bases; of a function as they are."""
    if method:
        import typing

        hints = typing.get_type_hints(target)
        signature = inspect.signature(target)
        return [p.replace(annotation=hints.get(p.name, p.annotation)) for p in signature.parameters.values()]
    from jsonargparse._parameter_resolvers import get_signature_parameters

    return [p for p in get_signature_parameters(target, logger=False) if not p.name.startswith("*")]


def _imported(class_path: str) -> tuple[Any, str | None]:
    """The class, or why there is none."""
    module_name, _, name = class_path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            return None, f"there is no module {error.name}"
        return None, f"{module_name} needs {error.name}, which is not installed"
    except Exception as error:
        return None, f"{module_name} cannot be imported: {type(error).__name__}: {error}"
    if not hasattr(module, name):
        return None, f"module {module_name} has no class {name}"
    return getattr(module, name), None
