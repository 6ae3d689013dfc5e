"""Writing a trained model as a Hugging Face folder that plain transformers and peft load, with the template it was
trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lit_reason.files import atomic_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from lit_reason.language_model import CausalLanguageModel


def export_model(module: CausalLanguageModel, folder: Path, merge: bool = False) -> Path:
    """Write weights (safetensors), configuration and tokenizer to `folder`, which appears whole.

    Args:
        module: a configured module.
        folder: replaced if it exists.
        merge: with LoRA, write base plus adapter as one model instead of the adapter alone.
    """
    model = _merged(module) if merge and module.lora is not None else module.target_loss.model
    tokenizer = module.tokenizer
    tokenizer.chat_template = module.chat.template
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    return folder


def _merged(module: CausalLanguageModel) -> PreTrainedModel:
    """A merged copy: merging in place and undoing it would leave rounding in the base weights."""
    import copy

    return copy.deepcopy(module.target_loss.model).merge_and_unload()
