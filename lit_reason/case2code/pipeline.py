"""From source files to tasks: harvest, write inputs, execute, filter, choose cases; cached and restartable.

The work may be shared out: each shard builds its functions in a folder of its own below `parts`, and a last build puts
them in order. What concerns several functions, duplicates and splits, every one of them does over all.

A folder holds `functions.jsonl` and `rejected.jsonl`, to which every function is appended as it is done,
`written.jsonl` with the inputs on which it was run, and `reasons.json`, which appears when all are. A run that was
killed goes on behind what it had written; a line that the kill cut short is not counted as done (section 10 L).
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from filelock import FileLock

from lit_reason import shards
from lit_reason.case2code import filters, rules
from lit_reason.case2code.cases import Choice, choose_cases
from lit_reason.case2code.execute import Coverage, Executor
from lit_reason.case2code.filters import Rules, judge
from lit_reason.case2code.functions import PYTHON, Case, Function
from lit_reason.case2code.harvest import Harvest, harvest
from lit_reason.case2code.model_writer import LanguageModelWriter, make_sampler
from lit_reason.case2code.release import Stage, release_row, written_row
from lit_reason.case2code.rows import NOT_LITERAL
from lit_reason.case2code.rules import Candidate, HarvestRules
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.sources import HUMAN_EVAL, source_version
from lit_reason.case2code.typed import TypedWriter
from lit_reason.case2code.writers import InputWriter, ReplayWriter, Written
from lit_reason.errors import PlainError
from lit_reason.files import append_jsonl, cache_dir, read_jsonl, stable_hash, write_json_atomic, write_jsonl_atomic
from lit_reason.progress import track
from lit_reason.sandbox import Outcome, Program
from lit_reason.shards import Shard

VERSION = 9
"""Part of the cache's key; raise it when the same settings would give other functions than before."""

FUNCTIONS, REJECTED, WRITTEN, SUMMARY, MADE_FROM, PARTS = (
    "functions.jsonl", "rejected.jsonl", "written.jsonl", "reasons.json", "made_from.json", "parts",
)  # fmt: skip

_CHUNK = 96
"""Functions that go through the stages together; a slow one then holds up few workers."""

_UNUSED = ("n_train", "n_val", "n_test", "held_out_share", "workers", "allow_unprotected", "writer")
"""Settings that do not change what is built; the writer says itself what of it does."""

REASONS = {**rules.REASONS, **filters.REASONS}
"""What each reason means, for the histogram."""

logger = logging.getLogger(__name__)


Key = tuple[str, str]
"""Id and origin."""


class EmptyCorpus(PlainError, ValueError):
    """Nothing passed the rules and filters; the message is the histogram of reasons (section 11)."""


class OtherData(PlainError, ValueError):
    """A folder holds functions that were made from something else."""


@dataclass
class Work:
    """A candidate on its way: it leaves with a `function` or with a `reason`."""

    candidate: Candidate
    seed: int
    reason: str | None = None
    function: Function | None = None

    @property
    def id(self) -> str:
        """The row's own, else what the function is: where it comes from does not matter to that."""
        return self.candidate.id or f"real-{self.candidate.body}"

    @property
    def key(self) -> Key:
        """By what it is known whether it is done: another row may have the same id."""
        return self.id, self.candidate.origin

    def program(self, calls: Iterable[str]) -> Program:
        """The candidate with these calls."""
        return Program(self.candidate.code, self.candidate.name, tuple(calls))


def build(settings: RealSettings) -> Path:
    """The cache folder of these settings, complete. Two processes that build at once share the work of the first."""
    key = build_key(settings)
    return build_in(cache_dir() / "case2code" / key, settings, key)


def build_part(settings: RealSettings, shard: Shard) -> str:
    """Write inputs for one shard's functions, execute and filter them; returns in one line what came of it."""
    key = build_key(settings)
    return build_part_in(cache_dir() / "case2code" / key, settings, key, shard)


