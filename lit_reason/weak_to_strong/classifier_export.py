"""Writing a trained classifier as a folder that plain transformers loads, head included.

Where the architecture has a `...ForSequenceClassification` with a bias-free `score`, it is one. That reads at the last
token that is not padding, so padding must not be the end token; texts end with it:

    tokenizer, model = (auto.from_pretrained(folder) for auto in (AutoTokenizer, AutoModelForSequenceClassification))
    texts = [text + tokenizer.eos_token for text in texts]
    logits = model(**tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")).logits

Elsewhere the language model lies there as it is, and `head.safetensors` beside it, for one text at a time:

    ids = torch.tensor([[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]])
    last = AutoModel.from_pretrained(folder)(ids).last_hidden_state[:, -1]
    logits = last @ load_file(f"{folder}/head.safetensors")["weight"].T
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HEAD_FILE = "head.safetensors"


def save_classifier(
    causal: PreTrainedModel, scores: nn.Linear, folder: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write the trunk of a language model with its head, [K, d_model], and the tokenizer."""
    from safetensors.torch import save_file

    padding = _padding(tokenizer)
    whole = _with_head(causal, scores, tokenizer.convert_tokens_to_ids(padding)) if padding else None
    if whole is None:
        causal.save_pretrained(folder)
        save_file({"weight": scores.weight.detach().cpu().contiguous()}, folder / HEAD_FILE)
    else:
        whole.save_pretrained(folder)
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.pad_token, tokenizer.padding_side = padding, "right"
    tokenizer.save_pretrained(folder)


def _padding(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """A token other than the end token, at which the head reads; of the special ones, as any other would be cut out of
    texts from now on."""
    known = [tokenizer.pad_token, *reversed(tokenizer.all_special_tokens)]
    return next((token for token in known if token is not None and token != tokenizer.eos_token), None)


def _with_head(causal: PreTrainedModel, scores: nn.Linear, pad_token_id: int) -> PreTrainedModel | None:
    """The trunk itself below the head; None where transformers knows no such model of this architecture."""
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(causal.config)
    config.num_labels, config.pad_token_id = scores.out_features, pad_token_id
    config.problem_type = "single_label_classification"
    try:
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(config)
    except ValueError:
        return None
    if getattr(getattr(model, "score", None), "bias", model) is not None:
        return None
    setattr(model, model.base_model_prefix, causal.base_model)
    model.score = scores
    return None if any(weight.is_meta for weight in model.state_dict().values()) else model
