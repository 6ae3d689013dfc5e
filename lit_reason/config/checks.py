"""Checks before anything is built."""

from __future__ import annotations

from typing import Any

from lit_reason.config.defaults import with_defaults
from lit_reason.config.mistakes import Mistake, UserMistakes
from lit_reason.config.request import Request
from lit_reason.run_directory import RunDirectory


def checked_values(request: Request) -> dict[str, Any]:
    settings = request.settings
    if settings.mistakes:
        raise UserMistakes(settings.mistakes)
    values = with_defaults(settings.values)
    run = dict(values.get("run") or {})
    run.setdefault("name", request.default_name)
    return {**values, "run": run}


def check_classes(request: Request, config: dict[str, Any]) -> None:
    pass


def check_checkpoint(request: Request, config: dict[str, Any], run: RunDirectory) -> None:
    pass
