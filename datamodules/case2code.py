"""Case2Code: prompts with input/output cases, and the functions behind them as targets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import MISSING, fields, is_dataclass, replace
from random import Random
from typing import Any, Literal

import numpy as np

from datamodules.token_data import TokenDataModule
from lit_reason.batches import Loading, TokenDocument
from lit_reason.case2code.functions import Function
from lit_reason.case2code.pipeline import build, build_part
from lit_reason.case2code.planted import PlantedSettings, with_names
from lit_reason.case2code.prompts import Prompt, PromptSettings, Purpose, build_prompt, build_target, instruction_prompt
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.splits import dropped, real_functions
from lit_reason.records import Question
from lit_reason.shards import Shard, shard_problem

Split = Literal["train", "val", "test"]
Row = tuple[Function, Prompt]


class Case2CodeDataModule(TokenDataModule):
    """Functions to be inferred from cases: planted ones (generated) and real ones (harvested, run and cached).

    Splits share no function body; planted functions also share no constants and names. Both kinds are held out and
    reported apart (`meta["source"]`).

    Args:
        planted: how many functions of which families.
        real: where real functions come from, how they are filtered, how many are used.
        prompts: how cases are worded.
        shuffled_targets: control without information: every planted training prompt gets the body of another function
            under its own names, so that everything but the body can be learned.
        loss_on: `target` as in fine-tuning, or `all` tokens as in pre-training, where the cases teach copying as well.
        loading: rows, batches and workers.
        shard: with `prepare`, build only part `i/n` of the real functions, i from 0; when all n parts are done,
            prepare without.
    """

    def __init__(
        self,
        planted: PlantedSettings = PlantedSettings(),
        real: RealSettings = RealSettings(),
        prompts: PromptSettings = PromptSettings(),
        shuffled_targets: bool = False,
        loss_on: Literal["target", "all"] = "target",
        loading: Loading = Loading(),
        shard: str | None = None,
    ) -> None:
        super().__init__(loading)
        self.shard = Shard.parse(shard) if shard else None
        self.planted = planted
        self.real = real
        self.prompts = prompts
        self.shuffled_targets = shuffled_targets
        self.loss_on = loss_on
        self._rows: dict[tuple[Split, Purpose], list[Row]] = {}

    @classmethod
    def check_config(cls, init_args: dict[str, Any]) -> list[tuple[str, str]]:
        """(key, message) for settings that contradict each other or name what does not exist."""
        planted = settings_of(PlantedSettings, init_args.get("planted"))
        real = settings_of(RealSettings, init_args.get("real"))
        prompts = settings_of(PromptSettings, init_args.get("prompts"))
        parts = {"planted": planted, "real": real, "prompts": prompts}
        found = [(f"{part}.{key}", message) for part, settings in parts.items() for key, message in settings.problems()]
        for part, most in (("planted", planted.n_shown), ("real", real.max_shown)):
            if prompts.k_min > most:
                key = "n_shown" if part == "planted" else "max_shown"
                message = f"is {prompts.k_min}, but no more than {part}.{key} = {most} cases are shown"
                found.append(("prompts.k_min", message))
        problem = shard_problem(init_args.get("shard"))
        return [*found, ("shard", problem)] if problem else found

    def prepare_data(self) -> None:
        """Build the cache of real functions, unless it is complete; planted ones are generated where they are used."""
        if self.real.in_use:
            build(self.real)

    def prepare_part(self, shard: Shard) -> list[str]:
        """Build one part of the real functions."""
        return [build_part(self.real, shard)] if self.real.in_use else ["no real functions are asked for"]

    def documents(self, split: Literal["train", "val"]) -> list[TokenDocument]:
        """One document a function: the prompt, and the source as target."""
        rows = self.rows(split, "training")
        codes = self._shuffled_codes(rows) if self.shuffled_targets and split == "train" else {}
        documents = []
        for function, prompt in rows:
            target = function.output or build_target(codes.get(function.id, function.code), self.prompts.lead_in)
            messages = [{"role": "user", "content": prompt.text}, {"role": "assistant", "content": target}]
            document = self.chat.document(function.id, messages)
            everything = np.ones_like(document.is_target)
            documents.append(document if self.loss_on == "target" else replace(document, is_target=everything))
        return documents

    def questions(self, split: Literal["val", "test"]) -> list[Question]:
        """Held-out functions, planted ones first, with all cases in `meta`; those in the prompt are `meta["shown"]`."""
        rows = self.rows(split, "evaluation")
        return [self._question(function, prompt) for function, prompt in rows if function.cases]

    def rows(self, split: Split, purpose: Purpose) -> list[Row]:
        """The functions of a split with their prompts; prompts over the length limit are left out and counted."""
        if (split, purpose) not in self._rows:
            rows = [(function, build_prompt(function, self.prompts, purpose)) for function in self.functions(split)]
            kept = [row for row in rows if len(row[1].text) <= self.prompts.max_chars]
            if len(kept) < len(rows):
                self.dropped[f"{purpose} prompt over {self.prompts.max_chars} characters"] += len(rows) - len(kept)
            self._rows[split, purpose] = kept
        return self._rows[split, purpose]

    def functions(self, split: Split) -> list[Function]:
        """Planted functions, then real ones; what real ones were left out is counted once."""
        planted = self.planted.functions(split)
        if not self.real.in_use:
            return planted
        if not self._rows:
            self.dropped.update(dropped(build(self.real), self.real))
        return [*planted, *real_functions(self.real, split)]

    def _question(self, function: Function, prompt: Prompt) -> Question:
        """Hidden is every case that this prompt does not show, so that strict = shown pass and hidden pass."""
        hidden = [i for i in range(len(function.cases)) if i not in prompt.shown]
        meta = {
            **function.to_row(),
            "shown": list(prompt.shown), "hidden": hidden, "name_given": prompt.name_given,
            "instruction_prompt": instruction_prompt(
                function, prompt.shown, error_messages=self.prompts.error_messages
            ),
        }  # fmt: skip
        if self.real.error_messages:
            meta["error_messages"] = True
        del meta["id"]
        return Question(function.id, prompt.text, function.code, meta)

    def _shuffled_codes(self, rows: list[Row]) -> dict[str, str]:
        """For every planted function the code of another one with as many parameters, renamed to its own names."""
        groups: dict[int, list[Function]] = defaultdict(list)
        for function, _ in rows:
            if function.source == "planted":
                groups[len(function.params)].append(function)
        rng = Random(self.planted.seed)
        codes = {}
        for group in groups.values():
            rng.shuffle(group)
            for function, other in zip(group, [*group[1:], group[0]], strict=True):
                old, new = (other.name, *other.params), (function.name, *function.params)
                codes[function.id] = with_names(other.code, old, new)
        return codes


def settings_of(cls: type, given: Any) -> Any:
    """The settings as an object, nested ones included, from whatever stage of parsing they are in."""
    if given is None:
        return cls()
    if isinstance(given, cls):
        return given
    values = dict(given if isinstance(given, dict) else vars(given))
    for field in fields(cls):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if is_dataclass(default) and field.name in values:
            values[field.name] = settings_of(type(default), values[field.name])
    return cls(**values)
