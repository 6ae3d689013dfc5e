"""Questions of reasoning-gym's families, reproducible from family, settings and seed."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jsonargparse.typing import NonNegativeInt

from lit_reason.errors import PlainError
from lit_reason.grading.verifier import META
from lit_reason.questions import Asking, Exercise
from lit_reason.records import Question

SPACING = 10**6
"""The library makes item i of seed s from s + i: seeds this far apart share no item of any split."""

PER_SEED = 10
"""Seeds of the library set aside for one seed of ours: one a split, the rest for splits to come."""

UNREPEATABLE = frozenset(
    {"isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note", "word_ladder"}
)
"""Families whose items follow the process's own string hashes: the next run makes others, and so does the verifier."""

_MAX_FAILURES = 1000
_OWN_SETTINGS = frozenset({"seed", "size"})


class FamilyError(PlainError, ValueError):
    """A family that is unknown, or cannot be made with these settings; one readable line."""


@dataclass(frozen=True)
class Family:
    """Which questions to make.

    Args:
        name: a data set of reasoning-gym: `chain_sum`, `countdown`, `gsm_symbolic`, `knights_knaves`, ...
        level: difficulty from 0 up, all attributes of the family's curriculum at once; null takes its default settings.
        config: settings of the family by name, in place of those of the level.
    """

    name: str
    level: NonNegativeInt | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and level, `countdown@2`: the source under which results are reported."""
        return self.name if self.level is None else f"{self.name}@{self.level}"

    def problems(self) -> list[tuple[str, str]]:
        """`(setting, message)` for everything that is wrong with it."""
        if self.name in UNREPEATABLE:
            return [("name", f"{self.name} makes other questions in every process, so none can be graded again")]
        if self.name not in families():
            near = difflib.get_close_matches(self.name, families(), n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `import reasoning_gym.factory` lists them in DATASETS"
            return [("name", f"reasoning-gym has no family {self.name}{hint}")]
        found = self._level_problems()
        known = {f.name for f in dataclasses.fields(_config_class(self.name))} - _OWN_SETTINGS
        for name in self.config.keys() - known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(sorted(known))}"
            found.append((f"config.{name}", f"{self.name} has no such setting{hint}"))
        if not found:
            try:
                _dataset(self, 0, 1)
            except (AssertionError, ValueError, TypeError) as error:
                found.append(("config", f"{self.name} refuses it: {error}"))
        return found

    def _level_problems(self) -> list[tuple[str, str]]:
        if self.level is None:
            return []
        levels = n_levels(self.name)
        if not levels:
            return [("level", f"{self.name} has no levels; set its difficulty by config")]
        return [("level", f"{self.name} has levels 0 to {levels - 1}")] if self.level >= levels else []


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """The names of all families that make the same questions again. `composite` mixes other families and is none
    itself: list several instead."""
    import reasoning_gym  # noqa: F401  registers them
    from reasoning_gym.factory import DATASETS

    return tuple(sorted(DATASETS.keys() - UNREPEATABLE - {"composite"}))


def n_levels(name: str) -> int:
    """How many difficulty levels a family has; beyond an attribute's own highest level it stays there. 0 for none."""
    from reasoning_gym.factory import CURRICULA, create_curriculum

    return max(len(a.levels) for a in create_curriculum(name).attributes.values()) if name in CURRICULA else 0


def equal_shares(n: int, parts: int) -> list[int]:
    """n as equal whole shares; the first get what is left over."""
    return [n // parts + (i < n % parts) for i in range(parts)]


def exercises(family: Family, n: int, seed: int, asking: Asking, dropped: Counter[str]) -> Iterator[Exercise]:
    """The first `n` questions of a family that can be made under a seed of the library.

    The library fails to make some items; they are skipped and counted in `dropped`. Gold answers are None where every
    valid answer counts and none is known.

    Raises:
        FamilyError: the family is unknown, refuses its settings, or makes next to nothing with them.
    """
    problems = family.problems()
    if problems:
        raise FamilyError(f"{problems[0][0]}: {problems[0][1]}")
    dataset, config = _dataset(family, seed, max(n, 1))
    made = failures = 0
    for index in range(SPACING):
        if made == n:
            return
        try:
            entry = dataset[index]
        except Exception as error:  # each family fails in its own way; the item is what is lost
            failures += 1
            dropped[f"{family.label} item that reasoning-gym fails to make"] += 1
            if failures > _MAX_FAILURES:
                raise FamilyError(f"{family.label}: reasoning-gym makes hardly any item: {error}") from None
            continue
        made += 1
        yield _exercise(family, config, index, entry, asking, dataset.category)


def _exercise(
    family: Family, config: dict[str, Any], index: int, entry: dict[str, Any], asking: Asking, category: str
) -> Exercise:
    meta = {
        "source": family.label,
        "topic": category,
        "difficulty": family.level,
        META: {"family": family.name, "config": config, "index": index},
    }
    gold = entry["answer"] if isinstance(entry["answer"], str) else None
    id = f"{family.label}/{config['seed']}/{index}"
    return Exercise(Question(id, asking.prompt(entry["question"]), gold, meta), entry["metadata"].get("answer_cot"))


def _dataset(family: Family, seed: int, size: int) -> tuple[Any, dict[str, Any]]:
    """The data set and the settings that make it again, as plain JSON: they are stored with every question."""
    import reasoning_gym

    # A few families make all `size` items at once, so that it cannot be as large as possible.
    settings = {**_level_settings(family), **family.config, "seed": seed, "size": size}
    try:
        settings = json.loads(json.dumps(settings))
    except TypeError as error:
        raise FamilyError(f"config of {family.name} is not plain data: {error}") from None
    return reasoning_gym.create_dataset(family.name, **settings), settings


def _level_settings(family: Family) -> dict[str, Any]:
    """What a level changes in the default settings."""
    from reasoning_gym.factory import create_curriculum

    if family.level is None:
        return {}
    curriculum = create_curriculum(family.name)
    curriculum.set_global_level(family.level)
    config = vars(curriculum.generate_configuration())
    default = vars(_config_class(family.name)())
    return {name: value for name, value in config.items() if value != default[name] and name not in _OWN_SETTINGS}


def _config_class(name: str) -> Any:
    from reasoning_gym.factory import DATASETS

    return DATASETS[name][1]
