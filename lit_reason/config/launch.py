"""Running a checked configuration: LightningCLI in subclass mode, with our run directory and defaults around it."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, seed_everything
from lightning.pytorch import Trainer as LightningTrainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lit_reason.checkpoint_io import AtomicCheckpointIO
from lit_reason.config.mistakes import Mistake, UserMistakes, display_path
from lit_reason.config.noise import RESUMES_ITSELF
from lit_reason.config.ranks import watched
from lit_reason.run_directory import RunDirectory, RunSettings, newest_checkpoint, step_of


class Trainer(LightningTrainer):
    """Lightning's Trainer, with `prepare` beside fit, validate, test and predict."""

    def prepare(
        self, model: LightningModule, datamodule: LightningDataModule | None = None, ckpt_path: str | None = None
    ) -> None:
        """Build and cache the data, and show what training would see.

        Args:
            model: the module whose tokenizer and template the data are built with.
            datamodule: the data.
            ckpt_path: not needed here; accepted so that one configuration serves every command.
        """
        from lit_reason.config.prepare import prepare

        prepare(self, model, datamodule)


class _Parser(LightningArgumentParser):
    """A parser that raises instead of exiting, and takes no abbreviated keys."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False, "exit_on_error": False})


class Launcher(LightningCLI):
    """One command: parse `values`, let `choose` pick the run directory, build everything, run.

    Args:
        command: fit, validate, test, predict or prepare.
        values: the merged settings, class paths in full.
        choose: called with the resolved configuration before anything is built; raises `UserMistakes`, or returns the
            run directory, or None to stop there.
    """

    def __init__(
        self, command: str, values: dict[str, Any], choose: Callable[[dict[str, Any]], RunDirectory | None]
    ) -> None:
        self.command = command
        self._choose = choose
        self._stopped = False
        super().__init__(
            model_class=LightningModule,
            datamodule_class=LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_class=Trainer,
            parser_class=_Parser,
            save_config_callback=None,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args={"subcommand": command, command: values},
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Only the command that runs: every other one would cost a parser of its own."""
        skipped = {"model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
        return {self.command: skipped & _arguments_of(self.command)}

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The `run` group stands in for Lightning's `seed_everything`."""
        parser.add_class_arguments(RunSettings, "run")

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Trainer, model and data; data may be missing where the module brings its own loaders."""
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True, required=False)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """The settings are already merged; what is left is their types and defaults."""
        self.config = parser.parse_object(args)

    def _parse_ckpt_path(self) -> None:
        """A checkpoint never changes the configuration: what was asked for is what runs."""

    def _set_seed(self) -> None:
        self.seed = int(self.config[self.command].run.seed)
        seed_everything(self.seed, workers=True, verbose=False)

    def resolved(self) -> dict[str, Any]:
        """The whole configuration with every default, as plain values: what config.yaml holds."""
        values = plain(self.config[self.command].as_dict())
        return {
            key: values[key]
            for key in ("run", "model", "data", "trainer", *values)
            if key in values and key != "config"
        }

    def before_instantiate_classes(self) -> None:
        """Write down what is about to run before anything of it is built."""
        run = self._choose(self.resolved())
        self._stopped = run is None
        if run is None:
            return
        config = self.config[self.command]
        part = f".{self.command}" if run.continued and self.command != "fit" else ""
        self.config[self.command] = _filled(config, {"{run_dir}": str(run.path), "{part}": part})
        self.config[self.command].trainer.default_root_dir = str(run.path)
        if "ckpt_path" in config:
            self.config[self.command].ckpt_path = str(run.checkpoint) if run.checkpoint else None
        self.run_directory = run

    def instantiate_classes(self) -> None:
        """Build data, model and trainer."""
        if self._stopped:
            return
        self.config_init = self._built()
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()
        if type(self.datamodule).load_state_dict is not LightningDataModule.load_state_dict:
            warnings.filterwarnings("ignore", RESUMES_ITSELF)

    def _built(self) -> Namespace:
        """Every object of the configuration. jsonargparse buries what a constructor raises under all types that it
        tried, so the first such exception is kept and raised itself."""
        raised: list[tuple[type, Exception]] = []

        def build(class_type: type, *args: Any, **kwargs: Any) -> Any:
            try:
                return class_type(*map(_plain_number, args), **{k: _plain_number(v) for k, v in kwargs.items()})
            except Exception as error:
                raised.append((class_type, error))
                raise

        try:
            return self.parser.instantiate(self.config, instantiators=[(build, object, True)])
        except Exception:
            if not raised:
                raise
            class_type, error = raised[0]
            if isinstance(error, MisconfigurationException | ModuleNotFoundError | ValueError):
                raise UserMistakes([Mistake(class_type.__name__, str(error))]) from None
            raise error from None

    def instantiate_trainer(self, **kwargs: Any) -> LightningTrainer:
        """The trainer with checkpoints that appear whole, unless the configuration brings its own way to write them."""
        plugins = self._get(self.config_init, "trainer").get("plugins") or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins = [*plugins, AtomicCheckpointIO()]
        try:
            trainer = super().instantiate_trainer(plugins=plugins, **kwargs)
        except (MisconfigurationException, ValueError, TypeError, ModuleNotFoundError) as error:
            raise UserMistakes([Mistake("trainer", str(error))]) from None  # combinations that only Lightning knows
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment):
            # Lightning would save wherever SLURM's signal finds it, and resume from that file instead of what we chose.
            # `Checkpoints` heeds the signal from the first step on; before it there is nothing to save.
            environment.auto_requeue = False
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        if self._stopped:
            return
        with watched(self.trainer, self._how_to_resume):
            super()._run_subcommand(subcommand)

    def _how_to_resume(self) -> str:
        if self.command != "fit":
            return ""
        kept = newest_checkpoint(self.run_directory.path)
        if kept is None:
            return "It has no checkpoint yet: start it again"
        return f"Resume it with --ckpt_path=last (last checkpoint: {display_path(kept)}, step {step_of(kept)})"


def plain(value: Any) -> Any:
    """Settings as YAML can hold them. jsonargparse's own dump fails where a class has an enum or an object as default.

    Raises:
        TypeError: the value is of another kind; within a mapping such a key is left out, as only a default can be one.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, PurePath | timedelta):
        return str(value)
    if isinstance(value, Namespace):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if _is_plain(item)}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    raise TypeError(f"{value!r} is no setting")


def _is_plain(value: Any) -> bool:
    try:
        plain(value)
    except TypeError:
        return False
    return True


def _arguments_of(command: str) -> set[str]:
    import inspect

    return set(inspect.signature(getattr(Trainer, command)).parameters)


def _filled(node: Any, words: dict[str, str]) -> Any:
    """The configuration with placeholders replaced in every text. `{part}` keeps the files of an evaluation inside a
    fit's directory apart from the fit's own."""
    if isinstance(node, str):
        for word, value in words.items():
            node = node.replace(word, value)
        return str(node)
    if isinstance(node, list | tuple):
        return type(node)(_filled(item, words) for item in node)
    if isinstance(node, dict):
        return {key: _filled(value, words) for key, value in node.items()}
    if isinstance(node, Namespace):
        for key, value in vars(node).items():
            node[key] = _filled(value, words)
    return node


def _plain_number(value: Any) -> Any:
    """A plain number in place of one of jsonargparse's restricted types: inside an optimizer's state such a type would
    make the checkpoint unreadable with `weights_only`."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(_plain_number, value))
    kind = next(
        (kind for kind in (int, float, str) if isinstance(value, kind) and hasattr(value, "_restrictions")), None
    )
    return kind(value) if kind else value
