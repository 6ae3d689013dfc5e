"""Invariant 2: packed = unpacked, and a document is unmoved by its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lit_reason import language_model
from lit_reason.backbones import Backbone
from lit_reason.batches import collate
from lit_reason.language_model import CausalLanguageModel
from tests.invariants.conftest import metrics

ONE_WINDOW = "--data.loading.rows=64"
"""All documents in one window, so that packed and unpacked steps see the same ones."""


def trajectory(run) -> np.ndarray:
    columns = metrics(run)
    return np.array([columns["train/loss"], columns["train/grad_norm"]])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_is_unpacked(fit, attention):
    packed, unpacked = (
        trajectory(fit(name, ONE_WINDOW, f"--data.loading.pack={pack}", f"--model.backbone.attention={attention}"))
        for name, pack in (("packed", "true"), ("unpacked", "false"))
    )
    tolerance = 1e-8 if attention == "sdpa" else 1e-4  # transformers' eager attention takes its softmax in float32
    np.testing.assert_allclose(packed, unpacked, rtol=tolerance)


def test_documents_that_attend_to_their_neighbours_are_caught(fit, monkeypatch):
    unpacked = trajectory(fit("unpacked", ONE_WINDOW, "--data.loading.pack=false"))
    monkeypatch.setattr(
        language_model,
        "document_mask",
        lambda ids: torch.ones(*ids.shape, ids.shape[1], dtype=torch.bool).tril()[:, None],
    )
    leaking = trajectory(fit("leaking", ONE_WINDOW, "--data.loading.pack=true"))
    assert np.max(np.abs(leaking / unpacked - 1)) > 1e-3


def test_neighbours_do_not_move_a_document():
    module = CausalLanguageModel(Backbone("llama-tiny", dtype="float64", tokenizer="bytes"), lora=None)
    module.configure_model()
    a, b, c = (
        module.chat.document(
            str(i), [{"role": "user", "content": "q" * i}, {"role": "assistant", "content": "a" * (9 - i)}]
        )
        for i in (1, 4, 7)
    )
    alone = module.target_loss.hidden_states(collate([[b]], 1, 0))[0]
    for row, start in (([a, b, c], len(a.input_ids)), ([c, b, a], len(c.input_ids)), ([b, a], 0)):
        among = module.target_loss.hidden_states(collate([row], 1, 0))[0, start : start + len(b.input_ids)]
        torch.testing.assert_close(among, alone, rtol=1e-10, atol=1e-10)
