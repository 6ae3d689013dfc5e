"""Questions and votes as JSON lines, and what of them may be seen when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from lit_reason.files import read_jsonl
from lit_reason.records import Question
from lit_reason.weak_to_strong.analyses import Known
from lit_reason.weak_to_strong.reading import as_text, is_whole, level
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
    for _, row in read_identified(path, "question"):
        meta = {name: row[name] for name in ("topic", "difficulty") if row.get(name) is not None}
        found[row["id"]] = Question(row["id"], row["question"], row.get("gold") if with_gold else None, meta)
    return list(found.values())


def read_identified(path: str | Path, field: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """`(line number, row)`, each with an id of its own and a text in `field`. Whole numbers count as texts there and in
    `gold`, for people's files have them.

    Raises:
        WeakToStrongError: a row lacks one of them, or two have one id.
    """
    seen: set[str] = set()
    for number, row in read_lines(path):
        row = {**row, **{name: as_text(row[name]) for name in ("id", field, "gold") if name in row}}
        for name in ("id", field):
            if not isinstance(row.get(name), str) or not row[name]:
                raise WeakToStrongError(f"{path}, line {number}: {name} is missing or no text")
        if row["id"] in seen:
            raise WeakToStrongError(f"{path}, line {number}: the id {row['id']!r} occurs twice")
        seen.add(row["id"])
        yield number, row


def question_row(question: Question, gold: bool) -> dict[str, Any]:
    """A question as a row of a file; its gold answer only where asked for."""
    row: dict[str, Any] = {"id": question.id, "question": question.prompt, **question.meta}
    row.pop("source", None)
    return {**row, "gold": question.gold} if gold else row


def read_votes(path: str | Path, asked: Collection[str] | None = None) -> list[VoteRecord]:
    """Votes as `ask` wrote them; where `asked` is given, none on other questions.

    Raises:
        WeakToStrongError: a row is no vote, is on no question that was asked, or on one that has a vote; the line is
            named.
    """
    found: dict[str, VoteRecord] = {}
    for number, row in read_lines(path):
        row = {**row, "id": as_text(row.get("id"))}
        problem = _vote_problem(row)
        if not problem and row["id"] in found:
            problem = f"the id {row['id']!r} occurs twice"
        if not problem and asked is not None and row["id"] not in asked:
            problem = f"the id {row['id']!r} is that of no question, so these votes were cast on others"
        if problem:
            raise WeakToStrongError(f"{path}, line {number}: {problem}")
        found[row["id"]] = VoteRecord(**row)
    return list(found.values())


def check_known(path: str | Path, field: str, known: Collection[str], file: str | Path) -> None:
    """Raise a WeakToStrongError where a row of `path`, with a text in `field`, has an id that `file` lacks."""
    for number, row in read_identified(path, field):
        if row["id"] not in known:
            raise WeakToStrongError(f"{path}, line {number}: the id {row['id']!r} is not in {file}")


def read_known(path: str | Path) -> dict[str, Known]:
    """What is known of questions, for figures."""
    questions = read_questions(path, with_gold=True)
    return {q.id: Known(q.gold, level(q.meta), q.meta.get("topic")) for q in questions}


def _vote_problem(row: Mapping[str, Any]) -> str:
    """Why a row is no vote, or an empty string."""
    names = [field.name for field in fields(VoteRecord)]
    for name in names:
        if name not in row:
            return f"not a vote: {name} is missing"
    for name in row:
        if name not in names:
            return f"not a vote: {name} is none of {', '.join(names)}"
    answer, counts = row["answer"], row["counts"]
    if not isinstance(row["id"], str) or not row["id"]:
        return f"id is {row['id']!r}, no text"
    if not isinstance(counts, dict) or not all(is_whole(n) and n > 0 for n in counts.values()):
        return f"counts is {counts!r}, not numbers of samples by answer"
    if not (is_whole(row["n_samples"]) and row["n_samples"] >= max(1, sum(counts.values()))):
        return f"n_samples is {row['n_samples']!r}, but counts are of {sum(counts.values())} samples"
    for name in ("confidence", "n_parsed"):
        if not isinstance(row[name], int | float):
            return f"{name} is {row[name]!r}, no number"
    if answer is None:
        return ""
    if not isinstance(answer, str) or answer not in counts:
        return f"the answer {answer!r} is not in counts ({', '.join(counts) or 'empty'})"
    return "" if isinstance(row["chosen_response"], str) else f"no chosen_response for the answer {answer!r}"
