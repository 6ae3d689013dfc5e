"""From source files to tasks: harvest, write inputs, execute, filter, choose cases; cached and restartable.

The cache folder holds `functions.jsonl` and `rejected.jsonl`, to which every function is appended as it is done, and
`reasons.json`, which appears when all are. A run that was killed goes on behind what it had written; a line that the
kill cut short is not counted as done (section 10 L).
"""

from __future__ import annotations

import ast
import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Literal

from filelock import FileLock

from lit_reason.case2code import filters, rules
from lit_reason.case2code.cases import Choice, choose_cases
from lit_reason.case2code.execute import Coverage, Executor, trial_score
from lit_reason.case2code.filters import Rules, judge, unusable
from lit_reason.case2code.functions import PYTHON, Case, Function
from lit_reason.case2code.harvest import harvest
from lit_reason.case2code.inputs import Signature, Writer
from lit_reason.case2code.names import split_of
from lit_reason.case2code.rules import Candidate
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.sources import source_version
from lit_reason.errors import PlainError
from lit_reason.files import append_jsonl, cache_dir, read_jsonl, stable_hash, write_json_atomic
from lit_reason.progress import track
from lit_reason.sandbox import CallResult, Program

VERSION = 5
"""Part of the cache's key; raise it when the same settings would give other functions than before."""

_CHUNK = 96
"""Functions that go through the stages together; a slow one then holds up few workers."""
_TRIALS = ((8, 3), (24, 2))
"""(signatures, inputs of each) in the first and in the second round of trials."""

_GOOD_SCORE = 4.0
"""A signature with this score (three calls returned, two or more results differ) needs no second round."""

_UNUSED = ("n_train", "n_val", "n_test", "held_out_share", "workers", "allow_unprotected")
"""Settings that do not change what is built."""

REASONS = {**rules.REASONS, **filters.REASONS}
"""What each reason means, for the histogram."""

logger = logging.getLogger(__name__)


class EmptyCorpus(PlainError, ValueError):
    """Nothing passed the rules and filters; the message is the histogram of reasons (section 11)."""


