"""Generations that others have made, in JSON lines: our own export, one row a sample, and the papers' releases.

    one row a sample      id or question_id, text; optional: question or prompt, gold, sample_index or idx, n_tokens ...
    SMV rollouts          id, question, ref_answer, difficulty, options, model_solution (list), model_answer (list)
    SMV revisions         question, answer (gold), options, solution, search_solution (list): sample 0 is the solution
                          that the search began with, sample r the text after round r
    AoR                   question, answer (gold), and response_list, response or samples (list)
    weak-to-strong        question or prompt, gold or answer (gold), and response or generated (one text); optional: id,
                          pred (what the response answers). Rows of one question are its samples.

(Shortest Majority Vote, section 7; AoR, section 8.) A row that cannot be used is named by its line and counted. What
contradicts another row, a sample given twice or a question with two wordings, is refused.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_reason.files import read_jsonl, stable_hash
from lit_reason.pool_parts import PoolError
from lit_reason.records import FinishReason, Grade, GradeStatus, Question, Sample

IMPORTED = "imported@1"
"""The grader under which answers that the rows bring are stored: right where they are, as text, the gold answer."""

AOR_LISTS = ("response_list", "response", "samples")
LISTS = ("model_solution", "search_solution", *AOR_LISTS)
SINGLE = ("response", "generated")
"""Names of one response as text, in rows whose `answer` is the gold one."""

_ANSWER_AS_GOLD = (
    "without `gold` it is read as the gold answer; where it is what the model answered, give columns '{pred: answer}'"
)

_FINISH: dict[str | None, FinishReason] = {None: "stop", "stop": "stop", "length": "length"}


class BadRow(ValueError):
    """A row that cannot be used, and why."""


@dataclass
class Generations:
    """What a file holds.

    Args:
        questions: in the order of their first rows.
        samples: with an empty pool key; `n_tokens` is -1 where the row brought none.
        grades: the answers that rows brought, by `IMPORTED`.
        dropped: rows and samples that could not be used, by reason.
        bad: one line each, with file and line number.
    """

    questions: dict[str, Question] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    grades: list[Grade] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)


def read_generations(
    path: Path | str, lengths: str = "stored", columns: Mapping[str, str] | None = None
) -> Generations:
    """All samples of a file.

    Args:
        path: JSON lines in one of the formats above; rows may differ.
        lengths: what `n_tokens` of a sample is. `stored`: what the row says, which must say it. A tokenizer's name or
            folder: the row's, counted by this tokenizer where it is missing. `words` or `characters`: counted for all
            rows. The unit matters: Shortest Majority Vote chooses other winners by words than by tokens.
        columns: our names to the file's own, where they differ: `{"pred": "answer"}`.

    Raises:
        PoolError: there is no such file or no usable row, no row has a column, or rows contradict each other.
    """
    path = Path(path)
    reader = _Reader(path, lengths == "stored", columns or {})
    try:
        for number, row in read_jsonl(path, on_bad=reader.bad_line):
            reader.add(number, row)
    except OSError as error:
        raise PoolError(f"{path}: cannot be read ({error.strerror})") from None
    found = reader.finished()
    if not found.samples:
        raise PoolError(f"{path}: no usable row; {found.bad[0] if found.bad else 'the file is empty'}")
    found.samples = _counted(found.samples, lengths)
    return found


def file_identity(path: Path | str, lengths: str, columns: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What names a file's generations in a pool's key: its content, not its place."""
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    renamed = {"columns": dict(columns)} if columns else {}
    return {"imported": Path(path).name, "sha256": digest, "lengths": lengths, **renamed}


