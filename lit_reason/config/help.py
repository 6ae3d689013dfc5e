"""Help from source files alone: nothing heavy is imported, and the method's own options come first."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_reason.config.classes import ClassIndex, parsed
from lit_reason.config.mistakes import Mistake, UserMistakes, nearest, shown
from lit_reason.config.request import COMMANDS, Request

_USAGE = """\
usage: train.py COMMAND [--config FILE ...] [--key.sub VALUE ...]

{commands}

train.py COMMAND --help                  modules and data there are
train.py COMMAND --help --config FILE    the options of that method, with the values of FILE
train.py COMMAND --help trainer          the options of Lightning's Trainer
"""

_RULES = """\
Later settings win: files and --key value pairs merge key by key, in the order given.
Callbacks and loggers of an overlay join those before it; `callbacks=:` replaces them, `key+:` appends to any list.
--print_config shows the resolved configuration.
--ckpt_path last continues the newest run of this name and these settings; auto does so or starts a new one.
Every run also gets these, unless run.without names them: {built_in}."""


@dataclass(frozen=True)
class Option:
    """One setting as its source declares it."""

    name: str
    annotation: str
    default: str | None
    text: str


def overview() -> str:
    """What `train.py --help` prints."""
    width = max(map(len, COMMANDS))
    return _USAGE.format(commands="\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()))


def command_help(request: Request) -> str:
    """What `train.py COMMAND --help` prints: the named module's and data's options, or what there is to name.

    Raises:
        UserMistakes: the topic, or a class that was named, does not exist.
    """
    index = request.settings.index
    if request.help_topic:
        return _topic(request.help_topic, index)
    if request.settings.mistakes:
        raise UserMistakes(request.settings.mistakes)
    from lit_reason.config.defaults import names

    parts = [f"train.py {request.command}: {COMMANDS[request.command]}"]
    parts += [_named(request, "model", "LightningModule"), _named(request, "data", "LightningDataModule")]
    options = declared_options("lit_reason.run_directory.RunSettings", index, "run", request)
    parts.append(_section("run (where, and from which seed)", options))
    parts.append(_RULES.format(built_in=", ".join(names())))
    return "\n\n".join(parts)


def _named(request: Request, key: str, base: str) -> str:
    """The options of the class that `model` or `data` names, or the list of classes that could be named."""
    index = request.settings.index
    name = request.settings.get(key, "class_path")
    if name is None:
        names = [name for name in index.kinds_of(base) if not index.find(name)[0].summary.startswith("Base of")]
        lines = [f"  --{key} {name:<28} {index.find(name)[0].summary}" for name in names]
        return "\n".join([f"{key}: name one, as in --{key} {names[0] if names else base} --help", *lines])
    full = index.class_path(str(name))
    if full is None:
        problem, close = index.problem(str(name), base)
        raise UserMistakes([Mistake(key, problem, name, close, request.settings.origin((key,)))])
    options = declared_options(full, index, key, request)
    return _section(f"{key}: {full.rpartition('.')[2]} -- {_summary(full, index)}", options)


def _topic(topic: str, index: ClassIndex) -> str:
    """Options of the Trainer, or of any class by name (a callback, a logger, a module)."""
    if topic == "trainer":
        full = "lightning.pytorch.trainer.trainer.Trainer"
        return _section("trainer: Lightning's Trainer", declared_options(full, index, "trainer", None))
    found = index.class_path(topic)
    if found is None:
        names = ["trainer", *index.ours, *index.lightning]
        raise UserMistakes([Mistake("--help", "no such topic", topic, nearest(topic, names))])
    return _section(f"{found} -- {_summary(found, index)}", declared_options(found, index, "", None))


def declared_options(
    class_path: str, index: ClassIndex, prefix: str, request: Request | None
) -> Iterator[tuple[str, Option, Any]]:
    """`(dotted key, option, value in the given configuration or ...)`, nested groups in place of their dataclass."""
    found = _declaration(class_path)
    if found is None:
        return
    module, node = found
    for option in _declared(node, module):
        key = f"{prefix}.{option.name}" if prefix else option.name
        value = request.settings.get(*key.split("."), default=...) if request else ...
        yield key, option, value
        nested = _dataclass_of(option.annotation, module)
        if nested:
            yield from declared_options(nested, index, key, request)


def _declaration(class_path: str) -> tuple[str, ast.ClassDef] | None:
    """The module and the syntax of a class."""
    module, _, name = class_path.rpartition(".")
    file = source_file(module)
    body = parsed(file).body if file else []
    node = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
    return (module, node) if node else None


def source_file(module: str) -> Path | None:
    """The file of a module, found without importing the packages above it; None for a name that has no module."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first) if first else None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in map(Path, spec.submodule_search_locations or []):
        for file in (folder.joinpath(*rest).with_suffix(".py"), folder.joinpath(*rest, "__init__.py")):
            if file.is_file():
                return file
    return None


