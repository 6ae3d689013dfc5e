"""A real model as judge, through the sampler protocol; and a run that is killed outright."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lit_reason.aggregation.aor import AggregationOfReasoning, SamplerJudge
from lit_reason.aggregation.aor.log import JudgeLog
from lit_reason.aggregation.errors import AggregationError
from lit_reason.backbones import load_model, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.sampling.local import TransformersSampler
from lit_reason.sampling.protocol import SamplingSettings
from tests.aggregation.aor.scripted import rows

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def sampler(tiny_backbone):
    tokenizer = load_tokenizer(tiny_backbone)
    model = load_model(tiny_backbone).eval()
    return TransformersSampler(model, tokenizer, Chat(tokenizer, "plain"), identity={"model": "tiny"})


def test_a_model_that_knows_nothing_is_a_judge_that_fails(sampler, tmp_path) -> None:
    """The whole way with a random model: replies are noise, so every question falls back to its majority."""
    judge = SamplerJudge(sampler, SamplingSettings(temperature=1.0, max_new_tokens=4))
    data = rows("q", ["A", "B", "B"]) + rows("r", ["A", "A", "A"])
    aor = AggregationOfReasoning(judge, JudgeLog.of(tmp_path, judge), n=3, n_max=3, k=2, attempts=2)
    found = aor.run([data[0][0], data[-1][0]], data)
    assert [result.outcome.answer for result in found] == ["B", "A"]
    assert [result.outcome.stop for result in found] == ["judge_failed", "unanimous"]
    assert found[0].outcome.degraded and found[0].usage["local"].attempts == 4
    assert found[0].usage["local"].tokens_out == 16 and found[0].usage["local"].tokens_in > 1000
    assert len(aor.log) == 4


def test_seeds_make_draws_and_temperature_zero_makes_none(sampler) -> None:
    prompt = [{"role": "user", "content": "Judge."}]
    drawing = SamplerJudge(sampler, SamplingSettings(temperature=1.0, max_new_tokens=8))
    replies = drawing.reply([prompt] * 3, [1, 2, 1])
    assert replies[0] == replies[2] != replies[1]
    assert [reply.n_tokens for reply in replies] == [8, 8, 8] and replies[0].n_prompt_tokens > 0
    greedy = SamplerJudge(sampler, SamplingSettings(max_new_tokens=8))
    assert greedy.deterministic and not drawing.deterministic
    one, other = greedy.reply([prompt] * 2, [1, 2])
    assert one == other
    assert drawing.identity != greedy.identity
    with pytest.raises(AggregationError, match="no sampler"):
        SamplerJudge(None)


SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv[2])
from tests.aggregation.aor.scripted import ScriptedJudge
from tests.aggregation.aor.test_aggregator import by_text, pool, questions, SETTINGS
from lit_reason.aggregation.aor import AggregationOfReasoning
class Slow(ScriptedJudge):
    def reply(self, prompts, seeds):
        time.sleep(0.02)
        return super().reply(prompts, seeds)
data = pool()
AggregationOfReasoning(Slow(by_text), sys.argv[1], calls_at_once=2, **SETTINGS).run(questions(data), data)
"""


def test_kill_minus_nine(tmp_path) -> None:
    from tests.aggregation.aor.test_aggregator import SETTINGS, ScriptedJudge, by_text, pool, questions, run, table

    log = tmp_path / "log.jsonl"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(log), str(ROOT)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log.exists() and log.read_bytes().count(b"\n") >= 20):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = log.read_bytes().count(b"\n")
    judge, data = ScriptedJudge(by_text), pool()
    aor = AggregationOfReasoning(judge, log, **SETTINGS)
    assert table(aor.run(questions(data), data)) == table(run())
    keys = [json.loads(line)["call"] for line in log.read_text().splitlines() if line.endswith("}")]
    assert before >= 20 and len(judge.prompts) == len(keys) - before and len(set(keys)) == len(keys)
