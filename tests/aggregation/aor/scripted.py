"""A judge that follows a script: it reads the chains' texts out of the prompt and scores them by a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from lit_reason.aggregation.aor import Reply
from lit_reason.records import Grade, Message, Question, Sample

_LOCAL = re.compile(r"^(Chain \d+):\n(.*)$", re.MULTILINE)
_GLOBAL = re.compile(r"^Answer Option: (.*)\n(.*)$", re.MULTILINE)


class ScriptedJudge:
    """`score(phase, text, shown)` for every chain in the prompt, `shown` being all their texts; None gives no reply.

    Counts its calls, and keeps every prompt.
    """

    identity = {"judge": "scripted"}

    def __init__(self, score: Callable[[str, str, list[str]], int | None]) -> None:
        self.score = score
        self.prompts: list[str] = []

    def reply(self, prompts: Sequence[list[Message]], seeds: Sequence[int]) -> list[Reply]:
        return [self._one(prompt[-1]["content"]) for prompt in prompts]

    def phases(self) -> list[str]:
        return [_phase(prompt) for prompt in self.prompts]

    def _one(self, prompt: str) -> Reply:
        self.prompts.append(prompt)
        phase = _phase(prompt)
        shown = shown_chains(prompt)
        scores = {label: self.score(phase, text, [t for _, t in shown]) for label, text in shown}
        text = "" if None in scores.values() else json.dumps(scores)
        return Reply(text, len(prompt), 7)


def shown_chains(prompt: str) -> list[tuple[str, str]]:
    """(label, text) of every chain to be scored."""
    if _phase(prompt) == "local":
        return _LOCAL.findall(prompt)
    body = prompt.partition("End with one line")[0]
    return _GLOBAL.findall(body)


def _phase(prompt: str) -> str:
    return "global" if "Answer Option:" in prompt else "local"


def rows(question_id: str, answers: Sequence[str | None], n_tokens: int = 10) -> list[tuple[Question, Sample, Grade]]:
    """One sample an answer, whose text is `<question>-<index>`."""
    question = Question(question_id, f"What is {question_id}?")
    found = []
    for i, answer in enumerate(answers):
        sample = Sample("", question_id, i, f"{question_id}-{i}", 5, n_tokens, "stop")
        status = "unparsed" if answer is None else "wrong"
        found.append((question, sample, Grade("", question_id, i, "test@1", status, answer, answer)))
    return found
