"""A server that answers arithmetic chains, often rightly: a weak supervisor behind an API."""

from __future__ import annotations

import hashlib
import time

from lit_reason.questions_chains import TOPICS
from tests.sampling.faulty_server import FaultyServer, _Handler

OPERATIONS = {sign: apply for topic in TOPICS.values() for sign, apply in topic}


def solved(question: str) -> int:
    """The value of a chain, worked from left to right."""
    words = question.rpartition(": ")[2].split()
    value = int(words[0])
    for sign, operand in zip(words[1::2], words[2::2], strict=True):
        value = OPERATIONS[sign](value, int(operand)) % 10
    return value


class _Answering(_Handler):
    def completion(self, body, **kwargs):
        reply = super().completion(body, **kwargs)
        asked, seed = body["messages"][-1]["content"], body["seed"]
        draw = int(hashlib.sha256(f"{asked} {seed}".encode()).hexdigest(), 16)
        wrong = draw % 10 < len(asked) - 30  # longer chains are harder
        time.sleep(self.server.pause)
        answer = (solved(asked) + wrong * (1 + draw % 3)) % 10
        reply["choices"][0]["message"]["content"] = rf"so it is \boxed{{{answer}}}"
        return reply


class ChainServer(FaultyServer):
    """`with ChainServer() as server:` answers at `server.url`, each request after a pause."""

    def __init__(self, pause=0.0):
        super().__init__()
        self.RequestHandlerClass, self.pause = _Answering, pause
