"""Inputs written by a language model, in this process or behind an endpoint (section 2, step 2).

Every answer goes to a sample pool first, so a run that was killed asks for nothing twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lit_reason.case2code.execute import Executor
from lit_reason.case2code.rules import Candidate
from lit_reason.case2code.settings import WriterSettings
from lit_reason.case2code.writers import Written, written
from lit_reason.grading.code import extract_code
from lit_reason.pool import SamplePool
from lit_reason.records import Message, Question, Sample
from lit_reason.sampling.protocol import Sampler, SamplingSettings

if TYPE_CHECKING:
    from lit_reason.chat import Chat

N_EXAMPLES = 10
"""Inputs of the worked example, and asked for where nothing else is said."""

INSTRUCTION = """\
Below is a Python function. Work out from its code what type of value each parameter must have. Then invent {n} calls \
that differ from each other: ordinary values as well as empty ones, zeros, and whatever else makes the code take \
another branch.

Answer with one fenced Python block that assigns a list to `examples`. Each item is a dict from every parameter's name \
to a value, written as a plain literal: no variables, no imports, no calls.
"""

SHAPE = """
The block looks like this:

```python
examples = [
    {"first_parameter": value, "second_parameter": value},
    ...
]
```
"""

WORKED_FUNCTION = """\
def repeat_word(word, times):
    if times < 0:
        return None
    return "-".join([word] * times)
"""

WORKED_ANSWER = """\
```python
examples = [
    {"word": "lake", "times": 3},
    {"word": "sun", "times": 1},
    {"word": "", "times": 2},
    {"word": "Old Mill", "times": 0},
    {"word": "a-b", "times": 2},
    {"word": "x", "times": 7},
    {"word": "stone", "times": -1},
    {"word": "42", "times": 4},
    {"word": "  ", "times": 1},
    {"word": "river", "times": 10},
]
```"""

_SHOWN_PROMPTS = 3

logger = logging.getLogger(__name__)


def writer_prompt(code: str, worked_example: bool = True, n_inputs: int = N_EXAMPLES) -> list[Message]:
    """What the language model is asked for a function, zero-shot or after one worked example.

    The example is an earlier exchange: inside one message, small models go on with the example's function.
    """
    instruction = INSTRUCTION.format(n=n_inputs)
    if not worked_example:
        return [{"role": "user", "content": f"{instruction}{SHAPE}\n{_shown(code)}"}]
    return [
        {"role": "user", "content": f"{INSTRUCTION.format(n=N_EXAMPLES)}\n{_shown(WORKED_FUNCTION)}"},
        {"role": "assistant", "content": WORKED_ANSWER},
        {"role": "user", "content": f"{instruction}\n{_shown(code)}"},
    ]


def _shown(code: str) -> str:
    return f"```python\n{code.rstrip()}\n```"


class LanguageModelWriter:
    """Asks a language model; an answer without a code block is asked for again.

    Args:
        sampler: the model.
        settings: prompt, sampling, retries, folder of the pools.
        candidates: all functions that will be asked for, because the pool is named by its questions.
        n_inputs: how many inputs are asked for.
    """

    def __init__(
        self,
        sampler: Sampler,
        settings: WriterSettings,
        candidates: Sequence[Candidate],
        n_inputs: int = N_EXAMPLES,
    ) -> None:
        self.sampler, self.settings, self.n_inputs = sampler, settings, n_inputs
        self.sampling = SamplingSettings(
            temperature=settings.temperature, top_p=settings.top_p, max_new_tokens=settings.max_new_tokens,
            seed=settings.seed,
        )  # fmt: skip
        self._questions = {question_id(c): self._question(c) for c in candidates}
        self.pool = SamplePool.open(settings.pools, sampler.identity, self.sampling, list(self._questions.values()))
        self._announce()

    def write(self, candidates: Sequence[Candidate], executor: Executor) -> list[Written]:
        """Ask for what the pool does not have; greedy answers are not asked for again, they would be the same."""
        waiting = [self._questions[question_id(candidate)] for candidate in candidates]
        answers: dict[str, list[Sample]] = {question.id: [] for question in waiting}
        for n in range(1, (1 if self.sampling.greedy else 1 + self.settings.retries) + 1):
            self._sample(waiting, n)
            for sample in self.pool.samples():
                if sample.question_id in answers and sample.sample_index == n - 1:
                    answers[sample.question_id].append(sample)
            waiting = [question for question in waiting if not any(map(block, answers[question.id]))]
            if not waiting:
                break
        return [self._written(candidate, answers[question_id(candidate)]) for candidate in candidates]

    def _sample(self, questions: Sequence[Question], n: int) -> None:
        wanted = {(question.id, index) for question in questions for index in range(n)}
        if wanted <= self.pool.done():
            return
        for batch in self.sampler.sample(questions, replace(self.sampling, n=n), self.pool.done()):
            self.pool.append_samples(sample for sample in batch if (sample.question_id, sample.sample_index) in wanted)

    def _question(self, candidate: Candidate) -> Question:
        prompt = writer_prompt(candidate.code, self.settings.worked_example, self.n_inputs)
        return Question(question_id(candidate), prompt)

    def _written(self, candidate: Candidate, answers: Sequence[Sample]) -> Written:
        """The first answer with a block, or the last one without."""
        answer = next(filter(block, answers), answers[-1] if answers else None)
        example_str = block(answer) if answer else ""
        row = {
            "gen_answer_id": candidate.id or question_id(candidate), "content": candidate.code,
            "prompt": _text(self._questions[question_id(candidate)]),
            "completions": answer.text if answer else "", "num_gen_tokens": answer.n_tokens if answer else 0,
            "task": "write_testcase", "check_result": bool(example_str), "retry_time": len(answers),
            "example_str": example_str,
        }  # fmt: skip
        return written(candidate, example_str, row) if answer else Written(candidate, "no_answer")

    def _announce(self) -> None:
        """What will be asked, before anything is spent."""
        open_ = [question for question in self._questions.values() if (question.id, 0) not in self.pool.done()]
        for question in open_[:_SHOWN_PROMPTS]:
            logger.info("prompt of the input writer for %s:\n%s", question.id, _text(question))
        logger.info(
            "input writer: %d of %d functions to ask for, at most %d tokens each, pool %s",
            len(open_), len(self._questions), self.settings.max_new_tokens, self.pool.folder,
        )  # fmt: skip


def question_id(candidate: Candidate) -> str:
    """The pool's name for a function: what it is, not where it stands."""
    return f"inputs-{candidate.body}"


