"""Asking a model in a two-stage study: samples for its votes, greedy answers as plain labels, and the test.

The model is a folder, or is served elsewhere: a weak supervisor that only an API reaches labels as well as one on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from lit_reason.evaluation import Row, evaluate
from lit_reason.files import write_jsonl_atomic
from lit_reason.grading.protocol import Grader
from lit_reason.pool import SamplePool
from lit_reason.records import Question
from lit_reason.results import Results, share
from lit_reason.sampling.endpoint import Endpoint, EndpointSampler
from lit_reason.sampling.protocol import Sampler, SamplingSettings
from lit_reason.weak_to_strong.question_files import read_questions
from lit_reason.weak_to_strong.reading import GraderName, named_grader
from lit_reason.weak_to_strong.thresholds import WeakToStrongError
from lit_reason.weak_to_strong.votes import Answered, Response, VoteRecord, cast_vote


def ask(
    out: Path,
    model: str | None = None,
    endpoint: Endpoint | None = None,
    test: str | None = None,
    questions: str | None = None,
    greedy: str | None = None,
    n: PositiveInt = 10,
    temperature: PositiveFloat = 1.0,
    max_new_tokens: PositiveInt = 96,
    seed: NonNegativeInt = 0,
    response: Response = "first",
    system: str | None = None,
    batch_size: PositiveInt = 128,
    grader: GraderName = "text",
) -> None:
    """Ask a model: n samples a question for its votes, and one greedy answer a test question.

    Args:
        out: directory of the run; samples lie below it, so a killed run asks only what is missing.
        model: its folder, or its name as for a backbone: a hub id, say.
        endpoint: where it is served instead, by OpenAI's chat protocol.
        test: test questions with gold answers, answered into answers.jsonl.
        questions: questions to vote on, into votes.jsonl.
        greedy: questions to answer once, into greedy.jsonl: labels without votes.
        n: samples a question.
        temperature: of the samples.
        max_new_tokens: length limit.
        seed: of the samples.
        response: which response stands for the chosen answer.
        system: system message; null leaves it to the model's template.
        batch_size: rows that a local model decodes together.
        grader: how answers are read and compared.
    """
    asker = Asker(out, _sampler(model, endpoint, system, batch_size), named_grader(grader))
    once = SamplingSettings(max_new_tokens=max_new_tokens)
    several = SamplingSettings(n=n, temperature=temperature, max_new_tokens=max_new_tokens, seed=seed)
    results = Results(run=out.name)
    if test:
        answers = asker.answers(read_questions(test, with_gold=True), once)
        write_jsonl_atomic(out / "answers.jsonl", answers)
        results.put(share("accuracy", "test", "", sum(row["right"] for row in answers), len(answers), [seed]))
    for name, path, settings in (("votes", questions, several), ("greedy", greedy, once)):
        votes = asker.votes(read_questions(path, with_gold=False), settings, response) if path else []
        write_jsonl_atomic(out / f"{name}.jsonl", [asdict(vote) for vote in votes])
        if votes:
            parsed, drawn = sum(vote.n_parsed for vote in votes), sum(vote.n_samples for vote in votes)
            results.put(share("samples with an answer", f"H2/{name}", "", parsed, drawn, [seed]))
    results.dropped = dict(asker.dropped)
    results.save(out)


@dataclass
class Asker:
    """A sampler, a grader, and a folder whose pools keep every answer.

    Args:
        out: pools lie below it.
        sampler: who answers.
        grader: reads the answers.
        dropped: why answers are missing, and how many.
    """

    out: Path
    sampler: Sampler
    grader: Grader
    dropped: Counter[str] = field(default_factory=Counter)

    def votes(
        self, questions: Sequence[Question], settings: SamplingSettings, response: Response = "first"
    ) -> list[VoteRecord]:
        """The majority of the samples of each question. A sample that could not be had counts as an unread one, so
        that a failing endpoint makes a label less certain, never more."""
        samples: dict[str, list[Answered]] = {question.id: [] for question in questions}
        for row in self._rows(questions, settings):
            samples[row.question.id].append(Answered(row.sample.text, row.grade.answer_key))
        return [cast_vote(id, drawn, response) for id, drawn in samples.items()]

    def answers(self, questions: Sequence[Question], settings: SamplingSettings) -> list[dict[str, Any]]:
        """Answers to test questions: `id, answer, right`.

        Raises:
            WeakToStrongError: there is no question, or one has no gold answer.
        """
        if not questions or any(question.gold is None for question in questions):
            raise WeakToStrongError("test: every question needs a gold answer, and there must be one")
        rows = self._rows(questions, settings)
        return [{"id": r.question.id, "answer": r.grade.answer_key, "right": r.grade.status == "right"} for r in rows]

    def _rows(self, questions: Sequence[Question], settings: SamplingSettings) -> list[Row]:
        if not questions:
            return []
        pool = SamplePool.open(self.out / "pools", self.sampler.identity, settings, questions)
        found = evaluate(questions, self.sampler, [self.grader], pool, settings)
        self.dropped += found.dropped
        return found.rows


def _sampler(model: str | None, endpoint: Endpoint | None, system: str | None, batch_size: int) -> Sampler:
    if (model is None) == (endpoint is None):
        given = "or endpoint must be set" if model is None else "and endpoint are both set; only one can answer"
        raise WeakToStrongError(f"model: {given}")
    if endpoint is not None:
        # a study's YAML gives a mapping, whose keys were checked
        return EndpointSampler(endpoint if isinstance(endpoint, Endpoint) else Endpoint(**endpoint), system)
    return _local_sampler(str(model), system, batch_size)


def _local_sampler(model: str, system: str | None, batch_size: int) -> Sampler:
    """Of an exported folder, by the template that it was trained with, or of a model by name."""
    from lit_reason.backbones import Backbone, load_model, load_tokenizer
    from lit_reason.chat import Chat
    from lit_reason.sampling.local import local_sampler

    backbone = Backbone(model, system=system)
    tokenizer = load_tokenizer(backbone)
    loaded = load_model(backbone).eval()
    chat = Chat(tokenizer, system=system)
    identity = {"model": model, "template": chat.template, "system": system}
    return local_sampler(loaded, tokenizer, chat, identity=identity, batch_size=batch_size)
