"""Writing a trained model as a Hugging Face folder that plain transformers and peft load, with the template it was
trained on."""

from __future__ import annotations

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
    whole = module.whole()
    if getattr(rank_zero_only, "rank", 0) != 0:
        return folder
    tokenizer = module.tokenizer
    tokenizer.chat_template = module.chat.template
    with atomic_folder(folder) as temporary:
        whole.save(temporary, tokenizer, merge)
    return folder
