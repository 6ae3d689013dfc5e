"""What a classifier says of texts after each epoch of a fit, and at its end: the labels that a student learns from."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from lit_reason.batches import TokenDocument
from lit_reason.files import write_jsonl_atomic
from lit_reason.rows import source_problem
from lit_reason.weak_to_strong.classifier import WeakToStrongClassifier, text_documents
from lit_reason.weak_to_strong.fit_results import record
from lit_reason.weak_to_strong.item_files import label_row, read_texts
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

EPOCHS, LABELS = "epochs", "labels"


class EpochLabels(Callback):
    """After each epoch writes `epochs/<NAME>-<EPOCH>.jsonl`, and the newest as `labels/<NAME>.jsonl`: `id, text,
    soft_label`, rows that another classifier trains on. Gold labels are not read. Texts that are too long for the rows
    of the fit, or for the model, get none.

    Args:
        texts: files with `id` and `text` by the name that their labels get.
    """

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self._read: dict[str, dict[str, str]] = {}
        self._documents: dict[str, list[TokenDocument]] = {}

    @classmethod
    def check_config(cls, init_args: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
        """`(key, message)` for files that are not there."""
        problems = {name: source_problem(path) for name, path in (init_args.get("texts") or {}).items()}
        return [(f"texts.{name}", problem) for name, problem in problems.items() if problem]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse other modules before anything is loaded.

        Raises:
            WeakToStrongError: the module is no classifier.
        """
        if not isinstance(pl_module, WeakToStrongClassifier):
            raise WeakToStrongError(f"EpochLabels needs a WeakToStrongClassifier, not a {type(pl_module).__name__}")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read and tokenise once; what is too long to be read gets no label, and is counted before anything trains.

        Raises:
            WeakToStrongError: no text of a file is short enough.
        """
        longest = getattr(trainer.datamodule, "longest", pl_module.context)
        for name, path in self.texts.items():
            texts = read_texts(path)
            every = text_documents(list(texts), list(texts.values()), pl_module.tokenizer)
            kept = [document for document in every if longest is None or len(document.input_ids) <= longest]
            self._left_out(trainer, name, len(every) - len(kept), len(every), longest)
            self._read[name] = {document.id: texts[document.id] for document in kept}
            self._documents[name] = kept
            pl_module.remember(kept)

    def _left_out(self, trainer: Trainer, name: str, n: int, of: int, longest: int | None) -> None:
        if not n:
            return
        counted = f"texts.{name}: {n} of {of} texts are longer than {longest} tokens, so they get no label"
        if n == of:
            raise WeakToStrongError(f"{counted} [{self.texts[name]}]")
        rank_zero_warn(counted)
        record(trainer, dropped={f"{name}: text longer than {longest} tokens, not labelled": n})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every process takes part, as weights may be sharded; the first one writes."""
        for name, documents in self._documents.items():
            labels = pl_module.soft_labels(documents).tolist()
            if trainer.is_global_zero:
                rows = [label_row(id, text, label) for (id, text), label in
                        zip(self._read[name].items(), labels, strict=True)]  # fmt: skip
                folder = Path(trainer.default_root_dir)
                write_jsonl_atomic(folder / EPOCHS / f"{name}-{trainer.current_epoch + 1:03d}.jsonl", rows)
                write_jsonl_atomic(folder / LABELS / f"{name}.jsonl", rows)