@dataclass
class Work:
    """A candidate on its way: it leaves with a `function` or with a `reason`.

    `signatures` are those whose trials returned something, with their scores; `trouble` counts unusable trial results.
    """

    candidate: Candidate
    seed: int
    signatures: list[tuple[float, Signature]] = field(default_factory=list)
    trouble: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    function: Function | None = None

    @property
    def id(self) -> str:
        """Where the function comes from does not matter to what it is."""
        return f"real-{self.candidate.body}"

    @cached_property
    def writer(self) -> Writer:
        """Writes the inputs of this function."""
        node = ast.parse(self.candidate.source).body[0]
        assert isinstance(node, ast.FunctionDef)
        return Writer.for_function(node, f"{self.seed}/{self.candidate.body}")

    def inputs(self, n: int) -> list[str]:
        """The inputs that came with the function; else `n` written for the best signature.

        A third are of the second best signature where the function asks for types.
        """
        if self.candidate.inputs is not None:
            return list(self.candidate.inputs)
        ranked = [signature for _, signature in sorted(self.signatures, key=lambda item: -item[0])]
        if not self.writer.evidence.many_kinds or len(ranked) == 1:
            return self.writer.write(ranked[0], n)
        first = self.writer.write(ranked[0], n - n // 3)
        return list(dict.fromkeys([*first, *self.writer.write(ranked[1], n // 3)]))

    def program(self, calls: Iterable[str]) -> Program:
        """The candidate with these calls."""
        return Program(self.candidate.code, self.candidate.name, tuple(calls))


def real_functions(settings: RealSettings, split: Literal["train", "val", "test"]) -> list[Function]:
    """The functions of one split in the order of their bodies' hashes; builds the cache if it is not complete.

    A body's hash alone decides on its split and place, so that other sources or a restart never move a function.

    Raises:
        EmptyCorpus: with the reasons, when nothing is left.
        SandboxUnavailable: where functions would have to run without isolation and that is not allowed.
    """
    folder = build(settings)
    share = settings.held_out_share
    shares = {"train": 1 - share, "val": share / 2, "test": share / 2}
    most = {"train": settings.n_train, "val": settings.n_val, "test": settings.n_test}[split]
    functions = {f.id: f for f in _read_functions(folder)}
    chosen = sorted((f for f in functions.values() if split_of(f.body, shares) == split), key=lambda f: f.body)
    return chosen[:most]


def bad_rows(settings: RealSettings) -> Counter[str]:
    """How many rows of .jsonl sources could not be used, by reason."""
    return Counter(json.loads((build(settings) / "reasons.json").read_text("utf-8"))["rows"])


def build(settings: RealSettings) -> Path:
    """The cache folder of these settings, complete. Two processes that build at once share the work of the first."""
    folder = cache_dir() / "case2code" / _key(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (folder / "reasons.json").exists():
            _build(folder, settings)
    return folder


def process(works: Sequence[Work], executor: Executor, settings: RealSettings) -> None:
    """Give every work its function or its reason."""
    unwritten = [work for work in works if work.candidate.inputs is None]
    for work in unwritten:
        if work.writer.evidence.hopeless:
            work.reason = "needs_object"
    _choose_signatures([work for work in unwritten if not work.reason], executor)
    ready = [work for work in works if not work.reason]
    programs = [work.program(work.inputs(settings.n_inputs)) for work in ready]
    thresholds = Rules(settings.drop_constant, settings.max_error_share, settings.min_distinct)
    kept = []
    for work, program, outcomes in zip(ready, programs, executor.run_twice(programs), strict=True):
        verdict = judge(program.calls, *outcomes, thresholds)
        work.reason = verdict.reason
        if verdict.cases:
            kept.append((work, verdict.cases, work.program(case.kwargs for case in verdict.cases)))
    coverages = executor.coverage([program for _, _, program in kept])
    for (work, cases, _), coverage in zip(kept, coverages, strict=True):
        choice = _choose(cases, coverage, work.writer.seed, settings)
        found = work.candidate
        work.function = Function(
            work.id, found.name, found.params, found.code, choice.cases, choice.shown, choice.hidden,
            body=found.body, origin=found.origin,
        )  # fmt: skip


def _choose_signatures(works: Sequence[Work], executor: Executor) -> None:
    """Try candidate signatures on a few inputs each and note those whose calls return, scored by how differently."""
    start = 0
    for n_signatures, n_inputs in _TRIALS:
        trials: list[tuple[Work, list[Signature], list[list[str]]]] = []
        for work in works:
            if max((score for score, _ in work.signatures), default=0.0) < _GOOD_SCORE:
                signatures = list(itertools.islice(work.writer.signatures(), start, start + n_signatures))
                trials.append((work, signatures, [work.writer.write_trial(s, n_inputs) for s in signatures]))
        programs = [work.program(itertools.chain(*inputs)) for work, _, inputs in trials]
        for (work, signatures, inputs), outcome in zip(trials, executor.run(programs), strict=True):
            for signature, calls in zip(signatures, _regroup(outcome.calls, inputs), strict=True):
                if score := trial_score(calls):
                    work.signatures.append((score, signature))
                work.trouble.update(filter(None, map(unusable, calls)))
        start += n_signatures
    for work in works:
        if not work.signatures:
            work.reason = work.trouble.most_common(1)[0][0] if work.trouble else "all_errors"


def _regroup(calls: Sequence[CallResult], groups: Sequence[Sequence[str]]) -> Iterator[Sequence[CallResult]]:
    iterator = iter(calls)
    for group in groups:
        yield list(itertools.islice(iterator, len(group)))


def _build(folder: Path, settings: RealSettings) -> None:
    found = harvest(
        settings.sources, settings.evaluation_sets, max_lines=settings.max_lines, max_chars=settings.max_chars
    )
    works = [Work(candidate, settings.seed) for candidate in found.kept]
    done = _done(folder)
    executed = [function for function in found.executed if function.id not in done]
    append_jsonl(folder / "functions.jsonl", [_chosen(function, settings).to_row() for function in executed])
    todo = [work for work in works if work.id not in done]
    if todo:
        with Executor(settings.workers, settings.call_seconds, settings.allow_unprotected) as executor:
            for work in track(_processed(todo, executor, settings), "Case2Code", total=len(todo), unit="functions"):
                if work.function is not None:
                    append_jsonl(folder / "functions.jsonl", [work.function.to_row()])
                else:
                    row = {"id": work.id, "origin": work.candidate.origin, "reason": work.reason}
                    append_jsonl(folder / "rejected.jsonl", [row])
    rejected = Counter(str(row["reason"]) for row in _rows(folder / "rejected.jsonl").values())
    n_kept = len(_rows(folder / "functions.jsonl"))
    reasons = {
        "kept": n_kept, "harvest": dict(found.rejected), "filter": dict(rejected), "rows": dict(found.bad_rows),
        "python": PYTHON,
    }  # fmt: skip
    if not n_kept:
        raise EmptyCorpus(f"no function of {', '.join(settings.sources)} is left; {_histogram(reasons)}")
    write_json_atomic(folder / "reasons.json", reasons)
    logger.info("Case2Code: %d real functions; %s", n_kept, _histogram(reasons))


def _chosen(function: Function, settings: RealSettings) -> Function:
    """A function that came with its results; which cases are shown is chosen here unless its row says so."""
    if function.shown:
        return function
    choice = _choose(function.cases, [frozenset()] * len(function.cases), f"{settings.seed}/{function.body}", settings)
    return replace(function, cases=choice.cases, shown=choice.shown, hidden=choice.hidden)


def _choose(cases: Sequence[Case], coverages: Sequence[Coverage], seed: str, settings: RealSettings) -> Choice:
    return choose_cases(
        cases, coverages, Random(seed),
        n_cases=settings.n_cases, max_shown=settings.max_shown, hidden_share=settings.hidden_share,
    )  # fmt: skip


def _processed(works: Sequence[Work], executor: Executor, settings: RealSettings) -> Iterator[Work]:
    for start in range(0, len(works), _CHUNK):
        chunk = works[start : start + _CHUNK]
        process(chunk, executor, settings)
        yield from chunk


def _key(settings: RealSettings) -> str:
    used = {name: value for name, value in asdict(settings).items() if name not in _UNUSED}
    versions = [source_version(source) for source in (*settings.sources, *settings.evaluation_sets)]
    return stable_hash({"version": VERSION, "python": PYTHON, "settings": used, "sources": versions})


def _done(folder: Path) -> set[str]:
    return {*_rows(folder / "functions.jsonl"), *_rows(folder / "rejected.jsonl")}


def _read_functions(folder: Path) -> list[Function]:
    return [Function.from_row(row) for row in _rows(folder / "functions.jsonl").values()]


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    """Whole rows by id; what is no row is the rest of a line that a kill cut short."""

    def cut(path: Path, line: int, why: str) -> None:
        logger.debug("%s, line %d was cut short: %s", path, line, why)

    return {row["id"]: row for _, row in read_jsonl(path, cut)} if path.exists() else {}


def _histogram(reasons: dict[str, Any]) -> str:
    counts = Counter({**reasons["harvest"], **reasons["filter"], **reasons["rows"]})
    named = ((n, reason, REASONS.get(reason)) for reason, n in counts.most_common())
    parts = [f"{n} {reason} ({text})" if text else f"{n} {reason}" for n, reason, text in named]
    return f"rejected: {', '.join(parts)}" if parts else "none was found"
