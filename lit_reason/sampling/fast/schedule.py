"""Continuous batching: who decodes now. A row that has ended gives its place to the next one before the next step."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from lit_reason.sampling.draws import choose, uniforms
from lit_reason.sampling.fast.cache import Seating, Store
from lit_reason.sampling.fast.decoder import Decoder
from lit_reason.sampling.protocol import SamplingSettings
from lit_reason.sampling.rows import Ends, Row

PREFILL_TOKENS = 4096
"""Prompt tokens, padding included, that are computed at once: enough to keep a machine busy, and little memory."""

PREFILL_AHEAD = 512
"""Prompt tokens that are computed at once although fewer would fill the free places: short prompts alone are slow."""

PROMPTS_AHEAD = 16
"""Places for prompts that wait for one of their rows' places."""


@dataclass(eq=False)
class Prompt:
    """A prompt and the rows that continue it. `logits` are those of its successor, for rows that still wait."""

    ids: list[int]
    waiting: deque[Row]
    place: int = -1
    logits: Tensor | None = None
    live: list[Row] = field(default_factory=list)


@dataclass(eq=False)
class _Flight:
    """A row in flight, with its prompt and its random numbers."""

    row: Row
    prompt: Prompt
    uniforms: np.ndarray


class Schedule:
    """All rows of one call, from the queue through the cache to their end.

    Args:
        decoder: the model.
        rows: what is to be decoded; rows of the same prompt are neighbours.
        settings: how.
        ends: says when a row has ended.
        batch_size: rows in flight at most.
        batch_tokens: tokens in the cache at most; fewer rows are in flight where this is too little.

    Attributes:
        n_prefilled: prompt tokens computed so far, padding left out.
    """

    def __init__(
        self,
        decoder: Decoder,
        rows: Sequence[Row],
        settings: SamplingSettings,
        ends: Ends,
        batch_size: int,
        batch_tokens: int,
    ) -> None:
        self._decoder, self._settings, self._ends = decoder, settings, ends
        self._queue = deque(_by_prompt(rows))
        self._ready: deque[Prompt] = deque()
        self._prompts: list[Prompt] = []
        self._flights: list[_Flight] = []
        self.n_prefilled = 0
        longest, limit = max(len(row.prompt) for row in rows), max(row.limit for row in rows)
        n_rows, n_prompts = _places(len(rows), len(self._queue), batch_size, batch_tokens, longest, limit)
        self._prompt_store = Store(decoder.weights, n_prompts, longest)
        self._own_store = Store(decoder.weights, n_rows, limit)

    def advance(self) -> bool:
        """Fill free places, and decode one token of every row in flight; False when nothing is left."""
        self._admit()
        if not self._flights:
            return False
        device = self._decoder.weights.device
        tokens = torch.tensor([flight.row.tokens[-1] for flight in self._flights], device=device)
        logits = self._decoder.step(self._prompt_store, self._own_store, self._seating(device), tokens)
        self._note(self._flights, logits)
        return True

    def _admit(self) -> None:
        """Put new rows into the places of those that have ended, then close the holes that are left."""
        holes = [i for i, flight in enumerate(self._flights) if flight.row.finish_reason]
        for i in holes:
            self._release(self._flights[i])
        while free := self._own_store.n_places - len(self._flights) + len(holes):
            flights = self._next(free)
            if not flights:
                break
            self._note(flights, torch.stack([f.prompt.logits for f in flights if f.prompt.logits is not None]))
            for flight in flights:
                if flight.row.finish_reason:
                    self._release(flight)
                elif holes:
                    self._flights[holes.pop(0)] = flight
                else:
                    self._flights.append(flight)
        self._close(holes)
        self._drop_prompts()

    def _next(self, free: int) -> list[_Flight]:
        """Up to `free` rows whose prompts are in the cache; computes prompts when there are none."""
        if not self._ready and self._queue:
            self._drop_prompts()
            self._prefill(free)
        flights: list[_Flight] = []
        while self._ready and len(flights) < free:
            prompt = self._ready[0]
            row = prompt.waiting.popleft()
            drawn = uniforms(self._settings.seed, row.question_id, row.sample_index, row.limit)
            prompt.live.append(row)
            flights.append(_Flight(row, prompt, drawn))
            if not prompt.waiting:
                self._ready.popleft()
        return flights

    def _prefill(self, free: int) -> None:
        """Compute the next prompts, about as many as have rows for the free places."""
        group: list[Prompt] = []
        room, width = self._prompt_store.n_places - len(self._prompts), len(self._queue[0].ids)
        while self._queue and len(group) < room:
            tokens, n_rows = width * len(group), sum(len(prompt.waiting) for prompt in group)
            if group and (tokens + width > PREFILL_TOKENS or (n_rows >= free and tokens >= PREFILL_AHEAD)):
                break
            group.append(self._queue.popleft())
        device = self._decoder.weights.device
        ids = torch.tensor([prompt.ids + [0] * (width - len(prompt.ids)) for prompt in group], device=device)
        lengths = torch.tensor([len(prompt.ids) for prompt in group], device=device)
        logits = self._decoder.prefill(self._prompt_store, len(self._prompts), ids, lengths)
        for prompt, own in zip(group, logits, strict=True):
            prompt.place, prompt.logits = len(self._prompts), own
            self._prompts.append(prompt)
        self._ready.extend(group)
        self.n_prefilled += int(lengths.sum())

    def _note(self, flights: Sequence[_Flight], logits: Tensor) -> None:
        """Choose the next token of each row."""
        uniform = None
        if not self._settings.greedy:
            uniform = torch.tensor([f.uniforms[len(f.row.tokens)] for f in flights], device=logits.device)
        tokens, logprobs = choose(logits, self._settings, uniform)
        for flight, token, logprob in zip(flights, tokens.tolist(), logprobs.tolist(), strict=True):
            self._ends.note(flight.row, token, logprob)

    def _release(self, flight: _Flight) -> None:
        flight.prompt.live.remove(flight.row)

    def _close(self, holes: list[int]) -> None:
        """Move the last rows into holes, so that live rows are the first places."""
        for hole in reversed(holes):
            last = self._flights.pop()
            if hole < len(self._flights):
                self._own_store.move(len(self._flights), hole, len(last.row.tokens) - 1)
                self._flights[hole] = last

    def _drop_prompts(self) -> None:
        """Forget prompts whose rows have all ended, moving the last ones into their places."""
        for place in reversed(range(len(self._prompts))):
            if self._prompts[place].live or self._prompts[place].waiting:
                continue
            last = self._prompts.pop()
            if place < len(self._prompts):
                self._prompt_store.move(len(self._prompts), place, len(last.ids))
                self._prompts[place], last.place = last, place

    def _seating(self, device: torch.device) -> Seating:
        by_prompt: list[list[int]] = [[] for _ in self._prompts]
        for i, flight in enumerate(self._flights):
            by_prompt[flight.prompt.place].append(i)
        width = max(map(len, by_prompt))
        places = [0] * len(self._flights)
        seats = [0] * (width * len(by_prompt))
        for place, rows in enumerate(by_prompt):
            for seat, row in enumerate(rows, start=place * width):
                seats[seat], places[row] = row, seat
        return Seating(
            own_lengths=torch.tensor([len(flight.row.tokens) for flight in self._flights], device=device),
            prompt_lengths=torch.tensor([len(flight.prompt.ids) for flight in self._flights], device=device),
            seats=torch.tensor(seats, device=device),
            places=torch.tensor(places, device=device),
            n_prompts=len(by_prompt),
        )


def _by_prompt(rows: Sequence[Row]) -> list[Prompt]:
    groups = (list(group) for _, group in groupby(rows, key=lambda row: row.question_id))
    return [Prompt(group[0].prompt, deque(group)) for group in groups]


def _places(
    n_rows: int, n_prompts: int, batch_size: int, batch_tokens: int, longest: int, limit: int
) -> tuple[int, int]:
    """How many rows and prompts are in flight at most, so that their tokens fit; one of each in any case."""
    rows = min(batch_size, n_rows)
    while rows > 1 and rows * limit + min(n_prompts, rows + PROMPTS_AHEAD) * longest > batch_tokens:
        rows -= 1
    return rows, min(n_prompts, rows + PROMPTS_AHEAD)