def _declared(node: ast.ClassDef, module: str) -> list[Option]:
    """Options of a class: the arguments of `__init__`, or the fields of a dataclass."""
    init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    texts = {**_argument_texts(ast.get_docstring(node)), **(_argument_texts(ast.get_docstring(init)) if init else {})}
    if init is None:
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        return [
            Option(n.target.id, ast.unparse(n.annotation), _default(n.value, module), texts.get(n.target.id, ""))
            for n in fields
            if isinstance(n.target, ast.Name)
        ]
    arguments = [*init.args.posonlyargs, *init.args.args][1:] + init.args.kwonlyargs
    positional = [*init.args.posonlyargs, *init.args.args]
    defaults: dict[str, ast.expr | None] = {}
    defaults.update({a.arg: d for a, d in zip(positional[::-1], init.args.defaults[::-1], strict=False)})
    defaults.update({a.arg: d for a, d in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)})
    return [
        Option(
            a.arg,
            ast.unparse(a.annotation) if a.annotation else "",
            _default(defaults[a.arg], module) if a.arg in defaults else None,
            texts.get(a.arg, ""),
        )
        for a in arguments
    ]


def _default(node: ast.expr | None, module: str) -> str | None:
    """The default as YAML would say it; "" for one that only its own options describe."""
    if node is None:
        return None
    with suppress(ValueError):  # no literal: a constant's name, or a call such as Lora() or field(default_factory=list)
        return shown(ast.literal_eval(node))
    if isinstance(node, ast.Name):
        home = _home_of(node.id, module)
        file = source_file(home) if home else None
        body = parsed(file).body if file else []
        value = next(
            (n.value for n in body if isinstance(n, ast.Assign | ast.AnnAssign) and node.id in _defined(n)), None
        )
        return _default(value, str(home)) if value else node.id
    if isinstance(node, ast.Call):
        return "[]" if any(isinstance(k.value, ast.Name) and k.value.id == "list" for k in node.keywords) else ""
    return ast.unparse(node)


def _in_words(annotation: str) -> str:
    """`Literal['a', 'b']` as `a | b`."""
    if annotation.startswith("Literal[") and annotation.endswith("]"):
        return " | ".join(map(str, ast.literal_eval(f"[{annotation[8:-1]}]")))
    return annotation


def _argument_texts(docstring: str | None) -> dict[str, str]:
    """Name -> description from the `Args:` part of a docstring."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() == "Args:"), None)
    if start is None:
        return {}
    texts: dict[str, str] = {}
    name, margin = "", 0
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith(" "):
            break
        head, colon, text = line.strip().partition(":")
        indent = len(line) - len(line.lstrip())
        if colon and head.replace("_", "").isalnum() and (not texts or indent <= margin):
            name, margin = head, indent
            texts[name] = text.strip()
        elif name:
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    return texts


def _dataclass_of(annotation: str, module: str) -> str | None:
    """The full path of the dataclass that an annotation names."""
    for name in (word.strip() for word in annotation.split("|")):
        home = _home_of(name, module) if name.isidentifier() else None
        found = _declaration(f"{home}.{name}") if home else None
        if found and any("dataclass" in ast.unparse(decorator) for decorator in found[1].decorator_list):
            return f"{home}.{name}"
    return None


def _home_of(name: str, module: str) -> str | None:
    """The module that defines a name which `module` uses, its imports followed."""
    file = source_file(module)
    if file is None:
        return None
    tree = parsed(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return _home_of(name, node.module)
    return module if any(name in _defined(node) for node in tree.body) else None


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _summary(class_path: str, index: ClassIndex) -> str:
    found = index.find(class_path)
    if found:
        return found[0].summary
    declaration = _declaration(class_path)
    return (ast.get_docstring(declaration[1]) or "").split("\n")[0] if declaration else ""


def _section(title: str, options: Iterator[tuple[str, Option, Any]]) -> str:
    """A title and one entry an option, wrapped to the terminal."""
    width = max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
    lines = textwrap.wrap(title, width)
    for key, option, value in options:
        facts = [_in_words(option.annotation)] if option.annotation else []
        facts += ["required"] if option.default is None else [f"default {option.default}"] if option.default else []
        facts += [f"here {shown(value)}"] if value is not ... and not isinstance(value, dict) else []
        flag = f"--{key}" if "." in key else key
        lines.append(f"  {flag}" + (f"  ({'; '.join(facts)})" if facts else ""))
        lines += textwrap.wrap(option.text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
