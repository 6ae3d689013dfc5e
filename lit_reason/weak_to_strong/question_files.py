"""Questions and votes as JSON lines, and what of them may be seen when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lit_reason.files import read_jsonl
from lit_reason.records import Question
from lit_reason.weak_to_strong.analyses import Known
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from lit_reason.weak_to_strong.votes import VoteRecord


def read_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """`(line number, row)` of JSON lines.

    Raises:
        WeakToStrongError: the file cannot be read, or a line is no JSON object.
    """

    def refuse(path: Path, number: int, why: str) -> None:
        raise WeakToStrongError(f"{path}, line {number}: {why}")

    try:
        yield from read_jsonl(path, refuse)
    except OSError as error:
        raise WeakToStrongError(f"{path}: cannot be read ({error.strerror})") from None


def read_questions(path: str | Path, with_gold: bool) -> list[Question]:
    """Questions of a file; without their gold answers unless they are asked for.

    Raises:
        WeakToStrongError: a row lacks its id or question, or two have one id.
    """
    found: dict[str, Question] = {}
    for row in read_identified(path, "question"):
        meta = {name: row[name] for name in ("topic", "difficulty") if row.get(name) is not None}
        found[row["id"]] = Question(row["id"], row["question"], row.get("gold") if with_gold else None, meta)
    return list(found.values())


def read_identified(path: str | Path, field: str) -> Iterator[dict[str, Any]]:
    """Rows with an id of their own and a text in `field`.

    Raises:
        WeakToStrongError: a row lacks one of them, or two have one id.
    """
    seen: set[str] = set()
    for number, row in read_lines(path):
        for name in ("id", field):
            if not isinstance(row.get(name), str) or not row[name]:
                raise WeakToStrongError(f"{path}, line {number}: {name} is missing or no text")
        if row["id"] in seen:
            raise WeakToStrongError(f"{path}, line {number}: the id {row['id']!r} occurs twice")
        seen.add(row["id"])
        yield row


def question_row(question: Question, gold: bool) -> dict[str, Any]:
    """A question as a row of a file; its gold answer only where asked for."""
    row: dict[str, Any] = {"id": question.id, "question": question.prompt, **question.meta}
    row.pop("source", None)
    return {**row, "gold": question.gold} if gold else row


def read_votes(path: str | Path) -> list[VoteRecord]:
    """Votes as `ask` wrote them."""
    try:
        return [VoteRecord(**row) for _, row in read_lines(path)]
    except TypeError as error:
        raise WeakToStrongError(f"{path}: not a file of votes ({error})") from None


def read_known(path: str | Path) -> dict[str, Known]:
    """What is known of questions, for figures."""
    questions = read_questions(path, with_gold=True)
    return {q.id: Known(q.gold, q.meta.get("difficulty"), q.meta.get("topic")) for q in questions}
