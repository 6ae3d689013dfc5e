"""Others' results, without any model: what Stage I would keep of a weak model's responses, and the gap recovered.

Files are JSON lines, one response a row, as GAIR-NLP/weak-to-strong-reasoning writes them (`lit_reason/pool_formats.py`
lists the layouts): `question` or `prompt`, `response` or `generated`, `gold` or `answer`; optionally `id`, `difficulty`
and `topic`. A model that was sampled with several seeds has several files. Where `answer` is what the model answered,
`columns: {pred: answer}` says so. Stage I needs no gold answers; without them nothing is said of labels being right.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from lit_reason.charts import save_charts
from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool
from lit_reason.pool_io import import_jsonl
from lit_reason.records import Grade, Question, Sample
from lit_reason.results import Figure, Results, share, value
from lit_reason.study_results import Cell, FinishedRun, FinishedRuns, StudyResults, Table
from lit_reason.weak_to_strong.analyses import Known, by_threshold, filter_chart
from lit_reason.weak_to_strong.charts import gap_chart
from lit_reason.weak_to_strong.label_figures import label_figures
from lit_reason.weak_to_strong.metrics import gap_recovered
from lit_reason.weak_to_strong.reading import GraderName, answering, level, named_grader
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

MODELS = ("weak", "student", "ceiling")

RIGHT_FILE = "right.jsonl"
"""Which test questions each of the three has right: `id, weak, student, ceiling`."""

logger = logging.getLogger(__name__)


def compare(
    out: Path,
    labels: Files | None = None,
    weak: Files | None = None,
    student: Files | None = None,
    ceiling: Files | None = None,
    grader: GraderName = "maths",
    columns: dict[str, str] | None = None,
) -> None:
    """Stage I's filter at each threshold from `labels`, accuracies, and PGR from `weak`, `student` and `ceiling`.

    Args:
        out: directory of the run; gets pools of all responses, votes.jsonl, and right.jsonl: what each model has right.
        labels: the weak model's responses to the questions that it labels, several a question.
        weak: its responses to the test; where there are several to a question, their majority counts.
        student: those of the model that was trained on its labels.
        ceiling: those of the model that was trained on gold labels.
        grader: how answers are read and compared.
        columns: our names (`id`, `question`, `response`, `gold`, `pred`, ...) to the files' own.

    Raises:
        WeakToStrongError: nothing to compare, a test question without gold answer, two gold answers to one question, or
            files without a question in common.
    """
    three = {"weak": weak, "student": student, "ceiling": ceiling}
    missing = [name for name, files in three.items() if not files]
    if missing and (not labels or len(missing) < 3):
        needed = "weak, student and ceiling belong together" if len(missing) < 3 else "give labels, or all three others"
        raise WeakToStrongError(f"{missing[0]}: no file is given; {needed}")
    results, reader = Results(run=out.name), Reader(out, named_grader(grader), columns)
    if labels:
        _filter(out, reader.read("labels", labels, needs_gold=False), results)
    if not missing:
        _gap(out, {name: reader.read(name, files or "") for name, files in three.items()}, reader.grader, results)
    results.dropped |= reader.dropped
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

    def votes(self) -> list[VoteRecord]:
        """The majority of each question's responses."""
        return [
            cast_vote(id, [Answered(sample.text, grade.answer_key) for sample, grade in drawn])
            for id, drawn in self.samples.items()
        ]

    def known(self, votes: Sequence[VoteRecord]) -> dict[str, Known]:
        """Each question's gold answer, written as the vote's where the grader calls that one right; None without."""
        found = {}
        for vote in votes:
            question = self.questions[vote.id]
            accepted = any(g.status == "right" and g.answer_key == vote.answer for _, g in self.samples[vote.id])
            gold = vote.answer if accepted else f"not {vote.answer}" if question.gold is not None else None
            found[vote.id] = Known(gold, level(question.meta), question.meta.get("topic"))
        return found


@dataclass
class Reader:
    """Imports files into pools, and grades what is in them.

    Args:
        out: pools lie below it.
        grader: reads and compares answers.
        columns: our names to the files' own.
        dropped: rows that could not be used, by model and reason.
    """

    out: Path
    grader: Grader
    columns: dict[str, str] | None
    dropped: Counter[str] = field(default_factory=Counter)

    def read(self, name: str, files: Files, needs_gold: bool = True) -> Responses:
        """All responses of a model.

        Raises:
            WeakToStrongError: a question has no gold answer and needs one, or two different ones.
        """
        found = Responses(name, {})
        for file in [files] if isinstance(files, str) else files:
            made = import_jsonl(file, self.out / "pools", name, "words", self.columns)
            self.dropped.update({f"{name}: {why}": n for why, n in made.dropped.items()})
            questions = {question.id: question for question in made.pool.questions()}
            if needs_gold:
                _check_gold(file, questions.values(), self.columns or {})
            check_same_gold(self.grader, found.questions, questions, file)
            found.questions |= {id: q for id, q in questions.items() if q.gold is not None or id not in found.questions}
            for (question, sample), grade in self._graded(made.pool, questions):
                found.samples.setdefault(question.id, []).append((sample, grade))
        return found

    def _graded(
        self, pool: SamplePool, questions: Mapping[str, Question]
    ) -> Iterator[tuple[tuple[Question, Sample], Grade]]:
        pairs = [(questions[sample.question_id], sample) for sample in pool.samples()]
        grades = list(self.grader.grade_all(pairs))
        there = pool.graded(self.grader.name)
        pool.append_grades(self.grader.name, [g for g in grades if (g.question_id, g.sample_index) not in there])
        return zip(pairs, grades, strict=True)


