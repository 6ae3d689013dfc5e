"""A small tokenizer for models that learn Case2Code from random weights: bytes, merges for what prompts repeat, and
every word of `WORDS` as one token, as in common tokenizers. Numbers are spelled in digits.

Merges are learned from syllables and from the fixed words of prompts and programs, never from names or inputs, and none
joins letters to other signs. So a name is spelled in pieces, alike wherever it stands; a model that has learned to copy
names copies those that it has never seen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from string import Formatter
from typing import TYPE_CHECKING

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
from lit_reason.case2code.words import SYLLABLES, WORDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

FRAGMENTS = ("Write ", ").\n", " -> ", '" -> "', '"\n"', "```python\ndef ", "):\n    return ", "\n```")
"""One token each: they stand in nearly every prompt, case and program."""

_LEAD_INS = ("", "Here is the function:")


def small_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, built in a second: `backbone.tokenizer: lit_reason.case2code.tokenizer:small_tokenizer`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]+"), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,  # bytes and merges; words and fragments come on top
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(fixed_texts(), trainer)
    whole = _with_whole_words(tokenizer)
    fast = PreTrainedTokenizerFast(tokenizer_object=whole, eos_token="<|end|>", pad_token="<|pad|>")
    fast.add_tokens(list(FRAGMENTS))
    return fast


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


def _with_whole_words(tokenizer: Tokenizer) -> Tokenizer:
    """Every word of `WORDS` as one token, looked up before anything is merged."""
    from tokenizers import Tokenizer

    spec = json.loads(tokenizer.to_str())
    vocab = spec["model"]["vocab"]
    new = [word for word in WORDS if word not in vocab]
    vocab.update({word: len(vocab) + i for i, word in enumerate(new)})
    spec["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(spec))


def _emptied(template: str) -> str:
    return Formatter().vformat(template, (), defaultdict(str))
