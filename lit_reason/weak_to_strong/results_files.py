"""Others' results, without any model: what Stage I would keep of a weak model's responses, and the gap recovered.

Files are JSON lines, one response a row, as GAIR-NLP/weak-to-strong-reasoning writes them (`lit_reason/pool_formats.py`
lists the layouts): `question` or `prompt`, `response` or `generated`, `gold` or `answer`; optionally `id`, `difficulty`
and `topic`. A model that was sampled with several seeds has several files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from lit_reason.charts import save_charts
from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.pool_io import import_jsonl
from lit_reason.records import Grade, Question, Sample
from lit_reason.results import Figure, Results, share, value
from lit_reason.study_results import Cell, FinishedRuns, StudyResults, Table
from lit_reason.weak_to_strong.analyses import Known, by_threshold, filter_chart
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.label_figures import label_figures
from lit_reason.weak_to_strong.metrics import gap_recovered
from lit_reason.weak_to_strong.reading import GraderName, level, named_grader
from lit_reason.weak_to_strong.steps import TAUS
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from lit_reason.weak_to_strong.votes import Answered, VoteRecord, cast_vote, split_by_confidence, why_none

Files = str | list[str]

STAGE_1 = {
    "kept share": ("kept share", "rows"),
    "labels right": ("label accuracy", "rows"),
    "of those discarded": ("label accuracy", "discarded"),
    "mean difficulty": ("difficulty", "rows"),
}
"""Columns of the filter's table, and the name and split of the figure in each."""

logger = logging.getLogger(__name__)


def compare(
    out: Path,
    labels: Files | None = None,
    weak: Files | None = None,
    student: Files | None = None,
    ceiling: Files | None = None,
    grader: GraderName = "maths",
) -> None:
    """Stage I's filter at each threshold from `labels`, accuracies, and PGR from `weak`, `student` and `ceiling`.

    Args:
        out: directory of the run; gets pools of all responses, and votes.jsonl.
        labels: the weak model's responses to the questions that it labels, several a question.
        weak: its responses to the test; where there are several to a question, their majority counts.
        student: those of the model that was trained on its labels.
        ceiling: those of the model that was trained on gold labels.
        grader: how answers are read and compared.

    Raises:
        WeakToStrongError: nothing to compare, a question without gold answer, or files without a question in common.
    """
    three = {"weak": weak, "student": student, "ceiling": ceiling}
    missing = [name for name, files in three.items() if not files]
    if missing and (not labels or len(missing) < 3):
        needed = "weak, student and ceiling belong together" if len(missing) < 3 else "give labels, or all three others"
        raise WeakToStrongError(f"{missing[0]}: no file is given; {needed}")
    results = Results(run=out.name)
    if labels:
        _filter(out, Responses.read(out, "labels", labels, grader), results)
    if not missing:
        _gap({name: Responses.read(out, name, files or "", grader) for name, files in three.items()}, results)
    results.save(out)


@dataclass
class Responses:
    """What one model answered.

    Args:
        name: its part in the comparison.
        questions: by id; without an id in the file, rows of one text are one question.
        samples: graded answers by question.
    """

    name: str
    questions: dict[str, Question]
    samples: dict[str, list[tuple[Sample, Grade]]] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path, name: str, files: Files, grader: GraderName) -> Responses:
        """Import files into pools below `out`, and grade what is in them.

        Raises:
            WeakToStrongError: a question has no gold answer, or two of them.
        """
        reader = named_grader(grader)
        found = cls(name, {})
        for file in [files] if isinstance(files, str) else files:
            pool = import_jsonl(file, out / "pools", model=name, lengths="words").pool
            questions = {question.id: question for question in pool.questions()}
            found._add_questions(file, questions)
            pairs = [(questions[sample.question_id], sample) for sample in pool.samples()]
            grades = list(reader.grade_all(pairs))
            there = pool.graded(reader.name)
            pool.append_grades(reader.name, [g for g in grades if (g.question_id, g.sample_index) not in there])
            for (question, sample), grade in zip(pairs, grades, strict=True):
                found.samples.setdefault(question.id, []).append((sample, grade))
        return found

    def votes(self) -> list[VoteRecord]:
        """The majority of each question's responses."""
        return [
            cast_vote(id, [Answered(sample.text, grade.answer_key) for sample, grade in drawn])
            for id, drawn in self.samples.items()
        ]

    def known(self, votes: Sequence[VoteRecord]) -> dict[str, Known]:
        """Each question's gold answer, written as the vote's where the grader calls that one right."""
        found = {}
        for vote in votes:
            question = self.questions[vote.id]
            accepted = any(g.status == "right" and g.answer_key == vote.answer for _, g in self.samples[vote.id])
            gold = vote.answer if accepted else f"not {vote.answer}"
            found[vote.id] = Known(gold, level(question.meta), question.meta.get("topic"))
        return found

    def _add_questions(self, file: str, questions: Mapping[str, Question]) -> None:
        for question in questions.values():
            if question.gold is None:
                line = next((n for n, row in read_jsonl(file, lambda *_: None) if not _has_gold(row)), 1)
                raise WeakToStrongError(f"{file}, line {line}: no gold answer, neither `gold` nor `answer`")
            _check_same(question, self.questions.get(question.id), file)
            self.questions[question.id] = question


