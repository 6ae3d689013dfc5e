import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from lit_reason.pool import PoolError, SamplePool, pool_key
from lit_reason.records import Grade, Question, Sample
from lit_reason.sampling import SamplingSettings

QUESTIONS = [
    Question("a", "eins?", gold="1", meta={"family": "count", "cases": [{"kwargs": "{'x': 1}"}]}),
    Question("b", [{"role": "user", "content": "zwei ↦ \u2028?"}]),
]
SETTINGS = SamplingSettings(n=2, temperature=0.5)


@pytest.fixture
def pool(tmp_path):
    return SamplePool.open(tmp_path, {"model": "m"}, SETTINGS, QUESTIONS)


def sample(question, index, text="text", **more):
    return Sample("", question, index, text, 3, 2, "stop", **more)


def grade(question, index, status="right", grader="g@1", **more):
    return Grade("", question, index, grader, status, **more)


def test_everything_comes_back_as_it_was_written(pool):
    full = sample("b", 1, "ü\n```", logprob=-1.5, token_ids=[1, 2], token_logprobs=[-0.5, -1.0], seed=7)
    pool.append_samples([full, sample("a", 0)])
    pool.append_samples([sample("a", 1)])
    pool.append_samples([])
    detail = {"kind": "ok", "x": [1, None]}
    pool.append_grades("g@1", [grade("a", 0, detail=detail, score=0.5, answer="1", answer_key="1")])
    again = SamplePool(pool.folder)
    assert again.questions() == QUESTIONS
    assert [(s.question_id, s.sample_index) for s in again.samples()] == [("a", 0), ("a", 1), ("b", 1)]
    assert again.samples()[-1] == replace(full, pool_key=pool.key)
    assert again.done() == {("a", 0), ("a", 1), ("b", 1)}
    assert again.grades("g@1")[0].detail == detail
    assert again.graded("g@1") == {("a", 0)} and again.graded("other@1") == set()
    assert len(list((pool.folder / "samples").iterdir())) == 2, "one file a flush, none for nothing"


def test_opening_again_finds_the_same_pool(pool, tmp_path):
    pool.append_samples([sample("a", 0)])
    more = replace(SETTINGS, n=8)
    assert SamplePool.open(tmp_path, {"model": "m"}, more, QUESTIONS[::-1]).done() == {("a", 0)}


@pytest.mark.parametrize(
    ("identity", "settings", "questions"),
    [
        ({"model": "other"}, SETTINGS, QUESTIONS),
        ({"model": "m"}, replace(SETTINGS, temperature=0.6), QUESTIONS),
        ({"model": "m"}, replace(SETTINGS, seed=1), QUESTIONS),
        ({"model": "m"}, replace(SETTINGS, stop=("x",)), QUESTIONS),
        ({"model": "m"}, SETTINGS, QUESTIONS[:1]),
        ({"model": "m"}, SETTINGS, [replace(QUESTIONS[0], gold="2"), QUESTIONS[1]]),
        ({"model": "m"}, SETTINGS, [replace(QUESTIONS[0], prompt="eins!"), QUESTIONS[1]]),
    ],
)
def test_the_key_tells_apart_what_answers_differ_by(identity, settings, questions):
    assert pool_key(identity, settings, questions) != pool_key({"model": "m"}, SETTINGS, QUESTIONS)


def test_duplicates_and_strangers_are_refused_by_name(pool):
    pool.append_samples([sample("a", 0)])
    with pytest.raises(PoolError, match="sample of question 'a', index 0, is already in"):
        pool.append_samples([sample("b", 0), sample("a", 0)])
    with pytest.raises(PoolError, match="already"):
        pool.append_samples([sample("b", 1), sample("b", 1)])
    assert pool.done() == {("a", 0)}, "a refused list leaves nothing behind"
    with pytest.raises(PoolError, match="belongs to pool elsewhere"):
        pool.append_samples([replace(sample("b", 1), pool_key="elsewhere")])
    with pytest.raises(PoolError, match="h@1 cannot be stored under g@1"):
        pool.append_grades("g@1", [grade("a", 0, grader="h@1")])
    with pytest.raises(PoolError, match="'a' occurs 2 times"):
        SamplePool.open(pool.folder.parent, {}, SETTINGS, [QUESTIONS[0], QUESTIONS[0]])


def test_two_writers_of_one_sample_read_the_same_one_for_good(pool):
    later = SamplePool(pool.folder)
    later.append_samples([sample("b", 0)])  # loads what is there before the other writes
    pool.append_samples([sample("a", 0, "first")])
    later.append_samples([sample("a", 0, "second")])
    for reader in (pool, later, SamplePool(pool.folder)):
        assert [s.text for s in reader.samples() if s.question_id == "a"] == ["first"]


def test_what_a_kill_left_unfinished_is_ignored_and_damage_is_named(pool):
    pool.append_samples([sample("a", 0)])
    (part,) = (pool.folder / "samples").iterdir()
    (part.parent / f".{part.name}.x1y2z3").write_bytes(part.read_bytes()[:40])
    assert SamplePool(pool.folder).done() == {("a", 0)}
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(PoolError, match=f"{part.name}: unreadable"):
        SamplePool(pool.folder).samples()


def test_a_pool_without_manifest_is_made_whole(pool, tmp_path):
    with pytest.raises(PoolError, match="not a sample pool"):
        SamplePool(tmp_path / "nowhere")
    pool.append_samples([sample("a", 0)])
    (pool.folder / "manifest.json").unlink()  # killed between questions and manifest, by another writer
    assert SamplePool.open(tmp_path, {"model": "m"}, SETTINGS, QUESTIONS).done() == {("a", 0)}


def test_parts_of_another_kind_are_refused(pool):
    pool.append_grades("g@1", [grade("a", 0)])
    (part,) = (pool.folder / "grades" / "g@1").iterdir()
    (pool.folder / "samples").mkdir()
    part.rename(pool.folder / "samples" / part.name)
    with pytest.raises(PoolError, match="holds Grade@1, where Sample@1 is expected"):
        pool.done()


WRITER = """
import sys
from lit_reason.pool import SamplePool
from lit_reason.records import Sample
pool = SamplePool(sys.argv[1])
for i in range(10_000):
    if ("a", i) not in pool.done():
        pool.append_samples([Sample("", "a", i, "text" * 200, 3, 2, "stop"), Sample("", "b", i, "x", 3, 2, "stop")])
        print(i, flush=True)
"""


def test_kill_9_loses_nothing_that_was_written(pool):
    reported = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(pool.folder)], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            reported = int(line) + 1
            if reported % 15 == 0:
                time.sleep(0.002)
                os.kill(process.pid, signal.SIGKILL)
                break
        reported = max([reported, *(int(line) + 1 for line in process.stdout)])
        process.wait()
        done = SamplePool(pool.folder).done()
        assert {("a", i) for i in range(reported)} | {("b", i) for i in range(reported)} <= done
        assert len(done) <= 2 * (reported + 1)
    rows = SamplePool(pool.folder).samples()
    assert len({(s.question_id, s.sample_index) for s in rows}) == len(rows) >= 90
