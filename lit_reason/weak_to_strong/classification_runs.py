"""The finished runs of a classification study: who learned what from whom, and what each of them says of every text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from lit_reason.charts import Series
from lit_reason.results import Figure, difference, share
from lit_reason.study_results import FinishedRun, FinishedRuns, over_seeds
from lit_reason.weak_to_strong.item_files import read_classes, read_gold
from lit_reason.weak_to_strong.metrics import GapRecovered, agreement, gap_recovered, performance_gap_recovered

XENT, LOGCONF = "cross-entropy", "confidence loss"
SMALL_XENT, SMALL_LOGCONF = "small student, cross-entropy", "small student, confidence loss"
SMALL = SMALL_XENT, SMALL_LOGCONF
"""Students that are the same model as their supervisor."""

STUDENTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    XENT: ("student", {"loss": "xent"}),
    "product": ("student", {"loss": "product"}),
    LOGCONF: ("student", {"loss": "logconf"}),
    "confidence loss, released ramp": ("legacy_student", {}),
    "KL divergence": ("student", {"loss": "kl"}),
    SMALL_XENT: ("small_student", {"loss": "xent"}),
    SMALL_LOGCONF: ("small_student", {"loss": "logconf"}),
}
"""What the tables call a student: its run in the study."""

Classes = dict[str, int]


@dataclass(frozen=True)
class Curve:
    """One fit by epoch.

    Args:
        accuracy: on the test.
        mistakes: share of the supervisor's wrong labels of H2 that are reproduced.
    """

    accuracy: list[float]
    mistakes: list[float]


@dataclass(frozen=True)
class Transfer:
    """One seed: a supervisor, what it taught, and the bounds.

    Args:
        seed: of the splits and all fits.
        items: the run that made the splits.
        weak: the supervisor's fit.
        ceiling: the strong model's on gold labels.
        students: fits on weak labels, by their names in the tables.
        small_ceiling: the supervisor's model on the gold labels that `ceiling` learned; None where none was trained.
    """

    seed: int
    items: FinishedRun
    weak: FinishedRun
    ceiling: FinishedRun
    students: Mapping[str, FinishedRun]
    small_ceiling: FinishedRun | None = None

    @cached_property
    def test(self) -> Classes:
        """Gold classes of the test, without texts that were too long for one of the models."""
        return self._labelled("test", read_gold(self.items.path / "test.jsonl"))

    @cached_property
    def h2(self) -> Classes:
        """Gold classes of H2, for figures; likewise."""
        return self._labelled("h2", read_gold(self.items.path / "h2_gold.jsonl"))

    def right(self, run: FinishedRun) -> list[bool]:
        """Whether each test text is classified rightly, in the order of the test."""
        found = _said(run, "test")
        return [found[id] == gold for id, gold in self.test.items()]

    def accuracy(self, name: str, run: FinishedRun) -> Figure:
        """On the test."""
        right = self.right(run)
        return share(f"accuracy, {name}", "test", "", sum(right), len(right), [self.seed])

    def label_accuracy(self) -> Figure:
        """How many of the supervisor's labels of H2 are right."""
        labels = _said(self.weak, "h2")
        right = sum(labels[id] == gold for id, gold in self.h2.items())
        return share("weak labels that are right", "H2", "", right, len(self.h2), [self.seed])

    def gap(self, student: str) -> GapRecovered:
        """PGR of a student, by the test's answers. The ceiling is the student's own model on gold labels."""
        ceiling = self.ceiling_of(student)
        if ceiling is None:
            return GapRecovered(None, None, 0.0, "undefined: no ceiling of the student's size was trained")
        return gap_recovered(*map(self.right, (self.weak, self.students[student], ceiling)))

    def ceiling_of(self, student: str) -> FinishedRun | None:
        """The model that a student could have become."""
        return self.small_ceiling if student in SMALL else self.ceiling

    def change(self, name: str, before: str, after: str) -> Figure:
        """How much more accurate one student is than another."""
        first, second = (self.right(self.students[student]) for student in (before, after))
        return difference(name, "test", first, second, [self.seed])

    def repeated(self, student: str, split: str) -> dict[str, Figure]:
        """How often a student says what its supervisor says: "" overall, and where the supervisor is right or wrong."""
        gold = self.test if split == "test" else self.h2
        own, supervisor = (_texts(_said(run, split)) for run in (self.students[student], self.weak))
        found = agreement(own, supervisor, _texts(gold), split, "")
        return {figure.split.partition("/")[2]: figure for figure in found}

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """What each student said after each epoch."""
        return {name: self.curve(run) for name, run in self.students.items()}

    def _labelled(self, split: str, gold: Classes) -> Classes:
        said = [_said(run, split) for run in (self.weak, self.ceiling, *self.students.values())]
        return {id: label for id, label in gold.items() if all(id in labels for labels in said)}

    def curve(self, run: FinishedRun) -> Curve:
        """What a fit said after each epoch; reads a file an epoch."""
        labels, found = _said(self.weak, "h2"), Curve([], [])
        wrong = [id for id, gold in self.h2.items() if labels[id] != gold]
        for file in sorted((run.path / "epochs").glob("test-*.jsonl")):
            test, h2 = read_classes(file), read_classes(file.with_name(file.name.replace("test", "h2")))
            found.accuracy.append(fmean(test[id] == gold for id, gold in self.test.items()))
            found.mistakes.append(fmean(h2[id] == labels[id] for id in wrong) if wrong else 0.0)
        return found


