"""Writing a trained model as a Hugging Face folder that plain transformers and peft load, with the template it was
trained on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.utilities import rank_zero_only

from lit_reason.files import atomic_folder

if TYPE_CHECKING:
    from lit_reason.language_model import CausalLanguageModel


def export_model(module: CausalLanguageModel, folder: Path, merge: bool = False) -> Path:
    """Write weights (safetensors), configuration and tokenizer to `folder`, which appears whole.

    Every process of a run calls this, because weights may be sharded; the first one writes.

    Args:
        module: a configured module.
        folder: replaced if it exists.
        merge: with LoRA, write base plus adapter as one model instead of the adapter alone.
    """
    model = module.whole().model
    if getattr(rank_zero_only, "rank", 0) != 0:
        return folder
    if merge and module.lora is not None:
        model = copy.deepcopy(model).merge_and_unload()  # undoing a merge would leave rounding in the base weights
    tokenizer = module.tokenizer
    tokenizer.chat_template = module.chat.template
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
    return folder
