"""Writing a trained model as a Hugging Face folder that plain transformers and peft load, with the template it was trained on."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

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
    model = module.target_loss.model
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    os.chmod(temporary, 0o755)
    try:
        _merged(module).save_pretrained(temporary) if merge and module.lora is not None else model.save_pretrained(temporary)
        tokenizer = module.tokenizer
        tokenizer.chat_template = module.chat.template
        tokenizer.save_pretrained(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _merged(module: CausalLanguageModel) -> PreTrainedModel:
    """A merged copy: merging in place and undoing it would leave rounding in the base weights."""
    import copy

    return copy.deepcopy(module.target_loss.model).merge_and_unload()
