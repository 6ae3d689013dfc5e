"""The reasoning study's tables over models that are dice: check G, PGR by hand, and proofs of restarts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.results import Figure, Results, share
from lit_reason.study.file import read_study
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyRecord
from lit_reason.weak_to_strong.metrics import performance_gap_recovered
from lit_reason.weak_to_strong.reasoning_claims import ABLATION, falling_topic, topic_change
from lit_reason.weak_to_strong.reasoning_runs import NAIVE, START, Variants, answers
from lit_reason.weak_to_strong.reasoning_study import tables
from tests.weak_to_strong.simulated import N, Simulated

STUDY = Path(__file__).resolve().parents[2] / "configs/studies/weak_to_strong_reasoning.yaml"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return tables(Simulated(tmp_path_factory.mktemp("study")).runs)


def table(found, title):
    return next(each for each in found.tables if each.title == title)


def rows_of(found, title):
    return {row[0]: row for row in table(found, title).rows}


def claim(found, text):
    return next(each for each in found.claims if each.text.startswith(text))


def test_gaps_are_those_of_the_formula(found):
    rows = rows_of(found, "Every variant")
    wanted = {START: -0.25, NAIVE: 0.125, "Stage I, tau 0.6": 0.5, "Stage II, tau 0.6": 0.75,
              "oracle filter (uses gold)": 0.875}  # fmt: skip
    assert {name: rows[name][2].value for name in wanted} == pytest.approx(wanted)
    assert {name: rows[name][3] for name in wanted} == pytest.approx(wanted)  # the median too: all seeds are equal


def test_the_paper_and_this_study_stand_in_one_unit(found):
    """Per cent in every cell; the paper's PGR follows from its accuracies, as ours does from ours."""
    both = table(found, "Accuracy and PGR in the paper and here")
    gaps = [column.endswith("PGR") for column in both.columns]
    for name, *cells in both.rows:
        texts = [cell.text() if isinstance(cell, Figure) else cell for cell in cells]
        assert all(re.match(r"-?\d+(\.\d+)? %", text) for text in texts), name
        weak, *students, ceiling = [float(text.partition(" ")[0]) for text in texts]
        for accuracy, printed in zip(students[::2], students[1::2], strict=True):
            gap = performance_gap_recovered(weak, accuracy, ceiling)
            assert 100 * gap == pytest.approx(printed, abs=4), name  # the paper's accuracies are rounded
    assert gaps == [False, False, False, True, False, True, False, True, False]
    ours = both.rows[-1]
    assert ours[3::2][:3] == ["12.50 % [12.5, 12.5]", "50.00 % [50.0, 50.0]", "75.00 % [75.0, 75.0]"]
    assert [ours[i].text() for i in (1, 2, 8)] == ["50.0 %", "55.0 %", "90.0 %"]
    llama = both.rows[0]
    assert [llama[i] for i in (1, 2, 3, 4, 6, 8)] == ["74.8 %", "75.2 %", "7.19 %", "80.28 %", "81.5 %", "80.4 %"]


def test_every_row_of_the_papers_ablation_is_run_here():
    """Stage II, filtered and not, at every threshold of Stage I but 0, which discards nothing."""
    runs = read_study(str(STUDY), [], smoke=False).runs
    taus = runs["stage1_rows"].each["tau"]
    for name in ("stage2_rows", "stage2", "stage2_answers"):
        assert runs[name].each == {"tau": [tau for tau in taus if tau], "stage2": ["filtered", "unfiltered"]}
    assert {*ABLATION} <= {*taus}


def test_stage_two_labels_better_and_gives_hard_questions_back(found):
    """Check G: acc(B) > acc(S1 on D) > acc(W on D), and A with B is nearer to H2 than A."""
    rows = rows_of(found, "Labels")
    columns = table(found, "Labels").columns
    first, second = rows["A, tau 0.6"], rows["A and B, tau 0.6, filtered"]
    weak_on_d = first[columns.index("of those discarded")].value
    strong_on_d, b = (second[columns.index(name)].value for name in ("of all voted on", "of those added now"))
    assert b > strong_on_d + 0.005 and strong_on_d > weak_on_d + 0.2
    for name in ("difficulty distance from H2", "topic distance from H2"):
        assert second[columns.index(name)].value < first[columns.index(name)].value - 0.02
    claims = "The strong model labels", "Stage II gives hard", "A higher threshold leaves", "A higher threshold takes"
    for text in claims:
        assert claim(found, text).verdict == "replicated", text


