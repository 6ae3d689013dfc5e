"""Planted functions: templates with random constants, names and inputs, so that only the cases tell what to write.

They measure induction alone: a name says nothing unless it is asked to, and no body of one split occurs in another.
Running them needs no sandbox, because the only code that is run here is our own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random
from typing import Any, Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_reason.case2code.families import FAMILIES, Constants, Family, Inputs
from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.names import normalised_body, split_of, unknown
from lit_reason.case2code.prompts import literal
from lit_reason.case2code.words import NAMES, SYLLABLES, WORDS

SplitName = Literal["train", "val", "test"]
SPLIT_SHARES: dict[SplitName, float] = {"train": 0.8, "val": 0.1, "test": 0.1}

_REDRAWS = 12
"""How often a body seen before in the same stream is drawn again; small families must repeat in the end."""


@dataclass(frozen=True)
class PlantedSettings:
    """Which planted functions there are.

    Args:
        n_train: Training functions, in equal shares of the families.
        n_val: Functions for validation.
        n_test: Functions for the test.
        families: Names of the families; null means all.
        n_cases: Cases of a function.
        n_shown: How many of them prompts may show; the rest stays hidden.
        made_up_names: Names such as `kato` instead of words. There are thousands, so that a model from random weights
            has to learn copying, where a few hundred words would be learned by heart.
        telling_names: Begin a function's name with that of its family, to see how much a model relies on names.
        seed: Seed of constants, names and inputs.
    """

    n_train: NonNegativeInt = 2000
    n_val: NonNegativeInt = 120
    n_test: NonNegativeInt = 120
    families: list[str] | None = None
    n_cases: PositiveInt = 10
    n_shown: PositiveInt = 6
    made_up_names: bool = False
    telling_names: bool = False
    seed: int = 0

    def functions(self, split: SplitName) -> list[Function]:
        """All functions of one split."""
        n = {"train": self.n_train, "val": self.n_val, "test": self.n_test}[split]
        return list(
            planted(
                n, self.seed, self.families,
                split=split, n_cases=self.n_cases, n_shown=self.n_shown,
                made_up_names=self.made_up_names, telling_names=self.telling_names,
            )
        )  # fmt: skip

    def problems(self) -> list[tuple[str, str]]:
        """(key, message) for every setting that contradicts another or names what does not exist."""
        found = []
        if self.n_shown >= self.n_cases:
            found.append(("n_shown", f"must be below n_cases = {self.n_cases}, got {self.n_shown}"))
        for name in self.families or []:
            if name not in FAMILIES:
                found.append(("families", unknown("family", name, list(FAMILIES))))
        if self.families == []:
            found.append(("families", "must name a family, or be null for all"))
        return found


def planted(
    n: int,
    seed: int,
    families: Sequence[str] | None = None,
    *,
    split: SplitName = "train",
    n_cases: int = 10,
    n_shown: int = 6,
    made_up_names: bool = False,
    telling_names: bool = False,
) -> Iterator[Function]:
    """Yield `n` planted functions of `split`, cycling through `families` (all by default) in equal shares.

    Bodies and names are assigned to splits by their hashes: bodies and names of one split never occur in another,
    whatever the seed. Of `n_cases` distinct inputs the first `n_shown`, telling ones first, are shown, the rest hidden.

    Raises:
        ValueError: naming a family that does not exist, or when no case would stay hidden.
    """
    if not 1 <= n_shown < n_cases:
        raise ValueError(f"n_shown must lie between 1 and n_cases - 1 = {n_cases - 1}, got {n_shown}")
    chosen = [_family(name) for name in (families or FAMILIES)]
    rng = Random(f"{seed}/{split}")
    all_names = _made_up_names() if made_up_names else NAMES
    names = [name for name in all_names if split_of(name, SPLIT_SHARES) == split]
    seen: set[str] = set()
    for i, family in enumerate(itertools.islice(itertools.cycle(chosen), n)):
        constants, body = _draw_body(family, rng, split, seen)
        cases = _cases(family, constants, rng, n_cases)
        code_names = rng.sample(names, 1 + family.n_params)
        if telling_names:
            code_names[0] = f"{family.name}_{code_names[0]}"
        code = render(family, constants, code_names)
        yield _function(f"planted-{split}-{seed}-{i}", family, code, code_names, cases, n_shown, body)


def render(family: Family, constants: Constants, names: Sequence[str]) -> str:
    """The family's source with these constants; `names` are those of the function and of its parameters."""
    fields = {key: value if key == "raw" else literal(repr(value)) for key, value in constants.items()}
    return family.template.format(**dict(zip("fxy", names, strict=False)), **fields)


def with_names(code: str, old: Sequence[str], new: Sequence[str]) -> str:
    """A planted function's code under other names, each whole word replaced, f-strings included.

    No constant can be hit, because names and constants come from disjoint lists of words.
    """
    names = dict(zip(old, new, strict=True))
    return re.sub(r"\w+", lambda match: names.get(match[0], match[0]), code)


@cache
def _made_up_names() -> tuple[str, ...]:
    """All pairs of syllables that are no word of ours, in a fixed order."""
    taken = {*NAMES, *WORDS}
    return tuple(name for pair in itertools.product(SYLLABLES, SYLLABLES) if (name := "".join(pair)) not in taken)


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ValueError(unknown("family", name, list(FAMILIES)))
    return FAMILIES[name]


def _draw_body(family: Family, rng: Random, split: SplitName, seen: set[str]) -> tuple[Constants, str]:
    redraws = 0
    while True:
        constants = family.constants(rng)
        body = _body(render(family, constants, NAMES))
        if split_of(body, SPLIT_SHARES) != split:
            continue
        if body not in seen or redraws >= _REDRAWS:
            seen.add(body)
            return constants, body
        redraws += 1


@lru_cache(maxsize=1 << 16)
def _body(code: str) -> str:
    """Remembered, because the small families draw the same few bodies over and over."""
    return normalised_body(code)


def _cases(family: Family, constants: Constants, rng: Random, n_cases: int) -> list[tuple[Inputs, str]]:
    """Up to `n_cases` distinct inputs, the telling ones first, each with the repr of what the program answers."""
    params = ["x", "y"][: family.n_params]
    scope: dict[str, Any] = {}
    exec(render(family, constants, ["f", *params]), scope)  # our own template: trusted
    draws = (family.other(rng, constants) for _ in range(20 * n_cases))
    cases: dict[str, tuple[Inputs, str]] = {}
    for inputs in itertools.chain(family.telling(rng, constants), draws):
        text = repr(inputs)
        if text not in cases:
            cases[text] = inputs, repr(scope["f"](*inputs))
            if len(cases) == n_cases:
                break
    return list(cases.values())


def _function(
    id: str, family: Family, code: str, names: list[str], outputs: list[tuple[Inputs, str]], n_shown: int, body: str
) -> Function:
    params = tuple(names[1:])
    cases = tuple(Case(repr(dict(zip(params, inputs, strict=True))), output) for inputs, output in outputs)
    cut = min(n_shown, len(cases) - 1)
    shown, hidden = tuple(range(cut)), tuple(range(cut, len(cases)))
    return Function(id, names[0], params, code, cases, shown, hidden, "planted", family.name, body)
