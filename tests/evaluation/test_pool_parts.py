"""Compaction: the same rows in fewer files, whoever reads, writes or is killed meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from lit_reason import pool as pool_module
from lit_reason import pool_parts
from lit_reason.pool import PoolError, SamplePool
from lit_reason.records import Grade, Question, Sample

QUESTIONS = [Question(f"q{i}", "?") for i in range(50)]


def sample(question, index, text="text"):
    return Sample("", question, index, text, 3, 2, "stop", logprob=-float(index))


@pytest.fixture
def pool(tmp_path):
    return SamplePool.open(tmp_path, {"model": "m"}, None, QUESTIONS)


@pytest.fixture
def parts(pool):
    return pool._samples()


def files(pool, pattern="*.parquet"):
    return sorted(path.name for path in (pool.folder / "samples").glob(pattern))


def fill(pool, n=20, text="text"):
    order = [(question.id, index) for question in QUESTIONS[:5] for index in range(n // 5)]
    random.Random(0).shuffle(order)
    for key in order:
        pool.append_samples([sample(*key, text)])
    return sorted(order)


def test_compaction_keeps_every_row_and_the_order(pool, parts):
    order = fill(pool)
    before = pool.samples()
    parts.compact(rows_a_part=8)
    assert [(s.question_id, s.sample_index) for s in before] == order
    assert pool.samples() == SamplePool(pool.folder).samples() == before
    assert len(files(pool)) == 3 and not files(pool, "part-*")
    assert sorted(s.question_id for batch in pool.stream() for s in batch) == sorted(s.question_id for s in before)
    pool.append_samples([sample("q9", 0)])
    with pytest.raises(PoolError, match="already"):
        SamplePool(pool.folder).append_samples([sample("q0", 0)])
    full = set(files(pool, "rows-*"))
    parts.compact(rows_a_part=8)
    assert len(pool.samples()) == 21 and len(files(pool)) == 3
    assert len(full & set(files(pool))) == 2, "full files are left as they are"
    parts.compact(rows_a_part=8)
    assert len(files(pool)) == 3, "nothing loose, nothing to do"


def test_the_first_writer_of_a_row_wins_before_and_after(pool, parts):
    late = SamplePool(pool.folder)
    assert late.done() == set()
    late.append_samples([sample("q1", 0)])  # now it believes to know what is there
    pool.append_samples([sample("q0", 0, "first")])
    late.append_samples([sample("q0", 0, "second")])
    assert [s.text for s in pool.samples()] == ["first", "text"]
    parts.compact()
    assert [s.text for s in pool.samples()] == ["first", "text"]
    another = SamplePool(pool.folder)
    another._present[parts.folder] = set()  # one that has not noticed
    another.append_samples([sample("q0", 0, "third")])
    assert [s.text for s in pool.samples()] == ["first", "text"]
    parts.compact()
    assert [s.text for s in pool.samples()] == ["first", "text"]


@pytest.mark.parametrize("moment", ["before the swap", "after the swap"])
def test_a_compaction_killed_in_the_middle_changes_nothing(pool, parts, monkeypatch, moment):
    fill(pool)
    before = pool.samples()
    if moment == "before the swap":
        monkeypatch.setattr(pool_parts, "write_json_atomic", _die)
    else:
        sweep = pool_parts.PartFiles._sweep
        monkeypatch.setattr(pool_parts.PartFiles, "_sweep", lambda self, merged=(): _die() if merged else sweep(self))
        parts.compact(rows_a_part=10**9)  # an undersized file, so that there is something to merge
        pool.append_samples([sample("q9", 0)])
        before = pool.samples()
    with pytest.raises(KeyboardInterrupt):
        parts.compact()
    left = files(pool)
    if moment == "after the swap":
        assert pool.n_files() == 1 < len(left), "what was replaced is no longer read"
    assert pool.samples() == SamplePool(pool.folder).samples() == before
    monkeypatch.undo()
    monkeypatch.setattr(pool_parts, "ORPHAN_SECONDS", -1.0)
    parts.compact()
    parts.compact()
    assert pool.samples() == before
    named = json.loads((parts.folder / "parts.json").read_bytes())["parts"]
    assert files(pool) == sorted(named) != left, "what the killed one left is gone"


def _die(*_):
    raise KeyboardInterrupt


def test_two_compactions_at_once_lose_nothing_where_locks_do_not_work(pool, parts, monkeypatch):
    from contextlib import nullcontext

    fill(pool)
    before = pool.samples()
    monkeypatch.setattr(pool_parts.PartFiles, "_lock", lambda self, wait: nullcontext(True))
    merge, nested = pool_parts.PartFiles._merge, []

    def slow_merge(self, *arguments):
        written = list(merge(self, *arguments))
        if not nested:
            nested.append(1)
            pool.append_samples([sample("q9", 0)])
            pool._samples().compact(rows_a_part=8)
        return iter(written)

    monkeypatch.setattr(pool_parts.PartFiles, "_merge", slow_merge)
    parts.compact(rows_a_part=8)
    assert pool.samples()[:-1] == before and len(pool.samples()) == 21


def test_a_reader_starts_again_when_its_files_are_replaced(pool, parts, monkeypatch):
    fill(pool)
    before = pool.samples()
    read, calls = pool_parts.read_rows, []

    def slow_read(*arguments):
        if not calls:
            calls.append(1)
            monkeypatch.setattr(pool_parts, "read_rows", read)
            parts.compact(rows_a_part=8)
        return read(*arguments)

    monkeypatch.setattr(pool_parts, "read_rows", slow_read)
    assert pool.samples() == before and calls


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_swap_while_the_manifest_is_read_hides_no_row(pool, parts, monkeypatch, moment):
    fill(pool)
    before = pool.samples()
    manifest, calls = pool_parts.PartFiles._manifest, []

    def late(self):
        if calls:
            return manifest(self)
        calls.append(1)
        old = manifest(self)
        pool._samples().compact(rows_a_part=8)
        return old if moment == "after" else manifest(self)

    monkeypatch.setattr(pool_parts.PartFiles, "_manifest", late)
    assert pool.samples() == before


def test_an_exported_stream_holds_compaction_off(pool, parts):
    fill(pool)
    stream = pool.stream()
    first = next(stream)
    parts.compact()
    assert files(pool, "part-*"), "compaction went away unheard"
    assert len(first) + sum(map(len, stream)) == 20
    parts.compact()
    assert not files(pool, "part-*")


def test_a_writer_compacts_now_and_then_and_the_pool_on_demand(pool, monkeypatch):
    monkeypatch.setattr(pool_module, "COMPACT_EVERY", 8)
    fill(pool)
    assert len(files(pool)) == 1 + 4
    pool.append_grades("g@1", [Grade("", "q0", 0, "g@1", "right")])
    assert pool.n_files() == 6
    pool.compact()
    assert pool.n_files() == 2 and pool.graders() == ["g@1"]


WRITER = """
import sys
from lit_reason import pool as pool_module
from lit_reason.pool import SamplePool
from lit_reason.records import Sample
pool_module.COMPACT_EVERY = 5
pool, own = SamplePool(sys.argv[1]), sys.argv[2]
done = pool.done()
for i in range(90):
    if (own, i) not in done:
        pool.append_samples([Sample("", own, i, f"{own}{i}", 3, 2, "stop")])
        print(i, flush=True)
