"""Input writers: a language model behind an endpoint and in this process, replay, and restarts of each."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lit_reason.case2code.inputs import example_items
from lit_reason.case2code.model_writer import LanguageModelWriter, make_sampler, writer_prompt
from lit_reason.case2code.pipeline import build, left_out, stored_functions, stored_rows
from lit_reason.case2code.rules import Candidate, harvest_text
from lit_reason.case2code.settings import RealSettings, WriterSettings
from lit_reason.case2code.writers import ReplayWriter
from lit_reason.cli import main
from tests.case2code import published as p
from tests.case2code.writer_server import WriterServer

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("plain", "inverse_2", "inverse_3", "never", "broken", "strange")
SOURCE = "".join(f"def {name}(x):\n    return [60 + x, {i}]\n\n" for i, name in enumerate(NAMES))
NO_EXECUTOR: Any = None


def candidates(text: str = SOURCE) -> list[Candidate]:
    return [item for item in harvest_text(text, "t.py") if isinstance(item, Candidate)]


def endpoint(server: WriterServer, tmp_path: Path, **more: Any) -> WriterSettings:
    return WriterSettings("endpoint", base_url=server.url, model="tiny", pools=str(tmp_path / "pools"), **more)


def test_what_the_endpoint_is_asked(tmp_path: Path) -> None:
    with WriterServer() as server:
        settings = endpoint(server, tmp_path)
        LanguageModelWriter(make_sampler(settings), settings, candidates()[:1]).write(candidates()[:1], NO_EXECUTOR)
    (request,) = server.requests
    assert (request["temperature"], request["top_p"], request["max_tokens"]) == (0.2, 0.95, 2048)
    assert request["messages"] == writer_prompt(candidates()[0].code)


def test_two_forms_of_the_prompt() -> None:
    one, zero = writer_prompt("def f(x):\n    return x\n"), writer_prompt("def f(x):\n    return x\n", False)
    assert [message["role"] for message in one] == ["user", "assistant", "user"]
    assert [message["role"] for message in zero] == ["user"]
    for prompt in (one, zero):
        assert prompt[-1]["content"].endswith("```python\ndef f(x):\n    return x\n```")
        assert "10 calls" in prompt[-1]["content"]
    assert len(example_items(one[1]["content"].strip("`").removeprefix("python"))) == 10
    assert "repeat_word" not in zero[0]["content"]


def test_as_many_inputs_are_asked_for_as_the_settings_say(tmp_path: Path) -> None:
    source = tmp_path / "functions.py"
    source.write_text(SOURCE.split("\n\n")[0])
    for n_inputs, wanted in ((None, 10), (25, 25)):
        with WriterServer() as server:
            build(RealSettings(sources=[str(source)], writer=endpoint(server, tmp_path), n_inputs=n_inputs))
        (request,) = server.requests
        worked, asked = (message["content"] for message in request["messages"] if message["role"] == "user")
        assert f"invent {wanted} calls" in asked and "invent 10 calls" in worked
    assert (RealSettings().n_written, RealSettings(n_inputs=30).n_written) == (36, 30)


def test_empty_answers_are_asked_for_three_more_times_then_stored_as_failed(tmp_path: Path) -> None:
    with WriterServer() as server:
        settings = endpoint(server, tmp_path)
        found = LanguageModelWriter(make_sampler(settings), settings, candidates()).write(candidates(), NO_EXECUTOR)
    assert dict(server.asked) == {"plain": 1, "inverse_2": 3, "inverse_3": 4, "never": 4, "broken": 1, "strange": 1}
    answers = {w.candidate.name: w for w in found}
    assert {name: w.reason for name, w in answers.items()} == {
        "plain": None, "inverse_2": None, "inverse_3": None, "never": "no_inputs", "broken": "bad_inputs",
        "strange": None,
    }  # fmt: skip
    assert answers["inverse_3"].candidate.inputs == tuple(f"{{'x': {i}}}" for i in range(8))
    assert (answers["strange"].n_lost, answers["plain"].n_lost) == (2, 0)
    row = answers["never"].row
    assert (row["check_result"], row["retry_time"], row["example_str"]) == (False, 4, "")
    assert answers["inverse_2"].row["retry_time"] == 3
    assert answers["plain"].row["example_str"].startswith("examples = [dict(x=0)")


def test_a_replay_file_may_hold_what_is_too_deep_for_a_tree(tmp_path: Path) -> None:
    rows = [{"id": str(n), "content": p.deep(n), "example_str": "[{'x': 0}]"} for n in (600, 1500, 5000)]
    plain = candidates()[0]
    file = p.write(tmp_path / "rows.jsonl", [*rows, {"content": plain.source, "example_str": "[{'x': 1}]"}])
    (found,) = ReplayWriter(file).write([plain], NO_EXECUTOR)
    assert found.candidate.inputs == ("{'x': 1}",)


def test_corrupt_lines_of_a_replay_file_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = candidates()[0]
    row = {"content": plain.source, "example_str": "[{'x': 1}]"}
    file = p.write(tmp_path / "rows.jsonl", ["{cut", "[" * 200_000, {"id": "\ud800", "content": 3}, row, row])
    file.write_bytes(file.read_bytes()[:-20])
    (found,) = ReplayWriter(file).write([plain], NO_EXECUTOR)
    assert found.candidate.inputs == ("{'x': 1}",)
    assert [line for line in range(1, 6) if f"rows.jsonl:{line}: not JSON" in caplog.text] == [1, 2, 5]


def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    with WriterServer() as server:
        settings = endpoint(server, tmp_path)
        first = LanguageModelWriter(make_sampler(settings), settings, candidates()).write(candidates()[:2], NO_EXECUTOR)
        n = len(server.requests)
        second = LanguageModelWriter(make_sampler(settings), settings, candidates()).write(candidates(), NO_EXECUTOR)
    assert [w.candidate for w in second[:2]] == [w.candidate for w in first]
    assert len(server.requests) == n + 4 + 4 + 1 + 1


def test_through_the_pipeline_and_written_rows_enter_again(tmp_path: Path) -> None:
    source = tmp_path / "functions.py"
    source.write_text(SOURCE)
    with WriterServer() as server:
        folder = build(RealSettings(sources=[str(source)], writer=endpoint(server, tmp_path)))
    kept = {f.name: f for f in stored_functions(folder)}
    assert set(kept) == {"plain", "inverse_2", "inverse_3", "strange"}
    assert {row["func_name"]: row["reason"] for row in stored_rows(folder / "rejected.jsonl")} == {
        "never": "no_inputs", "broken": "bad_inputs",
    }  # fmt: skip
    assert left_out(folder) == {"inputs that no literal writes": 2}
    written = [row for row in stored_rows(folder / "written.jsonl") if row["check_result"]]
    replay = p.write(tmp_path / "written.jsonl", written)
    again = build(RealSettings(sources=[str(source)], writer=WriterSettings("replay", path=str(replay))))
    assert {f.name: f.cases for f in stored_functions(again)} == {name: f.cases for name, f in kept.items()}


def test_a_killed_build_asks_for_nothing_twice(tmp_path: Path) -> None:
    source = tmp_path / "functions.py"
    source.write_text("".join(f"def plain{'abcdefghijkl'[i]}(x):\n    return [x, {i}]\n\n" for i in range(12)))
    with WriterServer(seconds=0.1) as server:
        arguments = [str(source), server.url, str(tmp_path / "pools"), str(tmp_path / "cache")]
        process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=ROOT)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("pools/*/samples/*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split()[-2:] == ["12", "12"]
    assert sum(server.asked.values()) <= 12 + 2  # those under way when the kill fell


KILLED = """
import os, sys
source, url, pools, os.environ["LIT_REASON_CACHE"] = sys.argv[1:]
from lit_reason.case2code import pipeline
from lit_reason.case2code.settings import RealSettings, WriterSettings
from lit_reason.sampling import endpoint
endpoint.FLUSH_SAMPLES = 1
pipeline._CHUNK = 3
writer = WriterSettings("endpoint", base_url=url, model="tiny", pools=pools, max_concurrency=2)
folder = pipeline.build(RealSettings(sources=[source], writer=writer))
rows = pipeline.stored_rows(folder / "functions.jsonl")
print(len(rows), len({row["id"] for row in rows}))
"""


def test_replay_finds_inputs_by_id_or_by_the_function(tmp_path: Path) -> None:
    (one, two, three, *_) = candidates()
    rows = [
        {"gen_answer_id": "a7", "example_str": "examples = [{'x': 1}]"}, "{cut",
        {"id": "other", "code": two.code.replace("x", "y"), "example_str": "examples = [{'x': 2}]"},
    ]  # fmt: skip
    writer = ReplayWriter(p.write(tmp_path / "r.jsonl", rows))
    found = writer.write([replace(one, id="a7"), two, three], NO_EXECUTOR)
    assert [(w.candidate.inputs, w.reason) for w in found] == [
        (("{'x': 1}",), None), (("{'x': 2}",), None), (None, "no_inputs"),
    ]  # fmt: skip


CONFIG = ["prepare", "--config", str(ROOT / "configs/case2code/smollm2.yaml")]


@pytest.mark.parametrize(("arguments", "line"), [
    (["--data.real.writer.backend=gpt"],
     "data.real.writer.backend: expected one of typed, local, endpoint, replay (got gpt)"),
    (["--data.real.writer.backend=endpoint"], "data.real.writer.model: is required by the backend `endpoint`"),
    (["--data.real.writer.backend=replay"], "data.real.writer.path: is required by the backend `replay`"),
    (["--data.real.writer.backend=replay", "--data.real.writer.path=no.jsonl"],
     "data.real.writer.path: no such file: no.jsonl (got no.jsonl)"),
    (["--data.real.min_cases=1"],
     "data.real.min_cases: must be at least 2, or none could be shown and one hidden (got 1)"),
    (["--data.prompts.k_min=12", "--data.prompts.k_max=12"],
     "data.prompts.k_min: is 12, but no more than real.max_shown = 10 cases are shown (got 12)"),
    (["--data.real.evaluation_sets=[nowhere.jsonl]"],
     "data.real.evaluation_sets: neither `human_eval` nor a file: nowhere.jsonl (got ['nowhere.jsonl'])"),
])  # fmt: skip
def test_mistakes_of_a_config_are_one_line(arguments: list[str], line: str, capsys) -> None:
    assert main([*CONFIG, *arguments]) == 2
    assert f"config error: {line}" in capsys.readouterr().err


@pytest.mark.slow
def test_the_embedded_model_is_asked_and_its_answers_are_kept(tmp_path: Path, embedded_model: Path) -> None:
    """A model of 135 million parameters seldom writes usable inputs; that none of its answers stops anything, and that
    all are stored, judged and not asked for again, is what can be held."""
    found = candidates("def double(n):\n    return n * 2\n\ndef shout(word):\n    return word.upper() + '!'\n")
    settings = WriterSettings("local", pools=str(tmp_path), max_new_tokens=64, retries=1)
    sampler = make_sampler(settings)
    first = LanguageModelWriter(sampler, settings, found).write(found, NO_EXECUTOR)
    for answer in first:
        assert answer.reason in (None, "no_inputs", "bad_inputs")
        assert answer.row["completions"]
        assert answer.row["num_gen_tokens"] > 0
        assert (answer.candidate.inputs is None) == (answer.reason is not None)

    class Silent:
        identity = sampler.identity

        def sample(self, *_: Any) -> Any:
            raise AssertionError("asked again")

    assert LanguageModelWriter(Silent(), settings, found).write(found, NO_EXECUTOR) == first
