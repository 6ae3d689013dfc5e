"""What the judge is told (section 4): a rubric of ten points for chains of one answer, another for chains of different
answers, and a request to turn a judgement into JSON."""

from __future__ import annotations

from collections.abc import Sequence

from lit_reason.aggregation.aor.calls import Call, Chain, GlobalCall, LocalCall
from lit_reason.aggregation.aor.settings import AorSettings
from lit_reason.records import Message, Question

ERRORS = (
    "Look for these errors: a transformation that does not preserve equality, a slip in arithmetic, a condition that "
    "is misread or ignored, an assumption without reason, a contradiction, text that has nothing to do with the problem"
)

LOCAL_RUBRIC = """You grade reasoning. All chains below reach the same answer; judge only how well each argues for it.
Give each chain up to 10 points:
- logical consistency, up to 3: each step follows from what is known, and nothing contradicts itself
- choice of method, up to 3: the method fits the problem and is carried through
- completeness and clarity, up to 2: no step that matters is missing, and a reader can follow
- use of knowledge, up to 2: facts, rules and formulas are right and apply here
{errors}For each chain give a short reason and its points by criterion, then rank the chains."""

GLOBAL_RUBRIC = """You grade reasoning. The chains below reach different answers, so at most one of them is right.
Judge which chain is right and why.
Give each answer up to 10 points for its chain:
- validity of the approach, up to 3: the approach can solve this problem
- agreement of the steps with the answer, up to 3: the steps are right and really lead to the stated answer
- completeness and clarity, up to 2: no step that matters is missing, and a reader can follow
- use of knowledge, up to 2: facts, rules and formulas are right and apply here
{errors}Compare the chains where they part, say which of them errs there, and give the points by criterion."""

PARSE = """Below is a judgement. Copy its final total scores into one JSON object that maps each of these labels to an
integer from 0 to 10, or to null if the judgement gives it no total: {labels}.
Answer with the JSON object only."""

OMITTED = "\n[... middle of the chain omitted ...]\n"


def judge_prompt(call: Call, question: Question, settings: AorSettings) -> list[Message]:
    """The messages of one call."""
    head = f"Problem:\n{question_text(question)}\n\n" if settings.include_question else ""
    body = _local(call, settings) if isinstance(call, LocalCall) else _global(call, settings)
    return [{"role": "system", "content": _rubric(call, settings)}, {"role": "user", "content": head + body}]


def parse_prompt(reply: str, labels: Sequence[str]) -> list[Message]:
    """The messages that ask for a judgement's scores as JSON."""
    wanted = ", ".join(f'"{label}"' for label in labels)
    return [{"role": "user", "content": f"{PARSE.format(labels=wanted)}\n\nJudgement:\n{reply}"}]


def question_text(question: Question) -> str:
    """The question as one text: of a conversation what the user said."""
    if isinstance(question.prompt, str):
        return question.prompt
    return "\n\n".join(message["content"] for message in question.prompt if message["role"] == "user")


def shown_text(chain: Chain, max_tokens: int | None) -> str:
    """The chain's text, without its middle if it is too long: the beginning says what it tries, the end the answer.

    Characters stand in for tokens, in the proportion that the chain itself has.
    """
    text = chain.text.strip()
    if max_tokens is None or chain.n_tokens <= max_tokens:
        return text
    half = max(1, len(text) * max_tokens // (2 * chain.n_tokens))
    return text[:half] + OMITTED + text[-half:]


def _rubric(call: Call, settings: AorSettings) -> str:
    rubric = LOCAL_RUBRIC if isinstance(call, LocalCall) else GLOBAL_RUBRIC
    if settings.task == "general":
        return rubric.format(errors="")
    also = ", a claim that cannot be checked or cannot be true, a missing conclusion"
    return rubric.format(errors=f"{ERRORS}{also if isinstance(call, GlobalCall) else ''}.\n")


def _local(call: LocalCall, settings: AorSettings) -> str:
    known = [
        f"Reference (already scored {score}/10):\n{shown_text(chain, settings.max_chain_tokens)}"
        for chain, score in call.anchors
    ]
    chains = [
        f"{label}:\n{shown_text(chain, settings.max_chain_tokens)}"
        for label, chain in zip(call.labels, call.chains, strict=True)
    ]
    closing = "End with one line for each chain, references left out:\n" + "\n".join(
        f"{label} Total Score: X/10" for label in call.labels
    )
    return "\n\n".join([*known, *chains, closing])


def _global(call: GlobalCall, settings: AorSettings) -> str:
    chains = [
        f"Answer Option: {label}\n{shown_text(chain, settings.max_chain_tokens)}"
        for label, chain in zip(call.labels, call.chains, strict=True)
    ]
    closing = "End with one line for each answer:\n" + "\n".join(
        f"Answer Option: {label} Total Score: X/10" for label in call.labels
    )
    return "\n\n".join([*chains, closing])