"""


def test_writers_that_compact_and_are_killed_lose_nothing_that_was_written(pool):
    """Three at once, each killed and started again until it is done; a reader looks on."""
    written, stop, seen, vanished = {}, threading.Event(), [0], []

    def write(own):
        written[own], generator, killed = 0, random.Random(own), 0
        while written[own] < 90:
            command = [sys.executable, "-c", WRITER, str(pool.folder), own]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            limit = written[own] + generator.randrange(5, 35) if killed < 3 else 999
            for line in process.stdout:
                written[own] = int(line) + 1
                if written[own] >= limit:
                    time.sleep(generator.random() * 0.01)
                    os.kill(process.pid, signal.SIGKILL)
                    killed += 1
                    limit = 999
            process.wait()

    def read():
        while not stop.is_set():
            n_done = len(SamplePool(pool.folder).done())
            vanished.extend([(seen[0], n_done)] if n_done < seen[0] else [])
            seen[0] = n_done

    writers = [threading.Thread(target=write, args=(own,)) for own in ("q0", "q1", "q2")]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    pool.compact()
    assert [(s.question_id, s.sample_index, s.text) for s in SamplePool(pool.folder).samples()] == [
        (own, i, f"{own}{i}") for own in ("q0", "q1", "q2") for i in range(90)
    ]
    assert seen[0] > 180 and not vanished


def test_columns_and_grades_are_joined_without_reading_text(pool, monkeypatch):
    order = fill(pool)
    pool.append_grades("g@1", [Grade("", *key, "g@1", "right", answer_key=f"{key}") for key in order[::2]])
    pool.append_grades("g@1", [Grade("", "q9", 9, "g@1", "wrong"), Grade("", "q0", 99, "g@1", "wrong")])
    read, columns = pool_parts.read_rows, []

    def watched(path, record, names):
        columns.append(names)
        return read(path, record, names)

    monkeypatch.setattr(pool_parts, "read_rows", watched)
    table = pool.graded_table("g@1")
    assert table.column_names == ["question_id", "sample_index", "n_tokens", "logprob", "answer_key", "status"]
    rows = table.to_pylist()
    assert [(row["question_id"], row["sample_index"]) for row in rows] == order
    for i, (key, row) in enumerate(zip(order, rows, strict=True)):
        expected = (f"{key}", "right") if i % 2 == 0 else (None, None)
        assert (row["answer_key"], row["status"]) == expected and row["logprob"] == -key[1]
    assert not any("text" in names for names in columns)
    assert pool.graded_table("nobody@1", [])["status"].null_count == 20
    assert pool.table(["n_tokens"]).column_names == ["n_tokens"]


def test_more_text_than_32_bit_offsets_reach_is_read_all_the_same(pool, monkeypatch):
    fill(pool)
    before, narrow = pool.samples(), pool.table()
    monkeypatch.setattr(pool_parts, "OFFSETS_REACH", 0)
    assert pool.samples() == before
    kinds = {field.name: str(field.type) for field in pool.table().schema}
    assert kinds["text"] == "large_string" and kinds["token_ids"].startswith("large_list")
    assert str(narrow.schema.field("text").type) == "string"


def test_an_empty_pool_is_empty_everywhere(pool):
    assert pool.samples() == [] and pool.done() == set() and pool.graders() == [] and list(pool.stream()) == []
    assert pool.table(["text"]).num_rows == pool.graded_table("g@1").num_rows == 0
    pool.compact()
    assert pool.n_files() == 0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"n_tokens": -1}, "the sample of question 'q0', index 0, has a negative length"),
        ({"logprob": float("nan")}, "index 0, has a log-probability that is no finite number"),
        ({"token_logprobs": [0.0, float("-inf")]}, "has a log-probability that is no finite number"),
        ({"sample_index": -1}, "has an index below 0"),
    ],
)
def test_what_is_no_sample_is_refused_by_name(pool, broken, message):
    from dataclasses import replace

    with pytest.raises(PoolError, match=message):
        pool.append_samples([sample("q1", 1), replace(sample("q0", 0), **broken)])
    pool.append_samples([sample("q1", 1)])
    assert pool.done() == {("q1", 1)}, "a refused list leaves nothing behind, in memory neither"