class _Reader:
    def __init__(self, path: Path, needs_lengths: bool, columns: Mapping[str, str]) -> None:
        self.path, self.needs_lengths, self.columns = path, needs_lengths, columns
        self.found = Generations()
        self._line_of: dict[tuple[str, int], int] = {}
        self._next: Counter[str] = Counter()
        self._answers: list[tuple[Sample, str | None]] = []
        self._seen: set[str] = set()

    def bad_line(self, _: Path, number: int, why: str) -> None:
        self.found.bad.append(f"{self.path}, line {number}: {why}")
        self.found.dropped["bad rows"] += 1

    def add(self, number: int, row: dict[str, Any]) -> None:
        self._seen |= row.keys()
        row = self._renamed(row)
        try:
            question, entries = _question(number, row), list(_entries(row))
            samples = [self._sample(question, given) for given in entries if given is not None]
        except BadRow as why:
            self.bad_line(self.path, number, str(why))
            return
        self.found.dropped["samples without text"] += entries.count(None)
        self._merge(number, question, row)
        for sample, answer in samples:
            self._keep(number, sample, answer)

    def finished(self) -> Generations:
        """What was found; answers are compared only now, because a gold answer may stand in a later row."""
        found = self.found
        for ours, theirs in self.columns.items():
            if self._seen and theirs not in self._seen:
                there = ", ".join(sorted(self._seen))
                raise PoolError(f"{self.path}: no row has the column {theirs} (columns.{ours}); there are {there}")
        found.grades = [_grade(s, answer, found.questions[s.question_id].gold) for s, answer in self._answers]
        found.dropped = +found.dropped  # without the zeros
        return found

    def _sample(self, question: Question, given: dict[str, Any]) -> tuple[Sample, Any]:
        """A sample, and the answer that the row brings for it (`...`: it brings none)."""
        index = _whole("sample_index", _first(given, "sample_index", "idx", default=self._next[question.id])) or 0
        sample = _sample(question.id, index, given)
        if self.needs_lengths:
            _check_length(sample)
        return sample, _text("answer", given["answer"]) if "answer" in given else ...

    def _keep(self, number: int, sample: Sample, answer: Any) -> None:
        key = (sample.question_id, sample.sample_index)
        if key in self._line_of:
            where = f"sample {key[1]} of question {key[0]!r} is already in line {self._line_of[key]}"
            raise PoolError(f"{self.path}, line {number}: {where}")
        self._line_of[key] = number
        self._next[key[0]] = max(self._next[key[0]], key[1] + 1)
        self.found.samples.append(sample)
        if answer is not ...:
            self._answers.append((sample, answer))

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        rest = {name: cell for name, cell in row.items() if name not in self.columns.values()}
        return {**rest, **{ours: row[theirs] for ours, theirs in self.columns.items() if theirs in row}}

    def _merge(self, number: int, question: Question, row: dict[str, Any]) -> None:
        known = self.found.questions.setdefault(question.id, question)
        for name in ("prompt", "gold"):
            old, new = getattr(known, name), getattr(question, name)
            if old and new and old != new:
                where = f"{self.path}, line {number}: question {question.id!r}"
                if name == "gold" and _first(row, "gold", "ref_answer") is None:
                    raise PoolError(f"{where} has the `answer` {new!r}, before it {old!r}; {_ANSWER_AS_GOLD}")
                raise PoolError(f"{where} had another {name} before")
        merged = replace(known, prompt=known.prompt or question.prompt, gold=known.gold or question.gold)
        self.found.questions[question.id] = replace(merged, meta={**question.meta, **known.meta})


def _question(number: int, row: dict[str, Any]) -> Question:
    prompt = _first(row, "prompt", "question", default="")
    # Rows of one response each belong together by what they ask, those of many are whole questions.
    own = f"text-{stable_hash(prompt, 12)}" if prompt and _single(row) else f"line-{number}"
    id = _text("question_id", _first(row, "question_id", "id", default=own))
    if not isinstance(prompt, str | list):
        raise BadRow(f"the question is {_kind(prompt)}, not a text or messages")
    # A row of many samples calls the gold answer `answer`; in a row of one it is what this sample answered.
    many = any(name in row for name in (*LISTS, *SINGLE))
    gold = _first(row, "gold", "ref_answer", *(["answer"] if many else []))
    known = ("difficulty", "topic", "options", "ref_solution")
    meta = {name: row[name] for name in known if row.get(name) is not None}
    return Question(id or "", prompt, _text("gold", gold), {**meta, **(row.get("meta") or {})})


