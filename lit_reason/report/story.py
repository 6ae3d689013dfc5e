"""What the report says about a run, in words, rows and choices; how it looks is the template's business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lit_reason.report.load import Example, Run
from lit_reason.results import Figure, Results, moments, table_rows

KIND_PREFIX = "kind/"
"""Shares of verdicts are figures named "kind/syntax", "kind/wrong", ..."""

MOST_FINDINGS = 4
"""Headlines at most; the splits that a run names first are the ones it is about."""

VERDICTS = {
    "ok": ("right", "right"),
    "right": ("right", "right"),
    "wrong": ("wrong result", "wrong"),
    "syntax": ("syntax error", "syntax"),
    "missing_function": ("missing function", "missing"),
    "runtime": ("raises", "runtime"),
    "timeout": ("timed out", "timeout"),
    "timed_out": ("timed out", "timeout"),
    "no_code": ("no code", "none"),
    "unparsed": ("no answer found", "none"),
    "truncated": ("cut off", "cut"),
}
"""Label and colour of each kind of verdict, in the order in which they are drawn."""


@dataclass(frozen=True)
class Finding:
    """The headline for one split: before and after where both exist, else what there is."""

    measure: str
    split: str
    verb: str
    before: Figure | None
    after: Figure
    control: Figure | None


@dataclass(frozen=True)
class Pair:
    """One question with the answers given at different moments."""

    answers: list[Example]

    @property
    def last(self) -> Example:
        """The newest answer; its prompt and family stand for the question."""
        return self.answers[-1]


@dataclass(frozen=True)
class Tile:
    """One large number with its name."""

    value: str
    name: str


@dataclass(frozen=True)
class Table:
    """Figures by measure and split; `moments` are the columns."""

    moments: list[str]
    rows: dict[tuple[str, str], dict[str, Figure]] = field(default_factory=dict)


def words(name: str) -> str:
    """A name for readers: `strict_pass@1` is `strict pass@1`."""
    return name.replace("_", " ")


def verdict(kind: str) -> tuple[str, str]:
    """Label and colour of a kind of verdict, known or not."""
    return VERDICTS.get(kind, (words(kind) or "no verdict", "cut"))


def title(run: Run) -> str:
    """The run's name, from its configuration or else its folder."""
    return str(_get(run.config, "run.name") or run.results.run or run.path.parent.name or "run")


def what_was_run(run: Run) -> str:
    """One line: which module learned what, from which model, with which adapter, for how long."""
    module, data = (_class_name(_get(run.config, key)) for key in ("model", "data"))
    backbone, rank = _get(run.config, "model.backbone.name"), _get(run.config, "model.lora.r")
    steps = max((step + 1 for step, _ in run.metrics.get("train/loss", [])), default=None)  # logged from 0
    tokens = max((count for _, count in run.metrics.get("train/target_tokens", [])), default=None)
    parts = [
        f"{module} on {data.removesuffix('DataModule')}" if module and data else module or data,
        str(backbone or ""),
        f"LoRA rank {rank}" if rank else "",
        f"{steps:,.0f} steps" if steps else "",
        f"{tokens:,.0f} target tokens" if tokens else "",
    ]
    return " · ".join(part for part in parts if part)


def headline_measure(results: Results) -> str | None:
    """The measure that the report leads with: the first estimate that was also taken before, else the first at all."""
    estimates = [f for f in results.figures if f.kind in ("share", "mean") and not f.name.startswith(KIND_PREFIX)]
    before = [figure.name for figure in estimates if figure.when == "before"]
    return next(iter(before or [figure.name for figure in estimates]), None)


def findings(results: Results) -> list[Finding]:
    """One finding for each of the first whole splits of the headline measure."""
    measure = headline_measure(results)
    rows = table_rows([f for f in results.figures if f.name == measure and "/" not in f.split])
    found = []
    for (name, split), at in list(rows.items())[:MOST_FINDINGS]:
        after = at.get("after") or next(figure for when, figure in at.items() if when != "change")
        before = at.get("before") if "after" in at else None
        verb = _verb(before, after, at.get("change")) if before else "is"
        found.append(Finding(words(name), words(split), verb, before, after, at.get("control")))
    return found


def loss_sentence(run: Run) -> str:
    """What to say where nothing was evaluated."""
    loss = [value for _, value in run.metrics.get("train/loss", [])]
    if len(loss) < 2:
        return "This run has recorded no figures yet."
    return f"Training loss went from {loss[0]:.3g} to {loss[-1]:.3g}; nothing was evaluated."


def main_table(results: Results) -> Table:
    """Every figure of whole splits that was taken at some moment; parts of measures ("kind/syntax") are left out."""
    figures = [f for f in results.figures if f.when and "/" not in f.split + f.name]
    return Table(moments(figures), table_rows(figures))


def detail_table(results: Results) -> Table:
    """Parts of measures that no chart of its own shows, such as "vote/tokens a question"."""
    parts = [f for f in results.figures if f.when and "/" in f.name and "/" not in f.split]
    figures = [f for f in parts if not f.name.startswith(KIND_PREFIX)]
    return Table(moments(figures), table_rows(figures))


def timeless(results: Results) -> list[Figure]:
    """Figures to which before and after do not apply, such as the number of functions found."""
    return [figure for figure in results.figures if not figure.when]


def family_table(results: Results) -> Table:
    """The headline measure on the parts of splits, best first within each split."""
    measure = headline_measure(results)
    figures = [f for f in results.figures if f.name == measure and "/" in f.split]
    rows = table_rows(figures)

    def order(key: tuple[str, str]) -> tuple[int, float]:
        at = rows[key]
        best = at.get("after") or next(iter(at.values()))
        return splits.index(key[1].partition("/")[0]), -best.value

    splits = list(dict.fromkeys(split.partition("/")[0] for _, split in rows))
    return Table(moments(figures), {key: rows[key] for key in sorted(rows, key=order)})


