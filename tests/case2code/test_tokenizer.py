"""The small tokenizer: reversible, much shorter than bytes, and blind to names."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.case2code.planted import planted
from lit_reason.case2code.prompts import PromptSettings, build_prompt, build_target
from lit_reason.case2code.tokenizer import FRAGMENTS, fixed_texts
from lit_reason.case2code.words import NAMES, WORDS

BY_NAME = "lit_reason.case2code.tokenizer:small_tokenizer"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(Backbone("llama-tiny", tokenizer=BY_NAME))


def test_every_text_comes_back(tokenizer: Any) -> None:
    @given(st.text())
    def check(text: str) -> None:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if not any(special in text for special in tokenizer.all_special_tokens):
            assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text

    check()


def test_prompts_are_less_than_half_as_long_as_in_bytes(tokenizer: Any) -> None:
    short = PromptSettings(style="short", lead_in="")
    texts = [f"{build_prompt(f, short).text}\n{build_target(f.code)}" for f in planted(200, 5, split="test")]
    tokens = sum(len(tokenizer(text)["input_ids"]) for text in texts)
    assert tokens < 0.5 * sum(map(len, texts))


def test_every_process_builds_the_same(tokenizer: Any) -> None:
    code = f"from lit_reason.backbones import *; t = load_tokenizer(Backbone('llama-tiny', tokenizer={BY_NAME!r}))"
    printed = "print(sorted(t.get_vocab().items(), key=lambda entry: entry[1]))"
    run = subprocess.run([sys.executable, "-c", f"{code}; {printed}"], capture_output=True, text=True, check=True)
    assert ast.literal_eval(run.stdout) == sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])


def test_nothing_is_learned_from_names_and_constants() -> None:
    text = " ".join(fixed_texts())
    assert not [word for word in ("temple", "pedal", "artist", "omega", "willow") if word in text]
    assert set(NAMES) | set(WORDS) >= {"temple", "pedal", "artist", "omega", "willow"}


def test_a_word_is_one_token_wherever_it_stands(tokenizer: Any) -> None:
    for word in WORDS:
        for around in ('"{}" -> "', '"_{}"', 'return "{}:" + x', 'f"{} {{x}}"'):
            assert word in tokenizer.tokenize(around.format(word)), (word, around)


def test_a_name_is_spelled_alike_wherever_it_stands(tokenizer: Any) -> None:
    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for name in NAMES[::10]:
        spelled = ids(name)
        for around in ("Write {}(x).", "```python\ndef {}(x):\n    return 1", "f({} + 2)", '"{}"'):
            found = ids(around.format(name))
            assert any(found[i : i + len(spelled)] == spelled for i in range(len(found))), (name, around)


def test_frames_are_one_token_each(tokenizer: Any) -> None:
    lengths = [len(tokenizer(fragment, add_special_tokens=False)["input_ids"]) for fragment in FRAGMENTS]
    assert lengths == [1] * len(FRAGMENTS)
