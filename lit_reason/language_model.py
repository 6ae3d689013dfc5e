"""`CausalLanguageModel`: next-token training of any decoder, full or LoRA, with loss on chosen tokens and exact in
every split."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from lit_reason.backbones import Backbone, Lora, add_lora, load_model, load_tokenizer
from lit_reason.batches import IGNORED, TokenBatch, document_mask
from lit_reason.chat import Chat
from lit_reason.errors import PlainError
from lit_reason.linear_cross_entropy import linear_cross_entropy_sum
from lit_reason.optim import OptimizerSettings, Schedule, build_optimizer, learning_rate
from lit_reason.sampling.adapters import merged_adapter
from lit_reason.sampling.local import local_sampler
from lit_reason.sharding import copy_whole, is_deepspeed, is_sharded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from lit_reason.sampling.protocol import Sampler


class ModelError(PlainError, ValueError):
    """A model that cannot train or load as asked; the message is one readable line."""


class CausalLanguageModel(LightningModule):
    """Next-token training of a decoder; loss falls on target tokens only, and logits are computed nowhere else.

    Args:
        backbone: the model to start from.
        lora: adapters on the frozen base; null tunes all weights.
        optimizer: optimizer and peak learning rate.
        schedule: the rate over the run.
        gradient_checkpointing: recompute activations in the backward pass; less memory, a third more time.
        compile: compile each decoder layer (needs a C++ compiler on CPU; worth it where rows have one fixed width).
    """

    def __init__(
        self,
        backbone: Backbone = Backbone(),
        lora: Lora | None = Lora(),
        optimizer: OptimizerSettings = OptimizerSettings(),
        schedule: Schedule = Schedule(),
        gradient_checkpointing: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.lora, self.optimizer, self.schedule = backbone, lora, optimizer, schedule
        self.gradient_checkpointing, self.compile_layers = gradient_checkpointing, compile
        self.target_loss: TargetLoss = None  # type: ignore[assignment]  # built by configure_model
        self.strict_loading = False  # a LoRA checkpoint holds the adapter only; on_load_checkpoint checks its keys
        self._window_loss: Tensor | None = None

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The backbone's tokenizer, loaded on first use."""
        return load_tokenizer(self.backbone)

    @cached_property
    def chat(self) -> Chat:
        """The chat template that training and evaluation share."""
        return Chat(self.tokenizer, self.backbone.chat_template, self.backbone.system)

    def configure_model(self) -> None:
        """Load the backbone; called again by every trainer function, so it builds once. Weights depend on the run's
        seed only, not on how many random numbers were drawn before."""
        if self.target_loss is None:
            self.target_loss = self._built()

    def _built(self) -> TargetLoss:
        seed = torch.initial_seed()
        model = load_model(self.backbone, seed)
        model.config.use_cache = False
        if self.lora is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = add_lora(model, self.lora)
        if self.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        target_loss = TargetLoss(model)
        if self.compile_layers:
            for layer in target_loss.decoder.layers:
                layer.compile(dynamic=False)
        return target_loss

    def whole(self) -> TargetLoss:
        """The trained model with all of its weights: itself, or where the strategy shards it a plain copy in every
        process. All processes take part."""
        if not is_sharded(self):
            return self.target_loss
        whole = self._built().to(self.device)
        copy_whole(self.target_loss, whole)
        return whole

    def training_step(self, batch: TokenBatch, batch_idx: int) -> Tensor:
        """The micro-batch's share of the window's mean loss per target token.

        Lightning divides by N (accumulation) and averages over ranks, and DeepSpeed's engine divides by N once more, so
        both are multiplied back: what remains is loss_sum / window_targets, whatever the split.
        """
        loss_sum, _ = self.target_loss(batch)
        accumulate = self.trainer.accumulate_grad_batches
        self._log_window_loss(loss_sum.detach(), batch, last=(batch_idx + 1) % accumulate == 0)
        again = accumulate if is_deepspeed(self.trainer.strategy) else 1
        scale = self.trainer.world_size * accumulate * again
        return loss_sum * scale / max(1, batch["window_targets"])

    def validation_step(self, batch: TokenBatch, batch_idx: int) -> None:
        """Mean loss per target token of the whole validation set, each token counted once."""
        loss_sum, n_targets = self.target_loss(batch)
        self._validation += torch.stack([loss_sum.double(), n_targets.double()])

    def on_validation_epoch_start(self) -> None:
        """Start counting at zero."""
        self._validation = torch.zeros(2, dtype=torch.float64, device=self.device)

    def on_validation_epoch_end(self) -> None:
        """Sum over ranks before dividing: ranks may hold different numbers of tokens."""
        loss_sum, n_targets = self.trainer.strategy.reduce(self._validation, reduce_op="sum")
        if n_targets > 0:
            self.log("val/loss", (loss_sum / n_targets).float(), rank_zero_only=True)

    def test_step(self, batch: str, batch_idx: int) -> None:
        """Nothing: a test is what evaluation callbacks ask; the batches are the ids of their questions."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer alone: `on_train_batch_start` writes the rate, so no scheduler state exists to restore."""
        return build_optimizer(self.parameters(), self.optimizer)

    def on_train_batch_start(self, batch: TokenBatch, batch_idx: int) -> None:
        """Write the step's learning rate into the optimizer."""
        rate = learning_rate(self.trainer.global_step, self.n_steps, self.optimizer.lr, self.schedule)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.log("train/lr", rate)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient norm as it is before clipping. DeepSpeed keeps the gradients to itself, and knows the norm
        after the step."""
        if is_deepspeed(self.trainer.strategy):
            return
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        if gradients:
            norm = nn.utils.get_total_norm(gradients)
            self.log("train/grad_norm", norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def on_train_batch_end(self, outputs: Any, batch: TokenBatch, batch_idx: int) -> None:
        """Log the gradient norm of the step that DeepSpeed's engine made."""
        strategy = self.trainer.strategy
        if is_deepspeed(strategy) and (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.log("train/grad_norm", float(strategy.deepspeed_engine.get_global_grad_norm()), batch_size=1)

    @cached_property
    def n_steps(self) -> int:
        """Optimizer steps of the whole run: the planner's exact count, cut by max_steps.

        Raises:
            ModelError: neither the data nor the trainer says how many.
        """
        trainer, data = self.trainer, getattr(self.trainer, "datamodule", None)
        if hasattr(data, "planned_steps"):
            return data.planned_steps(trainer.max_epochs, trainer.max_steps)
        if trainer.max_steps > 0:
            return trainer.max_steps
        raise ModelError("the schedule needs the number of steps: use one of our DataModules or set trainer.max_steps")

    @contextmanager
    def generation(self) -> Iterator[PreTrainedModel]:
        """The whole model ready to generate: evaluation mode, cache on, checkpointing off, precision as in training,
        and fused attention, because eager attention pays for short training rows only. All is as before afterwards."""
        with self._generating(self.whole()) as model:
            yield model

    @contextmanager
    def _generating(self, whole: TargetLoss) -> Iterator[PreTrainedModel]:
        model = whole.model
        training, cache = model.training, model.config.use_cache
        if self.gradient_checkpointing:
            model.gradient_checkpointing_disable()
        model.eval()
        model.config.use_cache = True
        whole.causal.set_attn_implementation("sdpa")
        try:
            with torch.no_grad(), self.trainer.precision_plugin.forward_context(), whole.compute_dtype():
                yield model
        finally:
            model.train(training)
            model.config.use_cache = cache
            whole.causal.set_attn_implementation(self.backbone.attention)
            if self.gradient_checkpointing:
                model.gradient_checkpointing_enable({"use_reentrant": False})

    @contextmanager
    def sampling(
        self, batch_size: int = 64, merge_adapter: bool = True, max_total_tokens: int | None = None
    ) -> Iterator[Callable[[Chat | None], Sampler]]:
        """Samplers of the model as it stands, by the chat template they use (its own for None). Training does not
        notice: its random numbers and the model's mode are put back.

        Args:
            batch_size: rows decoded together.
            merge_adapter: merge a LoRA adapter into a copy of the base weights meanwhile, which is faster. The fast
                decoder merges into its own copies in any case, and only there.
            max_total_tokens: prompt and new tokens that a sampler of all processes together may spend; null sets no
                limit.
        """
        from lit_reason.sampling.fast.weights import why_unsupported

        whole = self.whole()  # once: where weights are sharded, all of them are gathered for it
        weights = self._identity(whole)
        cap = max_total_tokens and max_total_tokens // self.trainer.world_size
        is_fast = why_unsupported(whole.model) is None
        merged = merged_adapter(whole.model) if merge_adapter and not is_fast else nullcontext()
        with isolate_rng(), self._generating(whole) as model, merged:
            identity = {
                "model": weights,
                "adapter": "merged" if merge_adapter or is_fast else "apart",
                "dtype": str(model.dtype),
                "precision": str(self.trainer.precision),
            }

            def sampler(chat: Chat | None = None) -> Sampler:
                chat = chat or self.chat
                named = {**identity, "template": chat.template, "system": chat.system}
                return local_sampler(
                    model, chat.tokenizer, chat, identity=named, batch_size=batch_size, max_total_tokens=cap
                )

            yield sampler

    def weights_identity(self) -> str:
        """A name of these exact weights: the backbone's and a hash of all of them. Frozen ones count: another base
        model in the same folder must not find the samples of the first."""
        return self._identity(self.whole())

    def _identity(self, whole: TargetLoss) -> str:
        digest = hashlib.sha256()
        for name, parameter in sorted(whole.named_parameters()):
            digest.update(f"target_loss.{name}".encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return f"{self.backbone.name}+{digest.hexdigest()[:16]}"

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """With LoRA the adapter only; the frozen base comes from the backbone."""
        state = super().state_dict(*args, **kwargs)
        if self.lora is None:
            return state
        return {name: state[name] for name in self._trainable_names() if name in state}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights belong to, so that another model's checkpoint is refused before anything is loaded."""
        checkpoint["lit_reason"] = {
            "model_class": type(self).__name__,
            "backbone": self.backbone.name,
            "lora": asdict(self.lora) if self.lora else None,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Loading is not strict, so the keys are compared here: exactly what trains must be in the file. A sharded
        strategy has loaded its folder itself by now.

        Raises:
            ModelError: other weights than this model's are in the file.
        """
        if "state_dict" not in checkpoint:
            return
        found, wanted = set(checkpoint["state_dict"]), set(self.state_dict())
        if found != wanted:
            odd = sorted(found ^ wanted)
            raise ModelError(
                f"the checkpoint does not fit this model: {len(odd)} weights differ in name, e.g. {odd[0]}"
            )

    def _trainable_names(self) -> list[str]:
        return [name for name, parameter in self.named_parameters() if parameter.requires_grad]

    def _log_window_loss(self, loss_sum: Tensor, batch: TokenBatch, last: bool) -> None:
        self._window_loss = loss_sum if self._window_loss is None else self._window_loss + loss_sum
        if last:
            total = self.trainer.strategy.reduce(self._window_loss, reduce_op="sum")
            self.log("train/loss", total / max(1, batch["window_targets"]), prog_bar=True, batch_size=1)
            self._window_loss = None


class TargetLoss(nn.Module):
    """A language model whose forward pass is its loss at target positions. It is the unit that gets sharded: calling a
    submodule past a sharded root would break it, so everything that training needs happens inside `forward`."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> TargetLoss:
        """As of any module, but rotary frequencies stay float32 as `from_pretrained` leaves them: rounded to bfloat16
        by `precision: bf16-true`, they would be a radian off at position 500."""
        tables = {name: buffer for name, buffer in self.named_buffers() if buffer.dtype == torch.float32}
        super()._apply(fn, recurse)
        for name, buffer in self.named_buffers():
            if name in tables and buffer.dtype.itemsize < 4:
                buffer.data = tables[name].to(buffer.device)
        return self

    @property
    def decoder(self) -> nn.Module:
        """The stack of layers below the head."""
        return self.causal.get_decoder()

    @property
    def head(self) -> nn.Parameter:
        """[vocabulary, d_model], often the embedding itself."""
        return self.causal.get_output_embeddings().weight

    def forward(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Run the decoder and the head's loss.

        Returns:
            loss_sum: float32 scalar, the summed loss of all target tokens of the micro-batch.
            n_targets: int64 scalar.
        """
        with self.compute_dtype():
            hidden = self.hidden_states(batch)
        position = (batch["labels"][:, 1:] != IGNORED).nonzero(as_tuple=True)
        labels = batch["labels"][:, 1:][position]
        hidden = hidden[:, :-1][position].to(self.head.dtype)
        return linear_cross_entropy_sum(hidden, self.head, labels), labels.new_tensor(len(labels))

    def hidden_states(self, batch: TokenBatch) -> Tensor:
        """[R, T, d_model] after the last norm; documents of a row do not see each other."""
        packed = any(len(row) > 1 for row in batch["row_ids"])
        output = self.decoder(
            input_ids=batch["input_ids"],
            position_ids=batch["position_ids"],
            use_cache=False,
            attention_mask=self._mask(batch["document_ids"]) if packed else None,
        )
        return output.last_hidden_state

    def compute_dtype(self) -> torch.autocast:
        """Compute in the base weights' dtype: over a bfloat16 base, float32 adapters take part in bfloat16 products."""
        return torch.autocast(self.head.device.type, torch.bfloat16, enabled=self.head.dtype == torch.bfloat16)

    @property
    def causal(self) -> PreTrainedModel:
        """The decoder with its head, without peft's wrapper."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def merged(self) -> PreTrainedModel:
        """A copy with the adapters, if any, in the base weights; undoing a merge would leave rounding in them."""
        return copy.deepcopy(self.model).merge_and_unload() if self.causal is not self.model else self.model

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase, merge: bool) -> None:
        """Write model and tokenizer into a folder; with `merge` adapters go into the base."""
        (self.merged() if merge else self.model).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def _mask(self, document_ids: Tensor) -> Tensor:
        """In the form that the attention kernel wants: boolean, or added to the scores."""
        mask = document_mask(document_ids)
        if self.causal.config._attn_implementation != "eager":
            return mask
        dtype = self.causal.dtype
        return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