def build_in(folder: Path, settings: RealSettings, key: str, stage: Stage | None = None) -> Path:
    """The same in a folder of one's own. With a `stage`, rows keep their ids, and every row that is no task is listed.

    Raises:
        EmptyCorpus: with the reasons, when nothing is left.
        MissingShards: the work was begun in parts that are not all done.
        OtherData: the folder's functions were made from something else.
        SandboxUnavailable: where functions would have to run without isolation and that is not allowed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        _claim(folder / MADE_FROM, {"key": key, "sources": settings.sources, "stage": stage})
        if not (folder / SUMMARY).exists():
            _build(folder, settings, stage)
    return folder


def build_part_in(folder: Path, settings: RealSettings, key: str, shard: Shard, stage: Stage | None = None) -> str:
    """The same in a folder of one's own."""
    own = folder / PARTS / shard.word
    own.mkdir(parents=True, exist_ok=True)
    with FileLock(own / ".lock"):
        _claim(folder / MADE_FROM, {"key": key, "sources": settings.sources, "stage": stage})
        if (folder / SUMMARY).exists():
            return "real functions: everything is prepared already"
        shards.begin(folder / PARTS, shard)
        works = _works(_harvest(settings, stage), settings, stage)
        _run(own, [work for i, work in enumerate(works) if shard.takes(i)], settings)
        shards.finish(folder / PARTS, shard)
    kept, rejected = (len(stored_rows(own / name)) for name in (FUNCTIONS, REJECTED))
    return f"real functions, part {shard}: {kept:,} kept, {rejected:,} rejected"


def build_key(settings: RealSettings, stage: Stage | None = None) -> str:
    """The hash of everything that decides on the functions: settings, sources, versions."""
    used = {name: value for name, value in asdict(settings).items() if name not in _UNUSED}
    sets = [path for path in settings.evaluation_sets if path != HUMAN_EVAL]
    files = [settings.writer.path] if settings.writer.backend == "replay" and settings.writer.path else []
    versions = [source_version(source) for source in (*settings.sources, *sets, *files)]
    parts = {"version": VERSION, "python": PYTHON, "settings": used, "sources": versions, "stage": stage}
    return stable_hash({**parts, "writer": settings.writer.identity()})


def stored_functions(folder: Path) -> list[Function]:
    """The functions of a complete folder, each id once, in the order in which they were done."""
    return [Function.from_row(row) for row in {row["id"]: row for row in stored_rows(folder / FUNCTIONS)}.values()]


def left_out(folder: Path) -> Counter[str]:
    """What of the rows of .jsonl sources could not be used, and what of the inputs, by reason."""
    summary = json.loads((folder / SUMMARY).read_text("utf-8"))
    return Counter(summary["rows"]) + Counter(summary["inputs"])


def histogram(folder: Path) -> str:
    """One line: how many functions were rejected for which reason."""
    return _histogram(json.loads((folder / SUMMARY).read_text("utf-8")))


def stored_rows(path: Path) -> list[dict[str, Any]]:
    """Whole rows; what is no row is the rest of a line that a kill cut short, and is done again."""

    def cut(path: Path, line: int, why: str) -> None:
        logger.warning("%s, line %d was cut short and is done again: %s", path, line, why)

    return [row for _, row in read_jsonl(path, cut)] if path.exists() else []


def _claim(path: Path, made_from: dict[str, Any]) -> None:
    if not path.exists():
        write_json_atomic(path, made_from)
    elif json.loads(path.read_text("utf-8"))["key"] != made_from["key"]:
        raise OtherData(
            f"{path.parent} holds functions made from another file or by other settings; empty it, or name another"
        )


def process(works: Sequence[Work], executor: Executor, settings: RealSettings) -> None:
    """Give every work whose candidate has inputs, or a published wording, its function or its reason."""
    thresholds = Rules(
        settings.drop_constant, settings.max_error_share, settings.min_distinct, settings.min_cases,
        settings.error_messages, settings.drop_addresses, settings.max_result_chars,
    )  # fmt: skip
    for work in works:
        if work.candidate.wording and work.candidate.outcome is None:
            work.function = _function(work, Choice((), (), ()))
    judged = [work for work in works if work.function is None]
    verdicts = [(work, judge(work.candidate.inputs or (), *outcomes, thresholds))
                for work, outcomes in zip(judged, _outcomes(judged, executor), strict=True)]  # fmt: skip
    for work, verdict in verdicts:
        work.reason = verdict.reason
    kept = [(work, verdict.cases) for work, verdict in verdicts if verdict.cases]
    for (work, cases), coverage in zip(kept, _coverages(kept, executor, settings), strict=True):
        work.function = _function(work, _choose(cases, coverage, work, settings))


def _coverages(
    kept: Sequence[tuple[Work, Sequence[Case]]], executor: Executor, settings: RealSettings
) -> list[Sequence[Coverage]]:
    """Steps taken by every case; none of functions that no rule was asked of, because those are not run here."""
    runs = [settings.rules == "all" or work.candidate.outcome is None for work, _ in kept]
    programs = [work.program(c.kwargs for c in cases) for (work, cases), run in zip(kept, runs, strict=True) if run]
    traced = iter(executor.coverage(programs))
    return [next(traced) if run else [frozenset()] * len(cases) for (_, cases), run in zip(kept, runs, strict=True)]


