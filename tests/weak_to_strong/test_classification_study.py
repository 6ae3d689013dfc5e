"""The classification study's tables over answers written by hand: accuracies, PGR, agreement, curves and claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.files import write_jsonl_atomic
from lit_reason.study.file import read_study
from lit_reason.study.plan import plan
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyRecord
from lit_reason.weak_to_strong.classification_runs import LOGCONF, SMALL, STUDENTS, XENT, transfers
from lit_reason.weak_to_strong.classification_study import tables

N = 100
RIGHT = {"weak": 60, "ceiling": 90, "small_ceiling": 70}
LAST = {XENT: 72, "product": 66, LOGCONF: 78, "confidence loss, released ramp": 75, "KL divergence": 72,
        "small student, cross-entropy": 60, "small student, confidence loss": 54}  # fmt: skip
"""How many of the first texts each classifier has right; the gold class is 1, a wrong answer is 0."""


def labels(right: int) -> list[dict]:
    return [{"id": f"t{i}", "text": "w", "soft_label": [0.2, 0.8] if i < right else [0.8, 0.2]} for i in range(N)]


class Written:
    """Runs below a folder; every classifier has the same texts of H2 right as of the test, and one epoch earlier ten
    fewer (the supervisor and the ceiling: as many)."""

    def __init__(self, root: Path, right: dict[str, int], seeds: Sequence[int] = (0, 1, 2)) -> None:
        self.root, self.found = root, list[FinishedRun]()
        for seed in seeds:
            items = self._run("items", {"seed": seed})
            for name in ("test", "h2_gold"):
                write_jsonl_atomic(items / f"{name}.jsonl", [{"id": f"t{i}", "hard_label": 1} for i in range(N)])
            for name in ("weak", "ceiling", "small_ceiling"):
                self._fit(self._run(name, {"seed": seed}), [right[name]] * 2)
            for label, (name, variables) in STUDENTS.items():
                self._fit(self._run(name, {**variables, "seed": seed}), [right[label] - 10, right[label]])
        self.runs = FinishedRuns(self.found)

    def _run(self, name: str, variables: dict) -> Path:
        path = self.root / name / "-".join(map(str, variables.values()))
        self.found.append(FinishedRun(name, variables, path))
        return path

    def _fit(self, run: Path, right: Sequence[int]) -> None:
        for name in ("test", "h2"):
            for epoch, n in enumerate(right, 1):
                write_jsonl_atomic(run / f"epochs/{name}-{epoch:03d}.jsonl", labels(n))
            write_jsonl_atomic(run / f"labels/{name}.jsonl", labels(right[-1]))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return tables(Written(tmp_path_factory.mktemp("study"), {**RIGHT, **LAST}).runs)


def table(found, title: str) -> dict[str, list]:
    return {row[0]: row for row in next(each for each in found.tables if each.title == title).rows}


def verdict(found, text: str) -> str:
    return next(claim.verdict for claim in found.claims if claim.text.startswith(text))


def test_accuracy_and_gap_by_hand(found):
    rows = table(found, "Every loss")
    assert rows["weak supervisor"][1].value == 0.6 and rows["ceiling, gold labels"][1].value == 0.9
    wanted = {XENT: 0.4, "product": 0.2, LOGCONF: 0.6, "confidence loss, released ramp": 0.5, "KL divergence": 0.4}
    assert {name: rows[name][2].value for name in wanted} == pytest.approx(wanted)
    assert {name: rows[name][3] for name in wanted} == pytest.approx(wanted)  # all seeds are equal, so is the median
    assert table(found, "Median PGR, released plots and here")["here"][1:] == [0.4, 0.6]


def test_a_small_student_is_measured_by_the_ceiling_of_its_size(found, tmp_path):
    """(60 - 60) / (70 - 60) and (54 - 60) / (70 - 60); the median leaves out pairs of one model."""
    rows = table(found, "Every loss")
    assert [rows[name][2].value for name in SMALL] == pytest.approx([0.0, -0.6])
    assert [rows[name][3] for name in SMALL] == [None, None]
    assert rows["small ceiling, gold labels"][1].value == pytest.approx(0.7)
    assert [table(found, "Best and last epoch")[name][4] for name in SMALL] == pytest.approx([0.0, -0.6])
    runs = Written(tmp_path, {**RIGHT, **LAST}, seeds=(0,)).runs
    without = tables(FinishedRuns([run for run in runs if run.name != "small_ceiling"]))
    row = table(without, "Every loss")[SMALL[0]]
    assert row[2] is None and "no ceiling of the student's size was trained" in row[-1]
    assert table(without, "Best and last epoch")[SMALL[0]][4] is None


@pytest.mark.parametrize(("file", "half"), [("h2_gold.jsonl", "H2"), ("h1.jsonl", "H1")])
def test_the_record_says_on_which_half_the_ceiling_learned(file, half, tmp_path):
    runs = Written(tmp_path, {**RIGHT, **LAST}, seeds=(0,)).runs
    config = {"data": {"class_path": "WeakLabelDataModule", "init_args": {"path": f"runs/items/1a/{file}"}}}
    (runs.one("ceiling").path / "config.yaml").write_text(json.dumps(config))
    note = next(each.note for each in tables(runs).tables if each.title == "Every loss")
    assert f"The ceiling learned the gold labels of {half}." in note


def test_the_ceiling_may_learn_from_the_other_half():
    """As the studies' heads write it; nothing else in the plan changes."""
    file, given = "configs/studies/weak_to_strong_own.yaml", [("runs.ceiling.set.data.path", "${questions.h1}")]
    before, after = (
        {s.spec.name: s for s in plan(read_study(file, over, smoke=False), Path("r"))} for over in ([], given)
    )
    assert {name for name in after if after[name].id != before[name].id} == {"ceiling", "ceiling_answers"}
    assert "${questions.h1}" in after["ceiling"].arguments()


