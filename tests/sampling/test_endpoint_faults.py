"""The endpoint sampler against a server that misbehaves."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

import pytest

from lit_reason.evaluation import evaluate
from lit_reason.pool import SamplePool
from lit_reason.records import Question
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.chat_requests import sample_seed
from lit_reason.sampling.endpoint import GIVE_UP, Endpoint, EndpointError, EndpointSampler
from tests.sampling.faulty_server import FaultyServer

SETTINGS = SamplingSettings(n=2, temperature=0.7, max_new_tokens=32, seed=3)
KEY = "sk-a-very-secret-key-0123456789"


def questions(*texts):
    return [Question(f"q{i}", text) for i, text in enumerate(texts)]


def endpoint(server, **options):
    return Endpoint(server.url, **{"model": "tiny", "timeout": 10, "retries": 2, **options})


def sampled(sampler, asked, settings=SETTINGS, done=frozenset()):
    return [sample for batch in sampler.sample(asked, settings, done) for sample in batch]


def keys(samples):
    return sorted((s.question_id, s.sample_index) for s in samples)


@pytest.fixture
def server():
    with FaultyServer() as server:
        yield server


def test_what_is_sent_and_what_comes_back(server):
    settings = SamplingSettings(n=2, temperature=0.7, top_p=0.9, top_k=5, max_new_tokens=32, stop=("END",), seed=3)
    sampler = EndpointSampler(endpoint(server, logprobs=True), system="Think.")
    (first, second) = sorted(sampled(sampler, questions("hello"), settings), key=lambda s: s.sample_index)
    body = server.requests[0]
    assert body["messages"] == [{"role": "system", "content": "Think."}, {"role": "user", "content": "hello"}]
    expected = {"model": "tiny", "temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 32, "stop": ["END"]}
    assert {name: body[name] for name in expected} == expected
    assert first.seed == sample_seed(3, "q0", 0) != second.seed == sample_seed(3, "q0", 1)
    assert {r["seed"] for r in server.requests} == {first.seed, second.seed}
    assert first.text == f"answer to hello with {first.seed}"
    assert (first.n_prompt_tokens, first.n_tokens, first.finish_reason) == (7, 5, "stop")
    assert (first.logprob, first.token_logprobs) == (-0.75, [-0.5, -0.25])
    assert sampler.identity == {"endpoint_model": "tiny", "system": "Think."} and not +sampler.dropped


def test_defaults_send_nothing_that_only_some_servers_know(server):
    sampler = EndpointSampler(endpoint(server))
    sampled(sampler, questions("hello"))
    assert sampler.dropped == {}
    assert set(server.requests[0]) == {"model", "messages", "temperature", "top_p", "max_tokens", "seed"}


def test_conversations_are_sent_as_they_are(server):
    said = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    turns = [{"role": role, "content": content} for role, content in said]
    sampled(EndpointSampler(endpoint(server), system="other"), [Question("q", turns)])
    assert server.requests[0]["messages"] == turns


@pytest.mark.parametrize("fault", ["500", "429", "cut", "broken", "empty", "html", "timeout"])
def test_passing_faults_are_repeated_until_the_answer_comes(server, fault):
    sampler = EndpointSampler(endpoint(server, retries=3, timeout=0.6 if fault == "timeout" else 10))
    got = sampled(sampler, questions("fine", f"{fault}x2"))
    assert keys(got) == [("q0", 0), ("q0", 1), ("q1", 0), ("q1", 1)] and not +sampler.dropped
    assert server.seen[f"{fault}x2"] == 4
    seeds = [r["seed"] for r in server.requests if r["messages"][-1]["content"] == f"{fault}x2"]
    assert len(set(seeds)) == 2, "a repeated request keeps its seed"


def test_pauses_grow(server):
    began = time.monotonic()
    sampled(EndpointSampler(endpoint(server, retries=2)), questions("brokenx2"), SamplingSettings(max_new_tokens=4))
    assert time.monotonic() - began >= 0.5 + 1.0


def test_a_question_that_always_fails_stops_no_other_and_is_counted(server, caplog):
    asked = questions("a", "500x99", "b", "400x99", "brokenx99", "finish content_filter", "nan", "c")
    sampler = EndpointSampler(endpoint(server, retries=0, logprobs=True))
    got = sampled(sampler, asked)
    assert keys(got) == [(q, i) for q in ("q0", "q2", "q7") for i in (0, 1)]
    assert +sampler.dropped == {
        "samples that failed: HTTP 500": 2, "samples that failed: HTTP 400": 2, "samples that failed: broken reply": 2,
        "samples that failed: finish reason content_filter": 2,
        "samples that failed: a log-probability that is no finite number": 2,
    }
    assert "question q3 has no sample" in caplog.text and "too long" in caplog.text
    assert len([r for r in caplog.records if "question q3" in r.message]) == 1, "one line a reason"


def test_lengths_and_filters(server):
    settings = SamplingSettings(max_new_tokens=8)
    (sample,) = sampled(EndpointSampler(endpoint(server)), questions("finish length"), settings)
    assert sample.finish_reason == "length"
    (sample,) = sampled(EndpointSampler(endpoint(server)), questions("think"), settings)
    assert sample.text.startswith("<think>\nhm\n</think>\n\nanswer to think")
    (sample,) = sampled(EndpointSampler(endpoint(server)), questions("a b"), SamplingSettings(stop=("answer",)))
    assert sample.text == "answer", "a server that keeps what follows a stop string is corrected"


def test_no_more_requests_at_once_than_allowed(server):
    sampled(EndpointSampler(endpoint(server, max_concurrency=3)), questions("slow", "slow2", "slow3", "slow4"))
    assert 1 < server.most_at_once <= 3


def test_it_resumes_from_what_is_done(server):
    asked = questions("a", "b")
    got = sampled(EndpointSampler(endpoint(server)), asked, done={("q0", 0), ("q1", 1)})
    assert keys(got) == [("q0", 1), ("q1", 0)] and len(server.requests) == 2
    assert sampled(EndpointSampler(endpoint(server)), asked, done=set(keys(got)) | {("q0", 0), ("q1", 1)}) == []
    again = sampled(EndpointSampler(endpoint(server)), asked)
    assert {s.seed for s in got} <= {s.seed for s in again}


def test_what_is_left_early_is_dropped_at_once(server):
    sampler = EndpointSampler(endpoint(server, timeout=30, max_concurrency=2))
    stream = sampler.sample(questions("a", "timeoutx9"), SETTINGS)
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lit_reason.sampling.endpoint.FLUSH_SAMPLES", 1)
        assert len(next(stream)) == 1
    stream.close()
    assert time.monotonic() - began < 1.2, "the slow request is not waited for"


def test_another_model_is_one_clear_error(server):
    with pytest.raises(EndpointError, match="answers as tiny: asked for huge; set `model`, or `served_as`"):
        sampled(EndpointSampler(endpoint(server, model="huge")), questions("a", "b", "c"))
    assert sampled(EndpointSampler(endpoint(server, model="huge", served_as="tiny")), questions("a"))


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [("m", "m", True), ("m", "m@main", True), ("gpt-4o", "gpt-4o-2024-08-06", True), ("gpt-4o", "gpt-4o-mini", False),
     ("m", "m2", False), ("m.1", "mx1", False)],
)
def test_versions_of_a_name_are_the_same_model(asked, served, same):
    assert Endpoint("http://h/v1", asked).serves(served) is same


def test_an_unreachable_endpoint_is_one_clear_error():
    with FaultyServer() as gone:
        pass
    asked = questions(*"abcdefgh")
    with pytest.raises(EndpointError, match=rf"{gone.url}, model tiny: no connection") as caught:
        sampled(EndpointSampler(endpoint(gone, retries=1)), asked)
    assert "\n" not in str(caught.value)


def test_an_endpoint_that_goes_down_stops_the_run_and_keeps_what_was_answered():
    with FaultyServer(after=10) as server:
        got = []
        with pytest.raises(EndpointError, match="HTTP 500"):
            for batch in EndpointSampler(endpoint(server, retries=0)).sample(questions(*map(str, range(99))), SETTINGS):
                got += batch
        assert len(got) == 10 and 10 + GIVE_UP <= len(server.requests) < 10 + GIVE_UP + 16


def test_failures_here_and_there_are_no_reason_to_stop(server):
    asked = questions(*(text for i in range(GIVE_UP + 5) for text in (f"500x{100 + i}", f"fine {i}")))
    sampler = EndpointSampler(endpoint(server, retries=0, max_concurrency=1))
    assert len(sampled(sampler, asked, SamplingSettings())) == GIVE_UP + 5
    assert sampler.dropped == {"samples that failed: HTTP 500": GIVE_UP + 5}


def test_nothing_ever_answered_is_an_error_and_not_an_empty_result(server):
    with pytest.raises(EndpointError, match="HTTP 400"):
        sampled(EndpointSampler(endpoint(server)), questions("400x99"))
    assert sampled(EndpointSampler(endpoint(server)), questions("400x99"), done={("other", 0)}) == []
    sampler = EndpointSampler(endpoint(server))
    assert sampled(sampler, questions("a")) and sampled(sampler, questions("400x99")) == [], "it has answered before"
    with FaultyServer(usage=False) as silent, pytest.raises(EndpointError, match="counts no tokens"):
        sampled(EndpointSampler(endpoint(silent)), questions("a"))


def test_the_token_cap_holds_and_what_it_leaves_out_is_counted(server):
    sampler = EndpointSampler(endpoint(server, max_concurrency=4), max_total_tokens=100)
    got = sampled(sampler, questions(*"abcdefghijklmnop"))
    assert 12 * len(got) <= 100 and len(got) >= 5
    assert sampler.dropped == {"samples that failed: not asked, the token cap is reached": 32 - len(got)}


def test_the_key_is_in_no_file_log_or_error(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("openai").setLevel(logging.DEBUG)
    asked = questions("a", "500x99", "400x99", "b")
    with FaultyServer(key=KEY) as server:
        place = endpoint(server, api_key_env="MY_KEY", retries=1)
        sampler = EndpointSampler(place)
        pool = SamplePool.open(tmp_path, sampler.identity, SETTINGS, asked)
        result = evaluate(asked, sampler, [], pool, SETTINGS)
        assert len(pool.done()) == 4, "the server was given the key"
        monkeypatch.setenv("MY_KEY", KEY + "-wrong")
        with pytest.raises(EndpointError, match=r"HTTP 401.*taken from \$MY_KEY") as caught:
            sampled(EndpointSampler(place), asked)
    seen = [caplog.text, str(caught.value), repr(caught.value), str(asdict(place)), str(result.dropped), str(place)]
    error = caught.value
    while error := (error.__cause__ or error.__context__):
        seen.append(f"{error} {error!r}")
    seen += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert "<key>" in caplog.text, "this server repeats the key, so the test can fail"
    assert not [text for text in seen if KEY in text]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url must be an http or https address"),
        ({"base_url": f"http://u:{KEY}@host/v1"}, "base_url holds a password"),
        ({"base_url": f"http://host/v1?key={KEY}"}, "base_url holds a password"),
        ({"api_key_env": KEY}, "must be the name of an environment variable, not the key"),
        ({"api_key_env": KEY.replace("-", "_")}, "must be the name of an environment variable, not the key"),
        ({"model": ""}, "model must not be empty"),
        ({"max_concurrency": 0}, "max_concurrency must be at least 1, not 0"),
        ({"timeout": float("nan")}, "timeout must be above 0 seconds, not nan"),
        ({"retries": -1}, "retries must be at least 0, not -1"),
    ],
)
def test_wrong_settings_are_named_and_no_key_is_shown(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        Endpoint(**{"base_url": "http://h/v1", "model": "m", **options})
    assert "secret" not in str(caught.value)
