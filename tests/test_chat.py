"""Prompts and targets of a template: trained on exactly the tokens that are asked with."""

from __future__ import annotations

import pytest

from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat

QUESTION = {"role": "user", "content": "What?\n"}
ANSWER = {"role": "assistant", "content": "This.\n\n  "}
AGAIN = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "That."}]


@pytest.fixture(scope="module", params=["bytes", "smollm2-135m"])
def tokenizer(request, embedded_model):
    return load_tokenizer(Backbone("llama-tiny", tokenizer=request.param))


@pytest.mark.parametrize("template", ["own", "plain"])
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_a_document_begins_with_the_prompt_that_would_be_asked(tokenizer, template, system):
    chat = Chat(tokenizer, template, system)
    document = chat.document("a", [QUESTION, ANSWER])
    prompt = chat.prompt_ids([QUESTION])
    assert document.input_ids[: len(prompt)].tolist() == prompt
    assert not document.is_target[: len(prompt)].any() and document.is_target[len(prompt) :].all()
    if system:
        assert system in chat.prompt_text([QUESTION])


@pytest.mark.parametrize("template", ["own", "plain"])
def test_every_assistant_message_and_its_end_token_is_a_target(tokenizer, template):
    document = Chat(tokenizer, template).document("a", [QUESTION, ANSWER, *AGAIN])
    end = tokenizer.eos_token
    assert tokenizer.decode(document.input_ids[document.is_target]) == f"{ANSWER['content']}{end}That.{end}"


def test_a_string_is_one_user_message(tokenizer):
    assert Chat(tokenizer).prompt_ids("What?\n") == Chat(tokenizer).prompt_ids([QUESTION])


def test_an_own_jinja_template_is_used(tokenizer):
    chat = Chat(
        tokenizer,
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}",
    )
    assert chat.prompt_text("hi") == "[user]hi[assistant]"


def test_a_template_that_rewrites_the_past_is_refused(tokenizer):
    chat = Chat(tokenizer, "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(ValueError, match="a: the chat template rewrites earlier messages"):
        chat.document("a", [QUESTION, ANSWER, *AGAIN])


def test_a_conversation_without_answer_is_refused(tokenizer):
    with pytest.raises(ValueError, match="b: no target token"):
        Chat(tokenizer).document("b", [QUESTION])


def test_a_tokenizer_without_template_says_what_to_set(tiny_backbone):
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="has no chat template: set chat_template to `plain`"):
        Chat(tokenizer)
