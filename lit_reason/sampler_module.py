"""`SamplerModule`: no parameters, only answers, from an endpoint or from samples that exist already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse.typing import PositiveInt
from lightning.pytorch import LightningModule

from lit_reason.chat import Chat
from lit_reason.sampling.endpoint import Endpoint, EndpointSampler
from lit_reason.sampling.replay import ReplaySampler


class SamplerModule(LightningModule):
    """Stands where a model would in `validate` and `test`, so that every evaluation also runs on a model that is served
    elsewhere, or on other people's generations.

    Args:
        endpoint: an OpenAI-compatible server.
        replay: a pool's folder, or a JSON-lines file of generations, instead of an endpoint.
        system: system message put before every prompt that an endpoint gets; null sends none.
        max_total_tokens: prompt and new tokens that all processes together may spend at an endpoint; null sets no
            limit.
        lengths: how tokens are counted in a replayed file that does not say: see `python -m lit_reason.pool import`.
    """

    def __init__(
        self,
        endpoint: Endpoint | None = None,
        replay: str | None = None,
        system: str | None = None,
        max_total_tokens: PositiveInt | None = None,
        lengths: str = "stored",
    ) -> None:
        super().__init__()
        self.endpoint, self.replay, self.system = endpoint, replay, system
        self.max_total_tokens, self.lengths = max_total_tokens, lengths

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) where it is not clear who answers."""
        given = [name for name in ("endpoint", "replay") if init_args.get(name) is not None]
        if len(given) == 1:
            return []
        return [("endpoint", "or replay must be set" if not given else "and replay are both set: only one can answer")]

    @contextmanager
    def sampling(
        self, batch_size: int = 64, merge_adapter: bool = True, max_total_tokens: int | None = None
    ) -> Iterator[Callable[[Chat | None], EndpointSampler | ReplaySampler]]:
        """As `CausalLanguageModel.sampling`; how it is done is the server's affair. The smaller token cap holds."""
        if self.endpoint is not None:
            cap = min(filter(None, (self.max_total_tokens, max_total_tokens)), default=None)
            cap = cap and cap // self.trainer.world_size
            answers: EndpointSampler | ReplaySampler = EndpointSampler(self.endpoint, self.system, cap)
        else:
            answers = ReplaySampler(self.replay or "", self.lengths)
        yield lambda chat: answers

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: a validation is what evaluation callbacks ask; the batches are the ids of their questions."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing, likewise."""

    def configure_optimizers(self) -> None:
        """There is nothing to train."""
