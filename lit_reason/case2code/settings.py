"""Settings of the real functions and of the writer of their inputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from lit_reason.backbones import Backbone
from lit_reason.case2code.sources import HUMAN_EVAL, source_problem

CORPUS = ("stdlib", "algorithms", "sympy", "networkx", "more_itertools", "toolz", "boltons", "labmath")

MAX_RESULT_CHARS = 1 << 24
"""What the sandbox passes on of one result."""


@dataclass(frozen=True)
class WriterSettings:
    """Who writes inputs (section 2, step 2), and how a language model is asked for them.

    Args:
        backend: `typed` draws values of the types that the source suggests and learns from exceptions; `local` asks a
            model in this process, `endpoint` one behind an OpenAI-compatible server; `replay` takes them from a file.
        backbone: The local model.
        base_url: The endpoint's address, up to and including `/v1`.
        model: The model's name at the endpoint.
        api_key_env: Environment variable that holds the endpoint's key.
        max_concurrency: Requests to the endpoint at once.
        path: For `replay`: a .jsonl file of written rows, found by id or by the function itself.
        worked_example: Show the language model one worked example; otherwise it is asked zero-shot.
        temperature: Of the language model.
        top_p: Of the language model.
        max_new_tokens: Longest answer in tokens.
        retries: How often a language model is asked again when its answer holds no code block.
        batch_size: Answers of the local model generated at once.
        seed: Of the sampled answers.
        pools: Folder of the sample pools, where answers are kept.
    """

    backend: Literal["typed", "local", "endpoint", "replay"] = "typed"
    backbone: Backbone = field(default_factory=Backbone)
    base_url: str = "http://localhost:8000/v1"
    model: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    max_concurrency: PositiveInt = 8
    path: str | None = None
    worked_example: bool = True
    temperature: NonNegativeFloat = 0.2
    top_p: ClosedUnitInterval = 0.95
    max_new_tokens: PositiveInt = 2048
    retries: NonNegativeInt = 3
    batch_size: PositiveInt = 32
    seed: NonNegativeInt = 0
    pools: str = "pools"

    def identity(self) -> dict[str, Any]:
        """What decides on the inputs, so that other settings do not make a cache useless."""
        named = {"typed": (), "replay": ("path",), "local": ("backbone",), "endpoint": ("base_url", "model")}
        asked = ("worked_example", "temperature", "top_p", "max_new_tokens", "retries", "seed")
        names = ("backend", *named[self.backend], *(asked if self.backend in ("local", "endpoint") else ()))
        return {name: value for name, value in asdict(self).items() if name in names}

    def problems(self) -> list[tuple[str, str]]:
        """(key, message) for what a backend lacks."""
        found = []
        if self.backend == "endpoint" and not self.model:
            found.append(("model", "is required by the backend `endpoint`"))
        if self.backend == "replay" and not self.path:
            found.append(("path", "is required by the backend `replay`"))
        if self.backend == "replay" and self.path and not Path(self.path).is_file():
            found.append(("path", f"no such file: {self.path}"))
        if self.top_p == 0:
            found.append(("top_p", "must be above 0"))
        return found


@dataclass(frozen=True)
class RealSettings:
    """Where real functions come from and how they become tasks.

    Args:
        sources: `stdlib`, names of installed packages (of both, no tests), folders of .py files, or .jsonl files; empty
            for none.
        n_train: Most training functions; null means all.
        n_val: Most validation functions; null means all.
        n_test: Most test functions; null means all.
        held_out_share: Share of the functions held out, half for validation and half for the test.
        evaluation_sets: Functions that must not be harvested (rule R10): `human_eval`, or .jsonl files with `code` (or
            `content`).
        near_duplicates: Similarity from which a function too like one of the evaluation sets is left out, a training
            function too like a held-out one, and a validation function too like one of the test; null leaves them in.
        max_lines: Longest function in lines (rule R8).
        max_chars: Longest function in characters, helpers included (rule R8).
        helpers: Carry along functions of the same module that a function calls, instead of rejecting it (rule R5).
        undefined_names: Let functions pass that use names from nowhere, as the release does (rule R5).
        rules: `none` takes functions that bring their results as they are, as the release does, whatever of the rules
            R2 to R8 they break. They are not run here, not even to see which branches a case takes. All others must
            pass.
        writer: Who writes inputs for functions that bring none.
        n_inputs: Inputs written for a function, or asked of a language model; null means 36, or 10 of a model.
        n_cases: Most cases kept of them.
        max_shown: How many cases prompts may show at most.
        hidden_share: Smallest share of the cases that stays hidden.
        drop_constant: Drop functions with one constant output.
        max_error_share: Drop functions of which a larger share of the cases raises.
        min_distinct: Fewest distinct outputs; predicates need both of theirs.
        min_cases: Fewest usable cases; at least 2, so that one can be shown and one hidden.
        error_messages: An exception's message is part of the expected output, not its type alone.
        drop_addresses: Drop functions of which a result shows a memory address. The release keeps them, although
            nothing can reproduce such a result; of what is run here, two runs differ in it.
        max_result_chars: Longer results make no cases.
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
    evaluation_sets: list[str] = field(default_factory=lambda: [HUMAN_EVAL])
    near_duplicates: ClosedUnitInterval | None = 0.8
    max_lines: PositiveInt = 60
    max_chars: PositiveInt = 4096
    helpers: bool = False
    undefined_names: bool = False
    rules: Literal["all", "none"] = "all"
    writer: WriterSettings = field(default_factory=WriterSettings)
    n_inputs: PositiveInt | None = None
    n_cases: PositiveInt = 24
    max_shown: PositiveInt = 10
    hidden_share: ClosedUnitInterval = 1 / 3
    drop_constant: bool = True
    max_error_share: ClosedUnitInterval = 0.5
    min_distinct: PositiveInt = 3
    min_cases: PositiveInt = 4
    error_messages: bool = False
    drop_addresses: bool = True
    max_result_chars: PositiveInt = 2000
    call_seconds: PositiveFloat = 0.2
    seed: int = 0
    workers: PositiveInt = 2
    allow_unprotected: bool = False

    @property
    def in_use(self) -> bool:
        """Whether any real function is asked for."""
        return bool(self.sources) and (self.n_train, self.n_val, self.n_test) != (0, 0, 0)

    @property
    def n_written(self) -> int:
        """Inputs that the writer is to write for a function; published rows have 10 of a model (section 2, step 2)."""
        return self.n_inputs or (36 if self.writer.backend == "typed" else 10)

    def problems(self) -> list[tuple[str, str]]:
        """(key, message) for every setting that contradicts another or names what does not exist."""
        found = [("sources", problem) for source in self.sources if (problem := source_problem(source))]
        for path in self.evaluation_sets:
            if path != HUMAN_EVAL and not Path(path).is_file():
                found.append(("evaluation_sets", f"neither `{HUMAN_EVAL}` nor a file: {path}"))
        if self.min_cases < 2:
            found.append(("min_cases", "must be at least 2, or none could be shown and one hidden"))
        if self.max_result_chars > MAX_RESULT_CHARS:
            found.append(("max_result_chars", f"must be at most {MAX_RESULT_CHARS}, got {self.max_result_chars}"))
        found += [(f"writer.{key}", message) for key, message in self.writer.problems()]
        if self.writer.backend == "typed" and self.n_cases > self.n_written:
            found.append(("n_cases", f"must be at most n_inputs = {self.n_written}, got {self.n_cases}"))
        if self.hidden_share == 1:
            found.append(("hidden_share", "must be below 1, or no case could be shown"))
        return found