def verdict_shares(results: Results) -> dict[tuple[str, str], dict[str, float]]:
    """For each (split, when) the share of each kind of verdict, in drawing order."""
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for figure in results.figures:
        if figure.name.startswith(KIND_PREFIX) and "/" not in figure.split and figure.when != "change":
            kind = figure.name.removeprefix(KIND_PREFIX)
            shares.setdefault((figure.split, figure.when), {})[kind] = float(figure.value)
    order = list(VERDICTS)
    for key, found in shares.items():
        known = sorted(found, key=lambda kind: order.index(kind) if kind in order else len(order))
        shares[key] = {kind: found[kind] for kind in known if found[kind] > 0}
    return shares


def compared(table: Table) -> list[tuple[str, str]]:
    """Moments that the chart by family shows, each with its colour: before, control and after, else the only one."""
    usual = [when for when in table.moments if when in ("before", "control", "after")]
    return [(when, when) for when in usual] or [(when, "after") for when in table.moments[:1]]


def verdict_legend(shares: Mapping[tuple[str, str], Mapping[str, float]]) -> list[tuple[str, str]]:
    """Label and colour of every kind that occurs, in drawing order."""
    kinds = {kind for found in shares.values() for kind in found}
    known = [kind for kind in VERDICTS if kind in kinds]
    return list(dict.fromkeys(verdict(kind) for kind in [*known, *sorted(kinds - set(known))]))


def failed_cases(example: Example) -> list[dict[str, Any]]:
    """The cases that an answer failed, from its grade's `detail["failed"]`: call, expected, got, and whether it was
    shown.
    """
    failed = example.detail.get("failed")
    rows = [case for case in failed if isinstance(case, Mapping)] if isinstance(failed, list) else []
    texts = ("call", "expected", "got")
    return [{**{key: str(case.get(key, "")) for key in texts}, "shown": bool(case.get("shown", True))} for case in rows]


def case_line(example: Example) -> str:
    """Whether an answer that is not right holds for the cases it saw, in words; empty where the grade does not say."""
    shown, hidden = (example.detail.get(key) for key in ("shown_pass", "hidden_pass"))
    if example.status == "right" or not isinstance(shown, bool) or not isinstance(hidden, bool):
        return ""
    fates = {True: "pass", False: "fail"}
    return f"cases in the prompt {fates[shown]}, hidden cases {fates[hidden]}"


def chosen_pairs(examples: Sequence[Example], n: int = 10) -> list[Pair]:
    """`n` questions to look at: splits and right and wrong answers take turns, families that were not shown come
    first.
    """
    usual = ("before", "control", "after")
    asked: dict[tuple[str, str], list[Example]] = {}
    for example in examples:
        asked.setdefault((example.split, example.question_id), []).append(example)
    piles: dict[tuple[str, bool], list[Pair]] = {}
    for answers in asked.values():
        answers.sort(key=lambda e: usual.index(e.when) if e.when in usual else len(usual))
        pair = Pair(answers)
        piles.setdefault((pair.last.split, pair.last.status == "right"), []).append(pair)
    chosen: list[Pair] = []
    seen: Counter[str | None] = Counter()
    while len(chosen) < n and any(piles.values()):
        for pile in piles.values():
            if pile and len(chosen) < n:
                # A question with two answers says more than one with one.
                best = min(pile, key=lambda pair: (-len(pair.answers), seen[pair.last.family]))
                pile.remove(best)
                chosen.append(best)
                seen[best.last.family] += 1
    return chosen


def speed_tiles(run: Run) -> list[Tile]:
    """The medians of what was measured by the clock."""
    tiles = []
    for column, curve in run.speed.items():
        name, middle = words(column.removeprefix("speed/")), median(value for _, value in curve)
        if name.endswith(" per s"):
            tiles.append(Tile(f"{middle:,.0f}", f"{name.removesuffix(' per s')} a second"))
        elif "share" in name or "utilisation" in name:
            tiles.append(Tile(f"{100 * middle:.0f} %", name.replace("flop", "FLOP")))
        else:
            tiles.append(Tile(f"{middle:,.3g}", name))
    return tiles


def environment_facts(environment: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (name, text) lines."""
    facts: list[tuple[str, str]] = []
    for key, value in environment.items():
        name = f"{prefix} {words(str(key))}".strip()
        if isinstance(value, Mapping):
            facts += environment_facts(value, name)
        else:
            facts.append((name, " ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return facts


def amounts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Cost or dropped counts as (name, text) lines."""
    formats = {float: ",.1f", int: ","}
    return [(words(name), format(amount, formats.get(type(amount), ""))) for name, amount in found.items()]


def _verb(before: Figure, after: Figure, change: Figure | None) -> str:
    """Rose, fell, or neither: by the interval of the paired change; without one, by intervals that do not touch."""
    low, high = change.ci95 if change and change.ci95 else (0.0, 0.0)
    if not (change and change.ci95) and before.ci95 and after.ci95:
        low, high = after.ci95[0] - before.ci95[1], after.ci95[1] - before.ci95[0]
    return "rose" if low > 0 else "fell" if high < 0 else "shows no clear change,"


def _get(config: Mapping[str, Any], path: str) -> Any:
    """A setting by the key a user writes; `init_args` on the way is stepped over."""
    value: Any = config
    for part in path.split("."):
        if isinstance(value, Mapping) and part not in value and isinstance(value.get("init_args"), Mapping):
            value = value["init_args"]
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _class_name(value: Any) -> str:
    return str(value.get("class_path", "")).rpartition(".")[2] if isinstance(value, Mapping) else ""
