"""A sampling run that is killed ten times at random moments: `python killed_sampling.py FOLDER N_KILLS SEED`.

The model is loaded once and each run is a fork of this process, so that the moments fall into the sampling and not into
the imports. FOLDER/whole holds an uninterrupted run, FOLDER/killed the other; FOLDER/log.jsonl says for each kill how
many samples were made and how many are in the pool.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lit_reason import pool as pool_module
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.evaluation import evaluate
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.local import TransformersSampler

QUESTIONS = [Question(f"q{i:02}", f"question {i} {'x' * (i % 7)}", gold=str(i % 3)) for i in range(36)]
SETTINGS = SamplingSettings(n=4, temperature=1.0, max_new_tokens=20)
BATCH = 6
FLUSHES_A_COMPACTION = 3


class Parity:
    """Right when the answer's length is even."""

    name = "parity@1"

    def grade_all(self, pairs):
        for question, sample in pairs:
            status = "wrong" if len(sample.text) % 2 else "right"
            yield Grade("", question.id, sample.sample_index, self.name, status, str(len(sample.text)))


class Noting(TransformersSampler):
    """Notes how many samples it has made, before they can be written."""

    made = os.devnull

    def sample(self, *arguments):
        for batch in super().sample(*arguments):
            with open(self.made, "ab", buffering=0) as file:
                file.write(b"." * len(batch))
            yield batch


def sampler(made):
    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.3,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config).double().eval()  # float64: the same text whatever the batch
    found = Noting(model, tokenizer, Chat(tokenizer), identity={"model": "tiny"}, batch_size=BATCH)
    found.made = str(made)
    return found


def run(root, own):
    pool = SamplePool.open(root, own.identity, SETTINGS, QUESTIONS)
    evaluate(QUESTIONS, own, [Parity()], pool, SETTINGS)
    return pool


def killed(root, own, moments, seconds_a_batch):
    """Kill a run somewhere in its first three batches; whether it was still alive then."""
    made, batches = _size(own.made), moments.randrange(3)
    child = os.fork()
    if child == 0:
        run(root, own)
        os._exit(0)
    while _size(own.made) < made + batches * BATCH and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.0005)
    time.sleep(moments.uniform(0, seconds_a_batch))
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def _size(path):
    return os.stat(path).st_size if os.path.exists(path) else 0


def main(folder, n_kills, seed):
    torch.set_num_threads(1)
    pool_module.COMPACT_EVERY = FLUSHES_A_COMPACTION
    made = folder / "made"
    own, moments = sampler(made), random.Random(seed)
    began = time.perf_counter()
    run(folder / "whole", own)
    seconds_a_batch = (time.perf_counter() - began) / (len(QUESTIONS) * SETTINGS.n / BATCH)
    made.unlink()
    kills = 0
    while kills < n_kills:
        assert killed(folder / "killed", own, moments, seconds_a_batch), "the run had ended already"
        kills += 1
        there = [SamplePool(path.parent) for path in (folder / "killed").glob("*/manifest.json")]
        row = {"made": _size(made), "written": len(there[0].done()) if there else 0}
        with (folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
    run(folder / "killed", own)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
