"""A small tokenizer for models that learn Case2Code from random weights: bytes, and merges for what prompts repeat.

Merges are learned from syllables and from the fixed words of prompts and programs, never from names, constants or
inputs, and none joins letters to other signs. So a name is spelled in pieces, alike wherever it stands; a model that
has learned to copy names copies those that it has never seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from lit_reason.case2code.families import FAMILIES
from lit_reason.case2code.prompts import build_target
from lit_reason.case2code.wordings import (
    HEADERS,
    INSTRUCTIONS,
    LAYOUTS,
    NAME_LINES,
    SHORT_INSTRUCTION,
    SHORT_LAYOUT,
)
from lit_reason.case2code.words import SYLLABLES
from lit_reason.files import atomic_folder

FRAGMENTS = (" -> ", "\n```python\ndef ", "):\n    return ", "\n```")
"""One token each: they stand in nearly every case and program."""

_LEAD_INS = ("", "Here is the function:")


def write_tokenizer(out: Path, vocab_size: int = 512) -> Path:
    """Write the folder `out/tokenizer`, which is what `backbone.tokenizer` takes; returns it."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"[A-Za-z]+|[^A-Za-z]+"), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(fixed_texts(), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")
    fast.add_tokens(list(FRAGMENTS))
    folder = Path(out) / "tokenizer"
    with atomic_folder(folder) as temporary:
        fast.save_pretrained(temporary)
    return folder


def fixed_texts() -> Iterator[str]:
    """Syllables, then every target and every part of a prompt, with nothing in place of names, constants, inputs and
    outputs. Syllables are so many that their merges come first: a made-up name is two tokens."""
    yield from [" ".join(SYLLABLES)] * 1000
    for family in FAMILIES.values():
        for lead_in in _LEAD_INS:
            yield "\n" + build_target(_emptied(family.template), lead_in)
    for layout in (*LAYOUTS.values(), SHORT_LAYOUT):
        yield from [_emptied(layout.case) + layout.between] * len(FAMILIES)
    for text in (SHORT_INSTRUCTION, *INSTRUCTIONS, *HEADERS, *NAME_LINES):
        yield _emptied(text) + "\n"


def _emptied(template: str) -> str:
    return Formatter().vformat(template, (), defaultdict(str))
