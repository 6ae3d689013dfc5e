"""The tables of an estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from lit_reason.config.estimate_plan import Plan
from lit_reason.model_states import Held, ModelStates, Ranked, Weight

WORDS = {
    "weights": "weights",
    "master": "master weights",
    "gradients": "gradients",
    "states": "optimizer states",
    "working": "in between, at most",
}


def amount(nbytes: int) -> str:
    """Bytes as GB, MB or kB of a thousand."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if nbytes >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"


def heading(plan: Plan) -> None:
    """Which model, and whose table comes first."""
    states = plan.states
    total, trained = sum(w.numel for w in states.weights), sum(w.numel for w in states.trained)
    share = f" ({100 * trained / max(1, total):.2g} %)" if trained < total else ""
    _say(f"{plan.module}: {total:,} parameters, {trained:,} of them trained{share}")
    frozen = [w for w in states.weights if w.group is None]
    built = [
        f"{word} weights {_dtypes(some)}" for word, some in (("frozen", frozen), ("trained", states.trained)) if some
    ]
    _say(f"as built: {', '.join(built)}; precision {states.precision}, optimizer {type(states.optimizer).__name__}\n")
    _say(f"each of {plan.processes} processes under {plan.name} holds" if plan.processes > 1 else f"{plan.name} holds")


def footing(states: ModelStates, fitting: list[str], room: str) -> None:
    """The least sharding that fits, and what no figure covers."""
    whole = amount(sum(w.nbytes for w in states.weights))
    _say(f"the least sharding that fits {room}: {fitting[0]}" if fitting else f"nothing fits {room}")
    _say(
        "Not counted: activations, which grow with rows, tokens and layers, and what the allocator wastes. While it "
        f"loads, each process under fsdp2 and zero3 also needs host memory for the whole model: {whole}."
    )


def one_strategy(ranked: Ranked) -> None:
    """Each kind of state of one process, to the byte."""
    table = Table("", "device", "host")
    for column in table.columns[1:]:
        column.justify = "right"
    for field in fields(Held):
        cells = [getattr(held, field.name) for held in ranked]
        if any(cells):
            table.add_row(WORDS[field.name], *map(_exact, cells))
    table.add_section()
    table.add_row("sum", *(_exact(held.total) for held in ranked))
    Console(highlight=False).print(table)


def every_strategy(rows: Mapping[str, Ranked], own: Mapping[str, tuple[int, int] | None], fitting: list[str]) -> None:
    """A line a strategy: what a process needs of its device and of the host, and DeepSpeed's own figures."""
    with_own = any(own.values())
    headings = ["a process under", "device", "host", *(["DeepSpeed says: device", "host"] if with_own else []), "fits"]
    table = Table(*headings)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for name, ranked in rows.items():
        said = own[name]
        more = ([amount(said[0]), amount(said[1])] if said else ["", ""]) if with_own else []
        table.add_row(name, *(amount(held.total) for held in ranked), *more, "yes" if name in fitting else "no")
    Console(highlight=False).print(table)


def _say(line: str) -> None:
    Console(highlight=False).print(line, soft_wrap=True, markup=False)


def _dtypes(weights: Iterable[Weight]) -> str:
    return " and ".join(sorted({str(w.dtype).removeprefix("torch.") for w in weights}))


def _exact(nbytes: int) -> str:
    return f"{amount(nbytes)} ({nbytes:,})" if nbytes >= 1000 else f"{nbytes} B"
