"""What an attack is, and what shows that it succeeded.

A source may use FILE, FOLDER, SECRET, PID, PASSWORD_ADDRESS, TCP, UDP, UNIX, ABSTRACT, KEY and `call(name, ...)`, a
system call by name (see `Arena.source`). One that defines `f` is called as a function.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.sandbox.arena import SECRET, Arena, Run

Witness = Callable[[Arena, Run], bool]
"""Whether the attack succeeded."""


@dataclass(frozen=True)
class Attack:
    """One attack.

    Args:
        mechanism: what it goes through.
        name: what it wants.
        witness: what it changes when nothing stops it.
        walls: each of these (or of these sums) alone stops it.
        source: the program.
        naive: whether it succeeds in the naive executor; otherwise it does in a sandbox without walls.
    """

    mechanism: str
    name: str
    witness: Witness
    walls: str
    source: str
    naive: bool = False


def touched(arena: Arena, run: Run) -> bool:
    """A file outside, a name or metadata."""
    return arena.folder_changed()


def touched_soon(arena: Arena, run: Run) -> bool:
    """The same, within a quarter of a second."""
    deadline = time.monotonic() + 0.25
    while time.monotonic() < deadline and not arena.folder_changed():
        time.sleep(0.01)
    return arena.folder_changed()


def harmed(arena: Arena, run: Run) -> bool:
    """Another process."""
    return arena.victim_changed()


def heard(arena: Arena, run: Run) -> bool:
    """A listener."""
    return arena.heard()


def left(arena: Arena, run: Run) -> bool:
    """An object in the kernel after the program has ended."""
    return bool(arena.kernel_objects())


def leaked(arena: Arena, run: Run) -> bool:
    """Something secret, in what the program printed."""
    return SECRET in run.text


def won(arena: Arena, run: Run) -> bool:
    """The program got something that nobody outside can see, such as a descriptor."""
    return "won!" in run.text


def orphaned(arena: Arena, run: Run) -> bool:
    """The process that watches over programs was ended."""
    return "own process died" in run.text


def crashed(arena: Arena, run: Run) -> bool:
    """The grader itself."""
    return run.crashed or not run.ended


def endless(arena: Arena, run: Run) -> bool:
    """Time: the program has to be ended by hand."""
    return not run.ended


def flooded(arena: Arena, run: Run) -> bool:
    """The grader's memory."""
    return len(run.text) > 5_000_000


def passed(arena: Arena, run: Run) -> bool:
    """The verdict."""
    return "'passed'" in run.text


def poisoned(arena: Arena, run: Run) -> bool:
    """What the later program sees."""
    return run.later != run.usual


def filled(arena: Arena, run: Run) -> bool:
    """The disk: the program came to its last line, or its files are still there."""
    return "status 42" in run.text or sum(path.stat().st_size for path in arena.scratch.iterdir()) > 64 << 20
