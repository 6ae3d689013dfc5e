"""A configuration with the defaults that its classes declare, read from source: no class is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from lit_reason.config.help import declared_options
from lit_reason.config.mistakes import shown
from lit_reason.config.sources import Path_, Settings


def resolved_texts(settings: Settings) -> dict[str, str]:
    """Every setting by its dotted key (`init_args` left out), as text: the same whether a default was written out or
    left to the class."""
    texts = {}
    for path, class_path in _classes(settings.values, ()):
        full = settings.index.class_path(class_path) or class_path
        for key, option, _ in declared_options(full, settings.index, ".".join(map(str, path)), None):
            if option.default is not None:
                texts[key] = option.default
    for path, value in _leaves(settings.values, ()):
        texts[".".join(map(str, path))] = shown(value, sys.maxsize)
    return dict(sorted(texts.items()))


def _classes(node: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(node, dict) and isinstance(node.get("class_path"), str):
        yield path, node["class_path"]
    for key, value in _items(node):
        yield from _classes(value, path if key == "init_args" else (*path, key))


def _leaves(node: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    items = _items(node)
    if not items:
        yield path, node
    for key, value in items:
        yield from _leaves(value, path if key == "init_args" else (*path, key))


def _items(node: Any) -> list[tuple[Any, Any]]:
    return list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