def block(sample: Sample) -> str:
    """The text of an answer's first Python block, else of its first block; empty without one."""
    found = extract_code(sample.text)
    return "" if found.kind == "text" else found.code.strip()


def _text(question: Question) -> str:
    return "\n\n".join(message["content"] for message in question.prompt if isinstance(message, dict))


def make_sampler(settings: WriterSettings) -> Sampler:
    """The language model that the settings name, loaded or reached."""
    if settings.backend == "endpoint":
        from lit_reason.sampling.endpoint import Endpoint, EndpointSampler

        assert settings.model is not None
        return EndpointSampler(
            Endpoint(settings.base_url, settings.model, settings.api_key_env, settings.max_concurrency)
        )
    return _local(settings)


def _local(settings: WriterSettings) -> Sampler:
    from lit_reason.backbones import load_model, load_tokenizer
    from lit_reason.chat import Chat
    from lit_reason.sampling.local import local_sampler

    backbone = settings.backbone
    tokenizer = load_tokenizer(backbone)
    chat = Chat(tokenizer, backbone.chat_template, backbone.system)
    model = load_model(backbone).eval()
    return local_sampler(
        model, tokenizer, chat, identity=_identity(settings, model, chat), batch_size=settings.batch_size
    )


def _identity(settings: WriterSettings, model: Any, chat: Chat) -> dict[str, Any]:
    """Weights are part of it: another model in the same folder must not find the answers of the first."""
    import torch

    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    weights = f"{settings.backbone.name}+{digest.hexdigest()[:16]}"
    return {"model": weights, "dtype": str(model.dtype), "template": chat.template, "system": chat.system}
