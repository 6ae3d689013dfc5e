"""The endpoint sampler against transformers' own server, holding a tiny model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch

from lit_reason.backbones import Backbone, load_model, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.evaluation import evaluate
from lit_reason.pool import SamplePool
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.endpoint import NO_LOGPROBS, Endpoint, EndpointError, EndpointSampler
from lit_reason.sampling.local import TransformersSampler

QUESTIONS = [Question(f"q{i}", text) for i, text in enumerate(["one and one?", "zwei ü", "3", "what is it?"])]
SECONDS_TO_START = 120


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a model")
    backbone = Backbone("llama-tiny", dtype="float32", tokenizer="bytes")
    model, tokenizer = load_model(backbone).eval(), load_tokenizer(backbone)
    with torch.no_grad():  # unequal weights, so that greedy answers are not one token again and again
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.1)
    # `transformers serve` samples only if the model's own configuration says so
    model.generation_config.update(do_sample=True, top_k=0, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(model_folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", model_folder, "--host", "127.0.0.1"]
    options = ["--port", str(port), "--device", "cpu"]
    with (model_folder.parent / "server.log").open("wb") as log:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, env=environment)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, model_folder.parent / "server.log")
        yield Endpoint(f"http://127.0.0.1:{port}/v1", str(model_folder), max_concurrency=2, retries=1)
    finally:
        process.terminate()
        process.wait()


def _wait(url, process, log):
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"no server within {SECONDS_TO_START} s: {log.read_text()}")


def test_greedy_answers_are_those_of_the_model_itself(server, model_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings = SamplingSettings(max_new_tokens=12)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    local = TransformersSampler(
        AutoModelForCausalLM.from_pretrained(model_folder).eval(), tokenizer, Chat(tokenizer), identity={}, batch_size=1
    )
    expected = {s.question_id: s for batch in local.sample(QUESTIONS, settings) for s in batch}
    served = {s.question_id: s for batch in EndpointSampler(server).sample(QUESTIONS, settings) for s in batch}
    assert len({s.text for s in expected.values()}) > 1
    for id, sample in served.items():
        assert sample.text == expected[id].text
        assert sample.n_prompt_tokens == expected[id].n_prompt_tokens
        assert sample.finish_reason == expected[id].finish_reason
        assert sample.n_tokens == expected[id].n_tokens


def test_an_evaluation_is_sampled_resumed_and_cut_at_the_limit(server, tmp_path):
    settings = SamplingSettings(n=3, temperature=1.0, max_new_tokens=8)
    sampler = EndpointSampler(Endpoint(**{**vars(server), "logprobs": True}))
    pool = SamplePool.open(tmp_path, sampler.identity, settings, QUESTIONS)
    first = evaluate(QUESTIONS[:2], sampler, [], pool, settings)
    assert first.n_sampled == 6
    assert first.dropped[NO_LOGPROBS] == 6, "this server ignores the wish"
    rest = evaluate(QUESTIONS, sampler, [], pool, settings)
    assert rest.n_sampled == 6 and len(pool.done()) == 12
    samples = pool.samples()
    assert len({s.text for s in samples}) > 6, "samples of a question differ"
    assert all(0 < s.n_tokens <= 8 for s in samples)
    assert all((s.finish_reason == "length") == (s.n_tokens == 8) for s in samples)


def test_a_server_pinned_to_another_model_is_one_error(server):
    with pytest.raises(EndpointError, match="model other: HTTP 400.*pinned to"):
        list(EndpointSampler(Endpoint(server.base_url, "other", retries=1)).sample(QUESTIONS, SamplingSettings()))