def test_parts_show_what_a_mean_hides(tmp_path):
    """Counted again from the files: test answers and training labels that are right, topic by topic."""
    runs = Simulated(tmp_path, seeds=(0,)).runs
    found = tables(runs)
    questions = runs.one("questions").path
    for title, name, row, file, split in (
        ("Test accuracy in parts", "stage1_answers", "Stage I, tau 0.6", "answers", "test"),
        ("Questions", "stage1_rows", "A, tau 0.6", "rows", "h2_gold"),
    ):
        about = {q["id"]: q for _, q in read_jsonl(questions / f"{split}.jsonl")}
        given = [r for _, r in read_jsonl(runs.one(name, tau=0.6).path / f"{file}.jsonl")]
        for topic in ("add", "mixed"):
            right = [r.get("right", r["answer"] == about[r["id"]]["gold"])
                     for r in given if about[r["id"]]["topic"] == topic]  # fmt: skip
            column = f"topic {topic}" if split == "test" else f"labels right, topic {topic}"
            cell = rows_of(found, title)[row][table(found, title).columns.index(column)]
            assert cell.value == pytest.approx(sum(right) / len(right)) and cell.n == len(right) < len(given)


def test_a_topic_that_falls_by_chance_in_one_seed_or_another_is_no_loss(tmp_path):
    """Chosen on its own seed, some topic falls in each: -0.1, -0.1, 0. Chosen on the others it rises as often."""
    runs = []
    for seed, kept in enumerate((40, 60, 50)):
        results = Results(run=str(seed))
        for split, n in (("voted on", 50), ("rows", kept)):
            results.put(share("kept share", split, "", 100, 100))
            for topic, count in (("a", n), ("b", 100 - n)):
                results.put(share("share", f"{split}/topic {topic}", "", count, 100, [seed]))
        (tmp_path / str(seed)).mkdir()
        results.save(tmp_path / str(seed))
        runs.append(FinishedRun("stage1_rows", {"seed": seed, "tau": 0.8}, tmp_path / str(seed)))
    assert falling_topic(runs[:1]) == "topic a" and falling_topic(runs[1:]) == "topic b"
    assert topic_change(runs).value == pytest.approx(0.2 / 3)
    assert topic_change(runs[:1]) is None


def test_claims_follow_the_test_answers(found):
    verdicts = {each.text: each.verdict for each in found.claims}
    assert verdicts["Stage I is better than naive training"] == "replicated"
    assert verdicts["Stage II needs its filter"] == "not replicated"  # equal accuracies
    assert verdicts["Stage II recovers more than the whole gap"] == "not replicated"


def test_a_fit_from_other_weights_shows(found, tmp_path):
    rows = {row[0]: row[1:] for row in table(found, "Restarts").rows}
    assert rows["stage2"] == [12, 12, "60"] and rows["iterated"] == [3, 3, "60"] and rows["continued"] == [3, 0, "60"]
    broken = tables(Simulated(tmp_path, starts={"stage2": "s1"}, seeds=(0,)).runs)
    assert {row[0]: row[1:] for row in table(broken, "Restarts").rows}["stage2"] == [4, 0, "60"]


def test_equal_steps_and_equal_epochs_stand_side_by_side(found):
    rows = rows_of(found, "Equal epochs instead of equal steps")
    assert [(label, row[1].value, row[2], row[3].value, row[4]) for label, row in rows.items()] == [
        (NAIVE, pytest.approx(0.55), "60", pytest.approx(0.5), "55"),
        ("Stage I, tau 0.6", pytest.approx(0.7), "60", pytest.approx(0.65), "40"),
        ("Stage II, tau 0.6", pytest.approx(0.8), "60", pytest.approx(0.75), "55"),
    ]
    assert "All took 60 optimizer steps" in table(found, "Every variant").note


