"""The one place where chat templates are applied, so that a model is trained on exactly the tokens it is asked with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lit_reason.batches import TokenDocument
from lit_reason.errors import PlainError
from lit_reason.files import stable_hash
from lit_reason.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
)


class ChatError(PlainError, ValueError):
    """A conversation or template that cannot be turned into tokens; one line says which and why."""


class Span(NamedTuple):
    """Text that is a target throughout, or nowhere."""

    text: str
    is_target: bool


class Chat:
    """Prompts and training documents of one tokenizer under one template.

    Args:
        tokenizer: a transformers tokenizer.
        template: `own` (the tokenizer's), `plain` (contents joined by newlines, no role markers), or a Jinja text.
        system: system message put before conversations that bring none; None leaves it to the template.

    Raises:
        ChatError: `own` is asked of a tokenizer that has no template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str = "own", system: str | None = None) -> None:
        if template == "own" and not tokenizer.chat_template:
            raise ChatError(
                f"{tokenizer.name_or_path} has no chat template: set chat_template to `plain` or a Jinja text"
            )
        self.tokenizer = tokenizer
        self.template = {"own": tokenizer.chat_template, "plain": PLAIN_TEMPLATE}.get(template, template)
        self.system = system

    @cached_property
    def identity(self) -> str:
        """A hash of everything that decides on the tokens: vocabulary, merges, special tokens, template, system."""
        tokenizer = self.tokenizer
        if tokenizer.is_fast:
            own = json.loads(tokenizer.backend_tokenizer.to_str())
            own = {part: own[part] for part in own if part not in ("truncation", "padding")}  # calls change these
        else:
            own = {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
        return stable_hash([own, tokenizer.eos_token, tokenizer.all_special_tokens, self.template, self.system])

    def prompt_text(self, prompt: str | list[Message]) -> str:
        """The text that a model continues; ends with the template's opening of an assistant turn, and with what the
        assistant has said of it where the last message is the assistant's."""
        messages = self._with_system(prompt)
        if messages[-1]["role"] != "assistant":
            return self._render(messages, add_generation_prompt=True)
        return self._render(messages[:-1], add_generation_prompt=True) + messages[-1]["content"]

    def prompt_ids(self, prompt: str | list[Message]) -> list[int]:
        """Token ids of `prompt_text`; special tokens come from the template alone, so none is doubled."""
        return self.tokenizer(self.prompt_text(prompt), add_special_tokens=False)["input_ids"]

    def document(self, id: str, messages: list[Message]) -> TokenDocument:
        """A conversation in which every assistant message, its end token included, is a target.

        Raises:
            ChatError: the template does not render a conversation as its beginning plus more text, or no target exists.
        """
        return self.documents([(id, self.spans(id, messages))])[0]

    def documents(self, rendered: Sequence[tuple[str, Sequence[Span]]]) -> list[TokenDocument]:
        """Documents of `(id, spans)`, tokenised together: per text it costs less, and the tokenizer may use all cores.

        Each span is tokenised on its own, exactly as `prompt_ids` would, so training and asking cannot differ.

        Raises:
            ChatError: a document has no target.
        """
        texts = [span.text for _, spans in rendered for span in spans]
        coming = iter(self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else [])
        return [_document(id, [(next(coming), span.is_target) for span in spans]) for id, spans in rendered]

    def spans(self, id: str, messages: list[Message]) -> list[Span]:
        """A conversation as text, cut where targets begin and end.

        Raises:
            ChatError: the template does not render a conversation as its beginning plus more text.
        """
        messages = self._with_system(messages)
        spans: list[Span] = []
        written = ""
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = self._render(messages[:i], add_generation_prompt=True)
            whole = self._render(messages[: i + 1], add_generation_prompt=False)
            if not (prompt.startswith(written) and whole.startswith(prompt)):
                raise ChatError(f"{id}: the chat template rewrites earlier messages, so targets cannot be told apart")
            answer = self._through_end_token(whole[len(prompt) :])
            spans += [Span(prompt[len(written) :], False), Span(answer, True)]
            written = prompt + answer
        return spans

    def _through_end_token(self, text: str) -> str:
        """Cut what a template writes after the end token (a newline, usually), and add the token where it writes
        none."""
        end = self.tokenizer.eos_token
        head, found, _ = text.partition(end)
        return head + end if found else text.rstrip("\n") + end

    def _with_system(self, prompt: str | list[Message]) -> list[Message]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        if self.system is not None and messages[0]["role"] != "system":
            return [{"role": "system", "content": self.system}, *messages]
        return messages

    def _render(self, messages: list[Message], add_generation_prompt: bool) -> str:
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, tokenize=False, add_generation_prompt=add_generation_prompt
        )


def _document(id: str, parts: Sequence[tuple[list[int], bool]]) -> TokenDocument:
    ids = np.array([token for tokens, _ in parts for token in tokens], np.int32)
    is_target = np.repeat([target for _, target in parts], [len(tokens) for tokens, _ in parts]).astype(bool)
    if not is_target[1:].any():
        raise ChatError(f"{id}: no target token")
    return TokenDocument(id, ids, is_target)
