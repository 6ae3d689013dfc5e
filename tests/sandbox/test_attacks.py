"""Every attack fails in the sandbox, and behind each wall alone that should stop it; where nothing does it succeeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lit_reason.sandbox import Limits, Program, Sandbox
from tests.sandbox.arena import LATER, Arena, Run, run_in, run_naively
from tests.sandbox.attacks import Attack, endless
from tests.sandbox.attacks_on_graders import ON_THE_GRADER
from tests.sandbox.attacks_on_machines import ON_THE_MACHINE

Behind = Callable[..., Sandbox]
ATTACKS = [*ON_THE_MACHINE, *ON_THE_GRADER]
LIMITS = [Limits(wall_seconds=5, call_seconds=seconds, memory_mb=128) for seconds in (2, 0.1)]
"""For attacks of which some wall other than time is to be seen, and for those on time itself."""


@pytest.fixture(scope="module")
def one() -> Iterator[Sandbox]:
    """A sandbox of one worker, so that the program after an attack meets what the attack may have left."""
    with Sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def undisturbed() -> str:
    """What the later program prints when nothing came before it."""
    with Sandbox(workers=1) as sandbox:
        return sandbox.run(Program(LATER)).stdout


@pytest.fixture
def succeeds(tmp_path: Path) -> Iterator[Callable[..., bool]]:
    """`succeeds(attack, run)` makes new targets and tells whether the attack reached them."""
    arenas: list[Arena] = []

    def attempt(attack: Attack, run: Callable[[Arena, str], Run]) -> bool:
        folder = tmp_path / str(len(arenas))
        folder.mkdir()
        arenas.append(Arena(folder))
        return attack.witness(arenas[-1], run(arenas[-1], arenas[-1].source(attack.source)))

    yield attempt
    for arena in arenas:
        arena.close()


def test_the_table_is_large_and_wide() -> None:
    assert len({(attack.mechanism, attack.name) for attack in ATTACKS}) == len(ATTACKS) >= 60
    assert len({attack.source for attack in ATTACKS}) == len(ATTACKS)
    assert len({attack.mechanism for attack in ATTACKS}) >= 12


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.mechanism}: {attack.name}")
def test_attack_fails_behind_walls_and_succeeds_without(
    attack: Attack, succeeds: Callable[..., bool], one: Sandbox, behind: Behind, undisturbed: str
) -> None:
    later = []
    on_time = attack.witness is endless or attack.mechanism == "time"

    def within(sandbox: Sandbox) -> Callable[[Arena, str], Run]:
        return lambda _, source: run_in(sandbox, source, LIMITS[on_time])

    def protected(arena: Arena, source: str) -> Run:
        run = within(one)(arena, source)
        later.append(run.later)
        return run

    assert not succeeds(attack, protected), "the sandbox lets it through"
    assert later == [undisturbed], "it changed what a later program sees"
    for walls in attack.walls.split():
        if "identity" not in walls or os.geteuid() == 0:
            assert not succeeds(attack, within(behind(*walls.split("+")))), f"{walls} alone lets it through"
    seconds = 0.4 if attack.witness is endless else 10
    control = (lambda arena, source: run_naively(arena, source, seconds)) if attack.naive else within(behind())
    assert succeeds(attack, control), "the attack is broken: nothing stops it, and it fails"