def test_fits_of_unequal_length_are_said_to_be(tmp_path):
    simulated = Simulated(tmp_path, seeds=(0,))
    (run,) = simulated.runs.of("oracle")
    (run.path / "weights.json").write_text('{"start": "s0", "end": "o", "steps": 31}')
    left = FinishedRuns([each for each in simulated.runs if "by_epochs" not in each.name])
    titles = {each.title: each for each in tables(left).tables}
    assert "equally often: 31 to 60 optimizer steps" in titles["Every variant"].note
    assert "Equal epochs instead of equal steps" not in titles


def test_where_the_ceiling_is_not_above_the_weak_model_there_is_no_gap(tmp_path):
    found = tables(Simulated(tmp_path, accuracy={"ceiling": 0.5}, seeds=(0,)).runs)
    row = rows_of(found, "Every variant")[NAIVE]
    assert row[2] is None and "ceiling is not above" in row[-1]
    assert claim(found, "Stage II recovers more than").verdict == "not testable here"


def test_questions_may_lack_difficulty_and_topic(tmp_path):
    bare = tables(Simulated(tmp_path, seeds=(0, 1), about=False).runs)
    titles = {chart.title for chart in bare.charts}
    assert "What each threshold keeps" in titles and not any(title.startswith("Questions by") for title in titles)
    assert claim(bare, "A higher threshold takes").verdict == "not testable here"
    assert claim(bare, "Stage I is better").verdict == "replicated"


def test_the_overfitting_curve_has_its_best_epoch(found):
    assert table(found, "Naive training, best and last epoch").rows[0] == [0, 1, 0.7, 2, 0.6]
    chart = next(each for each in found.charts if each.title == "Overfitting curve")
    curves = {series.name: series.y for series in chart.series}
    assert curves["right labels reproduced"] == [1, 1]
    assert curves["wrong labels reproduced"] == [0, 1]  # at its end it fits every greedy answer that it was shown


def test_confidence_is_worth_more_the_higher_it_is(found):
    series = next(each for each in found.charts if each.title.startswith("What the supervisor's")).series[0]
    assert series.y[-1] > 0.99 > 0.7 > series.y[series.x.index(0.4)]


def test_a_student_that_is_always_right_repeats_no_wrong_label(tmp_path):
    variants = Variants(Simulated(tmp_path, seeds=(0,)).runs)
    same = variants.same_as_weak("Stage I, tau 0.6", "H2")[0]
    assert same["supervisor right"].value == 1 and same["supervisor wrong"].value == 0


def test_naive_training_is_measured_by_the_greedy_answers_that_it_learned(found, tmp_path):
    """Majorities are right more often, so that against them a student that fits all its labels would seem to repeat
    only some mistakes."""
    same = rows_of(found, "The supervisor's answers repeated")
    assert [figure.value for figure in same[NAIVE][4:]] == [1, 1, 1]
    assert [figure.value for figure in same["Stage I, tau 0.6"][5:]] == [1, 0]  # it always gives the right answer
    share_right = same["Stage I, tau 0.6"][4]
    assert 0.5 < share_right.value < 0.8 and share_right.n == 3 * N
    repeats = claim(found, "Naive training repeats more")
    assert repeats.verdict == "replicated" and repeats.measured.value == 1
    simulated = Simulated(tmp_path, seeds=(0,))
    (weak,) = simulated.runs.of("weak_answers")
    greedy, majority = answers(weak, "greedy.jsonl"), answers(weak, "votes.jsonl")
    wrong = {id for id, question in simulated.gold.items() if greedy[id] != question.gold}
    assert 0 < sum(greedy[id] == majority[id] for id in wrong) < len(wrong)


def test_the_record_survives_its_file(found, tmp_path):
    StudyRecord("s", "t", "p", found).save(tmp_path)
    assert StudyRecord.load(tmp_path).results.claims == list(found.claims)
