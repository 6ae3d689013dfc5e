"""The peak of the memory that is a process's own while it prepares a file and iterates an epoch of it.

    python tests/datamodules/stream_memory.py FILE

Prints JSON: documents, tokens, and in bytes what was there before and the peak. Pages of mapped files are the system's
to take back, and are not counted (RssAnon of /proc/self/status).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from datamodules.instruction import InstructionDataModule
from lit_reason.batches import Loading
from lit_reason.chat import PLAIN_TEMPLATE, Chat


def own_memory() -> int:
    """RssAnon in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("no RssAnon here")


class Peak(threading.Thread):
    """The largest `own_memory` between start and `stop`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._going = 0, True

    def run(self) -> None:
        while self._going:
            self.bytes = max(self.bytes, own_memory())
            time.sleep(0.01)

    def stop(self) -> int:
        self._going = False
        self.join()
        return self.bytes


def word_tokenizer() -> Any:
    """A token a word: fast, so that the rows are most of the work."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = Tokenizer(models.WordLevel({"<|end|>": 0, "<|unk|>": 1}, unk_token="<|unk|>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=model, eos_token="<|end|>", unk_token="<|unk|>", pad_token="<|end|>"
    )


def attached(path: str, **settings: Any) -> InstructionDataModule:
    """A DataModule with what it takes from a trainer."""
    data = InstructionDataModule(path, loading=Loading(row_tokens=1024, rows=8), **settings)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        lightning_module=SimpleNamespace(chat=Chat(word_tokenizer(), PLAIN_TEMPLATE)), accumulate_grad_batches=2,
        world_size=1, global_rank=0, current_epoch=0,
    )  # fmt: skip
    return data


def main() -> None:
    """Prepare, then run through one epoch."""
    torch.set_num_threads(1)
    data = attached(sys.argv[1])
    before, peak = own_memory(), Peak()
    peak.start()
    data.prepare_data()
    data.setup("fit")
    tokens = sum(batch["n_tokens"] for loader in (data.train_dataloader(), data.val_dataloader()) for batch in loader)
    documents = sum(len(documents) for documents in data.tokenised.values())
    print(json.dumps({"documents": documents, "tokens": tokens, "before": before, "peak": peak.stop()}))


if __name__ == "__main__":
    main()