def _outcomes(works: Sequence[Work], executor: Executor) -> list[tuple[Outcome, Outcome]]:
    """Two runs of each function; of those that were run elsewhere, what is stored."""
    new = [work for work in works if work.candidate.outcome is None]
    runs = iter(executor.run_twice([work.program(work.candidate.inputs or ()) for work in new]))
    return [(stored, stored) if (stored := work.candidate.outcome) else next(runs) for work in works]


def _function(work: Work, choice: Choice) -> Function:
    found = work.candidate
    prompt, output = (found.wording.prompt, found.wording.output) if found.wording else ("", "")
    return Function(
        work.id, found.name, found.params, found.code, choice.cases, choice.shown, choice.hidden,
        body=found.body, origin=found.origin, python=found.python, prompt=prompt, output=output,
    )  # fmt: skip


def _choose(cases: Sequence[Case], coverage: Sequence[Coverage], work: Work, settings: RealSettings) -> Choice:
    """Which cases are shown; a published prompt has decided that, and a row in our own form may have."""
    indices = range(len(cases))
    chosen = tuple(i for i in indices if cases[i].kwargs in work.candidate.shown)
    if chosen or work.candidate.wording:
        return Choice(tuple(cases), chosen, tuple(i for i in indices if i not in chosen))
    return _choice(cases, coverage, f"{work.seed}/{work.candidate.body}", settings)


def _build(folder: Path, settings: RealSettings, stage: Stage | None) -> None:
    n_shards = shards.complete(folder / PARTS)
    found = _harvest(settings, stage)
    works = _works(found, settings, stage)
    if stage:
        _list_rejections(folder / REJECTED, found, {work.key for work in works})
    done, listed = _done(folder), _listed(folder)
    for function in found.executed:
        task = _chosen(replace(function, id=f"real-{function.body}"), settings)
        if task.id not in listed:
            append_jsonl(folder / WRITTEN, [{"id": task.id, **release_row(task, "written"), "n_not_literal": 0}])
        if (task.id, task.origin) not in done:
            append_jsonl(folder / FUNCTIONS, [task.to_row()])
    _join([folder / PARTS / Shard(i, n_shards).word for i in range(n_shards)], folder, works)
    _run(folder, works, settings)
    _summarise(folder, found, settings)
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def _harvest(settings: RealSettings, stage: Stage | None = None) -> Harvest:
    limits = HarvestRules(
        settings.max_lines, settings.max_chars, settings.helpers, settings.undefined_names, settings.rules == "all"
    )
    return harvest(settings.sources, settings.evaluation_sets, limits, stage, settings.near_duplicates)


def _works(found: Harvest, settings: RealSettings, stage: Stage | None = None) -> list[Work]:
    return [Work(candidate if stage else replace(candidate, id=""), settings.seed) for candidate in found.kept]


def _done(folder: Path) -> set[Key]:
    return {(row["id"], row["origin"]) for name in (FUNCTIONS, REJECTED) for row in stored_rows(folder / name)}


def _listed(folder: Path) -> set[str]:
    return {row["id"] for row in stored_rows(folder / WRITTEN)}


def _join(parts: Sequence[Path], folder: Path, works: Sequence[Work]) -> None:
    """Copy what shards have done, in the order in which one build would have done it."""
    for name, key in ((FUNCTIONS, ("id", "origin")), (REJECTED, ("id", "origin")), (WRITTEN, ("id",))):
        rows = {tuple(row[k] for k in key): row for part in parts for row in stored_rows(part / name)}
        for row in stored_rows(folder / name):  # a build that was killed had got so far
            rows.pop(tuple(row[k] for k in key), None)
        own = [rows[work.key[: len(key)]] for work in works if work.key[: len(key)] in rows]
        if own:
            append_jsonl(folder / name, own)


def _run(folder: Path, works: Sequence[Work], settings: RealSettings) -> None:
    """Write inputs, execute, filter and append, function by function; what the folder holds is not done again."""
    done = _done(folder)
    todo = [work for work in works if work.key not in done]
    if not todo:
        return
    writer = _writer(settings, [work.candidate for work in works if _needs_inputs(work.candidate)])
    limits = (settings.call_seconds, settings.allow_unprotected, settings.max_result_chars)
    with Executor(settings.workers, *limits) as executor:
        processed = _processed(folder, todo, writer, executor, settings)
        for work in track(processed, "Case2Code", total=len(todo), unit="functions"):
            if work.function is not None:
                append_jsonl(folder / FUNCTIONS, [work.function.to_row()])
            else:
                append_jsonl(folder / REJECTED, [_rejected(work)])


