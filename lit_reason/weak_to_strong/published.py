"""Labelled texts from files and public data sets, in the columns they are published in.

Texts and labels are those of Burns et al.'s release (openai/weak-to-strong, `datasets.py`): multiple choice becomes a
yes/no item that shows the right answer (class 1) or a wrong one (class 0), by a fair coin that is a function of seed
and id. A format is recognised by its columns; `multiple_choice` takes any question with options, also in columns of
other names once it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lit_reason.conversations import BadRow
from lit_reason.questions_files import multiple_choice
from lit_reason.rows import Row, read_rows
from lit_reason.weak_to_strong.items import Item, coin, one_hot, read_item, yes_no
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

FormatName = Literal[
    "labelled", "sciq", "boolq", "cosmos_qa", "amazon_polarity", "text_label", "anthropic_hh", "multiple_choice"
]

NO_ANSWER_IS_RIGHT = "None of the above choices"
"""How cosmos_qa writes that no option answers the question; shown as an answer it would give the label away."""

_LABELS = {"0": 0, "false": 0, "no": 0, "1": 1, "true": 1, "yes": 1}


@dataclass(frozen=True)
class Format:
    """A layout of rows.

    Args:
        columns: what a row needs to be read so.
        read: `(place, row, seed)` to an item.
    """

    columns: tuple[str, ...]
    read: Callable[[str, Row, int], Item]


def read_items(
    source: str,
    split: str,
    format: FormatName | None = None,
    seed: int = 0,
    subset: str | None = None,
    n_classes: int | None = None,
) -> list[Item]:
    """Every row of a source; ids are the rows' own `id`, else where they stand.

    Args:
        source: a file, a folder, or `owner/name[:split]` of a data set.
        split: what messages and made-up ids call the rows.
        format: one of `FORMATS`; None recognises it by the columns of each row.
        seed: of the coins.
        subset: configuration of a data set that has several.
        n_classes: of the model that learns the labels; None takes labels of any width.

    Raises:
        RowsError: the source cannot be read.
        WeakToStrongError: a row fits no format, or not the one asked for, or is labelled with another number of
            classes; place and column are named.
    """

    def refuse(place: str, reason: str) -> None:
        raise WeakToStrongError(f"{split} {place}: {reason}")

    rows = ((f"{split} {place}", row) for place, row in read_rows(source, refuse, subset))
    found = []
    for place, row in rows:
        item = FORMATS[format or recognised(place, row)].read(place, row, seed)
        if n_classes is not None and len(item.soft_label) != n_classes:
            label = f"the label is over {len(item.soft_label)} classes"
            raise WeakToStrongError(f"{place}: {label}, but the model has n_classes = {n_classes}")
        found.append(item)
    return found


def recognised(place: str, row: Mapping[str, Any]) -> FormatName:
    """The first format all of whose columns a row has.

    Raises:
        WeakToStrongError: there is none; names the columns found and those of every format.
    """
    for name, format in FORMATS.items():
        if row.keys() >= {*format.columns} and (name != "labelled" or row.keys() & {"soft_label", "hard_label"}):
            return name
    known = "; ".join(f"{name}: {', '.join(format.columns)}" for name, format in FORMATS.items())
    raise WeakToStrongError(f"{place}: no known format has the columns {', '.join(row) or '(none)'}; known are {known}")


def _sciq(place: str, row: Row, seed: int) -> Item:
    """`Q: ... A: ...`; the passage in `support` is not shown, as released."""
    wrong = [_text(place, row, f"distractor{i}") for i in (1, 2, 3)]
    return yes_no(_id(place, row), _text(place, row, "question"), _text(place, row, "correct_answer"), wrong, seed)


def _boolq(place: str, row: Row, seed: int) -> Item:
    text = f"Passage: {_text(place, row, 'passage')}\nQuestion: {_text(place, row, 'question')}"
    return _labelled(place, row, text, "answer")


def _cosmos_qa(place: str, row: Row, seed: int) -> Item:
    """`Context: ... Question: ... Answer: ...`; where no option is right, a wrong one is shown."""
    options = [_text(place, row, f"answer{i}") for i in range(4)]
    if str(row["label"]) not in ("0", "1", "2", "3"):
        raise WeakToStrongError(f"{place}: label is {row['label']!r}, not one of 0, 1, 2, 3")
    right = options.pop(int(row["label"]))
    wrong = [option for option in options if option != right]
    question = f"{_text(place, row, 'context')}\nQuestion: {_text(place, row, 'question')}"
    shown = None if NO_ANSWER_IS_RIGHT in right else right
    return yes_no(_id(place, row), question, shown, wrong, seed, layout=("Context: ", "\nAnswer: "))


def _amazon_polarity(place: str, row: Row, seed: int) -> Item:
    return _labelled(place, row, f"{row.get('title') or ''} {_text(place, row, 'content')}".strip(), "label")


def _text_label(place: str, row: Row, seed: int) -> Item:
    return _labelled(place, row, _text(place, row, "text"), "label")


def _anthropic_hh(place: str, row: Row, seed: int) -> Item:
    """One of the two conversations: is it the preferred one?"""
    id = _id(place, row)
    label = coin(id, seed)
    return Item(id, _text(place, row, "chosen" if label else "rejected"), one_hot(label), label)


def _multiple_choice(place: str, row: Row, seed: int) -> Item:
    """MMLU, ARC, CommonsenseQA, GPQA and others: whatever `questions_files` reads."""
    try:
        question, options, right = multiple_choice(row)
    except BadRow as error:
        raise WeakToStrongError(f"{place}: {error}") from None
    wrong = [option for i, option in enumerate(options) if i != right]
    return yes_no(_id(place, row), question, options[right], wrong, seed)


FORMATS: dict[FormatName, Format] = {
    "labelled": Format(("text",), lambda place, row, seed: read_item(place, row)),
    "sciq": Format(("question", "distractor1", "distractor2", "distractor3", "correct_answer"), _sciq),
    "boolq": Format(("question", "passage", "answer"), _boolq),
    "cosmos_qa": Format(("context", "question", "answer0", "answer1", "answer2", "answer3", "label"), _cosmos_qa),
    "amazon_polarity": Format(("content", "label"), _amazon_polarity),
    "text_label": Format(("text", "label"), _text_label),
    "anthropic_hh": Format(("chosen", "rejected"), _anthropic_hh),
    "multiple_choice": Format(("question", "choices"), _multiple_choice),
}


def _labelled(place: str, row: Row, text: str, column: str) -> Item:
    label = _LABELS.get(str(row.get(column)).strip().lower())
    if label is None:
        raise WeakToStrongError(f"{place}: {column} is {row.get(column)!r}, not 0 or 1")
    return Item(_id(place, row), text, one_hot(label), label)


def _text(place: str, row: Row, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        found = f"is {value!r}, no text" if column in row else f"is missing; there are {', '.join(row)}"
        raise WeakToStrongError(f"{place}: {column} {found}")
    return value


def _id(place: str, row: Row) -> str:
    return str(row["id"]) if row.get("id") not in (None, "") else place
