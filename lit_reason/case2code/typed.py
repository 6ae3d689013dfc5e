"""The input writer without a language model: try signatures in the sandbox, learn from what they raise, write more of
the one that works."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from lit_reason.case2code.execute import Executor, trial_score
from lit_reason.case2code.filters import unusable
from lit_reason.case2code.inputs import Signature, Writer
from lit_reason.case2code.rules import Candidate
from lit_reason.case2code.writers import Written
from lit_reason.sandbox import CallResult, Program

_TRIALS = ((8, 3), (24, 2), (12, 2), (6, 2))
"""(signatures, inputs of each) in the rounds of trials; after each the evidence takes in the exceptions seen."""

_GOOD_SCORE = 4.0
"""A signature with this score (three calls returned, two or more results differ) needs no further round."""

_LESSONS_PER_ROUND = 40


@dataclass
class _Trial:
    """A function on its way to a signature. `found` are the signatures of which some call returned, with their scores;
    `trouble` counts results that can be no case."""

    candidate: Candidate
    writer: Writer
    tried: set[Signature] = field(default_factory=set)
    found: list[tuple[float, Signature]] = field(default_factory=list)
    trouble: Counter[str] = field(default_factory=Counter)

    @property
    def settled(self) -> bool:
        """Whether further rounds would be wasted."""
        best = max((score for score, _ in self.found), default=0.0)
        return best >= _GOOD_SCORE or self.writer.evidence.hopeless is not None

    def next_signatures(self, n: int) -> list[Signature]:
        """The likeliest ones that were not tried, which count as tried from now on."""
        new = list(itertools.islice((s for s in self.writer.signatures() if s not in self.tried), n))
        self.tried.update(new)
        return new

    def inputs(self, n: int) -> list[str]:
        """`n` for the best signature; a third are of the second best where the function asks for types."""
        ranked = [signature for _, signature in sorted(self.found, key=lambda item: -item[0])]
        if not self.writer.evidence.many_kinds or len(ranked) == 1:
            return self.writer.write(ranked[0], n)
        first = self.writer.write(ranked[0], n - n // 3)
        return list(dict.fromkeys([*first, *self.writer.write(ranked[1], n // 3)]))

    def written(self, n: int) -> Written:
        """The inputs, or why there are none."""
        if self.writer.evidence.hopeless:
            return Written(self.candidate, reason="needs_object")
        if not self.found:
            return Written(self.candidate, reason=self.trouble.most_common(1)[0][0] if self.trouble else "all_errors")
        return Written(replace(self.candidate, inputs=tuple(self.inputs(n))))


class TypedWriter:
    """Draws values of the types that a function's source suggests.

    Args:
        seed: same function and seed, same inputs.
        n_inputs: inputs of a function.
    """

    def __init__(self, seed: int, n_inputs: int) -> None:
        self.seed, self.n_inputs = seed, n_inputs

    def write(self, candidates: Sequence[Candidate], executor: Executor) -> list[Written]:
        """Inputs for each candidate, in order; needs the sandbox to try signatures."""
        trials = [_Trial(candidate, self._writer(candidate)) for candidate in candidates]
        for n_signatures, n_inputs in _TRIALS:
            _round([trial for trial in trials if not trial.settled], executor, n_signatures, n_inputs)
        return [trial.written(self.n_inputs) for trial in trials]

    def _writer(self, candidate: Candidate) -> Writer:
        node = ast.parse(candidate.source).body[0]
        assert isinstance(node, ast.FunctionDef)
        return Writer.for_function(node, f"{self.seed}/{candidate.body}")


def _round(trials: Sequence[_Trial], executor: Executor, n_signatures: int, n_inputs: int) -> None:
    """Run a few inputs of the next signatures and note what came of it, scored by how differently they return."""
    planned = []
    for trial in trials:
        signatures = trial.next_signatures(n_signatures)
        planned.append((trial, signatures, [trial.writer.write_trial(s, n_inputs) for s in signatures]))
    programs = [
        Program(trial.candidate.code, trial.candidate.name, tuple(itertools.chain(*inputs)))
        for trial, _, inputs in planned
    ]
    for (trial, signatures, inputs), outcome in zip(planned, executor.run(programs), strict=True):
        groups = list(zip(signatures, _regroup(outcome.calls, inputs), strict=True))
        for signature, calls in groups:
            if score := trial_score(calls):
                trial.found.append((score, signature))
            trial.trouble.update(filter(None, map(unusable, calls)))
        _learn(trial, groups)


def _learn(trial: _Trial, groups: Sequence[tuple[Signature, Sequence[CallResult]]]) -> None:
    """Give the evidence the first exceptions, each once a signature, because ten alike say no more than one. A key that
    was missed makes signatures with dicts worth another try."""
    known = trial.writer.evidence.hints
    seen = dict.fromkeys(
        (signature, call.text, call.message) for signature, calls in groups for call in calls if call.status == "error"
    )
    for signature, error, message in itertools.islice(seen, _LESSONS_PER_ROUND):
        trial.writer = trial.writer.after(signature, error, message)
    if trial.writer.evidence.hints != known:
        trial.tried = {tried for tried in trial.tried if not any(kind.startswith("dict") for kind in tried)}


def _regroup(calls: Sequence[CallResult], groups: Sequence[Sequence[str]]) -> Iterator[Sequence[CallResult]]:
    iterator = iter(calls)
    for group in groups:
        yield list(itertools.islice(iterator, len(group)))
