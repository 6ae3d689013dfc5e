"""Section 11 of the method's notes for the two stages: refused in one line, or warned of, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.cli import main
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
    asked = questions or [{"id": id, "question": f"{id}?", "gold": "1"} for id in "ab"]
    given = {"out": "run", "questions": write("q.jsonl", asked), "gold": "q.jsonl", "votes": write("v.jsonl", cast)}
    return step([SELECT, *(word for key, text in {**given, **settings}.items() for word in (f"--{key}", text))])


VOTES = [vote("a", {"1": 4}), vote("b", {"1": 1, "2": 2})]


@pytest.mark.parametrize(
    ("votes", "questions", "settings", "line"),
    [
        (VOTES, None, {"tau": "60"}, "tau: expected a number >=0 and <=1 (got 60)"),
        ([VOTES[0], VOTES[0]], None, {}, "votes, row 2: the id 'a' occurs twice"),
        (VOTES, [{"id": "a", "question": "a?"}] * 2, {}, "q.jsonl, line 2: the id 'a' occurs twice"),
        (VOTES, [{"id": "a"}], {}, "q.jsonl, line 1: question is missing or no text"),
        (["{broken"], None, {}, "v.jsonl, line 1: Expecting property name"),
        ([{"id": "a"}], None, {}, "v.jsonl: not a file of votes"),
        ([], None, {}, "H2 is empty: there is no question to label"),
        (VOTES[1:], None, {"tau": "0.75"}, "no label reaches tau = 0.75; questions by confidence: 0.5-0.6: 1"),
        ([vote("a", {})], None, {"tau": "0"}, "no label reaches tau = 0; questions by confidence: 0-0.1: 1"),
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
        "config error: runs.oracle_rows: set.tau: expected a number >=0 and <=1 (got 60) [command line]",
        "config error: runs.questions: set.n_h2: expected a whole number >0 (got 0) [command line]",
        "config error: runs.weak_answers: set.n: expected a whole number >0 (got 0) [command line]",
    ]
    assert not (tmp_path / "runs").exists()