def test_agreement_is_split_by_the_supervisors_answer(found):
    """Of the supervisor's 60 right answers cross-entropy repeats all; of its 40 wrong ones the 28 that it has wrong."""
    row = table(found, "The supervisor's answers repeated")[XENT]
    assert [figure.value for figure in row[1:]] == pytest.approx([0.88, 1.0, 0.7] * 2)
    assert [figure.n for figure in row[1:]] == [300, 180, 120] * 2


def test_best_and_last_epoch(found):
    row = table(found, "Best and last epoch")[XENT]
    assert row[1:4] == pytest.approx([2, 0.72, 0.72]) and row[4] == pytest.approx(0.4)
    assert row[5:] == pytest.approx([38 / 40, 28 / 40])


def test_claims_follow_the_figures(found):
    assert verdict(found, "A student is better than its supervisor") == "replicated"
    assert verdict(found, "Naive training recovers 20 to 50 %") == "replicated"
    assert verdict(found, "The confidence loss helps a much stronger") == "replicated"
    assert verdict(found, "The confidence loss hurts a student as small") == "replicated"
    assert verdict(found, "A student repeats its supervisor's mistakes less") == "replicated"
    assert verdict(found, "Training on repeats more") == "not replicated"
    assert verdict(found, "KL trains as") == "replicated"


def test_other_figures_give_other_verdicts(tmp_path):
    other = {**LAST, LOGCONF: 70, "small student, confidence loss": 66, "KL divergence": 80, XENT: 85}
    found = tables(Written(tmp_path, {**RIGHT, **other}).runs)
    for text in ("Naive training", "The confidence loss helps", "The confidence loss hurts", "KL trains as"):
        assert verdict(found, text) == "not replicated", text


def test_a_ceiling_below_its_supervisor_leaves_no_gap(tmp_path):
    found = tables(Written(tmp_path, {**RIGHT, **LAST, "ceiling": 60, "small_ceiling": 60}, seeds=(0,)).runs)
    row = table(found, "Every loss")[XENT]
    assert row[2] is None and row[3] is None and "ceiling is not above" in row[-1]
    assert verdict(found, "A student is better") == "not testable here"
    assert "Performance gap recovered" not in [chart.title for chart in found.charts]


def test_texts_that_one_model_could_not_label_count_for_none(tmp_path):
    written = Written(tmp_path, {**RIGHT, **LAST}, seeds=(0,))
    (run,) = (run for run in written.found if run.name == "student" and run.variables["loss"] == "kl")
    write_jsonl_atomic(run.path / "labels/test.jsonl", labels(LAST["KL divergence"])[1:])
    (transfer,) = transfers(written.runs)
    accuracy = transfer.accuracy("weak", transfer.weak)
    assert accuracy.n == N - 1 and accuracy.value == (RIGHT["weak"] - 1) / (N - 1)
    assert len(transfer.right(transfer.students[XENT])) == N - 1 and len(transfer.h2) == N


def test_fewer_losses_are_a_study_too(tmp_path):
    runs = Written(tmp_path, {**RIGHT, **LAST}, seeds=(0,)).runs
    left = FinishedRuns([run for run in runs if "small" not in run.name and run.variables.get("loss") != "logconf"])
    assert LOGCONF not in transfers(left)[0].students
    found = tables(left)
    assert verdict(found, "The confidence loss helps") == "not testable here"
    assert table(found, "Median PGR, released plots and here")["here"][1:] == [0.4, None]


def test_charts_and_record(found, tmp_path):
    titles = [chart.title for chart in found.charts]
    assert titles == ["Performance gap recovered", "Test accuracy by epoch", "The supervisor's wrong labels repeated"]
    curves = {series.name: list(series.y) for series in found.charts[1].series}
    assert curves[XENT] == pytest.approx([0.62, 0.72]) and curves["ceiling"] == pytest.approx([0.9, 0.9])
    StudyRecord("s", "t", "p", found).save(tmp_path)
    assert StudyRecord.load(tmp_path).results.claims == list(found.claims)
    assert json.loads((tmp_path / "results.json").read_bytes())["figures"]


@pytest.mark.slow
def test_the_short_form_of_the_study_trains_every_loss_and_leaves_a_report(tmp_path):
    study = ["study", "--config", "configs/studies/weak_to_strong_classification.yaml", "--smoke"]
    assert main([*study, "--root", str(tmp_path)]) == 0
    (folder,) = tmp_path.glob("studies/*")
    results = StudyRecord.load(folder).results
    rows = table(results, "Every loss")
    assert rows.keys() == {"weak supervisor", *STUDENTS, "ceiling, gold labels", "small ceiling, gold labels"}
    assert all(row[1].n == 100 for row in rows.values())
    assert len(results.claims) == 7 and "Every loss" in (folder / "report.html").read_text()
