"""Others' results files through the study's command line: the filter's statistics, accuracies and PGR by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.pool import SamplePool
from lit_reason.results import Results
from lit_reason.study.step import main as step_main
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyRecord
from lit_reason.weak_to_strong.results_files import tables

ROOT = Path(__file__).resolve().parents[2]
STUDY = str(ROOT / "configs/studies/weak_to_strong_results.yaml")

RELEASED = [
    {"id": i, "prompt": f"Question: {q}\nAnswer:", "response": f"so\n#### {pred}", "pred": pred, "gold": gold,
     "result": pred == gold, "num_tokens": 5, "num_words": 2, "difficulty": f"Level {1 + i % 2}"}
    for seed in range(4)
    for i, (q, gold, preds) in enumerate([
        ("one?", "1,000", ["1000", "1000", "1,000", "999"]),  # three of four, in two spellings: right
        ("two?", "2", ["3", "3", "3", "3"]),  # sure and wrong
        ("three?", "7", ["7", "7", "8", "9"]),  # half and right
        ("four?", "5", ["1", "2", "3", "6"]),  # lost
    ])
    for pred in [preds[seed]]
]  # fmt: skip
"""Four seeds as GAIR-NLP/weak-to-strong-reasoning writes them, here in one file."""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, rows: list) -> str:
    Path(name).write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return name


def answers(name: str, right: str, gold: str = "answer") -> str:
    """Ten test questions; `right` has a character a question."""
    rows = [{"question": f"{i} + 1?", "generated": rf"\boxed{{{i + (r == '+')}}}", gold: str(i + 1)}
            for i, r in enumerate(right)]  # fmt: skip
    return write(name, rows)


def compare(**files: object) -> int:
    """The study's step by itself, in this process."""
    texts = {name: file if isinstance(file, str) else json.dumps(file) for name, file in files.items()}
    words = [word for name, text in texts.items() for word in (f"--{name}", text)]
    return step_main(["lit_reason.weak_to_strong.results_files.compare", "--out", "run", *words])


def figures() -> dict[tuple[str, str, str], float]:
    return {figure.key: figure.value for figure in Results.load(Path("run")).figures}


def failure(capsys) -> str:
    """The one line that the step ended with."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_release_is_filtered_at_each_threshold():
    write("weak.jsonl", RELEASED)
    assert main(["study", "--config", STUDY, "--runs.compare.set.labels", "weak.jsonl"]) == 0
    table = StudyRecord.load(Path("runs/studies/weak_to_strong_results")).results.tables[0]
    rows = {row[0]: [cell and cell.value for cell in row[1:]] for row in table.rows}
    assert rows[0.0] == [1.0, 0.5, None, 1.5]  # right: one and three; "four" goes to the least of its answers, wrong
    assert rows[0.5] == [0.75, pytest.approx(2 / 3), 0.0, pytest.approx(4 / 3)]
    assert rows[0.6] == rows[0.7] == [0.5, 0.5, 0.5, 1.5]
    assert rows[0.8] == rows[0.9] == [0.25, 0.0, pytest.approx(2 / 3), 2.0]
    assert "50.0 %" in table.note and Path("runs/studies/weak_to_strong_results/report.html").exists()
    (pool,) = Path("runs").glob("**/pools/*")
    assert len(list(SamplePool(pool).samples())) == 16 and set(SamplePool(pool).graders()) > {"imported@1"}


def test_seeds_in_files_of_their_own_are_the_same():
    assert compare(labels=write("weak.jsonl", RELEASED)) == 0
    whole = figures()
    seeds = [write(f"seed{i}.jsonl", RELEASED[4 * i : 4 * i + 4]) for i in range(4)]
    assert compare(labels=seeds) == 0
    assert figures() == whole and whole["kept share", "rows", "tau 0.6"] == 0.5


def test_the_gap_recovered():
    weak, student, ceiling = answers("w", "++++------"), answers("s", "+++++++---"), answers("c", "+++++++++-")
    assert compare(weak=weak, student=student, ceiling=ceiling) == 0
    found = figures()
    assert [found["accuracy", name, ""] for name in ("weak", "student", "ceiling")] == [0.4, 0.7, 0.9]
    gap = Results.load(Path("run")).get("PGR", "test", "")
    assert gap.value == pytest.approx(0.6) and gap.n == 10 and gap.ci95[0] < 0.6 < gap.ci95[1]
    shown = tables(FinishedRuns([FinishedRun("compare", {}, Path("run"))]))
    assert [row[0] for row in shown.tables[0].rows] == ["weak", "student", "ceiling", "PGR"]


def test_only_common_questions_count_and_a_ceiling_below_has_no_gap():
    files = {"weak": answers("w", "++++++"), "student": answers("s", "++++--++"), "ceiling": answers("c", "+++++-")}
    assert compare(**files) == 0
    found = Results.load(Path("run"))
    student = found.get("accuracy", "student", "")
    assert student.n == 6 and student.value == pytest.approx(4 / 6) and found.get("PGR", "test", "") is None
    assert found.dropped == {"questions that not all three were asked": 2}
    shown = tables(FinishedRuns([FinishedRun("compare", {}, Path("run"))]))
    assert "undefined" in shown.tables[0].note and not shown.charts


def test_a_bad_row_is_named_and_the_rest_counts(caplog):
    assert compare(labels=write("weak.jsonl", [*RELEASED, "{broken\n", {"id": 9, "question": "q", "gold": "1"}])) == 0
    assert Results.load(Path("run")).get("accuracy", "labels", "").n == 4
    assert "weak.jsonl, line 17: " in caplog.text and "weak.jsonl, line 18: no text" in caplog.text


def test_one_response_a_question_filters_nothing_and_says_so(caplog):
    assert compare(labels=write("weak.jsonl", RELEASED[:4])) == 0
    assert "confidence is always 1" in caplog.text and figures()["kept share", "rows", "tau 0.9"] == 1


def test_files_that_cannot_be_compared(capsys):
    weak, ceiling = answers("w", "++"), answers("c", "++")
    write("no-gold.jsonl", [*RELEASED[:4], {"id": 11, "question": "q?", "response": "5"}])
    other = write("o", [{"question": "else?", "response": "1", "answer": "1"}])
    shifted = write("g", [{"question": "0 + 1?", "response": "1", "answer": "8"}])
    wanted = [
        ({"labels": "no-gold.jsonl"}, "no-gold.jsonl, line 5: no gold answer, neither `gold` nor `answer`"),
        ({"labels": "nowhere.jsonl"}, "nowhere.jsonl: cannot be read (No such file or directory)"),
        ({"weak": weak, "student": other, "ceiling": ceiling}, "weak, student and ceiling have no question in common"),
        ({"weak": weak, "student": shifted, "ceiling": ceiling}, "has the gold answer '8', elsewhere '1'"),
        ({"weak": weak, "student": weak}, "ceiling: no file is given; weak, student and ceiling belong together"),
        ({}, "weak: no file is given; give labels, or all three others"),
    ]
    for files, line in wanted:
        assert compare(**files) == 2
        assert line in failure(capsys)
