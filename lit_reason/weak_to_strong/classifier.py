"""`WeakToStrongClassifier`: a language model's trunk with a zero head, trained on soft labels (Burns et al., as
released), exact in every split of the optimizer window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.distributed as dist
from jsonargparse.typing import PositiveInt
from torch import Tensor, nn

from lit_reason.backbones import Backbone, Lora, context_of
from lit_reason.batches import IGNORED, TokenBatch, TokenDocument, collate
from lit_reason.language_model import CausalLanguageModel, TargetLoss
from lit_reason.optim import OptimizerSettings, Schedule
from lit_reason.results import share
from lit_reason.sharding import is_deepspeed, is_sharded
from lit_reason.weak_to_strong.classifier_export import save_classifier
from lit_reason.weak_to_strong.fit_results import record
from lit_reason.weak_to_strong.losses import (
    LossSettings,
    check_loss,
    cross_entropy_sum,
    kl_sum,
    quantile_threshold,
    targets,
)
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

READ_TOGETHER = 64
"""Texts that a pass without gradient reads together."""


class LabelledBatch(TokenBatch):
    """A micro-batch of labelled texts. A text's only target position is its last token."""

    soft_labels: Tensor
    """float32 [texts, K], in the order of rows and of documents in a row; this is all that training reads."""
    window: list[LabelledBatch]
    """On a window's first micro-batch this rank's micro-batches of the whole window, else empty."""


