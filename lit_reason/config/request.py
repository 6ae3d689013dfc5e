"""The command line taken apart: which command, which settings, and whether help or the configuration was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lit_reason.config.classes import ClassIndex, class_index
from lit_reason.config.mistakes import COMMAND_LINE, Mistake, UserMistakes, nearest
from lit_reason.config.sources import Settings

COMMANDS = {
    "fit": "train, evaluate before and after, and export the model",
    "validate": "evaluate on the validation questions",
    "test": "evaluate on the test questions",
    "predict": "run the module's predictions",
    "prepare": "only build and cache the data, and show one training row",
    "estimate": "memory that a fit needs a process, under every strategy (--memory 80GB: what there is)",
    "study": "all runs of a study, in order, with its tables and claims at the end",
    "export": "a checkpoint, sharded or not, as a Hugging Face folder",
    "report": "rebuild report.html of a run or study, or compare two runs",
}


@dataclass
class Request:
    """What was asked for."""

    command: str
    settings: Settings
    config_files: list[str] = field(default_factory=list)
    print_config: bool = False
    help: bool = False
    help_topic: str | None = None

    @property
    def default_name(self) -> str:
        """A run's name when none is given: the first configuration file's folder and stem, else the model's class."""
        if self.config_files:
            file = Path(self.config_files[0])
            folder = file.absolute().parent.name
            return file.stem if folder in ("configs", "") else f"{folder}-{file.stem}"
        class_path = self.settings.get("model", "class_path", default="run")
        return str(class_path).rpartition(".")[2].lower()


def read_request(command: str, arguments: list[str], index: ClassIndex | None = None) -> Request:
    """Read the arguments after the command. Mistakes found on the way are kept in `settings.mistakes`."""
    request = Request(command, Settings(index or class_index()))
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        if key in ("-h", "--help"):
            request.help = True
            request.help_topic = value or (rest.pop(0) if rest and not rest[0].startswith("-") else None)
        elif key == "--print_config":
            request.print_config = True
        elif (key.startswith("--") and len(key) > 2) or key == "-c":
            if not equals and not _has_value(rest):
                request.settings.mistakes.append(Mistake(key.lstrip("-"), "needs a value", origin=COMMAND_LINE))
                continue
            _read_option(request, key, value if equals else rest.pop(0))
        else:
            problem = "settings are written --key value"
            request.settings.mistakes.append(Mistake(word, problem, origin=COMMAND_LINE))
    return request


def known_command(word: str) -> str:
    """The command itself.

    Raises:
        UserMistakes: naming the nearest command.
    """
    if word not in COMMANDS:
        raise UserMistakes([Mistake("", f"no command {word!r}", nearest=nearest(word, COMMANDS), origin=COMMAND_LINE)])
    return word


def _read_option(request: Request, key: str, value: str) -> None:
    if key in ("-c", "--config"):
        request.config_files.append(value)
        request.settings.add_file(value)
    else:
        request.settings.add_argument(key[2:], value)


def _has_value(rest: list[str]) -> bool:
    return bool(rest) and not rest[0].startswith("--") and rest[0] not in ("-c", "-h")
