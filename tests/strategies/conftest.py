"""Everything that two processes run for these tests: one pair of processes for PyTorch's strategies, one for
DeepSpeed's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.strategies import evaluated
from tests.strategies.modules import CLASSIFIER, LANGUAGE_MODEL, MODULES, STRATEGIES, command
from tests.strategies.ranks import run_together

PAIRS = {
    "torch": ["ddp", "fsdp2"],
    "deepspeed": ["zero1", "zero2", "zero3"],
    "offload": ["zero2_offload", "zero3_offload"],
}
EVERY = [
    pytest.param(strategy, marks=[pytest.mark.slow] if name == "offload" else [])
    for name, strategies in PAIRS.items()
    for strategy in strategies
]
"""For `parametrize`; offloading is slow."""

RESUMED = ["fsdp2", "zero2", "zero3"]
ASKED_TO_STOP = {"ddp": (1, "SIGUSR1"), "fsdp2": (1, "SIGTERM"), "zero2": (0, "SIGTERM")}
"""The one rank that gets the signal, and which."""
IN_16_BITS = ["ddp", "fsdp2", "zero2", "zero3"]
BROKEN = ["ddp", "zero2"]

FULL = next(iter(MODULES))
WHOLE_BATCH = next(name for name, listed in MODULES.items() if listed.data == "WeakLabelDataModule")
ADAM = (
    "--model=CausalLanguageModel", *LANGUAGE_MODEL[1:], "--model.lora.r=4", "--model.lora.dropout=0.3",
    "--model.optimizer.name=adamw", "--model.optimizer.lr=0.01", "--model.optimizer.weight_decay=0.1",
    "--trainer.max_epochs=2", "--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every_n_steps=1",
    "--trainer.callbacks.keep=9",
)  # fmt: skip
"""Everything that a resume can get wrong: optimizer states, schedule, dropout."""

PRECISIONS: dict[str, tuple[str, ...]] = {
    "32-true": ("--model.lora=null",),
    "bf16-true": ("--model.lora=null",),
    "bf16-mixed": ("--model.lora.r=4", "--model.backbone.dtype=bfloat16"),
}
"""Of AdamW's runs. Under mixed precision the frozen weights have a dtype of their own."""

KEEP, OLDEST_KEPT, N_STEPS = 3, 4, 6
ADAMW = (
    "--model.optimizer.name=adamw", "--model.optimizer.lr=0.01", "--trainer.max_epochs=2",
    "--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every_n_steps=1", f"--trainer.callbacks.keep={KEEP}",
)  # fmt: skip

BUCKET = 30_000
"""Elements that DeepSpeed reduces at once in AdamW's runs: not the whole model, and more than any weight."""

MEASURED = "--trainer.callbacks+=tests.strategies.measured.Measured"

RESUME_AT = 2
SELDOM = [word.replace("every_n_steps=1", "every_n_steps=1000") for word in ADAM]


class Pairs:
    """What the runs of all pairs left: `run(strategy, what)` is a run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
        self.run(strategy, "adam")
        return self._checkpoint(f"{strategy}-adam", RESUME_AT)

    def adam(self, strategy: str, name: str, *more: str, processes: int = 2) -> list[str]:
        """A run with everything that a resume can get wrong."""
        overlay = STRATEGIES[strategy]
        return [*command(overlay, FULL, self.folder, name, processes), *ADAM, *more]

    def _commands(self, strategy: str) -> dict[str, list[str]]:
        def fit(what: str, module: str, *more: str) -> None:
            name = f"{strategy}-{what}"
            made[name] = [*command(STRATEGIES[strategy], module, self.folder, name), MEASURED, *more]

        made: dict[str, list[str]] = {}
        for i, module in enumerate(MODULES):
            fit(str(i), module)
        bucket = [f"--trainer.strategy.reduce_bucket_size={BUCKET}"] if strategy.startswith("zero") else []
        for precision, settings in PRECISIONS.items():
            adamw = [*settings, *ADAMW, f"--trainer.precision={precision}", *bucket]
            fit(precision, FULL, *adamw, "--trainer.callbacks+=tests.strategies.removals.Removals")
            if strategy in IN_16_BITS and precision == "bf16-true":
                fit(
                    "resumed-bf16",
                    FULL,
                    *adamw,
                    f"--ckpt_path={self._checkpoint(f'{strategy}-bf16-true', OLDEST_KEPT)}",
                )
        if strategy in BROKEN:
            fit("broken-threshold", WHOLE_BATCH, "--model=tests.strategies.broken.OwnThreshold", *CLASSIFIER[1:])
            fit("broken", FULL, "--model=tests.strategies.broken.Forgetful", *LANGUAGE_MODEL[1:], "--model.lora=null")
        if strategy in ASKED_TO_STOP:
            made |= self._stopped(strategy, *ASKED_TO_STOP[strategy])
        if strategy in RESUMED:
            middle = self._checkpoint(f"{strategy}-adam", RESUME_AT)
            for name, more in {"adam": [], "resumed": [f"--ckpt_path={middle}"]}.items():
                made[f"{strategy}-{name}"] = self.adam(strategy, f"{strategy}-{name}", *more)
        name = f"{strategy}-asked"
        made[name] = evaluated.command(STRATEGIES[strategy], self.folder, name)
        return made

    def _stopped(self, strategy: str, rank: int, signal: str) -> dict[str, list[str]]:
        """A run that a signal to one rank ends in its third step, what continues it, and the run that gets none."""
        fit = command(STRATEGIES[strategy], FULL, self.folder, f"{strategy}-stopped")
        ask = [
            "--trainer.callbacks+=tests.strategies.failing_rank.FailingRank", f"--trainer.callbacks.rank={rank}",
            f"--trainer.callbacks.how={signal}",
        ]  # fmt: skip
        return {
            f"{strategy}-adam": self.adam(strategy, f"{strategy}-adam"),
            f"{strategy}-stopped": [*fit, *SELDOM, *ask],
            f"{strategy}-continued": [*fit, *SELDOM, "--ckpt_path=last"],
        }

    def _checkpoint(self, name: str, step: int) -> Path:
        return self.folder / name / "only" / "checkpoints" / f"step={step:06d}.ckpt"


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """One of each for all tests."""
    return Pairs(tmp_path_factory.mktemp("strategies"))


@pytest.fixture(scope="session")
def one_process(pairs: Pairs) -> dict[str, Path]:
    """Each module trained by one process, adapters by AdamW in float32, and the run that asks questions."""
    from lit_reason.cli import main

    made = {str(i): command("cpu", module, pairs.folder, f"one-{i}", 1) for i, module in enumerate(MODULES)}
    adapters = command("cpu", FULL, pairs.folder, "one-adapters", 1)
    made["adapters"] = [*adapters, *PRECISIONS["bf16-mixed"], *ADAMW, "--model.backbone.dtype=float32"]
    made["asked"] = evaluated.command("cpu", pairs.folder, "one-asked", processes=1)
    for name, arguments in made.items():
        assert main(arguments) == 0, name
    return {name: pairs.folder / f"one-{name}" / "only" for name in made}
