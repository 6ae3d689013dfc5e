"""Samples that exist already, served as if they were drawn now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any

from lit_reason.pool import PoolError, SamplePool
from lit_reason.pool_formats import file_identity, read_generations
from lit_reason.records import Question, Sample
from lit_reason.sampling.protocol import SampleKey, SamplingSettings, missing

ROWS_A_LIST = 1024


class ReplaySampler:
    """Serves the samples of a stored pool, or of a JSON-lines file in a format of `pool_formats.py`.

    How they were drawn is the source's affair: of the settings only `n` counts. A sample that the source does not have
    is left out and counted in `dropped`.

    Args:
        source: a pool, its folder, or a file.
        lengths: what `n_tokens` of a file's samples is; see `read_generations`.

    Raises:
        PoolError: the source is no pool, or a file without usable rows.
    """

    def __init__(self, source: SamplePool | Path | str, lengths: str = "stored") -> None:
        self.dropped: Counter[str] = Counter()
        """What the latest call of `sample` could not serve."""
        self._file_dropped: Counter[str] = Counter()
        if isinstance(source, str | Path) and Path(source).is_file():
            found = read_generations(source, lengths)
            self.questions, self._file_dropped = found.questions, found.dropped
            self._stored: SamplePool | list[Sample] = found.samples
            self._name = str(source)
            self.identity: dict[str, Any] = {"replay": file_identity(source, lengths)}
        else:
            pool = source if isinstance(source, SamplePool) else SamplePool(source)
            self._stored, self._name = pool, str(pool.folder)
            self.questions = {question.id: question for question in pool.questions()}
            self.identity = {"replay": pool.key}

    def sample(
        self, questions: Sequence[Question], settings: SamplingSettings, done: AbstractSet[SampleKey] = frozenset()
    ) -> Iterator[list[Sample]]:
        """Yield the stored ones of the missing samples.

        Raises:
            PoolError: the source has none of them, or knows a question by another wording.
        """
        self.dropped = +self._file_dropped
        wanted = missing(questions, settings.n, done)
        self._check(questions)
        stored = self._stored.samples() if isinstance(self._stored, SamplePool) else self._stored
        by_key = {(sample.question_id, sample.sample_index): sample for sample in stored}
        found = [by_key[question.id, i] for question, i in wanted if (question.id, i) in by_key]
        if wanted and not found and not done:
            raise PoolError(f"{self._name}: holds none of the {len(wanted)} samples that are asked for")
        if len(found) < len(wanted):
            self.dropped["samples that the replayed pool does not have"] += len(wanted) - len(found)
        for start in range(0, len(found), ROWS_A_LIST):
            yield [replace(sample, pool_key="") for sample in found[start : start + ROWS_A_LIST]]

    def _check(self, questions: Sequence[Question]) -> None:
        for question in questions:
            known = self.questions.get(question.id)
            if known is not None and known.prompt and known.prompt != question.prompt:
                raise PoolError(f"{self._name}: question {question.id!r} is worded otherwise there")
