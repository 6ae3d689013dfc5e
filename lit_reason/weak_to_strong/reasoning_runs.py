"""The finished runs of a two-stage study: its variants, and what each of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from lit_reason.charts import Series
from lit_reason.files import read_jsonl
from lit_reason.results import Figure, difference, share
from lit_reason.study_results import FinishedRun, FinishedRuns, over_seeds
from lit_reason.weak_to_strong.analyses import Known
from lit_reason.weak_to_strong.metrics import agreement
from lit_reason.weak_to_strong.question_files import read_known

TAU = 0.6
"""The threshold of every claim, set before anything was run (both stages' default)."""

WEAK, CEILING = "weak supervisor", "ceiling, gold labels"
START = "strong, not yet tuned"
NAIVE = "naive, one greedy response"
OTHERS = {
    "continued": "Stage II, continued from S1",
    "iterated": "Stage II twice",
    "oracle": "oracle filter (uses gold)",
}
"""Variants that are made at one threshold or at none: the run's name and what the tables call it."""

Runs = list[FinishedRun]
Answers = dict[str, str | None]


def stage1(tau: float) -> str:
    """What the tables call Stage I."""
    return f"Stage I, tau {tau:g}" if tau else "majority labels, tau 0"


def stage2(tau: float, unfiltered: bool = False) -> str:
    """What the tables call Stage II."""
    return f"Stage II, tau {tau:g}{', unfiltered' if unfiltered else ''}"


def labels_of(student: str) -> str:
    """The file of the supervisor's labels that a student could have learned from: greedy answers where training was
    naive, the majority of the votes for all others."""
    return "greedy.jsonl" if student == NAIVE else "votes.jsonl"


@dataclass(frozen=True)
class Variants:
    """Runs by what they are in the study; each list has one run a seed, in one order.

    Args:
        runs: all of the study.
    """

    runs: FinishedRuns

    @property
    def weak(self) -> Runs:
        """The supervisor's answers."""
        return self.runs.of("weak_answers")

    @property
    def ceiling(self) -> Runs:
        """Answers of the strong model that learned from gold labels."""
        return self.runs.of("ceiling_answers")

    @cached_property
    def students(self) -> dict[str, Runs]:
        """The answers of every student, by its name in the tables; first those of the model they all start from."""
        found: dict[str, Runs] = {START: self.runs.of("initial_answers"), NAIVE: self.runs.of("naive_answers")}
        for run in self.runs.of("stage1_answers"):
            found.setdefault(stage1(run.variables["tau"]), []).append(run)
        for run in self.runs.of("stage2_answers"):
            label = stage2(run.variables["tau"], run.variables["stage2"] == "unfiltered")
            found.setdefault(label, []).append(run)
        for name, label in OTHERS.items():
            found[label] = self.runs.of(f"{name}_answers")
        return {label: several for label, several in found.items() if several}

    @cached_property
    def test(self) -> list[dict[str, Known]]:
        """Test questions of each seed."""
        return [read_known(run.path / "test.jsonl") for run in self.runs.of("questions")]

    @cached_property
    def h2(self) -> list[dict[str, Known]]:
        """Questions of H2 of each seed, with what is for reports only."""
        return [read_known(run.path / "h2_gold.jsonl") for run in self.runs.of("questions")]

    def same_as_weak(self, student: str, split: Literal["test", "H2"]) -> list[dict[str, Figure]]:
        """How often a student gives the supervisor's answer, for each seed: "" overall, and where the supervisor is
        right or wrong. On H2 the supervisor's answer is its label."""
        file, known = ("greedy.jsonl", self.h2) if split == "H2" else ("answers.jsonl", self.test)
        label = labels_of(student) if split == "H2" else file
        found = []
        for run, weak, questions in zip(self.students.get(student, []), self.weak, known, strict=False):
            gold = {id: str(each.gold) for id, each in questions.items()}
            same = agreement(answers(run, file), answers(weak, label), gold, split, "")
            seeds = [run.variables["seed"]]
            found.append({figure.split.partition("/")[2]: replace(figure, seeds=seeds) for figure in same})
        return found

    def gain(self, text: str, before: str, after: str) -> Figure | None:
        """By how much test accuracy rises from one variant to another; None where one was not run."""
        if before not in self.students or after not in self.students:
            return None
        pairs = zip(self.students[before], self.students[after], strict=True)
        changes = [difference(text, "test", right(a), right(b), [b.variables["seed"]]) for a, b in pairs]
        return over_seeds(text, "test", "change", changes)


def right(run: FinishedRun) -> list[bool]:
    """Whether each test answer is right, in the order of the questions' ids."""
    rows = sorted((row["id"], row["right"]) for _, row in read_jsonl(run.path / "answers.jsonl"))
    return [is_right for _, is_right in rows]


def answers(run: FinishedRun, file: str = "answers.jsonl") -> Answers:
    """The answers in one of a run's files, by question."""
    return {row["id"]: row["answer"] for _, row in read_jsonl(run.path / file)}


def over(found: Sequence[FinishedRun], name: str, split: str, label: str) -> Figure | None:
    """A figure of runs over their seeds; None where no run has it."""
    figures = [run.figure(name, split) for run in found if run.results.get(name, split, "") is not None]
    return over_seeds(f"{name}, {label}", split, "", figures) if figures else None


def change(text: str, before: Sequence[Figure | None], after: Sequence[Figure | None]) -> Figure | None:
    """How much a figure changes, over seeds; None where one is missing. A single seed gives no interval."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not pairs or len(pairs) < len(before):
        return None
    changes = [Figure(text, "H2", "change", b.value - a.value, seeds=b.seeds, kind="value") for a, b in pairs]
    together = over_seeds(text, "H2", "change", changes)
    if together.ci95 is None:
        return together
    return replace(together, kind="share_difference" if pairs[0][0].kind == "share" else "mean_difference")


def lines(points: Mapping[str, Mapping[float, Figure | None]]) -> list[Series]:
    """A chart's series by name, from figures by x; what is None is left out, and so is a series of nothing else."""
    there = {name: {x: each for x, each in line.items() if each is not None} for name, line in points.items()}
    return [Series.of_figures(name, list(line), list(line.values())) for name, line in there.items() if line]


def figures(found: Sequence[FinishedRun], name: str, split: str) -> list[Figure | None]:
    """A figure of each run, None where a run lacks it."""
    return [run.figure(name, split) if run.results.get(name, split, "") else None for run in found]


def parts_of(run: FinishedRun) -> set[str]:
    """The levels and topics of what a run voted on, as `difficulty 3` and `topic add`."""
    shares = [figure.split for figure in run.results.figures if figure.name == "share"]
    return {split.removeprefix("voted on/") for split in shares if split.startswith("voted on/")}


def part_share(run: FinishedRun, split: str, part: str) -> Figure:
    """A level's or topic's share of a split; a split that lacks it has none of it."""
    place = f"{split}/{part}"
    if run.results.get("share", place, "") is not None:
        return run.figure("share", place)
    whole = run.figure("kept share", split)
    return share("share", place, "", 0, round(whole.value * (whole.n or 0)), [run.variables["seed"]])
