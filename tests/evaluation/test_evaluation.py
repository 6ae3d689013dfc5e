"""`evaluate` with a real model and a real grader; what is scripted is only where it is interrupted."""

from collections import Counter
from dataclasses import replace

import pytest

from lit_reason.evaluation import evaluate
from lit_reason.pool import PoolError, SamplePool
from lit_reason.records import Grade
from lit_reason.sampling import SamplingSettings

SETTINGS = SamplingSettings(n=2, temperature=1.0, max_new_tokens=6)


class LongerThanThree:
    """Right when an answer has more than three characters."""

    name = "longer@1"

    def __init__(self):
        self.graded = Counter()

    def grade_all(self, pairs):
        for question, sample in pairs:
            self.graded[question.id, sample.sample_index] += 1
            length = len(sample.text)
            status = "right" if length > 3 else "wrong"
            yield Grade(sample.pool_key, question.id, sample.sample_index, self.name, status, score=float(length))


class Interrupted(Exception):
    pass


class Counting:
    """The real sampler, counting what it makes, and interrupted after some batches."""

    def __init__(self, sampler, batches=None):
        self.sampler, self.identity, self.batches, self.made = sampler, sampler.identity, batches, Counter()

    def sample(self, questions, settings, done=frozenset()):
        for i, batch in enumerate(self.sampler.sample(questions, settings, done)):
            if i == self.batches:
                raise Interrupted
            self.made.update((s.question_id, s.sample_index) for s in batch)
            yield batch


@pytest.fixture
def pool(tmp_path, questions):
    return SamplePool.open(tmp_path, {"model": "tiny"}, SETTINGS, questions)


def test_every_question_is_asked_and_graded_once(make_sampler, questions, pool):
    sampler, grader = Counting(make_sampler(batch_size=3)), LongerThanThree()
    result = evaluate(questions, sampler, [grader], pool, SETTINGS)
    keys = [(row.question.id, row.sample.sample_index) for row in result.rows]
    assert keys == [(q.id, i) for q in questions for i in (0, 1)]
    for row in result.rows:
        assert row.sample.pool_key == row.grade.pool_key == pool.key
        assert row.grade.status == ("right" if len(row.sample.text) > 3 else "wrong")
    assert {row.grade.status for row in result.rows} == {"right", "wrong"}
    assert not result.dropped and result.n_sampled == 16

    again = evaluate(questions, sampler, [grader], pool, SETTINGS)
    assert again.rows == result.rows and again.n_sampled == 0
    assert set(sampler.made.values()) == set(grader.graded.values()) == {1}


def test_an_interrupted_evaluation_goes_on_without_sampling_again(make_sampler, questions, pool, tmp_path):
    first, grader = Counting(make_sampler(batch_size=3), batches=2), LongerThanThree()
    with pytest.raises(Interrupted):
        evaluate(questions, first, [grader], pool, SETTINGS)
    assert len(pool.done()) == 6, "finished batches are in the pool at once"
    second = Counting(make_sampler(batch_size=5))
    result = evaluate(questions, second, [grader], pool, SETTINGS)
    assert set((first.made + second.made).values()) == {1}
    whole = SamplePool.open(tmp_path / "whole", {"model": "tiny"}, SETTINGS, questions)
    expected = evaluate(questions, make_sampler(), [grader], whole, SETTINGS)
    assert [(r.sample.text, r.grade) for r in result.rows] == [(r.sample.text, r.grade) for r in expected.rows]


def test_grading_goes_on_where_it_stopped(make_sampler, questions, pool, monkeypatch):
    monkeypatch.setattr("lit_reason.evaluation.FLUSH_GRADES", 4)

    class Failing(LongerThanThree):
        def grade_all(self, pairs):
            for grade in super().grade_all(pairs):
                if sum(self.graded.values()) == 7:
                    raise Interrupted
                yield grade

    with pytest.raises(Interrupted):
        evaluate(questions, make_sampler(), [Failing()], pool, SETTINGS)
    assert len(pool.graded("longer@1")) == 4
    grader = LongerThanThree()
    result = evaluate(questions, make_sampler(), [grader], pool, SETTINGS)
    assert sum(grader.graded.values()) == 12 and len(result.rows) == 16


def test_more_samples_go_into_the_same_pool(make_sampler, questions, pool):
    evaluate(questions, make_sampler(), [], pool, SETTINGS)
    sampler = Counting(make_sampler())
    result = evaluate(questions, sampler, [LongerThanThree()], pool, replace(SETTINGS, n=3))
    assert set(sampler.made) == {(q.id, 2) for q in questions} and len(result.rows) == 24
    fewer = evaluate(questions, sampler, [LongerThanThree()], pool, replace(SETTINGS, n=1))
    assert len(fewer.rows) == 8 and not fewer.dropped


def test_several_graders_give_a_row_each_and_a_share_of_questions_is_its_own(make_sampler, questions, pool):
    class Never(LongerThanThree):
        name = "never@1"

        def grade_all(self, pairs):
            return (replace(grade, status="unparsed", grader=self.name) for grade in super().grade_all(pairs))

    graders = [LongerThanThree(), Never()]
    shares = [evaluate(questions[rank::3], make_sampler(), graders, pool, SETTINGS) for rank in range(3)]
    rows = [(r.question.id, r.sample.sample_index, r.grade.grader) for share in shares for r in share.rows]
    assert len(set(rows)) == len(rows) == 8 * 2 * 2
    assert {r.grade.status for share in shares for r in share.rows if r.grade.grader == "never@1"} == {"unparsed"}


def test_missing_answers_count_as_wrong_and_strangers_are_ignored_all_with_their_number(make_sampler, questions, pool):
    class Lossy(Counting):
        def sample(self, questions, settings, done=frozenset()):
            for batch in self.sampler.sample(questions, settings, done):
                kept = [sample for sample in batch if sample.question_id != "q2"]
                yield [replace(sample, question_id="q9") if sample.question_id == "q1" else sample for sample in kept]

    class Sloppy(LongerThanThree):
        def grade_all(self, pairs):
            for grade in super().grade_all(pairs):
                if (grade.question_id, grade.sample_index) != ("q3", 0):
                    yield replace(grade, question_id="q8") if grade.question_id == "q4" else grade
                    if grade.question_id == "q5":
                        yield grade

    result = evaluate(questions, Lossy(make_sampler()), [Sloppy()], pool, SETTINGS)
    assert result.dropped == {
        "missing answers counted wrong": 4,
        "samples for unknown questions ignored": 2,
        "ungraded answers counted wrong": 3,
        "grades for unknown samples ignored": 4,
    }
    assert len(result.rows) == 16
    kinds = {(r.question.id, r.sample.sample_index): r.grade.detail.get("kind") for r in result.rows}
    assert kinds["q1", 0] == kinds["q2", 1] == "missing" and kinds["q3", 0] == kinds["q4", 1] == "ungraded"
    assert kinds["q3", 1] is None
    assert all(r.grade.status == "wrong" for r in result.rows if r.grade.detail.get("kind"))


def test_two_questions_of_one_id_are_refused(make_sampler, questions, pool):
    evaluate(questions, make_sampler(), [], pool, SETTINGS)
    with pytest.raises(PoolError, match="'q0' occurs 2 times"):
        evaluate([*questions, questions[0]], make_sampler(), [LongerThanThree()], pool, SETTINGS)