class WeakToStrongClassifier(CausalLanguageModel):
    """Trunk of a decoder, bias-free head of K outputs that starts at zero, read at a text's last token.

    Dropout is off unless asked for: the model stays in evaluation mode, as in the release. The confidence loss'
    threshold is that of the whole optimizer window over all processes, from a pass without gradient at its start.

    Args:
        backbone: the model to start from.
        loss: which loss on the soft labels.
        n_classes: outputs of the head.
        linear_probe: train the head alone. The trunk then reads every text once, before the first step, unless its
            weights are sharded.
        lora: adapters on the frozen base; null tunes all weights.
        optimizer: optimizer and peak learning rate.
        schedule: the rate over the run.
        gradient_checkpointing: recompute activations in the backward pass.
        compile: compile each decoder layer.
        dropout: train with the dropout of the backbone and of the adapters.
    """

    target_loss: ClassifierHead

    def __init__(
        self,
        backbone: Backbone = Backbone(),
        loss: LossSettings = LossSettings(),
        n_classes: PositiveInt = 2,
        linear_probe: bool = False,
        lora: Lora | None = None,
        optimizer: OptimizerSettings = OptimizerSettings(lr=5e-5),
        schedule: Schedule = Schedule(warmup=0.0),
        gradient_checkpointing: bool = False,
        compile: bool = False,
        dropout: bool = False,
    ) -> None:
        super().__init__(backbone, lora, optimizer, schedule, gradient_checkpointing, compile)
        check_loss(loss.name, n_classes)
        self.dropout = dropout
        self.loss, self.n_classes, self.linear_probe = loss, n_classes, linear_probe
        self._threshold = torch.zeros(())

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for a loss that cannot take so many classes, and a probe with adapters or dropout."""
        found = []
        loss = init_args.get("loss") or {}
        name = loss.get("name", "xent") if isinstance(loss, dict) else loss.name
        if name == "logconf" and init_args.get("n_classes", 2) != 2:
            found.append(("loss.name", "logconf hardens two classes, and n_classes is another number"))
        if init_args.get("linear_probe") and init_args.get("lora"):
            found.append(("linear_probe", "trains the head alone: set lora to null"))
        if init_args.get("linear_probe") and init_args.get("dropout"):
            found.append(("dropout", "a probe's trunk reads every text once, so that none is dropped: set it to false"))
        return found

    @cached_property
    def context(self) -> int | None:
        """Positions of the model: a longer text cannot be read."""
        return context_of(self.backbone)

    def _built(self) -> ClassifierHead:
        model = super()._built().model
        return ClassifierHead(model, self.n_classes, self.linear_probe)

    def on_train_start(self) -> None:
        """Without dropout unless asked for; what a frozen trunk makes of the texts is remembered, and what was left out
        is recorded."""
        self.target_loss.train(self.dropout)
        data = getattr(self.trainer, "datamodule", None)
        record(self.trainer, dropped=getattr(data, "dropped", None))
        for documents in getattr(data, "tokenised", {}).values():
            self.remember(documents)

    def remember(self, documents: Sequence[TokenDocument]) -> None:
        """Let a frozen trunk read texts once for all epochs; nothing where it trains or is sharded. Batches depend on
        the texts alone, so that a resumed fit reads the same numbers."""
        if not self.linear_probe or is_sharded(self):
            return
        from lit_reason.progress import track

        self.target_loss.eval()  # callbacks come here before `on_train_start` does
        new = [document for document in documents if _key(document.input_ids) not in self.target_loss.memory]
        batches = list(self._batches(new))
        for batch in track(batches, "reading texts", total=len(batches), unit="batches"):
            self.target_loss.remember(batch)

    @torch.no_grad()
    def soft_labels(self, documents: Sequence[TokenDocument]) -> Tensor:
        """float32 [texts, K]: the model's probabilities, in the order of the texts. All processes take part."""
        was_training = self.target_loss.training
        self.target_loss.eval()
        probabilities = [self.target_loss(batch).softmax(-1).float().cpu() for batch in self._batches(documents)]
        self.target_loss.train(was_training)
        place = {document: row for row, document in enumerate(_by_length(documents))}
        together = torch.cat(probabilities) if probabilities else torch.zeros(0, self.n_classes)
        return together[[place[row] for row in range(len(documents))]]

    def _batches(self, documents: Sequence[TokenDocument]) -> Iterator[TokenBatch]:
        order = _by_length(documents)
        for start in range(0, len(order), READ_TOGETHER):
            rows = [[documents[i]] for i in order[start : start + READ_TOGETHER]]
            yield self.trainer.strategy.batch_to_device(collate(rows, 0, self.tokenizer.pad_token_id or 0), self.device)

    def on_train_batch_start(self, batch: TokenBatch, batch_idx: int) -> None:
        """Set the rate, and at a window's start the threshold of the whole window."""
        super().on_train_batch_start(batch, batch_idx)
        window = cast(LabelledBatch, batch)["window"]
        if self.loss.name == "logconf" and batch_idx % self.trainer.accumulate_grad_batches == 0:
            self._threshold = self._window_threshold(window)

    def training_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        """The micro-batch's share of the window's mean loss per text; scaled as `CausalLanguageModel`'s is."""
        labelled = cast(LabelledBatch, batch)
        logits = self.target_loss(batch)
        loss_sum = self._loss_sum(logits, labelled["soft_labels"].to(logits))
        accumulate = self.trainer.accumulate_grad_batches
        self._log_window_loss(loss_sum.detach(), batch, last=(batch_idx + 1) % accumulate == 0)
        again = accumulate if is_deepspeed(self.trainer.strategy) else 1
        return loss_sum * self.trainer.world_size * accumulate * again / max(1, batch["window_targets"])

    def validation_step(self, batch: TokenBatch, batch_idx: int) -> None:
        """Count right predictions; the class of the largest label is the right one."""
        logits = self.target_loss(batch)
        labels = cast(LabelledBatch, batch)["soft_labels"].to(logits)
        right = (logits.argmax(-1) == labels.argmax(-1)).sum()
        self._validation += torch.stack([right.double(), labels.new_tensor(len(labels), dtype=torch.float64)])

    def on_validation_epoch_end(self) -> None:
        """Accuracy over all processes, each text counted once; the run's results hold the newest, with its interval."""
        right, n = self.trainer.strategy.reduce(self._validation, reduce_op="sum")
        if n > 0:
            self.log("val/accuracy", (right / n).float(), rank_zero_only=True)
            dropped = getattr(getattr(self.trainer, "datamodule", None), "dropped", None)
            record(self.trainer, [share("accuracy", "test", "", int(right), int(n))], dropped)

    def _loss_sum(self, logits: Tensor, labels: Tensor) -> Tensor:
        if not len(logits):
            return logits.sum()  # zero, and still part of the graph
        if self.loss.name == "kl":
            return kl_sum(logits, labels)
        progress = self.trainer.global_step / max(1, self.n_steps)
        return cross_entropy_sum(logits, targets(self.loss, logits.detach(), labels, self._threshold, progress))

    @torch.no_grad()
    def _window_threshold(self, window: Sequence[LabelledBatch]) -> Tensor:
        logits = torch.cat([self.target_loss(batch) for batch in window])
        labels = torch.cat([batch["soft_labels"] for batch in window]).to(logits)
        return quantile_threshold(_gathered(logits), _gathered(labels))


