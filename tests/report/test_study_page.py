"""The pages of studies, charts and comparisons: everything is there, nothing of it acts."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

from lit_reason.charts import Chart, Series
from lit_reason.cli import main
from lit_reason.errors import PlainError
from lit_reason.pool import SamplePool
from lit_reason.question_scores import save_scores
from lit_reason.records import Grade, Question, Sample
from lit_reason.report import drawing, write_report
from lit_reason.report.compare import IN_POOL, compare
from lit_reason.results import Results, count, share
from lit_reason.sampling.protocol import SamplingSettings
from lit_reason.study_results import StudyRecord, StudyResults, Table, judged

from .test_page import ATTACK, Page


def hostile_study(example_study: ModuleType, folder: Path) -> Path:
    """A study in which every text tries to break out of its place."""
    example_study.write_example_study(folder)
    long = ATTACK + "x" * 300
    measured = share(long, long, "", 5, 10)
    results = StudyResults(
        [Table(long, [long, "n"], [[long, measured], [long, 3]], long)],
        [Chart("bars", long, long, long, [Series(long, [long, "b"], [0.1, -0.2])], note=long)],
        [judged(long, long, long, measured, above=0.9)],
    )
    StudyRecord(long, long, long, results, [{"run": long, "variables": {long: long}, "path": "a", "seconds": 1}]).save(
        folder
    )
    (folder / "study.yaml").write_text(long)
    return folder


def test_the_study_page_shows_claims_tables_charts_and_runs(pages: dict[str, Path]) -> None:
    text = Page(pages["study"]).text
    for expected in (
        "Of 3 claims: 1 replicated, 1 not replicated, 1 not testable here; 3 runs.",
        "published+5.1 points", "measured here52.2 % [46.7, 57.8] n 1,200", "seeds, interval0, 1, 2; t over 3 seeds",
        "One size runs here.", "Accuracy by method and number of samples", "126,976", "Gain by family", "seed 2",
    ):  # fmt: skip
        assert expected.replace(" ", "") in text.replace(" ", ""), expected


def test_failed_claims_look_failed(pages: dict[str, Path]) -> None:
    html = pages["study"].read_text("utf-8")
    tones = re.findall(r'<article class="claim tone-(\w+)">', html)
    assert tones == ["right", "syntax", "wrong"]


def test_every_point_of_a_chart_is_in_its_table(pages: dict[str, Path], example_study: ModuleType) -> None:
    text = Page(pages["charts"]).text.replace(" ", "")
    for chart in example_study.example_charts():
        for series in chart.series if chart.kind != "histogram" else ():
            for value, low in zip(series.y, series.low, strict=True):
                assert f"{100 * value:.3g}%[{100 * low:.3g}%" in text


def test_charts_are_files_of_their_own(pages: dict[str, Path]) -> None:
    for name in ("accuracy_against_samples", "gain_by_family", "lengths_of_answers"):
        svg = (pages["study"].parent / "figures" / f"{name}.svg").read_text("utf-8")
        ElementTree.fromstring(svg.partition("?>")[2])
        assert "var(" not in svg and "prefers-color-scheme: dark" in svg


def test_points_bands_and_bars_lie_where_their_values_are() -> None:
    line = Series("a", [1, 2, 4], [0.0, 0.5, 1.0], [0.0, 0.4, 0.8], [0.1, 0.6, 1.0])
    chart = str(drawing.draw(Chart("lines", "t", "n", "y", [line], "share", log_x=True), 566))
    top, height, left, width = 26, drawing.PLOT_HEIGHT, drawing.LEFT, 566 - 14 - drawing.LEFT
    for i, y in enumerate(line.y):  # 1, 2 and 4 lie evenly on a logarithmic axis
        assert f'cx="{left + width * i / 2:g}" cy="{top + height * (1 - y):g}"' in chart
    assert f"{left + width / 2:.1f},{top + height * 0.4:.1f}" in chart, "the band's upper end at x = 2"
    bars = str(drawing.draw(Chart("bars", "t", "f", "y", [Series("a", ["p", "q"], [1.0, -1.0])]), 400))
    zero, step = 4 + (400 - 60 - 4) / 2, (400 - 60 - 4) / 2
    assert f'x="{zero:g}"' in bars and f'x="{zero - step:g}"' in bars and bars.count(f'width="{step:g}"') == 2


def test_a_damaged_charts_file_is_noted_and_the_page_stands(tmp_path: Path) -> None:
    (tmp_path / "charts.json").write_text("[]")
    assert "charts.json: not a charts file of schema 1" in Page(write_report(tmp_path)).text


def test_an_unfinished_study_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text("runs: {}\n")
    assert main(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: the study has not finished yet\n"


def test_a_study_page_is_rebuilt(pages: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(pages["study"].parent, tmp_path / "study")
    before = (tmp_path / "study/report.html").read_text()
    (tmp_path / "study/report.html").unlink()
    assert main(["report", str(tmp_path / "study")]) == 0
    assert (tmp_path / "study/report.html").read_text() == before


def test_a_paired_figure_and_an_unpaired_one(example_study: ModuleType, tmp_path: Path, capsys) -> None:
    a, b = example_study.write_example_pair(tmp_path)
    comparison = compare(a, b)
    paired, unpaired = comparison.rows
    assert paired.how == "paired over 200 questions" and unpaired.how == "unpaired"
    # Every question that A answers B answers too: the pairs that differ differ one way, and the interval is narrow.
    assert paired.difference.value == pytest.approx(paired.b.value - paired.a.value)
    assert paired.difference.ci95[0] > 0 and paired.difference.ci_method == "paired bootstrap"
    wide, narrow = (row.difference.ci95[1] - row.difference.ci95[0] for row in (unpaired, paired))
    assert narrow < wide / 1.5
    assert comparison.only_a == ["only of the first, test, after"]
    assert main(["report", "--compare", str(a), str(b)]) == 0
    printed = capsys.readouterr().out
    assert "paired over" in printed and f"comparison: {b}/compare.html" in printed and (b / "compare.html").exists()


def test_without_scores_the_same_figure_is_unpaired(example_study: ModuleType, tmp_path: Path) -> None:
    a, b = example_study.write_example_pair(tmp_path)
    (a / "scores.jsonl").unlink()
    assert [row.how for row in compare(a, b).rows] == ["unpaired", "unpaired"]


def test_only_shared_questions_are_compared_and_it_says_so(tmp_path: Path) -> None:
    key = ("accuracy", "test", "")
    for name, ids in {"a": "pqrs", "b": "rstu"}.items():
        found = Results(run=name)
        found.put(share(*key, 2, 4))
        found.save(tmp_path / name)
        save_scores(tmp_path / name, {key: {q: float(q in "rt") for q in ids}})
    (row,) = compare(tmp_path / "a", tmp_path / "b").rows
    assert row.how == "paired over 2 questions of 4 and 4" and row.difference.n == 2 and row.difference.value == 0


def with_pool(root: Path, name: str, verdicts: dict[str, list[str]], figure: bool) -> Path:
    """A run whose pool holds these verdicts, and a share that they reproduce when `figure` is set."""
    run = root / name
    questions = [Question(q, "?", meta={"source": "real"}) for q in verdicts]
    pool = SamplePool.open(root / "pools", {"model": name}, SamplingSettings(), questions)
    pool.append_samples(Sample(pool.key, q, i, "", 1, 1, "stop") for q, vs in verdicts.items() for i in range(len(vs)))
    pool.append_grades(
        "g@1", [Grade(pool.key, q, i, "g@1", v) for q, vs in verdicts.items() for i, v in enumerate(vs)]
    )
    found = Results(run=name)
    found.put(count(f"rows of {name}", "", "", 3))
    if figure:
        found.put(share("pass", "real", "after", sum(vs == ["right"] for vs in verdicts.values()), len(verdicts)))
    found.save(run)
    entry = {"when": "after", "answers": "greedy", "key": pool.key, "folder": f"../pools/{pool.key}", "grader": "g@1"}
    (run / "pools.json").write_text(json.dumps([entry]))
    return run


ONE = {"p": ["right"], "q": ["wrong"], "r": ["right"], "s": ["unparsed"]}
TWO = {"p": ["right"], "q": ["right"], "r": ["right"], "s": ["timed_out"]}


def test_a_figure_that_its_pool_reproduces_is_paired(tmp_path: Path) -> None:
    (row,) = compare(with_pool(tmp_path, "a", ONE, True), with_pool(tmp_path, "b", TWO, True)).rows
    assert row.how == "paired over 4 questions" and row.key == ("pass", "real", "after")
    assert row.difference.value == 0.25 and row.difference.ci95 == (0.0, 0.75)


def test_pools_without_a_figure_are_compared_by_themselves(tmp_path: Path) -> None:
    (row,) = compare(with_pool(tmp_path, "a", ONE, False), with_pool(tmp_path, "b", TWO, False)).rows
    assert row.key == (IN_POOL, "greedy", "after") and (row.a.value, row.b.value) == (0.5, 0.75)
    assert row.how == "paired over 4 questions"


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {key * 2: value for key, value in TWO.items()}
    a, b = with_pool(tmp_path, "a", ONE, False), with_pool(tmp_path, "b", other, False)
    with pytest.raises(PlainError, match=r"share no figure and no question \(.*has rows of a and .*has rows of b\)"):
        compare(a, b)
    (tmp_path / "empty").mkdir()
    assert main(["report", "--compare", str(a), str(tmp_path / "empty")]) == 2
    assert "empty: no run that has results (there is no results.json)" in capsys.readouterr().err
    assert main(["report", "--compare", str(a)]) == 2
    assert "report needs two run directories: train.py report RUN_OR_STUDY_DIR" in capsys.readouterr().err
