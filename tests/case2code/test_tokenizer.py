"""The small tokenizer: reversible, shorter than bytes, and blind to names and constants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.case2code.planted import planted
from lit_reason.case2code.prompts import PromptSettings, build_prompt, build_target
from lit_reason.case2code.tokenizer import FRAGMENTS, fixed_texts, write_tokenizer
from lit_reason.case2code.words import NAMES, WORDS


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    folder = write_tokenizer(tmp_path_factory.mktemp("small"))
    return load_tokenizer(Backbone("llama-tiny", tokenizer=str(folder)))


def test_every_text_comes_back(tokenizer) -> None:
    @given(st.text())
    def check(text: str) -> None:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if not any(special in text for special in tokenizer.all_special_tokens):
            assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text

    check()


def test_prompts_are_a_third_shorter_than_in_bytes(tokenizer) -> None:
    short = PromptSettings(style="short", lead_in="")
    texts = [f"{build_prompt(f, short).text}\n{build_target(f.code)}" for f in planted(200, 5, split="test")]
    tokens = sum(len(tokenizer(text)["input_ids"]) for text in texts)
    assert tokens < 0.7 * sum(map(len, texts))


def test_nothing_is_learned_from_names_and_constants() -> None:
    text = " ".join(fixed_texts())
    assert not [word for word in ("temple", "pedal", "artist", "omega", "willow") if word in text]
    assert set(NAMES) | set(WORDS) >= {"temple", "pedal", "artist", "omega", "willow"}


def test_a_name_is_spelled_alike_wherever_it_stands(tokenizer) -> None:
    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for name in NAMES[::10]:
        spelled = ids(name)
        for around in ("Write {}(x).", "\n```python\ndef {}(x):\n    return 1", "f({} + 2)", '"{}"'):
            found = ids(around.format(name))
            assert any(found[i : i + len(spelled)] == spelled for i in range(len(found))), (name, around)


def test_frames_are_one_token_each(tokenizer) -> None:
    lengths = [len(tokenizer(fragment, add_special_tokens=False)["input_ids"]) for fragment in FRAGMENTS]
    assert lengths == [1] * len(FRAGMENTS)
