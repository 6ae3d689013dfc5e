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


OWN_SCHEMA = [
    {"id": f"q{i}", "model": "w", "sample_idx": n, "seed": 0, "response": f"so {a}", "answer": a}
    for i, answers in enumerate([["21", "21", "24"], ["5", "5", "5"]]) for n, a in enumerate(answers)
]  # fmt: skip
"""Sampled responses as the method's notes write them (section 5): `answer` is the model's, and there is no gold one."""


def test_the_models_answer_is_not_taken_for_the_gold_one(capsys):
    file = write("w.jsonl", OWN_SCHEMA)
    assert compare(labels=file) == 2
    assert failure(capsys) == (
        "w.jsonl, line 3: question 'q0' has the `answer` '24', before it '21'; without `gold` it is read as the gold "
        "answer; where it is what the model answered, give columns '{pred: answer}'"
    )
    assert compare(labels=write("x.jsonl", OWN_SCHEMA[3:]), columns={"pred": "answers"}) == 2
    assert "x.jsonl: no row has the column answers (columns.pred); there are answer, id, model" in failure(capsys)


def test_labels_are_filtered_without_gold_answers_and_accuracies_stay_blank():
    rows = [{**row, "response": rf"\boxed{{{row['answer']}}}"} for row in OWN_SCHEMA]
    assert compare(labels=write("w.jsonl", rows), columns={"pred": "answer"}) == 0
    (table,) = tables(FinishedRuns([FinishedRun("compare", {}, Path("run"))])).tables
    cells = {row[0]: [cell and cell.value for cell in row[1:]] for row in table.rows}
    assert cells[0.6] == [1.0, None, None, None] and cells[0.7] == [0.5, None, None, None]
    assert table.note.startswith("No gold answers are given. Left out: 2 labels: questions without a gold answer")
    rows[0]["gold"], rows[3]["gold"] = "21", "6"
    assert compare(labels=write("w.jsonl", rows), columns={"pred": "answer"}) == 0
    assert figures()["accuracy", "labels", ""] == 0.5


def test_gold_answers_are_compared_as_the_grader_does():
    weak, ceiling = answers("w", "+-"), answers("c", "++")
    rows = [{"question": f"{i} + 1?", "response": rf"\boxed{{{i + 1}}}", "answer": f"{i + 1}.0"} for i in range(2)]
    assert compare(weak=weak, student=write("s", rows), ceiling=ceiling) == 0
    assert figures()["accuracy", "student", ""] == 1.0


def test_a_doubtful_gap_is_said_beside_it():
    weak, student, ceiling = answers("w", "++++------"), answers("s", "+++++-----"), answers("c", "+++++-----")
    assert compare(weak=weak, student=student, ceiling=ceiling) == 0
    (table,) = tables(FinishedRuns([FinishedRun("compare", {}, Path("run"))])).tables
    assert table.note == "PGR: gap not significant: below twice its standard error."


def test_bad_rows_are_counted_in_the_table():
    rows = [*RELEASED, "{broken\n", {"id": 9, "question": "q", "gold": "1"}]
    assert compare(labels=write("weak.jsonl", rows)) == 0
    assert Results.load(Path("run")).dropped == {"labels: bad rows": 2}
    (table,) = tables(FinishedRuns([FinishedRun("compare", {}, Path("run"))])).tables
    assert table.note.endswith("Left out: 2 labels: bad rows.")


def test_a_bad_row_is_named_and_the_rest_counts(caplog):
    assert compare(labels=write("weak.jsonl", [*RELEASED, "{broken\n", {"id": 9, "question": "q", "gold": "1"}])) == 0
    assert Results.load(Path("run")).get("accuracy", "labels", "").n == 4
    assert "weak.jsonl, line 17: " in caplog.text and "weak.jsonl, line 18: no text" in caplog.text


def test_one_response_a_question_filters_nothing_and_says_so(caplog):
    assert compare(labels=write("weak.jsonl", RELEASED[:4])) == 0
    assert "confidence is always 1" in caplog.text and figures()["kept share", "rows", "tau 0.9"] == 1


def test_files_that_cannot_be_compared(capsys):
    weak, ceiling = answers("w", "++"), answers("c", "++")
    no_gold = write("no-gold.jsonl", [*RELEASED[:4], {"id": 11, "question": "q?", "response": "5"}])
    other = write("o", [{"question": "else?", "response": "1", "answer": "1"}])
    shifted = write("g", [{"question": "0 + 1?", "response": "1", "answer": "8"}])
    wanted = [
        (
            {"weak": no_gold, "student": weak, "ceiling": ceiling},
            "no-gold.jsonl, line 5: no gold answer, neither `gold` nor `answer`",
        ),
        ({"labels": "nowhere.jsonl"}, "nowhere.jsonl: cannot be read (No such file or directory)"),
        ({"weak": weak, "student": other, "ceiling": ceiling}, "weak, student and ceiling have no question in common"),
        ({"weak": weak, "student": shifted, "ceiling": ceiling}, "has the gold answer '8', elsewhere '1'"),
        ({"weak": weak, "student": weak}, "ceiling: no file is given; weak, student and ceiling belong together"),
        ({}, "weak: no file is given; give labels, or all three others"),
    ]
    for files, line in wanted:
        assert compare(**files) == 2
        assert line in failure(capsys)