class ClassifierHead(TargetLoss):
    """A trunk and its head; `forward` is what gets sharded."""

    def __init__(self, model: Any, n_classes: int, linear_probe: bool) -> None:
        super().__init__(model)
        self.probe = linear_probe
        self.memory: dict[bytes, Tensor] = {}
        self.scores = nn.Linear(model.config.hidden_size, n_classes, bias=False)
        nn.init.zeros_(self.scores.weight)
        if self.head.dtype == torch.float64:
            self.scores.double()
        if linear_probe:
            model.requires_grad_(False)
        elif self.head is not self.causal.get_input_embeddings().weight:
            self.head.requires_grad_(False)  # the language model's own head takes no part

    def forward(self, batch: TokenBatch) -> Tensor:  # type: ignore[override]
        """float [texts, K]: logits at the last token of each text, in the order of `soft_labels`."""
        last = self._remembered(batch)
        if last is None:
            last = self._last_hidden(batch)
        with torch.autocast(last.device.type, enabled=False):
            return self.scores(last.to(self.scores.weight.dtype))

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase, merge: bool) -> None:
        """Write trunk and head. Adapters are merged, whatever `merge` says: alone they would be no classifier."""
        save_classifier(self.merged(), self.scores, folder, tokenizer)

    @torch.no_grad()
    def remember(self, batch: TokenBatch) -> None:
        """Keep the trunk's output at the last token of each text."""
        self.memory.update(zip(_texts(batch), self._last_hidden(batch), strict=True))

    def _remembered(self, batch: TokenBatch) -> Tensor | None:
        """[texts, d_model], or None where the trunk has to read a text."""
        keys = _texts(batch) if self.memory else []
        return torch.stack([self.memory[key] for key in keys]) if keys and self.memory.keys() >= {*keys} else None

    def _last_hidden(self, batch: TokenBatch) -> Tensor:
        with self.compute_dtype():
            hidden = self.hidden_states(batch)
        last = hidden[(batch["labels"] != IGNORED).nonzero(as_tuple=True)]
        return last.detach() if self.probe else last


def text_documents(ids: Sequence[str], texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[TokenDocument]:
    """Texts as tokens, ended by the end token, which is where the head reads, and without a token at their start.

    The release reads at a text's own last token. Here a trunk that knows its end token has seen the whole text there
    and reads every text at the same token, however it ends; and rows of several texts need no other mark between them.

    Raises:
        WeakToStrongError: the tokenizer has no end token.
    """
    if tokenizer.eos_token_id is None:
        raise WeakToStrongError(f"{tokenizer.name_or_path or 'tokenizer'}: has no end token, where a classifier reads")
    found = []
    for id, text in zip(ids, texts, strict=True):
        tokens = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        found.append(TokenDocument(id, np.array(tokens, np.int32), np.arange(len(tokens)) == len(tokens) - 1))
    return found


def _key(tokens: np.ndarray) -> bytes:
    return tokens.astype(np.int32).tobytes()


def _texts(batch: TokenBatch) -> list[bytes]:
    """The tokens of each text of a batch, in the order of its target positions."""
    tokens, positions = batch["input_ids"].cpu().numpy(), batch["position_ids"].cpu().numpy()
    ends = (batch["labels"] != IGNORED).nonzero().tolist()
    return [_key(tokens[row, end - positions[row, end] : end + 1]) for row, end in ends]


def _by_length(documents: Sequence[TokenDocument]) -> list[int]:
    return sorted(range(len(documents)), key=lambda i: len(documents[i].input_ids))


def _gathered(own: Tensor) -> Tensor:
    """Rows of all processes, whose numbers may differ."""
    if not (dist.is_available() and dist.is_initialized()):
        return own
    sizes = [torch.zeros((), dtype=torch.int64, device=own.device) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, torch.tensor(len(own), device=own.device))
    largest = int(max(size.item() for size in sizes))
    padded = torch.cat([own, own.new_zeros(largest - len(own), own.shape[1])])
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])
