"""Grading by a task's own verifier: the families of reasoning-gym.

Several of its verifiers evaluate what they are given as Python. Answers that would run anything are refused here before
they get there; the rest runs in processes that can be killed.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from jsonargparse.typing import PositiveFloat, PositiveInt

from lit_reason.grading.countdown import solves
from lit_reason.grading.extraction import END_OF_THINKING, find_answer
from lit_reason.grading.notation import tidy, words
from lit_reason.grading.numbers import read_number
from lit_reason.grading.verdict import Verdict, grade_in_processes, unparsed
from lit_reason.grading.workers import Workers
from lit_reason.records import Grade, Question, Sample

META = "reasoning_gym"
"""The key of `Question.meta` under which a question says how it was generated: `family`, `config`, `index`."""

MAX_CHARS = 4000

PYTHON_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Families whose verifier calls `eval` on the answer."""
FORMULAS = frozenset({"intermediate_integration", "polynomial_multiplication", "simple_integration"})
"""Families whose verifier calls sympy's `parse_expr` on the answer, which knows `exec` and `open`."""
OWN_CHECK = frozenset({"countdown", "puzzle24"})
"""Families whose verifier also evaluates, and that are checked here instead."""

_SAFE_NAMES = frozenset(
    {"sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "asin", "acos", "atan", "log", "ln", "exp",
     "sqrt", "pi", "Abs"}
)  # fmt: skip


class VerifierGrader:
    r"""Asks the verifier of the question's family, for questions that `ReasoningGymDataModule` made.

    The answer is the last `\boxed{...}`, what "the answer is" says, or else the whole text. Right is what scores 1;
    `score` keeps partial credit. Countdown and Puzzle 24 are checked strictly: whole numbers, + - * / and brackets.

    Args:
        workers: answers at a time.
        seconds: wall clock for one answer.
        memory_mb: address space of a process.
    """

    def __init__(self, workers: PositiveInt = 2, seconds: PositiveFloat = 10.0, memory_mb: PositiveInt = 2048) -> None:
        self.workers = workers
        self.seconds = seconds
        self.memory_mb = memory_mb

    @property
    def name(self) -> str:
        """`verifier@2`."""
        return "verifier@2"

    def grade_all(self, pairs: Iterable[tuple[Question, Sample]]) -> Iterator[Grade]:
        """Yield one grade for each pair, in order.

        Raises:
            ValueError: a question does not come from a family of reasoning-gym.
        """
        workers = Workers(verify_answer, self.workers, self.seconds, self.memory_mb, imports=("reasoning_gym",))
        return grade_in_processes(pairs, self.name, _item, workers)


class Item(NamedTuple):
    """What a process needs to know."""

    text: str
    finished: bool
    family: str
    config: str
    number: int
    prompt: str


def verify_answer(item: Item) -> Verdict:
    """The verdict on one text."""
    readings = read_answer(item.text, item.finished)
    if isinstance(readings, Verdict):
        return readings
    entry, score_answer = _entry(item.family, item.config, item.number)
    if entry["question"].strip() not in item.prompt:
        return unparsed("error", message=f"another version of reasoning-gym made this {item.family} question")
    answer, key = readings[0], answer_key(readings[0])
    safe = [reading for reading in dict.fromkeys([*readings, key]) if is_harmless(item.family, reading)]
    if not safe:
        return Verdict("unparsed", "unreadable", answer[:200])
    score = _best_score(item.family, safe, entry, score_answer)
    gold = entry["answer"]
    if isinstance(gold, str) and read_number(gold) and key == answer_key(gold):
        score = 1.0
    right = score >= 1
    return Verdict("right" if right else "wrong", "ok" if right else "wrong", answer, key, score)


def read_answer(text: str, finished: bool) -> list[str] | Verdict:
    """The answer in a text, in the ways in which it may be meant; or why there is none."""
    found = find_answer(text, "stated", finished)
    if found is not None and found.cut:
        return unparsed("cut", found)
    whole = text.rpartition(END_OF_THINKING)[2].strip()
    if found is None and not finished:
        return unparsed("cut")
    raw = whole if found is None else found.text.strip()
    if found is not None and found.where == "stated" and raw in whole:
        rest = whole[whole.rfind(raw) :].strip()  # an answer of several lines
        return [raw, _opened(raw), rest]
    if not raw:
        return unparsed("no_answer")
    return [raw[:MAX_CHARS], _opened(raw[:MAX_CHARS])]


def answer_key(answer: str) -> str:
    """What groups answers: numbers by value, other texts up to white space."""
    number = read_number(answer)
    return number.key if number else " ".join(answer.split())


def is_harmless(family: str, answer: str) -> bool:
    """Whether a verifier that evaluates Python may see this answer."""
    if family in FORMULAS:
        names = re.findall(r"[^\W\d]\w*", answer)
        is_formula = re.fullmatch(r"[\w\s+*/^().,!-]{1,500}", answer) and not re.search(r"\.\s*[^\W\d]", answer)
        return bool(is_formula) and all(len(name) == 1 or name in _SAFE_NAMES for name in names)
    return family not in PYTHON_LITERALS or _is_literal(answer)


def _opened(text: str) -> str:
    return words(tidy(text))


def _is_literal(answer: str) -> bool:
    """Whether `eval` would run nothing: a literal, a single name, or a text that is not Python at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(answer.strip(), mode="eval")
            if not isinstance(tree.body, ast.Name):
                ast.literal_eval(tree)
    except SyntaxError:
        return True
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _item(question: Question, sample: Sample) -> Item:
    made = question.meta.get(META)
    if not made:
        raise ValueError(f"{question.id}: meta has no {META}, so no verifier is known; use another grader")
    prompt = question.prompt if isinstance(question.prompt, str) else "\n".join(m["content"] for m in question.prompt)
    config = json.dumps(made["config"], sort_keys=True)
    return Item(sample.text, sample.finish_reason == "stop", made["family"], config, made["index"], prompt)


def _best_score(family: str, readings: list[str], entry: dict[str, Any], score_answer: Any) -> float:
    """The best reading's. A verifier may fail on one way to read an answer and understand the next."""
    scores, failure = [], None
    for reading in readings:
        try:
            scores.append(_score(family, reading, entry, score_answer))
        except Exception as error:
            failure = error
    if not scores and failure is not None:
        raise failure
    return max(scores)


def _score(family: str, answer: str, entry: dict[str, Any], score_answer: Any) -> float:
    if family == "countdown":
        return float(solves(answer, entry["metadata"]["numbers"], entry["metadata"]["target"]))
    if family == "puzzle24":
        return float(solves(answer, entry["metadata"]["numbers"], 24))
    return float(score_answer(answer, entry))


@lru_cache(maxsize=256)
def _entry(family: str, config: str, index: int) -> tuple[dict[str, Any], Any]:
    dataset = _dataset(family, config)
    return dataset[index], dataset.score_answer


@lru_cache(maxsize=64)
def _dataset(family: str, config: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(family, **json.loads(config))
