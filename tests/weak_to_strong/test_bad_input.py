"""Section 11 of the method's notes for the two stages: refused in one line, or warned of, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.files import read_jsonl
from lit_reason.results import Results
from lit_reason.study.step import main as step
from lit_reason.weak_to_strong.reasoning_study import tables
from tests.weak_to_strong.simulated import Simulated

SELECT = "lit_reason.weak_to_strong.steps.select"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def vote(id: str, counts: dict[str, int], n: int = 4) -> dict[str, object]:
    best = min(counts, key=lambda answer: (-counts[answer], answer), default=None)
    support = counts.get(best or "", 0)
    return {"id": id, "answer": best, "confidence": support / n, "n_samples": n, "n_parsed": sum(counts.values()),
            "counts": counts, "tied": False, "chosen_response": best}  # fmt: skip


def write(name: str, rows: list[object]) -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path(name).write_text("".join(f"{line}\n" for line in lines))
    return name


def select(cast: list[object], questions: list[object] | None = None, **settings: str) -> int:
    """Voting on a and b; the exit code."""
    asked = [{"id": id, "question": f"{id}?", "gold": "1"} for id in "ab"] if questions is None else questions
    given = {"out": "run", "questions": write("q.jsonl", asked), "gold": "q.jsonl", "votes": write("v.jsonl", cast)}
    return step([SELECT, *(word for key, text in {**given, **settings}.items() for word in (f"--{key}", text))])


VOTES = [vote("a", {"1": 4}), vote("b", {"1": 1, "2": 2})]


@pytest.mark.parametrize(
    ("votes", "questions", "settings", "line"),
    [
        (VOTES, None, {"tau": "60"}, "tau: expected a number >=0 and <=1, as a fraction (got 60; did you mean 0.6?)"),
        ([VOTES[0], VOTES[0]], None, {}, "v.jsonl, line 2: the id 'a' occurs twice"),
        ([VOTES[0], VOTES[0]], None, {"oracle": "true"}, "v.jsonl, line 2: the id 'a' occurs twice"),
        ([VOTES[0], vote("x", {"1": 4})], None, {}, "v.jsonl, line 2: the id 'x' is that of no question"),
        ([{**VOTES[0], "answer": "3"}], None, {}, "v.jsonl, line 1: the answer '3' is not in counts (1)"),
        ([{**VOTES[0], "counts": {"1": 5}}], None, {}, "v.jsonl, line 1: n_samples is 4, but counts are of 5 samples"),
        ([{**VOTES[0], "counts": ["1"]}], None, {}, "v.jsonl, line 1: counts is ['1'], not numbers of samples"),
        ([{**VOTES[0], "chosen_response": None}], None, {}, "v.jsonl, line 1: no chosen_response for the answer '1'"),
        ([{**VOTES[0], "voter": "w"}], None, {}, "v.jsonl, line 1: not a vote: voter is none of id, answer,"),
        (VOTES, [{"id": "a", "question": "a?"}] * 2, {}, "q.jsonl, line 2: the id 'a' occurs twice"),
        (VOTES, [{"id": "a"}], {}, "q.jsonl, line 1: question is missing or no text"),
        (["{broken"], None, {}, "v.jsonl, line 1: Expecting property name"),
        ([{"id": "a"}], None, {}, "v.jsonl, line 1: not a vote: answer is missing"),
        ([], [], {}, "q.jsonl: H2 is empty: there is no question to label"),
        (VOTES[1:], None, {"tau": "0.75"}, "no label reaches tau = 0.75; questions by confidence: 0.5-0.6: 1"),
        ([vote("a", {})], None, {"tau": "0"}, "no sample could be parsed: none of the 4 responses to 1 questions"),
        (VOTES[1:], None, {"oracle": "true"}, "none of the 1 labels is right by the gold answers, so the oracle keeps"),
        ([], None, {}, "no question has a vote"),
        (VOTES, None, {"votes": "nowhere.jsonl"}, "nowhere.jsonl: cannot be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_ends_in_one_line(capsys, votes, questions, settings, line):
    assert select(votes, questions, **settings) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said and not Path("run/rows.jsonl").exists()


@pytest.mark.parametrize(
    ("votes", "settings", "warning"),
    [
        (VOTES, {"batch": "3"}, "only 1 labels are kept, fewer than one batch of 3"),
        (
            [vote("a", {"1": 1}, n=1), vote("b", {"2": 1}, n=1)],
            {},
            "with one sample a question, confidence is always 1",
        ),
    ],
)
def test_what_can_be_used_with_care_is_warned_of(caplog, votes, settings, warning):
    assert select(votes, **settings) == 0
    assert warning in caplog.text and Path("run/rows.jsonl").read_text()


def test_naive_rows_of_one_response_a_question_are_nothing_to_warn_of(caplog):
    once = [vote("a", {"1": 1}, n=1), vote("b", {"2": 1}, n=1)]
    assert select(once, tau="0", batch="1") == 0 and not caplog.text


def test_a_second_stage_that_adds_nothing_says_why(caplog):
    rows = write("onto.jsonl", [{"id": "a", "prompt": "a?", "target": "1", "answer": "1"}])
    assert select([vote("b", {})], onto=rows) == 0
    assert "its rows are those of Stage I: no sample could be parsed" in caplog.text


def test_votes_need_their_gold_answers_and_stage_one_its_questions(capsys):
    gold = write("g.jsonl", [{"id": "a", "question": "a?", "gold": "1"}])
    assert select(VOTES, gold=gold) == 2
    assert capsys.readouterr().err == "q.jsonl, line 2: the id 'b' is not in g.jsonl\n"
    rows = write("onto.jsonl", [{"id": "z", "prompt": "z?", "target": "1"}])
    assert select(VOTES, onto=rows) == 2
    assert capsys.readouterr().err == "onto.jsonl, line 1: the id 'z' is not in q.jsonl\n"


def test_questions_without_a_vote_are_discarded_and_counted(caplog):
    asked = [{"id": id, "question": f"{id}?", "gold": "1"} for id in "abc"]
    assert select(VOTES[:1], asked, tau="0.5") == 0
    assert "2 questions have no vote, so they are discarded" in caplog.text
    assert [row["id"] for _, row in read_jsonl("run/discarded.jsonl")] == ["b", "c"]
    found = Results.load("run")
    assert found.dropped == {"questions without a vote": 2}
    assert found.get("kept share", "kept now", "").value == pytest.approx(1 / 3)


def test_a_second_stage_hands_on_what_neither_stage_labelled():
    asked = [{"id": id, "question": f"{id}?", "gold": "1"} for id in "abc"]
    first = write("first.jsonl", [{"id": "a", "prompt": "a?", "target": "1", "answer": "1"}])
    assert select([vote("b", {"1": 4}), vote("c", {"1": 1})], asked, onto=first) == 0
    assert [row["id"] for _, row in read_jsonl("run/rows.jsonl")] == ["a", "b"]
    assert [row["id"] for _, row in read_jsonl("run/discarded.jsonl")] == ["c"]


def test_whole_numbers_are_ids_and_gold_answers():
    asked = [{"id": i, "question": f"{i}?", "gold": 7} for i in (1, 2)]
    assert select([{**vote("1", {"7": 4}), "id": 1}, vote("2", {"8": 4})], asked) == 0
    assert [row["id"] for _, row in read_jsonl("run/rows.jsonl")] == ["1", "2"]
    assert Results.load("run").get("label accuracy", "rows", "").value == 0.5


def test_a_supervisor_at_the_ceiling_is_a_note(tmp_path):
    found = tables(Simulated(tmp_path, accuracy={"weak": 0.95}, seeds=(0,)).runs)
    rows = next(table.rows for table in found.tables if table.title == "Every variant")
    assert all("ceiling is not above" in row[-1] for row in rows[1:-1])


def test_a_study_is_refused_before_anything_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    wrong = {"weak_answers.set.n": "0", "questions.set.n_h2": "0", "oracle_rows.set.tau": "60",
             "naive_rows.set.stage2": "all"}  # fmt: skip
    words = [word for key, text in wrong.items() for word in (f"--runs.{key}", text)]
    study = ["study", "--config", "configs/studies/weak_to_strong_reasoning.yaml", "--root", str(tmp_path / "runs")]
    assert main([*study, *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == [
        "config error: runs.naive_rows: set.stage2: expected one of filtered, unfiltered (got all) [command line]",
        "config error: runs.oracle_rows: set.tau: expected a number >=0 and <=1, as a fraction "
        "(got 60; did you mean 0.6?) [command line]",
        "config error: runs.questions: set.n_h2: expected a whole number >0 (got 0) [command line]",
        "config error: runs.weak_answers: set.n: expected a whole number >0 (got 0) [command line]",
    ]
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_refuses_what_the_study_would(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    study = ["study", "--config", "configs/studies/weak_to_strong_toy.yaml", "--root", str(tmp_path / "runs")]
    assert main([*study, "--runs.toy.set.tau", "80", "--dry_run"]) == 2
    captured = capsys.readouterr()
    assert not captured.out and captured.err == (
        "config error: runs.toy: set.tau: expected a number >=0 and <=1, as a fraction (got 80; did you mean 0.8?) "
        "[command line]\n"
    )
