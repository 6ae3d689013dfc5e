"""`train.py prepare`: build and cache the data, count it, and show one training row with its targets marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from lit_reason.documents import Documents
from lit_reason.shards import Shard


def prepare(trainer: Trainer, model: LightningModule, datamodule: LightningDataModule | None) -> None:
    """Run the data half of a fit on this process, then print counts and one row."""
    from rich.console import Console

    if datamodule is None:
        raise ValueError("prepare needs data: name a DataModule with --data")
    trainer.strategy.connect(model)
    datamodule.trainer = trainer
    console = Console(highlight=False)
    shard = getattr(datamodule, "shard", None)
    if shard is not None:
        for line in _part(datamodule, shard):
            console.print(line, markup=False, soft_wrap=True)
        return
    datamodule.prepare_data()
    datamodule.setup("fit")
    for line in _counts(datamodule):
        console.print(line, markup=False)
    documents = _documents(datamodule).get("train")
    if documents:
        console.print(_marked(documents[0], model.tokenizer))


def _part(datamodule: Any, shard: Shard) -> list[str]:
    """Build it, and say what it holds."""
    ready = f"part {shard} is ready; when all {shard.count} are, run prepare once without data.shard"
    return [*datamodule.prepare_part(shard), ready]


def _documents(datamodule: LightningDataModule) -> Mapping[str, Documents]:
    return getattr(datamodule, "tokenised", {})


def _counts(datamodule: LightningDataModule) -> list[str]:
    lines = [
        f"{split}: {len(documents):,} documents, {documents.lengths.sum():,} tokens, "
        f"{documents.targets.sum():,} of them targets"
        for split, documents in _documents(datamodule).items()
    ]
    dropped = getattr(datamodule, "dropped", {})
    lines += [f"dropped: {count:,} {reason}" for reason, count in dropped.items()]
    return lines or [f"{type(datamodule).__name__}: prepared"]


def _marked(document: Any, tokenizer: Any) -> Any:
    """The document's text: what the loss sees is coloured and, for terminals without colour, bracketed."""
    from rich.text import Text

    text, start = Text(f"{document.id}\n"), 0
    flags = document.is_target.tolist()
    while start < len(flags):
        end = start
        while end < len(flags) and flags[end] == flags[start]:
            end += 1
        part = tokenizer.decode(document.input_ids[start:end].tolist())
        text.append(f"⟦{part}⟧" if flags[start] else part, style="bold green" if flags[start] else "dim")
        start = end
    return text
