import json

import pytest

from lit_reason.evaluation import evaluate
from lit_reason.pool import PoolError, SamplePool
from lit_reason.records import Question, Sample
from lit_reason.sampling import SamplingSettings
from lit_reason.sampling.replay import ReplaySampler

QUESTIONS = [Question("a", "a?", "1"), Question("b", "b?", "2")]
SETTINGS = SamplingSettings(n=2, temperature=1.0)


@pytest.fixture
def source(tmp_path):
    pool = SamplePool.open(tmp_path / "source", {"model": "m"}, SETTINGS, QUESTIONS)
    pool.append_samples(Sample("", q.id, i, f"{q.id}{i}", 3, 2, "stop", seed=5) for q in QUESTIONS for i in range(2))
    return pool


def evaluated(tmp_path, sampler, questions=QUESTIONS, settings=SETTINGS):
    pool = SamplePool.open(tmp_path / "target", sampler.identity, settings, questions)
    return evaluate(questions, sampler, [], pool, settings), pool


def test_a_stored_pool_is_served_as_it_is(source, tmp_path):
    result, pool = evaluated(tmp_path, ReplaySampler(source.folder))
    assert [(s.question_id, s.sample_index, s.text, s.seed) for s in pool.samples()] == [
        ("a", 0, "a0", 5), ("a", 1, "a1", 5), ("b", 0, "b0", 5), ("b", 1, "b1", 5)
    ]
    assert {s.pool_key for s in pool.samples()} == {pool.key} != {source.key}
    assert result.n_sampled == 4 and not result.dropped
    assert evaluated(tmp_path, ReplaySampler(source))[0].n_sampled == 0, "the same source names the same pool"


def test_fewer_than_asked_are_counted(source, tmp_path):
    questions = [*QUESTIONS, Question("c", "c?")]
    result, pool = evaluated(tmp_path, ReplaySampler(source), questions, SamplingSettings(n=3, temperature=1.0))
    assert result.dropped["samples that the replayed pool does not have"] == 5
    assert result.dropped["missing answers counted wrong"] == 5 and len(pool.done()) == 4
    again, _ = evaluated(tmp_path, ReplaySampler(source), questions, SamplingSettings(n=3, temperature=1.0))
    assert again.dropped == result.dropped, "and counted again, not an error, when there is nothing new"


def test_none_at_all_or_another_wording_is_an_error(source, tmp_path):
    with pytest.raises(PoolError, match="holds none of the 2 samples"):
        list(ReplaySampler(source).sample([Question("z", "z?")], SETTINGS))
    with pytest.raises(PoolError, match="question 'a' is worded otherwise"):
        list(ReplaySampler(source).sample([Question("a", "A?")], SETTINGS))
    with pytest.raises(PoolError, match="not a sample pool"):
        ReplaySampler(tmp_path)
    empty = SamplePool.open(tmp_path / "empty", {}, None, QUESTIONS)
    with pytest.raises(PoolError, match="holds none of the 4"):
        list(ReplaySampler(empty).sample(QUESTIONS, SETTINGS))


def test_a_file_is_served_too(tmp_path):
    path = tmp_path / "file.jsonl"
    rows = [{"id": "a", "question": "a?", "model_solution": ["one two", None]}, {"id": "b", "bad": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    sampler = ReplaySampler(path, lengths="words")
    result, pool = evaluated(tmp_path, sampler, [sampler.questions["a"]])
    assert [s.n_tokens for s in pool.samples()] == [2]
    assert result.dropped["bad rows"] == result.dropped["samples without text"] == 1
    moved = path.rename(tmp_path / "moved").rename(path)
    assert ReplaySampler(moved, "words").identity == sampler.identity
    assert ReplaySampler(moved, "characters").identity != sampler.identity
