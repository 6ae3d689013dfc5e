"""What the report claims, chooses and draws, against cases worked out by hand."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.report import charts, story, svg
from lit_reason.report.load import Example, read_run
from lit_reason.results import Results, difference, share


def results_of(*figures: Any) -> Results:
    found = Results()
    for figure in figures:
        found.put(figure)
    return found


@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [(1, 43, "rose"), (43, 1, "fell"), (10, 13, "shows no clear change,"), (40, 60, "shows no clear change,")],
)
def test_without_a_paired_change_intervals_must_not_touch(before: int, after: int, verb: str) -> None:
    found = results_of(share("pass", "all", "before", before, 120), share("pass", "all", "after", after, 120))
    assert [finding.verb for finding in story.findings(found)] == [verb]


def test_a_paired_change_decides_where_it_exists() -> None:
    before, after = [0] * 80 + [1] * 40, [0] * 60 + [1] * 60
    found = results_of(
        share("pass", "all", "before", 40, 120), share("pass", "all", "after", 60, 120),
        difference("pass", "all", before, after),
    )  # fmt: skip
    assert story.findings(found)[0].verb == "rose"


def test_the_headline_is_the_first_measure_taken_before_and_only_whole_splits() -> None:
    found = results_of(
        share("kind/ok", "planted", "before", 1, 10), share("untuned only", "planted", "after", 1, 10),
        share("pass", "planted", "before", 1, 10), share("pass", "planted/prefix", "after", 1, 5),
        share("pass", "planted", "after", 2, 10), share("pass", "planted", "control", 0, 10),
    )  # fmt: skip
    (finding,) = story.findings(found)
    assert (finding.measure, finding.split, finding.before.n) == ("pass", "planted", 10)
    assert finding.control is not None and finding.control.value == 0


def test_a_run_measured_once_is_not_compared() -> None:
    (finding,) = story.findings(results_of(share("pass", "test", "", 3, 10)))
    assert finding.before is None and finding.verb == "is"


def examples(*specification: tuple[str, str, str, str]) -> list[Example]:
    return [
        Example(split, when, f"{family}{i}", family=family, status=status, kind="ok" if status == "right" else "wrong")
        for i, (split, family, status, _) in enumerate(specification)
        for when in ("before", "after")
    ]


def test_examples_mix_splits_verdicts_and_families() -> None:
    rare = [("real", "", "right", "")]
    many = [("planted", f"family{i % 8}", "wrong", "") for i in range(400)]
    some = [("planted", "family9", "right", "") for _ in range(3)]
    chosen = story.chosen_pairs(examples(*many, *some, *rare))
    assert len(chosen) == 10
    statuses = [(pair.last.split, pair.last.status) for pair in chosen]
    assert statuses.count(("real", "right")) == 1 and statuses.count(("planted", "right")) == 3
    assert len({pair.last.family for pair in chosen if pair.last.status == "wrong"}) == 6, "a new family each time"
    assert all([answer.when for answer in pair.answers] == ["before", "after"] for pair in chosen)


def test_fewer_examples_than_asked_are_all_shown() -> None:
    assert len(story.chosen_pairs(examples(("a", "f", "wrong", ""), ("a", "f", "right", "")))) == 2
    assert story.chosen_pairs([]) == []


def test_verdict_shares_add_up_and_are_drawn_in_one_order(tmp_path: Path, example_run: Any) -> None:
    run = read_run(example_run.write_example_run(tmp_path))
    shares = story.verdict_shares(run.results)
    assert list(shares) == [(split, when) for split in ("planted", "real") for when in ("before", "after")]
    for (split, when), found in shares.items():
        assert sum(found.values()) == pytest.approx(1)
        assert list(found) == [kind for kind in story.VERDICTS if kind in found]
        rows = [e for e in run.examples if (e.split, e.when) == (split, when)]
        assert found["wrong"] == pytest.approx(sum(e.kind == "wrong" for e in rows) / len(rows))


def test_chosen_examples_are_no_sample_and_give_no_shares() -> None:
    assert story.verdict_shares(Results()) == {}


def test_a_repeated_evaluation_counts_its_last_rows_only(tmp_path: Path) -> None:
    line = '{{"split": "a", "when": "after", "question_id": "q", "answer": "{}", "status": "wrong"}}\n'
    (tmp_path / "examples.jsonl").write_text(line.format("old") + line.format("new"))
    assert [example.answer for example in read_run(tmp_path).examples] == ["new"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 300, [0, 100, 200, 300]),
        (0.31, 1.9, [0, 0.5, 1, 1.5, 2]),
        (-3, 3, [-4, -2, 0, 2, 4]),
        (2, 2, [1, 1.5, 2, 2.5, 3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == expected


@settings(max_examples=500, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_range(low: float, length: float) -> None:
    found = svg.ticks(low, low + length)
    slack = 1e-6 * (abs(low) + length)
    assert found[0] <= low + slack and found[-1] >= low + length - slack
    assert 2 <= len(found) <= 12 and found == sorted(set(found))


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (1200, "1,200"), (0.05, "0.05"), (2e-5, "2e-5"), (3e6, "3e6")])
def test_axis_numbers(value: float, text: str) -> None:
    assert svg.number(value) == text


def test_thinning_keeps_every_spike() -> None:
    curve = [(float(i), random.Random(i).random()) for i in range(10_000)]
    curve[5_003] = (5_003.0, 99.0)
    curve[7_001] = (7_001.0, -99.0)
    thin = charts.thinned(curve)
    assert len(thin) <= charts.MOST_POINTS and thin == sorted(thin)
    assert (5_003.0, 99.0) in thin and (7_001.0, -99.0) in thin


def test_smoothing_is_a_running_mean() -> None:
    curve = [(float(i), float(i % 2)) for i in range(100)]  # reach 2: means of five, three at the ends
    smooth = charts.smoothed(curve)
    assert smooth[50][1] == pytest.approx(2 / 5) and smooth[51][1] == pytest.approx(3 / 5)
    assert smooth[0] == (0.0, pytest.approx(1 / 3)) and smooth[-1][1] == pytest.approx(2 / 3)
    assert charts.smoothed(curve[:10]) == curve[:10], "a short curve is left alone"


def test_dots_and_bars_lie_where_their_values_are() -> None:
    rows = [svg.IntervalRow("half", [svg.Mark(0.5, 0.25, 1.0, "after")])]
    chart = str(svg.interval_chart(rows, "t", width=780))
    left, span = 160, 780 - 160 - 86
    assert f'x1="{left + span / 4:g}" x2="{left + span:g}"' in chart and f'cx="{left + span / 2:g}"' in chart
    bars = str(svg.stacked_chart([svg.Bar("b", [("right", 0.25, "a"), ("wrong", 0.75, "b")])], "t", width=780))
    assert bars.count("<rect") == 2 and f'x="{160 + 0.25 * (780 - 162):g}"' in bars
    assert "25 %" in bars and "75 %" in bars


def test_failed_cases_tolerate_other_shapes() -> None:
    assert story.failed_cases(Example("s", "after", "q", detail={"failed": "all of them"})) == []
    (case,) = story.failed_cases(Example("s", "after", "q", detail={"failed": [{"call": "f(1)", "got": 2}, 3]}))
    assert case == {"call": "f(1)", "expected": "", "got": "2", "shown": True}
