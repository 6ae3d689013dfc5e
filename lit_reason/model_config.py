"""The LightningModule that a run's configuration describes, without a Trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule


def module_of(config: Mapping[str, Any]) -> LightningModule:
    """The module of `config["model"]` (`class_path` and `init_args`); `configure_model` is still to be called."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningModule, "model")
    return parser.instantiate(parser.parse_object({"model": config["model"]})).model
