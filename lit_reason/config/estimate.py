"""`train.py estimate`: what each process of a fit would hold, under its strategy and under every other one.

No weight is loaded, so a folder with a config.json will do, and the hardware that the configuration asks for need not
be here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import torch

from lit_reason.config.estimate_plan import planned
from lit_reason.config.estimate_strategies import STRATEGIES, deepspeeds_own
from lit_reason.config.estimate_tables import amount, every_strategy, footing, heading, one_strategy
from lit_reason.config.mistakes import Mistake, UserMistakes
from lit_reason.config.noise import quiet
from lit_reason.config.request import Request
from lit_reason.config.session import configuration_of
from lit_reason.model_states import Ranked

UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**n for n, letter in enumerate("KMGT", 1)},
    **{f"{letter}iB": 1024**n for n, letter in enumerate("KMGT", 1)},
}


@dataclass(frozen=True)
class Memory:
    """What a process may fill: bytes, whose they are, and whether its device's memory and the host's are the same."""

    nbytes: int
    whose: str
    shared: bool

    def fits(self, ranked: Ranked) -> bool:
        """Whether a rank's states and working memory have room."""
        device, host = ranked
        return device.total + (host.total if self.shared else 0) <= self.nbytes


def estimate(request: Request) -> int:
    """Print the figures of a command line, which takes the settings of `fit` and `--memory`. Returns the exit code.

    Raises:
        UserMistakes: a setting is wrong, or nothing is known of the strategy or precision.
        CannotEstimate: the model cannot be built from its configuration.
    """
    text = request.settings.values.pop("memory", None)
    given = None if text is None else _bytes(text, request)
    config = configuration_of(request)
    with quiet():
        plan = planned(config, request.settings.origin)
        asked = plan.states.under(plan.strategy, plan.processes)
        widths = {name: 1 if strategy.kind == "one" else plan.processes for name, strategy in STRATEGIES.items()}
        rows = {name: plan.states.under(strategy, widths[name]) for name, strategy in STRATEGIES.items()}
        own = {name: deepspeeds_own(plan.states, one, plan.nodes, plan.per_node) for name, one in STRATEGIES.items()}
    memory = _memory(given, config["trainer"]["accelerator"] == "cpu", plan.per_node)
    fitting = [name for name, ranked in rows.items() if memory.fits(ranked)]
    heading(plan)
    one_strategy(asked)
    every_strategy(rows, own, fitting)
    candidates = [name for name in fitting if widths[name] == plan.processes]
    footing(plan.states, candidates, f"{amount(memory.nbytes)} {memory.whose}")
    return 0


def _memory(given: int | None, on_cpu: bool, per_node: int) -> Memory:
    """What was given, else a GPU of this machine, else a process's share of its memory."""
    if given is not None:
        return Memory(given, "a process, as given", on_cpu)
    if torch.cuda.is_available() and not on_cpu:
        return Memory(torch.cuda.get_device_properties(0).total_memory, "of this machine's GPU", False)
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Memory(ram // per_node, f"of this machine's memory, shared by {per_node}", True)


def _bytes(text: Any, request: Request) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", str(text).strip(), re.IGNORECASE)
    unit = next((size for name, size in UNITS.items() if found and name.lower() == found[2].lower()), 0)
    if found is None or not float(found[1]) * unit:
        problem = "expected an amount with its unit, such as 80GB or 24GiB"
        raise UserMistakes([Mistake("memory", problem, text, None, request.settings.origin(("memory",)))])
    return int(float(found[1]) * unit)
