"""Measurements from hand-made grades, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lit_reason.case2code.metrics import Metric, summarise
from lit_reason.records import Grade, Question


def question(id: str, source: str = "planted", family: str | None = "add", name_given: bool = True) -> Question:
    return Question(id, "?", None, {"source": source, "family": family, "name_given": name_given})


def grade(id: str, kind: str = "ok", score: float = 1.0, index: int = 0, **detail: Any) -> Grade:
    right = kind == "ok"
    facts = {"strict": right, "value_aware": right, "shown_pass": right, "hidden_pass": right, "error_match": None}
    return Grade(
        "p",
        id,
        index,
        "case2code@1",
        "right" if right else "wrong",
        score=score,
        detail={**facts, "kind": kind, **detail},
    )


QUESTIONS = [question("a"), question("b", name_given=False), question("c", family="join"), question("r", "real", None)]
GRADES = [
    grade("a"),
    grade("b", "wrong", 0.5, shown_pass=True, value_aware=True, error_match=0.5),
    grade("c", "syntax", 0.0),
    grade("r", "runtime", 0.25),
]


def by_name(grades=GRADES, questions=QUESTIONS, ks=()) -> dict[str, Metric]:
    return {metric.name: metric for metric in summarise(questions, grades, ks).metrics}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("planted/strict", (1, 0, 0), "share"),
        ("planted/case_fraction", (1, 0.5, 0), "mean"),
        ("planted/value_aware", (1, 1, 0), "share"),
        ("planted/shown_pass", (1, 1, 0), "share"),
        ("planted/hidden_pass", (1, 0, 0), "share"),
        ("planted/overfit_gap", (0, 1, 0), "share"),
        ("planted/error_match", (0.5,), "mean"),
        ("planted/kind/wrong", (0, 1, 0), "share"),
        ("planted/kind/syntax", (0, 0, 1), "share"),
        ("planted/strict/name_given", (1, 0), "share"),
        ("planted/strict/name_hidden", (0,), "share"),
        ("planted/strict/family/add", (1, 0), "share"),
        ("planted/strict/family/join", (0,), "share"),
        ("real/strict", (0,), "share"),
        ("real/case_fraction", (0.25,), "mean"),
        ("real/kind/runtime", (1,), "share"),
    ],
)
def test_values(name: str, values: tuple[float, ...], kind: str) -> None:
    assert by_name()[name] == Metric(name, values, kind)  # type: ignore[arg-type]


def test_names_given_always_or_never_are_no_part_of_their_own() -> None:
    always = [question("a"), question("b")]
    assert not [metric.name for metric in summarise(always, GRADES).metrics if "/name_" in metric.name]


def test_nothing_is_reported_without_values() -> None:
    names = by_name()
    assert "real/error_match" not in names
    assert not any(name.startswith("real/strict/family") for name in names)


def test_kinds_add_up_to_one() -> None:
    for source in ("planted", "real"):
        assert sum(m.mean for name, m in by_name().items() if name.startswith(f"{source}/kind/")) == pytest.approx(1)


def test_missing_answers_are_wrong_and_unknown_ones_ignored() -> None:
    found = summarise(QUESTIONS, [*GRADES[:2], grade("nobody")])
    assert (found.n_missing, found.n_unknown) == (2, 1)
    metrics = {metric.name: metric for metric in found.metrics}
    assert metrics["planted/strict"].values == (1, 0, 0)
    assert metrics["planted/case_fraction"].values == (1, 0.5, 0)
    assert metrics["planted/kind/wrong"].values == (0, 1)
    assert metrics["real/strict"].values == (0,)


def test_a_question_without_hidden_or_shown_cases_is_left_out_of_what_needs_them() -> None:
    none = [replace(question(id), meta={**question(id).meta, part: []}) for id, part in zip("ab", ("hidden", "shown"))]
    asked = [*none, question("c"), replace(none[0], id="d")]
    found = by_name([grade("a", hidden_pass=None), grade("b", shown_pass=None), grade("c")], asked)
    assert found["planted/strict"].values == (1, 1, 1, 0)
    assert found["planted/hidden_pass"].values == (1, 1)
    assert found["planted/shown_pass"].values == (1, 1, 0)
    assert found["planted/overfit_gap"].values == (0, 0, 0)


def test_several_samples_are_averaged_and_give_pass_at_k() -> None:
    grades = [grade("a", index=0), *(grade("a", "wrong", 0.5, i) for i in (1, 2, 3)), grade("b", "wrong", 0.0)]
    found = by_name(grades, QUESTIONS[:1], ks=[1, 2, 4])
    assert found["planted/strict"] == Metric("planted/strict", (0.25,), "mean")
    assert found["planted/case_fraction"].values == (0.625,)
    assert found["planted/pass@1"].values == (0.25,)
    assert found["planted/pass@2"].values == (0.5,)  # 1 - C(3,2)/C(4,2)
    assert found["planted/pass@4"].values == (1.0,)


def test_what_kind_a_figure_is_does_not_depend_on_its_values() -> None:
    for grades in (GRADES[:1], [grade("a", "wrong", 0.4)], [grade("a", "wrong", 0.0, error_match=0.0)]):
        found = by_name(grades, QUESTIONS[:1])
        assert (found["planted/strict"].kind, found["planted/case_fraction"].kind) == ("share", "mean")
        assert "planted/error_match" not in found or found["planted/error_match"].kind == "mean"
    twice = by_name([grade("a"), grade("a", index=1)], QUESTIONS[:1], ks=[1, 2])
    assert {twice[name].kind for name in ("planted/strict", "planted/pass@1", "planted/pass@2")} == {"mean"}


def test_questions_that_are_no_cases_have_the_pass_rate_only() -> None:
    asked = [Question("h", "?", None, {"source": "human_eval"}), Question("i", "?", None, {"source": "human_eval"})]
    made = [Grade("p", "h", 0, "human_eval@1", "right", score=1.0, detail={"kind": "ok"})]
    found = by_name(made, asked, ks=[1])
    assert found["human_eval/strict"] == Metric("human_eval/strict", (1, 0), "share")
    assert found["human_eval/pass@1"].values == (1.0, 0.0)
    assert {name.split("/")[1] for name in found} == {"strict", "kind", "pass@1"}


def test_more_draws_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="pass@8"):
        by_name(ks=[8])
