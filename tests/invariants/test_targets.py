"""Invariant 5: only target tokens carry loss, counted and shown."""

from __future__ import annotations

import csv
import json

import torch

from lit_reason import batches
from lit_reason.language_model import CausalLanguageModel
from tests.invariants.conftest import metrics


def completions(rows_file) -> int:
    """Target tokens by hand: the bytes of every completion, and its end token."""
    return sum(len(json.loads(line)["completion"]) + 1 for line in rows_file.read_text().splitlines())


def counted(run) -> float:
    return metrics(run)["train/target_tokens"][-1]


NO_VALIDATION = ("--data.validation_share=0", "--trainer.max_epochs=1")


def test_the_count_is_that_of_the_completions(fit, rows_file):
    run = fit("count", *NO_VALIDATION)
    assert counted(run) == completions(rows_file)
    with (run / "speed.csv").open() as stream:
        assert {"speed/target_tokens_per_s", "speed/prompt_tokens_per_s", "speed/padding_tokens_per_s"} <= set(
            next(csv.reader(stream))
        )


def test_only_positions_that_predict_targets_receive_gradient(tiny_backbone, monkeypatch):
    module = CausalLanguageModel(tiny_backbone, lora=None)
    module.configure_model()
    asked = [{"role": "user", "content": "abc"}, {"role": "assistant", "content": "yes"}]
    documents = [module.chat.document(id, asked) for id in "ab"]
    batch = batches.collate([documents], 8, 0, width=40)
    hidden = module.target_loss.hidden_states(batch).detach().requires_grad_()
    monkeypatch.setattr(module.target_loss, "hidden_states", lambda batch: hidden)
    module.target_loss(batch)[0].backward()
    touched = hidden.grad[0].abs().sum(-1) > 0
    is_target = torch.tensor([*documents[0].is_target, *documents[1].is_target, *[False] * 40])[:40]
    assert touched.tolist() == [*is_target[1:].tolist(), False]  # a position predicts its successor


def test_loss_on_prompts_is_caught(fit, rows_file, monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path / "cache"))  # no other test shall find what this one counts
    monkeypatch.setattr(batches.np, "where", lambda is_target, ids, ignored: ids)
    monkeypatch.setattr(batches.TokenDocument, "n_targets", property(lambda self: len(self.input_ids) - 1))
    assert counted(fit("broken", *NO_VALIDATION)) > completions(rows_file)
