"""Questions to be asked and graded, with reference solutions to learn from where there are some."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from dataclasses import replace
from typing import Any, Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt
from torch.utils.data import DataLoader

from datamodules.token_data import Loading, TokenDataModule
from lit_reason.batches import TokenBatch, TokenDocument
from lit_reason.files import stable_hash
from lit_reason.questions import SPLITS, Asking, Exercise, Split, disjoint, target, text_key
from lit_reason.questions_chains import ChainSettings, chain_exercises
from lit_reason.questions_files import KNOWN_COLUMNS, file_exercises, unreadable_golds
from lit_reason.questions_gym import PER_SEED, SPACING, Family, equal_shares, exercises
from lit_reason.records import Message, Question
from lit_reason.rows import RowsError, source_problem

SHOWN_BAD_ROWS = 10

logger = logging.getLogger(__name__)


class QuestionDataModule(TokenDataModule):
    """Base of DataModules of questions; a subclass writes `make`.

    As questions they are asked by any model or endpoint and graded by a grader; as documents, question and reference
    solution, they train a language model. Without reference solutions the gold answer alone is the target.
    """

    def __init__(self, asking: Asking, loading: Loading) -> None:
        super().__init__(loading)
        self.asking = asking
        self._made: dict[Split, list[Exercise]] | None = None

    def make(self) -> dict[Split, list[Exercise]]:
        """All exercises of all splits; no question of one is in another. What is left out is counted in `dropped`."""
        raise NotImplementedError

    def exercises(self, split: Split) -> list[Exercise]:
        """Questions of a split with their reference solutions; made once."""
        if self._made is None:
            self._made = self.make()
        return self._made.get(split, [])

    def questions(self, split: Split) -> list[Question]:  # type: ignore[override]
        """The questions of a split, each once, with or without a gold answer."""
        return list({e.question.id: e.question for e in self.exercises(split)}.values())

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """Question and reference solution as tokens; a question with neither solution nor gold answer is left out."""
        found: list[TokenDocument] = []
        copies: Counter[str] = Counter()
        for exercise in self.exercises(split):
            answer = target(exercise)
            if answer is None:
                self.dropped[f"{split} question with neither solution nor gold answer to learn"] += 1
                continue
            question = exercise.question
            copies[question.id] += 1
            id = question.id if copies[question.id] == 1 else f"{question.id}#{copies[question.id]}"
            messages = [*_messages(question), {"role": "assistant", "content": answer}]
            found.append(self.chat.document(id, messages))
        return found

    def setup(self, stage: str) -> None:
        """Tokenise for a model that learns; one that only answers, as behind an endpoint, has no tokens."""
        if hasattr(self.trainer.lightning_module, "chat"):
            super().setup(stage)

    def val_dataloader(self) -> DataLoader[TokenBatch]:
        """Documents for the validation loss; where there are none, the ids of the questions, as in a test."""
        if self._documents.get("val"):
            return super().val_dataloader()
        ids: Any = [question.id for question in self.questions("val")]
        return DataLoader(ids, batch_size=None)


class ReasoningGymDataModule(QuestionDataModule):
    """Families of reasoning-gym: a hundred kinds of puzzles and problems, generated and verified by programs.

    Grade with `VerifierGrader`. Splits come from seeds a million apart, because the library makes item i of seed s from
    s + i; texts that are in two splits nevertheless are dropped and counted.

    Args:
        families: which, in equal shares.
        n_train: training questions over all families.
        n_val: validation questions.
        n_test: test questions.
        seed: another seed, other questions, whatever the run's own seed.
        asking: how questions are put; most families say in which form they want the answer.
        loading: rows, batches and workers.
    """

    def __init__(
        self,
        families: list[Family],
        n_train: NonNegativeInt = 0,
        n_val: NonNegativeInt = 200,
        n_test: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        asking: Asking = Asking(),
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(asking, loading)
        self.families = families
        self.sizes: dict[Split, int] = {"train": n_train, "val": n_val, "test": n_test}
        self.seed = seed

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for unknown families, levels and settings."""
        found = _asking_problems(init_args)
        families = [_settings(Family, family) for family in init_args.get("families") or []]
        if not families:
            found.append(("families", "is empty; name at least one family of reasoning-gym, such as chain_sum"))
        for i, family in enumerate(families):
            found += [("families", f"number {i + 1}, {key}: {message}") for key, message in family.problems()]
        labels = Counter(stable_hash(vars(family)) for family in families)
        if any(n > 1 for n in labels.values()):
            found.append(("families", "names a family twice with the same settings"))
        return found

    def make(self) -> dict[Split, list[Exercise]]:
        """Each family's share of every split."""
        made: dict[Split, list[Exercise]] = {}
        for index, split in enumerate(SPLITS):
            seed = (self.seed * PER_SEED + index) * SPACING
            shares = equal_shares(self.sizes[split], len(self.families))
            made[split] = [
                exercise
                for family, n in zip(self.families, shares, strict=True)
                for exercise in exercises(family, n, seed, self.asking, self.dropped)
            ]
        kept, dropped = disjoint(made)
        self.dropped.update(dropped)
        return kept


