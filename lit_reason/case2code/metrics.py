"""From graded samples to named measurements (section 6): plain functions, no files, no plots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lit_reason.aggregation.pass_at_k import pass_at_k
from lit_reason.case2code.grader import KINDS
from lit_reason.records import Grade, Question

Value = Callable[[Grade], float | None]


@dataclass(frozen=True)
class Metric:
    """One measurement: a value per question, whose mean is the figure.

    A `share` counts questions that passed or did not, so its interval is a binomial one; a `mean` of fractions needs
    a bootstrap. Which of the two it is follows from what is measured, never from the values that happen to be found.
    """

    name: str
    values: tuple[float, ...]
    kind: Literal["share", "mean"]

    @property
    def mean(self) -> float:
        """The figure itself."""
        return sum(self.values) / len(self.values)


@dataclass(frozen=True)
class Summary:
    """All metrics, how many questions had no answer (counted wrong) and how many grades had no question (ignored)."""

    metrics: list[Metric]
    n_missing: int
    n_unknown: int


_VALUES: dict[str, Value] = {
    "strict": lambda g: g.status == "right",
    "case_fraction": lambda g: g.score or 0.0,
    "value_aware": lambda g: g.detail["value_aware"],
    "shown_pass": lambda g: g.detail["shown_pass"],
    "hidden_pass": lambda g: g.detail["hidden_pass"],
    "overfit_gap": lambda g: None if g.detail["shown_pass"] is None else g.detail["shown_pass"] - g.detail["strict"],
}

_NEEDS = {"shown_pass": "shown", "hidden_pass": "hidden", "overfit_gap": "shown"}
"""Values that only questions with such cases have, answered or not."""

_FRACTIONS = ("case_fraction", "error_match")
"""Values that lie between 0 and 1 for a single answer already."""


def summarise(questions: Sequence[Question], grades: Iterable[Grade], ks: Sequence[int] = ()) -> Summary:
    """Measure every source of questions apart; names are `<source>/<metric>`.

    For each source: the metrics of section 6, `kind/<kind>` (share of samples that ended so), `pass@k` for each k in
    `ks`, `strict/name_given` and `strict/name_hidden` where both occur, and `strict/family/<family>`. With several
    samples a question, its value is their mean. A question without any grade counts as wrong, and has neither kind nor
    `error_match`; one without hidden cases has no `hidden_pass`, one without shown ones no `shown_pass`. Questions that
    are no cases (HumanEval) have `strict`, kinds and pass@k only.
    """
    known = {question.id: question for question in questions}
    by_question: dict[str, list[Grade]] = {id: [] for id in known}
    n_unknown = 0
    for grade in grades:
        if grade.question_id in known:
            by_question[grade.question_id].append(grade)
        else:
            n_unknown += 1
    metrics: list[Metric] = []
    for source in dict.fromkeys(question.meta["source"] for question in questions):
        group = [question for question in questions if question.meta["source"] == source]
        metrics += _source_metrics(source, group, by_question, ks)
    return Summary(metrics, sum(not found for found in by_question.values()), n_unknown)


def _source_metrics(
    source: str, questions: list[Question], grades: dict[str, list[Grade]], ks: Sequence[int]
) -> list[Metric]:
    values = _VALUES if "name_given" in questions[0].meta else {"strict": _VALUES["strict"]}
    found = [
        _metric(f"{source}/{name}", [q for q in questions if q.meta.get(_NEEDS.get(name, ""), True)], grades, value)
        for name, value in values.items()
    ]
    found.append(_metric(f"{source}/error_match", questions, grades, _error_match, missing=None))
    for kind in KINDS:
        found.append(_metric(f"{source}/kind/{kind}", questions, grades, _is_kind(kind), missing=None))
    for k in ks:
        rates = [pass_at_k(len(g), _n_right(g), k) if g else 0.0 for g in (grades[q.id] for q in questions)]
        found.append(Metric(f"{source}/pass@{k}", tuple(rates), "mean"))
    for name, group in _groups(questions).items():
        found.append(_metric(f"{source}/strict/{name}", group, grades, _VALUES["strict"]))
    return [metric for metric in found if metric.values]


def _groups(questions: list[Question]) -> dict[str, list[Question]]:
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if "name_given" in question.meta:
            groups["name_given" if question.meta["name_given"] else "name_hidden"].append(question)
    if len(groups) == 1:  # a part that repeats the whole
        groups.clear()
    for question in sorted(questions, key=lambda q: q.meta.get("family") or ""):
        if question.meta.get("family"):
            groups[f"family/{question.meta['family']}"].append(question)
    return groups


def _metric(
    name: str, questions: list[Question], grades: dict[str, list[Grade]], value: Value, missing: float | None = 0.0
) -> Metric:
    """The mean value of each question's grades; `missing` for a question without grades, None leaves it out."""
    values = []
    for question in questions:
        found = [v for v in map(value, grades[question.id]) if v is not None]
        if found:
            values.append(sum(map(float, found)) / len(found))
        elif missing is not None and not grades[question.id]:
            values.append(missing)
    several = any(len(grades[question.id]) > 1 for question in questions)
    is_fraction = several or name.endswith(tuple(f"/{fraction}" for fraction in _FRACTIONS))
    return Metric(name, tuple(values), "mean" if is_fraction else "share")


def _error_match(grade: Grade) -> float | None:
    return grade.detail.get("error_match")


def _n_right(grades: list[Grade]) -> int:
    return sum(grade.status == "right" for grade in grades)


def _is_kind(kind: str) -> Value:
    return lambda grade: grade.detail["kind"] == kind
