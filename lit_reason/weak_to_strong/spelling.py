"""Is this word spelled rightly? A task without files: common English words, half of them with two letters exchanged.

A small model from random weights must learn letter patterns from the words it is shown. A pretrained one has met most
of them. The words are those of reasoning-gym's dictionary that are one token of the embedded model: common ones.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path
from random import Random

from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_reason.weak_to_strong.item_files import write_splits
from lit_reason.weak_to_strong.items import Item, coin, one_hot
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

DICTIONARY = "words3to10.txt"

WORD_START = "Ġ"
"""How byte-level tokenizers write the space before a word."""


def make_spelling(
    out: Path,
    n_h1: PositiveInt = 2000,
    n_h2: PositiveInt = 1000,
    n_test: PositiveInt = 1000,
    min_letters: PositiveInt = 5,
    max_letters: PositiveInt = 9,
    seed: NonNegativeInt = 0,
) -> None:
    """Write h1, h2, h2_gold and test (see `item_files`). A word is in one split only, spelled rightly or not.

    Args:
        out: directory of the run.
        n_h1: gold-labelled words for the weak supervisor.
        n_h2: words to be labelled.
        n_test: test words.
        min_letters: of a word.
        max_letters: of a word; the dictionary ends at 10.
        seed: which words, and which are misspelled.
    """
    dictionary = _dictionary()
    words = sorted(word for word in dictionary & _common() if min_letters <= len(word) <= max_letters)
    needed = n_h1 + n_h2 + n_test
    if needed > len(words):
        raise WeakToStrongError(
            f"{needed} words are asked for; {len(words)} have {min_letters} to {max_letters} letters"
        )
    drawn = [spelling_item(word, dictionary, seed) for word in Random(seed).sample(words, needed)]
    write_splits(out, drawn[:n_h1], drawn[n_h1 : n_h1 + n_h2], drawn[n_h1 + n_h2 :])


def spelling_item(word: str, dictionary: Collection[str], seed: int) -> Item:
    """The word itself (class 1), or with two neighbouring letters exchanged so that no word is left (class 0)."""
    wrong = [text for text in _exchanged(word) if text not in dictionary]
    label = coin(word, seed) if wrong else 1
    text = word if label else Random(f"{seed} {word} wrong").choice(wrong)
    return Item(word, text, one_hot(label), label)


def _exchanged(word: str) -> list[str]:
    return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1) if word[i] != word[i + 1]]


def _dictionary() -> set[str]:
    spec = importlib.util.find_spec("reasoning_gym")  # importing the package takes seconds
    text = Path(str(spec and spec.origin)).with_name("data").joinpath(DICTIONARY).read_text("utf-8")
    return {word.strip().lower() for word in text.splitlines() if word.strip().isalpha()}


def _common() -> set[str]:
    from lit_reason.backbones import Backbone, load_tokenizer

    return {token[1:] for token in load_tokenizer(Backbone()).get_vocab() if token.startswith(WORD_START)}