class ArithmeticChainDataModule(QuestionDataModule):
    """Chains of arithmetic that a tiny model learns from scratch, with planted mistakes and revisions if asked.

    Grade with `MathGrader`. Difficulty and topic of a question are in its `meta`.

    Args:
        chains: kinds and lengths of chains, and what is planted.
        n_train: training questions.
        n_val: validation questions.
        n_test: test questions.
        seed: another seed, other chains, whatever the run's own seed.
        asking: how questions are put; by default as they are, to spare a tiny model what it knows already.
        loading: rows, batches and workers.
    """

    def __init__(
        self,
        chains: ChainSettings = ChainSettings(),
        n_train: NonNegativeInt = 4000,
        n_val: NonNegativeInt = 200,
        n_test: NonNegativeInt = 200,
        seed: NonNegativeInt = 0,
        asking: Asking = Asking(template="{question}"),
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(asking, loading)
        self.chains = chains
        self.sizes: dict[Split, int] = {"train": n_train, "val": n_val, "test": n_test}
        self.seed = seed

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for unknown topics, and for more questions than there are."""
        chains = _settings(ChainSettings, init_args.get("chains"))
        n = sum(init_args.get(f"n_{split}") or 0 for split in SPLITS)
        return _asking_problems(init_args) + [(f"chains.{key}", message) for key, message in chains.problems(n)]

    def make(self) -> dict[Split, list[Exercise]]:
        """Generated anew in every process: it takes moments."""
        problems = self.chains.problems(sum(self.sizes.values()))
        if problems:
            raise ValueError("chains.{}: {}".format(*problems[0]))
        return chain_exercises(self.chains, self.sizes, self.seed, self.asking)


class QuestionFileDataModule(QuestionDataModule):
    """Your own questions, or a data set's: GSM8K, MATH, AIME, GPQA, MMLU, ARC and others with such columns.

    Grade with `MathGrader`, questions with options with `ChoiceGrader`. Options are shuffled, question by question, and
    the gold answer is the letter. Rows that are no question are named, counted and left out. Questions without a gold
    answer, or with one that cannot be read, are kept, counted, and left ungraded.

    Args:
        path: training questions: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, or
            `owner/name[:split]` of a data set on the hub.
        validation_path: validation questions; null splits a share off `path`.
        test_path: test questions; null splits a share off `path`.
        validation_share: share of `path` held out for validation, by a hash of the text.
        test_share: share of `path` held out for the test.
        columns: our column names to yours: `question`, `answer`, `solution`, `choices`, `wrong_choices` (several,
            separated by commas), `id`, `difficulty`, `topic`; the usual names are known.
        answers: what gold answers are: `maths`, or `text` of any kind.
        shuffle_choices: shuffle options; the seed is `seed`.
        max_questions: validation and test questions at most, chosen by a hash of their texts.
        subset: configuration of a data set that has several.
        seed: seed of splits, choices and order of options, whatever the run's own seed.
        asking: how questions are put.
        loading: rows, batches and workers.
    """

    def __init__(
        self,
        path: str | None = None,
        validation_path: str | None = None,
        test_path: str | None = None,
        validation_share: ClosedUnitInterval = 0.0,
        test_share: ClosedUnitInterval = 0.0,
        columns: dict[str, str] | None = None,
        answers: Literal["maths", "text"] = "maths",
        shuffle_choices: bool = True,
        max_questions: PositiveInt | None = None,
        subset: str | None = None,
        seed: NonNegativeInt = 0,
        asking: Asking = Asking(),
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(asking, loading)
        self.paths: dict[Split, str | None] = {"train": path, "val": validation_path, "test": test_path}
        self.shares: dict[Split, float] = {"val": validation_share, "test": test_share}
        self.columns = columns
        self.answers = answers
        self.shuffle_choices = shuffle_choices
        self.max_questions = max_questions
        self.subset = subset
        self.seed = seed

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """`(key, message)` for missing sources, unknown columns and shares that leave nothing."""
        found = _asking_problems(init_args)
        keys = ("path", "validation_path", "test_path")
        if not any(init_args.get(key) for key in keys):
            found.append(("path", "is missing; name at least one of path, validation_path and test_path"))
        sources = [(key, source_problem(init_args[key])) for key in keys if init_args.get(key)]
        found += [(key, problem) for key, problem in sources if problem]
        for name in init_args.get("columns") or {}:
            if name not in KNOWN_COLUMNS:
                near = difflib.get_close_matches(name, KNOWN_COLUMNS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(KNOWN_COLUMNS)}"
                found.append((f"columns.{name}", f"no such column; {hint}"))
        if (init_args.get("validation_share") or 0) + (init_args.get("test_share") or 0) > 1:
            found.append(("validation_share", "and test_share add up to more than 1"))
        return found

    def prepare_data(self) -> None:
        """Read everything once, so that `prepare` shows what is left out; data sets come into their own cache."""
        self.exercises("train")

    def make(self) -> dict[Split, list[Exercise]]:
        """Read, split, cut to size, and check the gold answers of what will be graded."""
        read = {split: self._read(path) for split, path in self.paths.items() if path}
        parts = self._split_off(read.pop("train", []))
        kept, dropped = disjoint({**parts, **read})
        self.dropped.update(dropped)
        for split in ("val", "test"):
            kept[split] = self._checked(self._chosen(kept[split]))
        return kept

    def _read(self, source: str) -> list[Exercise]:
        bad: list[tuple[str, str]] = []
        shuffle = self.seed if self.shuffle_choices else None
        note = lambda place, reason: bad.append((place, reason))
        found = list(file_exercises(source, note, self.asking, self.columns, self.subset, shuffle))
        reasons = Counter(reason.split(":")[0] for _, reason in bad)
        counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
        if not found:
            first = f": {counts}; first {': '.join(bad[0])}" if bad else ": it is empty"
            raise RowsError(f"{source}: no row is a question{first}")
        self.dropped.update(reasons)
        for place, reason in bad[:SHOWN_BAD_ROWS]:
            logger.warning("%s: row left out: %s", place, reason)
        if bad:
            logger.warning("%s: %d questions, %d rows left out: %s", source, len(found), len(bad), counts)
        return found

    def _split_off(self, rows: list[Exercise]) -> dict[Split, list[Exercise]]:
        """Rows of `path` by a hash of their text, so that a row keeps its side when others come or go."""
        parts: dict[Split, list[Exercise]] = {split: [] for split in SPLITS}
        shares = {split: share for split, share in self.shares.items() if not self.paths[split]}
        for row in rows:
            place = int(stable_hash([self.seed, text_key(row.question)]), 16) / 16**16
            side: Split = "train"
            for split, share in shares.items():
                if 0 <= place < share:
                    side = split
                place -= share
            parts[side].append(row)
        return parts

    def _chosen(self, rows: list[Exercise]) -> list[Exercise]:
        if self.max_questions is None or len(rows) <= self.max_questions:
            return rows
        order = sorted(range(len(rows)), key=lambda i: stable_hash([self.seed, "chosen", text_key(rows[i].question)]))
        return [rows[i] for i in sorted(order[: self.max_questions])]

    def _checked(self, rows: list[Exercise]) -> list[Exercise]:
        unreadable = {id(row) for row in unreadable_golds(rows)} if self.answers == "maths" else set()
        for row in rows:
            if row.question.gold is None:
                self.dropped["question without a gold answer, not graded"] += 1
            elif id(row) in unreadable:
                self.dropped["gold answer that cannot be read, not graded"] += 1
                logger.warning("%s: gold answer cannot be read: %s", row.question.id, row.question.gold[:80])
        return [_without_gold(row) if id(row) in unreadable else row for row in rows]


def _without_gold(exercise: Exercise) -> Exercise:
    question = exercise.question
    meta = {**question.meta, "unreadable_gold": question.gold}
    return replace(exercise, question=replace(question, gold=None, meta=meta))


def _messages(question: Question) -> list[Message]:
    prompt = question.prompt
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _asking_problems(init_args: dict[str, Any]) -> list[tuple[str, str]]:
    problem = _settings(Asking, init_args.get("asking")).problem()
    return [("asking.template", problem)] if problem else []


def _settings(cls: type, given: Any) -> Any:
    """The settings as an object, from whatever stage of parsing they are in."""
    if given is None:
        return cls()
    return given if isinstance(given, cls) else cls(**(given if isinstance(given, dict) else vars(given)))
