"""Type annotations as settings: what a value must be, in words, and whether it is that."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import os
import types
import typing
from functools import lru_cache
from typing import Any, Literal, Union

import typing_extensions
from jsonargparse import ArgumentParser

_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping", list: "a list",
    tuple: "a list", set: "a list",
}  # fmt: skip
_NOT_CLASSES = (int, float, str, bytes, bool, complex, dict, list, tuple, set, frozenset, enum.Enum, os.PathLike)


def members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union; any other annotation alone. `Annotated` is looked through."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return tuple(m for arg in typing.get_args(annotation) for m in members(arg))
    return (annotation,)


def is_open(annotation: Any) -> bool:
    """Whether nothing is said about the value."""
    return annotation in (inspect.Parameter.empty, Any, object) or isinstance(annotation, str | typing.ForwardRef)


def nested_group(annotation: Any) -> type | None:
    """The one dataclass among the alternatives, whose fields are settings below this one."""
    found = [m for m in members(annotation) if inspect.isclass(m) and dataclasses.is_dataclass(m)]
    return found[0] if len(found) == 1 else None


def class_bases(annotation: Any) -> tuple[type, ...]:
    """The alternatives that are given by a class path."""
    return tuple(
        m
        for m in members(annotation)
        if not is_open(m)
        and inspect.isclass(m)
        and not dataclasses.is_dataclass(m)
        and not issubclass(m, _NOT_CLASSES)
        and m.__module__ not in ("builtins", "datetime", "typing")
    )


def is_kind(cls: type, base: type) -> bool:
    """Whether a class may stand where `base` is asked for: a subclass, or, for a protocol, one with all its members."""
    if getattr(base, "_is_protocol", False):
        return all(hasattr(cls, name) for name in typing_extensions.get_protocol_members(base))
    return issubclass(cls, base)


def item_annotation(annotation: Any) -> Any:
    """The annotation of a list's items, or None where no alternative is a list of something."""
    for member in members(annotation):
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin in (list, set, collections.abc.Iterable, collections.abc.Sequence) and arguments:
            return arguments[0]
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
    return None


def choices(annotation: Any) -> list[str]:
    """The allowed words, where the annotation lists them."""
    found: list[str] = []
    for member in members(annotation):
        if typing.get_origin(member) is Literal:
            found += [str(choice) for choice in typing.get_args(member)]
        elif inspect.isclass(member) and issubclass(member, enum.Enum):
            found += [item.name for item in member]
    return found


def described(annotation: Any) -> str:
    """What a value must be, as in "a whole number > 0 or null"."""
    words: list[str] = []
    for member in members(annotation):
        if member is type(None):
            continue
        word = _described_member(member)
        if word not in words:
            words.append(word)
    if "a whole number" in words and "a number" in words:
        words.remove("a whole number")
    if type(None) in members(annotation):
        words.append("null")
    return " or ".join(words)


def per_cent(value: Any, annotation: Any) -> str | None:
    """The fraction that a per cent was meant as: `0.6` for 60 where a number from 0 to 1 is asked for."""
    if not any(getattr(member, "_expression", "") == "v>=0 and v<=1" for member in members(annotation)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return f"{number / 100:g}" if 2 <= number <= 100 else None


def typed(value: Any, annotation: Any) -> Any:
    """The value in its type, as jsonargparse reads it ("8" is 8 where a whole number is asked for).

    Raises:
        ValueError: the value is not of this type.
    """
    if is_open(annotation):
        return value
    if isinstance(value, bool) and bool not in members(annotation) and not choices(annotation):
        raise ValueError("true and false are no numbers")
    try:
        return _leaf_parser(annotation).parse_object({"value": value}).value
    except Exception as error:  # whatever a type's own check raises means the same: not of this type
        raise ValueError(str(error)) from None


def _described_member(member: Any) -> str:
    if typing.get_origin(member) is Literal:
        return f"one of {', '.join(map(str, typing.get_args(member)))}"
    if inspect.isclass(member) and issubclass(member, enum.Enum):
        return f"one of {', '.join(item.name for item in member)}"
    if hasattr(member, "_restrictions") and hasattr(member, "_type"):
        return f"{_WORDS.get(member._type, 'a value')} {_range_of(member._expression)}"
    if origin := typing.get_origin(member):
        arguments = [a for a in typing.get_args(member) if a is not Ellipsis]
        if origin in (dict, collections.abc.Mapping):
            return "a mapping"
        if origin is tuple and len(arguments) > 1:
            kinds = {described(argument): None for argument in arguments}
            return f"a list of {len(arguments)}, each {' or '.join(kinds)}"
        inner = f" of {described(arguments[0])}" if len(arguments) == 1 else ""
        return f"a list{inner}"
    if inspect.isclass(member) and dataclasses.is_dataclass(member):
        return f"the settings of {member.__name__}"
    if inspect.isclass(member) and issubclass(member, os.PathLike):
        return "a path"
    return _WORDS.get(member, f"a {getattr(member, '__name__', member)}")


def _range_of(expression: str) -> str:
    """jsonargparse's "v>=0 and v<=1" in the words of a sentence."""
    return " ".join(part.replace("v", "", 1) if part.startswith("v") else part for part in expression.split())


@lru_cache(maxsize=256)
def _leaf_parser(annotation: Any) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=annotation)
    return parser
