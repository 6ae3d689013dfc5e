"""Sandboxes to test: the real one, and ones that lack walls on purpose, so that attacks are seen to succeed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lit_reason.sandbox import Sandbox
from lit_reason.sandbox.jail.lockdown import WALLS

Behind = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """All walls."""
    with Sandbox(workers=2) as shared:
        yield shared


@pytest.fixture(scope="session")
def behind() -> Iterator[Behind]:
    """`behind("landlock")` is a sandbox with that wall only, `behind()` one with none."""
    made: dict[frozenset[str], Sandbox] = {}

    def make(*walls: str) -> Sandbox:
        key = frozenset(walls)
        if key not in made:
            weaker = type("WeakerSandbox", (Sandbox,), {"_without": frozenset(WALLS) - key})
            made[key] = weaker(workers=1, allow_unprotected=True)
        return made[key]

    yield make
    for each in made.values():
        each.close()