def check_same_gold(
    grader: Grader, questions: Mapping[str, Question], others: Mapping[str, Question], where: str
) -> None:
    """Raise a WeakToStrongError where a question has two gold answers that the grader does not call the same."""
    pairs = [(question, others[id]) for id, question in questions.items() if id in others]
    differing = [(a, b) for a, b in pairs if None not in (a.gold, b.gold) and a.gold != b.gold]
    grades = grader.grade_all(answering(a, b.gold) for a, b in differing)
    for (question, other), grade in zip(differing, grades, strict=True):
        if grade.status != "right":
            message = f"question {question.id!r} has the gold answer {other.gold!r}, elsewhere {question.gold!r}"
            raise WeakToStrongError(f"{where}: {message}")


def _filter(out: Path, found: Responses, results: Results) -> None:
    votes = found.votes()
    known = found.known(votes)
    write_jsonl_atomic(out / "votes.jsonl", [asdict(vote) for vote in votes])
    if all(vote.n_samples == 1 for vote in votes):
        logger.warning("labels: one response a question, so confidence is always 1 and filtering means nothing")
    graded = [vote.answer == known[vote.id].gold for vote in votes if known[vote.id].gold is not None]
    if graded:
        results.put(share("accuracy", "labels", "", sum(graded), len(graded)))
    unknown = len(votes) - len(graded)
    if unknown:
        results.dropped["labels: questions without a gold answer, of which no accuracy is known"] = unknown
    for tau in TAUS:
        kept, _ = split_by_confidence(votes, tau)
        if not kept:
            logger.warning("%s", why_none(votes, tau))
        rows = [{"id": vote.id, "answer": vote.answer} for vote in kept]
        for figure in label_figures(rows, {vote.id: vote.answer for vote in kept}, votes, known):
            if figure.name != "rows":
                results.put(_at(tau, figure))
    save_charts(out, [filter_chart(by_threshold(votes, known, TAUS))])


def _gap(out: Path, models: Mapping[str, Responses], grader: Grader, results: Results) -> None:
    weak, student, ceiling = models.values()
    shared = [id for id in weak.samples if id in student.samples and id in ceiling.samples]
    if not shared:
        raise WeakToStrongError("weak, student and ceiling have no question in common, by id or, without one, by text")
    for other in (student, ceiling):
        check_same_gold(grader, {id: weak.questions[id] for id in shared}, other.questions, other.name)
    asked = {id for model in models.values() for id in model.samples}
    if len(asked) > len(shared):
        results.dropped["questions that not all three were asked"] = len(asked) - len(shared)
    right = {}
    for name, model in models.items():
        votes = {vote.id: vote for vote in model.votes()}
        known = model.known(list(votes.values()))
        right[name] = [votes[id].answer == known[id].gold for id in shared]
        results.put(share("accuracy", name, "", sum(right[name]), len(shared)))
    write_jsonl_atomic(out / RIGHT_FILE, [{"id": id, **{n: right[n][i] for n in right}} for i, id in enumerate(shared)])
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
    left_out = "".join(f" Left out: {n} {why}." for why, n in found.dropped.items())
    if found.get("kept share", "rows", "tau 0"):
        rows: list[list[Cell]] = [
            [tau, *[found.get(name, split, f"tau {tau:g}") for name, split in STAGE_1.values()]] for tau in TAUS
        ]
        right = found.get("accuracy", "labels", "")
        note = f"Majority labels of all questions: {right.text()} are right." if right else "No gold answers are given."
        shown.append(Table("What Stage I keeps", ["tau", *STAGE_1], rows, note + left_out))
    gap = found.get("PGR", "test", "")
    models = [name for name in MODELS if found.get("accuracy", name, "")]
    if models:
        cells: list[list[Cell]] = [[name, found.get("accuracy", name, "")] for name in models]
        note = f"PGR: {why}." if (why := _gap_note(run)) else ""
        shown.append(Table("Accuracy and PGR", ["", "accuracy"], [*cells, ["PGR", gap]], (note + left_out).strip()))
    return StudyResults(shown, [*run.charts, *([gap_chart({"student": gap})] if gap else [])])


def _gap_note(run: FinishedRun) -> str:
    """Why PGR is undefined or doubtful, from what each model has right; empty where it is neither."""
    if not (run.path / RIGHT_FILE).exists():
        return ""  # a run that was finished before there was such a file
    rows = [row for _, row in read_jsonl(run.path / RIGHT_FILE)]
    weak, student, ceiling = ([bool(row[name]) for row in rows] for name in MODELS)
    return gap_recovered(weak, student, ceiling).note


def _at(tau: float, figure: Figure) -> Figure:
    return Figure(**{**asdict(figure), "when": f"tau {tau:g}"})


def _check_gold(file: str, questions: Iterable[Question], columns: Mapping[str, str]) -> None:
    if any(question.gold is None for question in questions):
        names = {columns.get("gold", "gold"), "ref_answer", "answer"} - {columns.get("pred")}
        rows = read_jsonl(file, lambda *_: None)
        line = next((n for n, row in rows if not any(row.get(name) is not None for name in names)), 1)
        raise WeakToStrongError(f"{file}, line {line}: no gold answer, neither `gold` nor `answer`")
