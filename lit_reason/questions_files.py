"""Questions from a user's own file, or a data set: GSM8K, MATH, AIME, GPQA, MMLU, ARC and others like them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from string import ascii_uppercase
from typing import Any, Literal

from lit_reason.conversations import BadRow
from lit_reason.grading.choice import read_choice
from lit_reason.grading.extraction import find_answer, last_boxed
from lit_reason.grading.forms import read_form
from lit_reason.grading.numbers import read_quantity
from lit_reason.questions import Asking, Exercise
from lit_reason.records import Question
from lit_reason.rows import OnBad, Row, RowsError, read_rows

Columns = Literal["question", "answer", "solution", "choices", "wrong_choices", "id", "difficulty", "topic"]

# The first of these that a row has is taken, unless a mapping names another.
KNOWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "question": ("question", "problem", "Question", "Problem", "query", "input", "prompt"),
    "answer": ("answer", "Answer", "Correct Answer", "answerKey", "gold", "ref_answer", "target", "final_answer"),
    "solution": ("solution", "Solution", "ref_solution", "Explanation", "rationale", "reasoning"),
    "choices": ("choices", "options"),
    "wrong_choices": (),
    "id": ("id", "ID", "unique_id", "question_id", "Record ID"),
    "difficulty": ("level", "difficulty", "Difficulty"),
    "topic": ("subject", "type", "topic", "Subdomain", "category"),
}
_WRONG = re.compile(r"Incorrect Answer \d+")
_ORDER_MATTERS = re.compile(r"\b(?:above|below|both [A-Z]\b|neither [A-Z]\b|[A-Z] (?:and|or) [A-Z])\b", re.IGNORECASE)

NO_QUESTION = "no question"


def file_exercises(
    source: str,
    on_bad: OnBad,
    asking: Asking,
    columns: Mapping[str, str] | None = None,
    subset: str | None = None,
    shuffle_seed: int | None = 0,
) -> Iterator[Exercise]:
    """One exercise a row, in the order of the rows; the id is the row's own, else its place.

    A gold answer is what follows "####", or stands in the last box, of the answer column, else of the solution. With
    options it is a letter; options are shuffled, unless they speak of each other ("all of the above").

    Args:
        source: a file, a folder, or `owner/name[:split]`.
        on_bad: told about every row that is no question.
        asking: how questions are put.
        columns: our names (`KNOWN_COLUMNS`) to the file's own; `wrong_choices` may be several, separated by commas.
        subset: configuration of a data set that has several.
        shuffle_seed: fixes the order of options, question by question; None keeps their order.

    Raises:
        RowsError: the source cannot be read, a mapped column is in no row, or two rows have the same id.
    """
    places: dict[str, str] = {}
    mapped = dict(columns or {})
    seen_columns: set[str] = set()
    for place, row in read_rows(source, on_bad, subset):
        seen_columns |= row.keys()
        try:
            exercise = _exercise(place, row, mapped, asking, shuffle_seed)
        except BadRow as error:
            on_bad(place, f"{error}{_columns_of(row) if str(error) == NO_QUESTION else ''}")
            continue
        id = exercise.question.id
        if id in places:
            raise RowsError(f"{place}: id {id} is already that of {places[id]}; map `id` to another column")
        places[id] = place
        yield exercise
    for ours, theirs in mapped.items():
        for name in [part.strip() for part in theirs.split(",")] if ours == "wrong_choices" else [theirs]:
            if seen_columns and name not in seen_columns:
                known = ", ".join(sorted(seen_columns))
                raise RowsError(f"{source}: no row has the column {name} (columns.{ours}); there are {known}")


def gold_answer(answer: str | None, solution: str | None) -> str | None:
    """The final answer in an answer column, else in a solution."""
    for text in (answer, solution):
        if text is None:
            continue
        _, mark, after = text.rpartition("####")
        if mark:
            return after.strip() or None
        boxed = last_boxed(text)
        if boxed is not None:
            return boxed.strip() or None
        if text is answer and text.strip():
            found = find_answer(text) if "\n" in text.strip() else None
            return found.text if found and found.where != "whole" else text.strip()
    found = find_answer(solution) if solution else None
    return found.text if found and found.where == "stated" else None


def multiple_choice(row: Row) -> tuple[str, list[str], int]:
    """A row's question, its options as they stand, and which of them is right (from 0).

    Raises:
        BadRow: it is no question, has no options, or does not say which one is right.
    """
    cells = {name: _cell(row, name, {}) for name in KNOWN_COLUMNS}
    text = _text("question", cells["question"])
    if not text:
        raise BadRow(NO_QUESTION)
    options, right = _choices(row, cells, {}, _text("answer", cells["answer"]))
    if right is None:
        raise BadRow("no right option" if options else "no options")
    return text, options, right


def unreadable_golds(exercises: Sequence[Exercise]) -> list[Exercise]:
    """Those whose gold answer no mathematics grader can read; reading runs in processes that can be killed."""
    from lit_reason.grading.workers import Workers
    from lit_reason.progress import track

    asked = [e for e in exercises if e.question.gold is not None and "choices" not in e.question.meta]
    asked = [e for e in asked if read_quantity(str(e.question.gold)) is None]
    with Workers(is_mathematics, imports=("math_verify",)) as workers:
        found = workers.map(str(e.question.gold) for e in asked)
        readable = list(track(found, "reading gold answers", total=len(asked), unit="answers"))
    return [e for e, is_readable in zip(asked, readable, strict=True) if is_readable is not True]


def is_mathematics(text: str) -> bool:
    """Whether the mathematics grader reads this; may take forever."""
    return read_form(text) is not None


def _exercise(place: str, row: Row, mapped: Mapping[str, str], asking: Asking, seed: int | None) -> Exercise:
    cells = {name: _cell(row, name, mapped) for name in KNOWN_COLUMNS}
    text = _text("question", cells["question"])
    if not text:
        raise BadRow(NO_QUESTION)
    answer, solution = _text("answer", cells["answer"]), _text("solution", cells["solution"])
    id = _text("id", cells["id"]) or place
    meta = {name: cells[name] for name in ("difficulty", "topic") if _is_plain(cells[name])}
    meta["source"] = place.rpartition(":")[0]
    choices, right = _choices(row, cells, mapped, answer)
    if not choices:
        if answer is not None and solution is None and ("####" in answer or "\n" in answer.strip()):
            solution = answer  # GSM8K's answers are solutions
        return Exercise(Question(id, asking.prompt(text), gold_answer(answer, solution), meta), solution)
    order = list(range(len(choices)))
    if seed is not None and not any(_ORDER_MATTERS.search(choice) for choice in choices):
        Random(f"{seed} {text}").shuffle(order)
    meta["choices"] = [choices[i] for i in order]
    gold = None if right is None else ascii_uppercase[order.index(right)]
    kept = solution if order == sorted(order) else None  # it speaks of the letters as they were
    return Exercise(Question(id, asking.prompt(text, meta["choices"]), gold, meta), kept)


def _choices(
    row: Row, cells: Mapping[str, Any], mapped: Mapping[str, str], answer: str | None
) -> tuple[list[str], int | None]:
    """The options of a row and which of them is right: none, where it is no multiple choice."""
    wrong = _wrong_choices(row, mapped)
    if wrong:
        if not answer:
            raise BadRow("no right option")
        return [answer, *wrong], 0
    options = cells["choices"]
    if isinstance(options, str):
        try:
            options = json.loads(options)
        except ValueError:
            raise BadRow("choices are no list") from None
    labels: Sequence[str] = ascii_uppercase
    if isinstance(options, Mapping):  # ARC, MMLU: {"text": [...], "label": [...]}, or {"A": "...", "B": "..."}
        labels = [str(label) for label in options.get("label", options.keys())]
        options = options.get("text", list(options.values()))
    if not options:
        return [], None
    if not isinstance(options, list) or len(options) < 2 or len(options) > len(ascii_uppercase):
        raise BadRow("choices are no list of 2 to 26 texts")
    texts = [_text("choices", option) or "" for option in options]
    if len(set(texts)) < len(texts) or "" in texts:
        raise BadRow("two options read the same, or one is empty")
    return texts, _right_choice(answer, texts, labels)


def _right_choice(answer: str | None, texts: list[str], labels: Sequence[str]) -> int | None:
    if answer is None:
        return None
    answer = answer.strip()
    if answer in texts:
        return texts.index(answer)
    if answer in labels[: len(texts)]:
        return list(labels).index(answer)
    if answer.isdecimal() and int(answer) < len(texts):
        return int(answer)  # MMLU counts from 0
    letter = read_choice(answer, texts)
    if letter is None or letter == "ambiguous" or letter not in ascii_uppercase[: len(texts)]:
        raise BadRow(f"the answer is none of the options: {answer[:40]}")
    return ascii_uppercase.index(letter)


def _wrong_choices(row: Row, mapped: Mapping[str, str]) -> list[str]:
    names = [name.strip() for name in mapped["wrong_choices"].split(",")] if "wrong_choices" in mapped else \
        [name for name in row if _WRONG.fullmatch(name)]  # fmt: skip
    texts = [_text("wrong_choices", row.get(name)) for name in names]
    return [text.strip() for text in texts if text and text.strip()]


def _cell(row: Row, name: str, mapped: Mapping[str, str]) -> Any:
    if name in mapped:
        return row.get(mapped[name])
    return next((row[known] for known in KNOWN_COLUMNS[name] if row.get(known) is not None), None)


def _text(name: str, value: Any) -> str | None:
    """A cell as text; an empty one is None."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadRow(f"{name} is {value}")
        return str(int(value)) if value.is_integer() else repr(value)
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        raise BadRow(f"{name} is no text")
    text = str(value)
    if text.strip().lower() == "nan":  # what tables write for a missing cell
        raise BadRow(f"{name} is nan")
    return text if text.strip() else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _columns_of(row: Row) -> str:
    return f": the row has {', '.join(list(row)[:8]) or 'nothing'}"