def _filter(out: Path, found: Responses, results: Results) -> None:
    votes = found.votes()
    known = found.known(votes)
    write_jsonl_atomic(out / "votes.jsonl", [asdict(vote) for vote in votes])
    if all(vote.n_samples == 1 for vote in votes):
        logger.warning("labels: one response a question, so confidence is always 1 and filtering means nothing")
    right = sum(vote.answer == known[vote.id].gold for vote in votes)
    results.put(share("accuracy", "labels", "", right, len(votes)))
    for tau in TAUS:
        kept, _ = split_by_confidence(votes, tau)
        if not kept:
            logger.warning("%s", why_none(votes, tau))
        rows = [{"id": vote.id, "answer": vote.answer} for vote in kept]
        for figure in label_figures(rows, {vote.id: vote.answer for vote in kept}, votes, known):
            if figure.name != "rows":
                results.put(_at(tau, figure))
    save_charts(out, [filter_chart(by_threshold(votes, known, TAUS))])


def _gap(models: Mapping[str, Responses], results: Results) -> None:
    weak, student, ceiling = models.values()
    shared = [id for id in weak.samples if id in student.samples and id in ceiling.samples]
    if not shared:
        raise WeakToStrongError("weak, student and ceiling have no question in common, by id or, without one, by text")
    for id in shared:
        for other in (student, ceiling):
            _check_same(other.questions[id], weak.questions[id], other.name)
    asked = {id for model in models.values() for id in model.samples}
    if len(asked) > len(shared):
        results.dropped["questions that not all three were asked"] = len(asked) - len(shared)
    right = {}
    for name, model in models.items():
        votes = {vote.id: vote for vote in model.votes()}
        known = model.known(list(votes.values()))
        right[name] = [votes[id].answer == known[id].gold for id in shared]
        results.put(share("accuracy", name, "", sum(right[name]), len(shared)))
    gap = gap_recovered(right["weak"], right["student"], right["ceiling"])
    if gap.value is not None:
        kind: Literal["mean", "value"] = "mean" if gap.ci95 else "value"
        method = "paired bootstrap" if gap.ci95 else None
        results.put(Figure("PGR", "test", "", gap.value, len(shared), gap.ci95, method, kind=kind))
    if gap.note:
        logger.warning("PGR: %s", gap.note)
    results.put(value("ceiling minus weak", "test", "", gap.gap))


def tables(runs: FinishedRuns) -> StudyResults:
    """What Stage I keeps at each threshold, and the three accuracies with the gap recovered."""
    run = runs.one("compare")
    found, shown = run.results, list[Table]()
    if found.get("accuracy", "labels", ""):
        rows: list[list[Cell]] = [
            [tau, *[found.get(name, split, f"tau {tau:g}") for name, split in STAGE_1.values()]] for tau in TAUS
        ]
        note = f"Majority labels of all questions: {run.figure('accuracy', 'labels').text()} are right."
        shown.append(Table("What Stage I keeps", ["tau", *STAGE_1], rows, note))
    gap = found.get("PGR", "test", "")
    models = [name for name in ("weak", "student", "ceiling") if found.get("accuracy", name, "")]
    if models:
        cells: list[list[Cell]] = [[name, found.get("accuracy", name, "")] for name in models]
        note = "" if gap else "PGR is undefined: the ceiling is not above the weak model."
        shown.append(Table("Accuracy and PGR", ["", "accuracy"], [*cells, ["PGR", gap]], note))
    return StudyResults(shown, [*run.charts, *([gap_chart({"student": gap})] if gap else [])])


def _at(tau: float, figure: Figure) -> Figure:
    return Figure(**{**asdict(figure), "when": f"tau {tau:g}"})


def _check_same(question: Question, other: Question | None, where: str) -> None:
    if other is not None and question.gold != other.gold:
        message = f"question {question.id!r} has the gold answer {question.gold!r}, elsewhere {other.gold!r}"
        raise WeakToStrongError(f"{where}: {message}")


def _has_gold(row: Mapping[str, object]) -> bool:
    return any(row.get(name) is not None for name in ("gold", "ref_answer", "answer"))
