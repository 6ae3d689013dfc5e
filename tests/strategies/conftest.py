"""Everything that two processes run for these tests: one pair of processes for PyTorch's strategies, one for
DeepSpeed's."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.strategies import evaluated
from tests.strategies.modules import LANGUAGE_MODEL, MODULES, STRATEGIES, command
from tests.strategies.ranks import run_together

PAIRS = {
    "torch": ["ddp", "fsdp2"],
    "deepspeed": ["zero1", "zero2", "zero3"],
    "offload": ["zero2_offload", "zero3_offload"],
}
RESUMED = ["fsdp2", "zero2", "zero3"]
ASKED_TO_STOP = {"ddp": (1, "SIGUSR1"), "fsdp2": (1, "SIGTERM"), "zero2": (0, "SIGTERM")}
"""The one rank that gets the signal, and which."""
SHARDED = ["fsdp2", "zero3"]
BROKEN = ["ddp", "zero2"]

FULL = next(iter(MODULES))
ADAM = (
    "--model=CausalLanguageModel", *LANGUAGE_MODEL[1:], "--model.lora.r=4", "--model.lora.dropout=0.3",
    "--model.optimizer.name=adamw", "--model.optimizer.lr=0.01", "--model.optimizer.weight_decay=0.1",
    "--trainer.max_epochs=2", "--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every_n_steps=1",
    "--trainer.callbacks.keep=9",
)  # fmt: skip
"""Everything that a resume can get wrong: optimizer states, schedule, dropout."""

RESUME_AT = 2
SELDOM = [word.replace("every_n_steps=1", "every_n_steps=1000") for word in ADAM]


class Pairs:
    """What the runs of all pairs left: `run(strategy, what)` is a run directory."""

    def __init__(self, folder: Path, rows_file: Path) -> None:
        self.folder, self.rows_file = folder, rows_file
        self._codes: dict[str, dict[str, int]] = {}

    def run(self, strategy: str, what: str) -> Path:
        """The run directory, once its pair of processes is through."""
        pair = next(name for name, strategies in PAIRS.items() if strategy in strategies)
        if pair not in self._codes:
            commands = {k: v for one in PAIRS[pair] for k, v in self._commands(one).items()}
            self._codes[pair] = run_together(commands, self.folder / f"{pair}-pair")
        name = f"{strategy}-{what}"
        said = (self.folder / f"{pair}-pair" / "rank0.log").read_text()
        wanted = 143 if what == "stopped" else 0
        assert self._codes[pair][name] == wanted, said.partition(f"== {name}\n")[2].partition("\n== ")[0][-4000:]
        return self.folder / name / "only"

    def checkpoint(self, strategy: str) -> Path:
        """A checkpoint in the middle of a run of two processes."""
        return self.run(strategy, "adam") / "checkpoints" / f"step={RESUME_AT:06d}.ckpt"

    def adam(self, strategy: str, name: str, *more: str, processes: int = 2) -> list[str]:
        """A run with everything that a resume can get wrong."""
        overlay = STRATEGIES[strategy]
        return [*command(overlay, FULL, self.rows_file, self.folder, name, processes), *ADAM, *more]

    def _commands(self, strategy: str) -> dict[str, list[str]]:
        def fit(what: str, module: str, *more: str) -> None:
            name = f"{strategy}-{what}"
            made[name] = [*command(STRATEGIES[strategy], module, self.rows_file, self.folder, name), *more]

        made: dict[str, list[str]] = {}
        for i, module in enumerate(MODULES):
            fit(str(i), module)
        if strategy in BROKEN:
            fit("broken", FULL, "--model=tests.strategies.broken.Forgetful", *LANGUAGE_MODEL[1:], "--model.lora=null")
        if strategy in ASKED_TO_STOP:
            made |= self._stopped(strategy, *ASKED_TO_STOP[strategy])
        if strategy in RESUMED:
            for name, more in {"adam": [], "resumed": [f"--ckpt_path={self._checkpoint_to_be(strategy)}"]}.items():
                made[f"{strategy}-{name}"] = self.adam(strategy, f"{strategy}-{name}", *more)
        if strategy in SHARDED:
            name = f"{strategy}-asked"
            made[name] = evaluated.command(STRATEGIES[strategy], self.folder, name)
        return made

    def _stopped(self, strategy: str, rank: int, signal: str) -> dict[str, list[str]]:
        """A run that a signal to one rank ends in its third step, what continues it, and the run that gets none."""
        fit = command(STRATEGIES[strategy], FULL, self.rows_file, self.folder, f"{strategy}-stopped")
        ask = [
            "--trainer.callbacks+=tests.strategies.failing_rank.FailingRank", f"--trainer.callbacks.rank={rank}",
            f"--trainer.callbacks.how={signal}",
        ]  # fmt: skip
        return {
            f"{strategy}-adam": self.adam(strategy, f"{strategy}-adam"),
            f"{strategy}-stopped": [*fit, *SELDOM, *ask],
            f"{strategy}-continued": [*fit, *SELDOM, "--ckpt_path=last"],
        }

    def _checkpoint_to_be(self, strategy: str) -> Path:
        return self.folder / f"{strategy}-adam" / "only" / "checkpoints" / f"step={RESUME_AT:06d}.ckpt"


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """47 rows of very unequal lengths: the last window of an epoch is partial, and ranks carry unequal target
    counts."""
    draw = random.Random(0)
    folder = tmp_path_factory.mktemp("strategies")
    lines = [
        {"prompt": "p" * draw.randint(1, 12), "completion": "".join(draw.choices("abcdef ", k=draw.randint(2, 40)))}
        for _ in range(47)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Pairs(folder, folder / "rows.jsonl")


@pytest.fixture(scope="session")
def one_process(pairs: Pairs) -> dict[str, Path]:
    """Each module trained by one process, and the run that asks questions."""
    from lit_reason.cli import main

    for i, module in enumerate(MODULES):
        assert main(command("cpu", module, pairs.rows_file, pairs.folder, f"one-{i}", processes=1)) == 0
    assert main(evaluated.command("cpu", pairs.folder, "one-asked", processes=1)) == 0
    return {what: pairs.folder / f"one-{what}" / "only" for what in [*map(str, range(len(MODULES))), "asked"]}
