"""Errors whose message, one readable line, is all that a person needs: the command line shows them without a
traceback."""

from __future__ import annotations

from typing import ClassVar


class PlainError(Exception):
    """A mistake in what was asked or given: a missing file, an unusable row, a machine that lacks a protection."""

    exit_code: ClassVar[int] = 2
    """The command's exit code: 2 is the user's mistake, 1 a run that failed."""
