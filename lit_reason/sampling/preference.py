"""How likely a local model finds the ways in which a text could go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lit_reason.records import Message


def continuation_logprobs(
    model: Any, chat: Any, prompts: Sequence[str | list[Message]], continuations: Sequence[str]
) -> list[dict[str, float]]:
    """For each prompt the log-probability of each continuation, summed over its tokens; an answer that has begun is the
    prompt's last message. One prompt at a time: they are of unlike length, and their continuations are few and short.
    """
    import torch

    found = []
    for prompt in prompts:
        ids = chat.prompt_ids(prompt)
        scores = {}
        for text in continuations:
            more = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = model(torch.tensor([ids + more], device=model.device)).logits[0, len(ids) - 1 : -1]
            tokens = torch.tensor(more, device=model.device)
            scores[text] = float(logits.float().log_softmax(-1).gather(1, tokens[:, None]).sum())
        found.append(scores)
    return found
