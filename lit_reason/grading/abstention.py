"""Texts in an answer's place that give none: "I do not know", "N/A", a sentence about the task."""

from __future__ import annotations

import re

from lit_reason.grading.notation import tidy, words

_SPEAKER = (
    r"idk|dunno|\?+|(?:i |we )(?:really |honestly |still |just )?dunno\b.*"
    r"|(?:i(?:'m| am)|we(?:'re| are))? ?not (?:sure|certain)\b.*"
    r"|(?:sorry[,.]? )?(?:but )?(?:i|we) (?:really |honestly |still |just )?"
    r"(?:do not|don't|dont|did not|didn't|can ?not|can't|couldn't)\b.*"
    r"|(?:i|we) (?:do|did|can|could|am|are)"  # what is left where an answer is cut before "not"
    r"|(?:i have )?no (?:idea|clue)\b.*"
)
"""Somebody says of himself that he does not know."""
_NOTHING = r"n\.?\s?/?\s?a\.?|none|null|nil|nan|nothing|unknown|unclear|unsure|tbd"
_UNABLE = r"(?:can ?not|can't|can not|could not|couldn't|is unable to|unable to|impossible to|not possible to)"
_KNOWING = r"(?:be\s+)?(?:determin|answer|solv|calculat|comput|find|found|foretell|tell|say|said|know|decid|conclud)\w*"
_TOO_LITTLE = r"(?:not enough|insufficient|too little|no) (?:information|data|context|details)"
_ABSTENTION = re.compile(
    rf"(?:{_SPEAKER}|{_NOTHING}|none of (?:these|them|the above)"
    r"|(?:i(?:'m| am)|we(?:'re| are)|it(?:'s| is))? ?not (?:sure|certain|clear|known|given|available|applicable)\b.*"
    r"|(?:i have )?no (?:answers?|final answer|result)\b.*"
    rf"|(?:there is |there's |we have |given )?{_TOO_LITTLE}\b.*"
    rf"|(?:(?:it|this|that|the answer|the question|the problem) )?(?:is )?{_UNABLE} {_KNOWING}\b.*"
    r"|(?:it |this )?depends\b.*|undetermined|indeterminable|unanswerable)",
    re.IGNORECASE | re.DOTALL,
)
_IGNORANCE = re.compile(rf"(?:{_SPEAKER})", re.IGNORECASE | re.DOTALL)
_TALK = re.compile(
    r"(?:i|i'm|i'll|i've|we|you|he|she|they|it|it's|this|that|these|those|there|let|let's|sorry|sure|ok|okay|well|please|"
    r"thank|so|first|now|then|next|what|why|how|when|who|which|the answers?|answers?)[ ,]+[a-z]{2,}.*"
    r"|sorry|sure|ok|okay|well|please|thanks|hello|hi|hmm",
    re.IGNORECASE | re.DOTALL,
)


def abstains(text: str) -> bool:
    r"""Whether what stands in the answer's place says that there is none; `\text{...}` and quotes do not matter."""
    return bool(_ABSTENTION.fullmatch(words(tidy(text.replace("’", "'")))))


def knows_not(text: str) -> bool:
    """Whether somebody says there that he does not know. "None" and "cannot be determined" may be what a text asks for,
    "I do not know" is not."""
    return bool(_IGNORANCE.fullmatch(words(tidy(text.replace("’", "'")))))


def is_talk(text: str) -> bool:
    """Whether a text without any mark of an answer begins like speech, where a name or a term would not."""
    return bool(_TALK.fullmatch(words(tidy(text.replace("’", "'")))))