def _entries(row: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """What a row says of each of its samples; None where one has no text."""
    single = _single(row)
    if single is not None:
        answer = {"answer": row["pred"] or None} if "pred" in row else {}
        given = {name: row[name] for name in row if name not in ("answer", *SINGLE)}
        yield {**given, "text": row[single], "n_tokens": _first(row, "n_tokens", "num_tokens"), **answer}
        return
    name = next((name for name in LISTS if name in row), None)
    if name is None:
        yield row
        return
    texts = row[name]
    if not isinstance(texts, list):
        raise BadRow(f"{name} is {_kind(texts)}, not a list")
    if name == "search_solution":
        texts = [row.get("solution"), *texts]
    answers = row.get("model_answer") if name == "model_solution" else None
    if answers is not None and (not isinstance(answers, list) or len(answers) != len(texts)):
        raise BadRow("model_answer does not match model_solution")
    for i, text in enumerate(texts):
        given = text if isinstance(text, dict) else {"text": text}
        answer = {"answer": answers[i]} if answers is not None else {}
        yield {"sample_index": i, **given, **answer} if given.get("text") is not None else None


def _single(row: dict[str, Any]) -> str | None:
    """Under which name a row holds one response as text."""
    return next((name for name in SINGLE if isinstance(row.get(name), str)), None)


def _sample(question_id: str, index: int, given: dict[str, Any]) -> Sample:
    reason = given.get("finish_reason")
    if not isinstance(reason, str | None) or reason not in _FINISH:
        raise BadRow(f"finish_reason is {reason!r}, not stop or length")
    n_tokens = _whole("n_tokens", _first(given, "n_tokens", "tokens_out"))
    logprobs = given.get("token_logprobs")
    return Sample(
        pool_key="",
        question_id=question_id,
        sample_index=index,
        text=_string(given.get("text")),
        n_prompt_tokens=_whole("n_prompt_tokens", _first(given, "n_prompt_tokens", "tokens_in")) or 0,
        n_tokens=-1 if n_tokens is None else n_tokens,
        finish_reason=_FINISH[reason],
        logprob=_finite("logprob", given.get("logprob")),
        token_ids=given.get("token_ids"),
        token_logprobs=None if logprobs is None else [_finite("token_logprobs", p) or 0.0 for p in logprobs],
        seed=_whole("seed", given.get("seed")) or 0,
    )


def _grade(sample: Sample, answer: str | None, gold: str | None) -> Grade:
    status: GradeStatus = "unparsed" if answer is None else ("right" if answer == gold else "wrong")
    detail = {"kind": "no gold answer"} if gold is None else {}
    return Grade("", sample.question_id, sample.sample_index, IMPORTED, status, answer, answer, detail=detail)


def _check_length(sample: Sample) -> None:
    if sample.n_tokens < 0:
        raise BadRow("no n_tokens; have them counted by a tokenizer (lengths)")
    if sample.n_tokens == 0 and sample.text:
        raise BadRow("n_tokens is 0, but there is text")


def _counted(samples: list[Sample], lengths: str) -> list[Sample]:
    if lengths == "stored":
        return samples
    if lengths in ("words", "characters"):
        return [replace(s, n_tokens=len(s.text.split() if lengths == "words" else s.text)) for s in samples]
    from lit_reason.backbones import Backbone, load_tokenizer

    tokenizer = load_tokenizer(Backbone(lengths))
    unknown = [s.text for s in samples if s.n_tokens < 0]
    counts = iter(map(len, tokenizer(unknown, add_special_tokens=False)["input_ids"] if unknown else []))
    return [replace(s, n_tokens=next(counts)) if s.n_tokens < 0 else s for s in samples]


def _first(row: dict[str, Any], *names: str, default: Any = None) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), default)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRow(f"text is {_kind(value)}" if value is not None else f"no text, and none of {', '.join(LISTS)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow("text holds half a character (a lone surrogate)") from None
    return value


def _text(name: str, value: Any) -> str | None:
    """An answer or a name as text; numbers are written as they stand in the file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise BadRow(f"{name} is {_kind(value)}, not a text or a number")


def _whole(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadRow(f"{name} is {value!r}, not a whole number from 0")
    return value


def _finite(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRow(f"{name} is {value!r}, not a finite number")
    return float(value)


def _kind(value: Any) -> str:
    if isinstance(value, str | dict | list):
        return {str: "one text", dict: "an object", list: "a list"}[type(value)]
    return repr(value)
