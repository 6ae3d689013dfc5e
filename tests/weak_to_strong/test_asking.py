"""Asking in a study: a served model labels as a local one does, and a killed run goes on (check I)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow import parquet

from lit_reason.backbones import Backbone, BackboneError, load_model, load_tokenizer
from lit_reason.cli import main
from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.sampling.endpoint import Endpoint
from lit_reason.weak_to_strong.asking import ask
from lit_reason.weak_to_strong.question_files import read_votes
from lit_reason.weak_to_strong.steps import make_initial, make_questions, select
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from tests.weak_to_strong.served import ChainServer, solved

N_H2 = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    make_initial(folder, n=8)
    make_questions(folder, str(folder / "initial.jsonl"), n_h1=8, n_h2=N_H2, n_test=8)
    return folder


def paths(made: Path) -> dict[str, str]:
    return {name: str(made / f"{file}.jsonl") for name, file in
            (("test", "test"), ("questions", "h2"), ("greedy", "h2"))}  # fmt: skip


def test_a_served_model_labels_and_is_tested(made, tmp_path):
    with ChainServer() as server:
        ask(tmp_path / "w", endpoint=Endpoint(server.url, "tiny"), system="Be brief.", n=5, **paths(made))
        assert len(server.requests) == 8 + 5 * N_H2 + N_H2
        assert all(body["messages"][0] == {"role": "system", "content": "Be brief."} for body in server.requests)
    votes, gold = (
        read_votes(tmp_path / "w" / "votes.jsonl"),
        {r["id"]: r for _, r in read_jsonl(made / "h2_gold.jsonl")},
    )
    assert all(vote.n_samples == 5 == vote.n_parsed for vote in votes) and len(votes) == N_H2
    right = [vote.answer == gold[vote.id]["gold"] for vote in votes]
    assert 0 < sum(right) < N_H2 and len({vote.confidence for vote in votes}) > 2
    once = read_votes(tmp_path / "w" / "greedy.jsonl")
    assert {vote.n_samples for vote in once} == {1} and [vote.id for vote in once] == [vote.id for vote in votes]
    accuracy = Results.load(tmp_path / "w").get("accuracy", "test", "")
    tested = {row["id"]: row for _, row in read_jsonl(made / "test.jsonl")}
    rows = [row for _, row in read_jsonl(tmp_path / "w" / "answers.jsonl")]
    assert accuracy.value == sum(row["answer"] == str(solved(tested[row["id"]]["question"])) for row in rows) / 8


def test_what_an_endpoint_does_not_answer_is_no_vote_and_counted(made, tmp_path):
    with ChainServer() as server:
        ask(
            tmp_path / "w",
            endpoint=Endpoint(server.url, "tiny", max_concurrency=1),
            n=2,
            questions=paths(made)["questions"],
        )
        whole = read_votes(tmp_path / "w" / "votes.jsonl")
        server.after = len(server.requests) + 2 * N_H2 - 10
        failing = Endpoint(server.url, "tiny", max_concurrency=1, retries=0)
        ask(tmp_path / "f", endpoint=failing, n=2, questions=paths(made)["questions"])
    votes = read_votes(tmp_path / "f" / "votes.jsonl")
    assert sum(vote.n_parsed for vote in votes) == 2 * N_H2 - 10
    assert all(now.support <= before.support for now, before in zip(votes, whole, strict=True))
    dropped = Results.load(tmp_path / "f").dropped
    assert dropped["missing answers counted wrong"] == 10 == dropped["samples that failed: HTTP 500"]


@pytest.mark.parametrize("both", [False, True])
def test_one_model_answers(both, made, tmp_path):
    given = {"model": "m", "endpoint": Endpoint("http://127.0.0.1:9/v1", "tiny")} if both else {}
    with pytest.raises(WeakToStrongError, match="both set" if both else "must be set"):
        ask(tmp_path, **given, **paths(made))


def save_tiny(folder: Path) -> None:
    backbone = Backbone("llama-tiny", dtype="float32", tokenizer="bytes", chat_template="plain")
    load_model(backbone).save_pretrained(folder)
    load_tokenizer(backbone).save_pretrained(folder)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["chat_template"] = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def test_a_local_folder_answers(made, tmp_path):
    save_tiny(tmp_path / "m")
    ask(tmp_path / "w", model=str(tmp_path / "m"), n=2, max_new_tokens=4, questions=paths(made)["questions"])
    assert [vote.n_samples for vote in read_votes(tmp_path / "w" / "votes.jsonl")] == [2] * N_H2


def test_a_name_that_is_no_folder_is_the_loaders_to_judge(made, tmp_path):
    with pytest.raises(BackboneError, match="my-org/small is no folder, and is not to be had from the hub"):
        ask(tmp_path, model="my-org/small", **paths(made))


def asked_in_a_process(made: Path, out: Path, hub: Path) -> subprocess.CompletedProcess[str]:
    """A model of the hub's, whose cache is read when Python starts."""
    arguments = {"out": out, "model": "my-org/small", "n": 2, "max_new_tokens": 4, **paths(made)}
    words = [word for key, value in arguments.items() for word in (f"--{key}", str(value))]
    step = ("lit_reason.study.step", "lit_reason.weak_to_strong.asking.ask")
    environment = {**os.environ, "HF_HOME": str(hub), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-m", *step, *words], env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_hub_id_answers_from_the_cache_and_ends_in_one_line_where_it_is_not_to_be_had(made, tmp_path):
    """`--variables.weak my-org/small`, as configs/studies/weak_to_strong_own.yaml writes it."""
    refused = asked_in_a_process(made, tmp_path / "r", tmp_path / "hub")
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 2 and line.startswith("my-org/small is no folder, and is not to be had from the hub")
    repository = tmp_path / "hub" / "hub" / "models--my-org--small"
    save_tiny(repository / "snapshots" / "1a2b")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("1a2b")
    done = asked_in_a_process(made, tmp_path / "w", tmp_path / "hub")
    assert done.returncode == 0, done.stderr[-2000:]
    assert [vote.n_samples for vote in read_votes(tmp_path / "w" / "votes.jsonl")] == [2] * N_H2


def test_a_study_asks_an_endpoint(made, tmp_path, monkeypatch):
    """From the YAML: the supervisor is served, its labels are filtered, and the rows are there."""
    monkeypatch.chdir(tmp_path)
    with ChainServer() as server:
        study = f"""
title: A served supervisor
seeds: [0]
runs:
  weak_answers:
    call: lit_reason.weak_to_strong.asking.ask
    set:
      endpoint: {{base_url: "{server.url}", model: tiny}}
      questions: {made}/h2.jsonl
      n: 4
      seed: ${{seed}}
  stage1_rows:
    call: lit_reason.weak_to_strong.steps.select
    each: {{tau: [0.5, 0.9]}}
    set: {{questions: {made}/h2.jsonl, gold: {made}/h2_gold.jsonl, votes: "${{weak_answers.votes}}", tau: "${{tau}}"}}
"""
        Path("served.yaml").write_text(study)
        assert main(["study", "--config", "served.yaml"]) == 0
    kept = [len(path.read_text().splitlines()) for path in Path("runs/studies/served").glob("stage1_rows/*/rows.jsonl")]
    assert len(kept) == 2 and 0 < min(kept) < max(kept) <= N_H2


def test_a_killed_asking_goes_on_and_gives_the_same_training_set(made, tmp_path):
    """Check I: SIGKILL in the middle of sampling; what is stored is not asked again, and A is the same to the byte."""
    questions = paths(made)["questions"]
    with ChainServer(pause=0.01) as server:
        endpoint = Endpoint(server.url, "tiny", max_concurrency=2)
        ask(tmp_path / "whole", endpoint=endpoint, n=8, questions=questions)
        n_whole = len(server.requests)
        served = json.dumps({"base_url": server.url, "model": "tiny", "max_concurrency": 2})
        arguments = {"out": tmp_path / "killed", "questions": questions, "n": 8, "endpoint": served}
        words = [word for key, value in arguments.items() for word in (f"--{key}", str(value))]
        step, parts = ("lit_reason.study.step", "lit_reason.weak_to_strong.asking.ask"), "pools/*/samples/*.parquet"
        process = subprocess.Popen([sys.executable, "-m", *step, *words], stderr=subprocess.DEVNULL)
        while not list((tmp_path / "killed").glob(parts)):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        n_killed = len(server.requests) - n_whole
        n_stored = sum(parquet.read_metadata(part).num_rows for part in (tmp_path / "killed").glob(parts))
        ask(tmp_path / "killed", endpoint=endpoint, n=8, questions=questions)
        n_again = len(server.requests) - n_whole - n_killed
    assert 0 < n_stored <= n_killed < n_whole and n_again == n_whole - n_stored
    for run in ("whole", "killed"):
        select(
            tmp_path / f"{run}_a", questions, str(tmp_path / run / "votes.jsonl"), str(made / "h2_gold.jsonl"), tau=0.7
        )
    assert (tmp_path / "whole_a" / "rows.jsonl").read_bytes() == (tmp_path / "killed_a" / "rows.jsonl").read_bytes()


def test_another_seed_asks_for_other_samples(made, tmp_path):
    found = []
    with ChainServer() as server:
        for seed in (0, 0, 1):
            folder = tmp_path / str(len(found))
            ask(folder, endpoint=Endpoint(server.url, "tiny"), n=3, seed=seed, questions=paths(made)["questions"])
            found.append((folder / "votes.jsonl").read_bytes())
    assert found[0] == found[1] != found[2]