def _writer(settings: RealSettings, candidates: Sequence[Candidate]) -> InputWriter:
    backend = settings.writer.backend
    if backend == "typed" or not candidates:
        return TypedWriter(settings.seed, settings.n_written)
    if backend == "replay":
        return ReplayWriter(str(settings.writer.path))
    return LanguageModelWriter(make_sampler(settings.writer), settings.writer, candidates, settings.n_written)


def _needs_inputs(candidate: Candidate) -> bool:
    return candidate.inputs is None and candidate.wording is None


def _processed(
    folder: Path, works: Sequence[Work], writer: InputWriter, executor: Executor, settings: RealSettings
) -> Iterator[Work]:
    listed = _listed(folder)
    for start in range(0, len(works), _CHUNK):
        chunk = works[start : start + _CHUNK]
        unwritten = [work for work in chunk if _needs_inputs(work.candidate)]
        answers = iter(writer.write([work.candidate for work in unwritten], executor))
        rows = []
        for work in chunk:
            answer = next(answers) if _needs_inputs(work.candidate) else Written(work.candidate)
            work.candidate, work.reason = answer.candidate, answer.reason
            if work.id not in listed and (row := answer.row or _inputs_row(work)):
                rows.append({"id": work.id, **row, "n_not_literal": answer.n_lost})
        append_jsonl(folder / WRITTEN, rows)
        process([work for work in chunk if not work.reason], executor, settings)
        yield from chunk


def _inputs_row(work: Work) -> dict[str, Any]:
    """The inputs of a work as the release lists them; empty where it has none."""
    found = work.candidate
    return written_row(work.id, found.name, found.code, found.inputs) if found.inputs else {}


def _list_rejections(path: Path, found: Harvest, works: set[Key]) -> None:
    """Begin the list with the rows that never were candidates, and keep what a killed run had added to it."""
    earlier = [row for row in stored_rows(path) if (row["id"], row["origin"]) in works]
    new = [
        {"id": item.id or None, "func_name": item.name or None, "reason": item.detail or item.reason,
         "origin": item.origin}
        for item in found.rejections
    ]  # fmt: skip
    write_jsonl_atomic(path, [*new, *earlier])


def _rejected(work: Work) -> dict[str, Any]:
    candidate = work.candidate
    return {"id": work.id, "func_name": candidate.name, "reason": work.reason, "origin": candidate.origin}


def _summarise(folder: Path, found: Harvest, settings: RealSettings) -> None:
    rejected = Counter(str(row["reason"]) for row in stored_rows(folder / REJECTED))
    lost = found.dropped[NOT_LITERAL] + sum(row["n_not_literal"] for row in stored_rows(folder / WRITTEN))
    reasons = {
        "kept": len(stored_rows(folder / FUNCTIONS)), "harvest": dict(found.rejected),
        "filter": {reason: n for reason, n in rejected.items() if reason in filters.REASONS},
        "rows": dict(found.bad_rows), "inputs": {NOT_LITERAL: lost} if lost else {}, "python": PYTHON,
    }  # fmt: skip
    if not reasons["kept"]:
        raise EmptyCorpus(f"no function of {', '.join(settings.sources)} is left; {_histogram(reasons)}")
    write_json_atomic(folder / SUMMARY, reasons)
    logger.info("Case2Code: %d real functions; %s", reasons["kept"], _histogram(reasons))


def _chosen(function: Function, settings: RealSettings) -> Function:
    """A function that came with its results; which cases are shown is chosen here unless its row says so."""
    if function.shown:
        return function
    choice = _choice(function.cases, [frozenset()] * len(function.cases), f"{settings.seed}/{function.body}", settings)
    return replace(function, cases=choice.cases, shown=choice.shown, hidden=choice.hidden)


def _choice(cases: Sequence[Case], coverages: Sequence[Coverage], seed: str, settings: RealSettings) -> Choice:
    return choose_cases(
        cases, coverages, Random(seed),
        n_cases=settings.n_cases, max_shown=settings.max_shown, hidden_share=settings.hidden_share,
    )  # fmt: skip


def _histogram(reasons: dict[str, Any]) -> str:
    counts = Counter({**reasons["harvest"], **reasons["filter"], **reasons["rows"]})
    named = ((n, reason, REASONS.get(reason)) for reason, n in counts.most_common())
    parts = [f"{n} {reason} ({text})" if text else f"{n} {reason}" for n, reason, text in named]
    return f"rejected: {', '.join(parts)}" if parts else "none was found"