def transfers(runs: FinishedRuns) -> list[Transfer]:
    """The study by seed, in its order."""
    found = []
    for items in runs.of("items"):
        seed = items.variables["seed"]
        students = {
            label: run for label, (name, variables) in STUDENTS.items() for run in runs.of(name, seed=seed, **variables)
        }
        weak, ceiling = runs.one("weak", seed=seed), runs.one("ceiling", seed=seed)
        small = runs.of("small_ceiling", seed=seed)
        found.append(Transfer(seed, items, weak, ceiling, students, small[0] if small else None))
    return found


def over(several: Sequence[Transfer], of: Callable[[Transfer], Figure | None]) -> Figure | None:
    """A figure over seeds, without those where it is undefined; None where it is so in all of them."""
    figures = [figure for transfer in several if (figure := of(transfer)) is not None]
    return over_seeds(*figures[0].key, figures) if figures else None


def gap_rows(several: Sequence[Transfer], student: str) -> list[tuple[float, float, float]]:
    """(weak, student, ceiling) accuracies of each seed, as the release takes its median over."""
    return [tuple(fmean(t.right(run)) for run in (t.weak, t.students[student], t.ceiling)) for t in several]  # type: ignore[misc]


def best_gap(transfer: Transfer, student: str) -> float | None:
    """PGR of the student's best epoch by gold labels: what early stopping could give at most."""
    weak, ceiling = transfer.weak, transfer.ceiling_of(student)
    if ceiling is None:
        return None
    bounds = [fmean(transfer.right(run)) for run in (weak, ceiling)]
    return performance_gap_recovered(bounds[0], max(transfer.curves[student].accuracy), bounds[1])


def curve_series(name: str, curves: Sequence[Sequence[float]]) -> Series:
    """Means over seeds with their range, by epoch from 1."""
    by_epoch = list(zip(*curves, strict=True))
    return Series(name, list(range(1, len(by_epoch) + 1)), list(map(fmean, by_epoch)),
                  list(map(min, by_epoch)), list(map(max, by_epoch)))  # fmt: skip


def _said(run: FinishedRun, name: str) -> Classes:
    return read_classes(run.path / "labels" / f"{name.lower()}.jsonl")


def _texts(classes: Classes) -> dict[str, str]:
    return {id: str(value) for id, value in classes.items()}
