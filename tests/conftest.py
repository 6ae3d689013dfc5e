"""Fixtures that every room shares: one tiny model without any file, and the embedded model converted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from hypothesis import settings

from lit_reason.backbones import Backbone, embedded_model_dir
from lit_reason.files import cache_dir

# No test is timed: a busy machine would fail what is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def token_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache, but what tests tokenise does not stay there."""
    folder = tmp_path_factory.mktemp("cache")
    for name in ("models", "case2code"):
        (cache_dir() / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(cache_dir() / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIT_REASON_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_backbone() -> Backbone:
    """A Llama of 95,000 random weights over bytes, in float32: exact enough to compare, and built in milliseconds."""
    return Backbone("llama-tiny", dtype="float32", tokenizer="bytes")


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The converted SmolLM2 in the user's cache."""
    return embedded_model_dir()
