"""Settings of the real functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveFloat, PositiveInt

from lit_reason.case2code.sources import source_problem

CORPUS = ("stdlib", "algorithms", "sympy", "networkx", "more_itertools", "toolz", "boltons", "labmath")


@dataclass(frozen=True)
class RealSettings:
    """Where real functions come from and how they become tasks.

    Args:
        sources: `stdlib`, names of installed packages, folders of .py files, or .jsonl files; empty for none.
        n_train: Most training functions; null means all.
        n_val: Most validation functions; null means all.
        n_test: Most test functions; null means all.
        held_out_share: Share of the functions held out, half for validation and half for the test.
        evaluation_sets: .jsonl files with `code` (or `content`) of functions that must not be harvested (rule R10).
        max_lines: Longest function in lines (rule R8).
        max_chars: Longest function in characters (rule R8).
        n_inputs: Inputs written for a function.
        n_cases: Most cases kept of them.
        max_shown: How many cases prompts may show at most.
        hidden_share: Smallest share of the cases that stays hidden.
        drop_constant: Drop functions with one constant output.
        max_error_share: Drop functions of which a larger share of the cases raises.
        min_distinct: Fewest distinct outputs; predicates need both of theirs.
        call_seconds: Time for one call.
        seed: Seed of inputs and of the choice of cases.
        workers: Programs that run at once.
        allow_unprotected: Run even where the system cannot isolate programs.
    """

    sources: list[str] = field(default_factory=lambda: list(CORPUS))
    n_train: NonNegativeInt | None = None
    n_val: NonNegativeInt | None = None
    n_test: NonNegativeInt | None = None
    held_out_share: ClosedUnitInterval = 0.4
    evaluation_sets: list[str] = field(default_factory=list)
    max_lines: PositiveInt = 60
    max_chars: PositiveInt = 4096
    n_inputs: PositiveInt = 36
    n_cases: PositiveInt = 24
    max_shown: PositiveInt = 10
    hidden_share: ClosedUnitInterval = 1 / 3
    drop_constant: bool = True
    max_error_share: ClosedUnitInterval = 0.5
    min_distinct: PositiveInt = 3
    call_seconds: PositiveFloat = 0.2
    seed: int = 0
    workers: PositiveInt = 2
    allow_unprotected: bool = False

    @property
    def in_use(self) -> bool:
        """Whether any real function is asked for."""
        return bool(self.sources) and (self.n_train, self.n_val, self.n_test) != (0, 0, 0)

    def problems(self) -> list[tuple[str, str]]:
        """(key, message) for every setting that contradicts another or names what does not exist."""
        found = [("sources", problem) for source in self.sources if (problem := source_problem(source))]
        for path in self.evaluation_sets:
            if not Path(path).is_file():
                found.append(("evaluation_sets", f"no such file: {path}"))
        if self.n_cases > self.n_inputs:
            found.append(("n_cases", f"must be at most n_inputs = {self.n_inputs}, got {self.n_cases}"))
        if self.hidden_share == 1:
            found.append(("hidden_share", "must be below 1, or no case could be shown"))
        return found
