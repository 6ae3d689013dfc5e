"""What a run found, as data: `results.json` holds every figure with its n and interval, what it cost, and what was
dropped.

A share, a mean or a difference cannot be built without n and a 95 % interval: a mean whose size is unknown is not a
result. Counts and plain values (a perplexity, a number of parameters) need neither.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lit_reason.files import write_json_atomic
from lit_reason.statistics import Interval, bootstrap_interval, paired_bootstrap_difference, wilson_interval

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

SCHEMA_VERSION = 1
FILE_NAME = "results.json"

Kind = Literal["share", "mean", "share_difference", "mean_difference", "count", "value"]
_AS_MEAN: dict[Kind, Kind] = {"share": "mean", "share_difference": "mean_difference"}
_ESTIMATES = ("share", "mean", "share_difference", "mean_difference")


@dataclass(frozen=True)
class Figure:
    """One number of a run. Prefer `share`, `mean`, `difference`, `count` and `value` below to building it by hand.

    Args:
        name: what was measured, e.g. "strict pass@1".
        split: on what, e.g. "planted"; a part of a split is written below it, "planted/prefix".
        when: "before", "after", "change" (after minus before), "control", or "" where time has no meaning.
        value: the number; a share is a fraction of one.
        n: how many items it is made of.
        ci95: the 95 % interval.
        ci_method: "wilson", "bootstrap" or "paired bootstrap".
        seeds: the seeds of what was random.
        kind: shares, means and differences of them are estimates and demand n, ci95 and ci_method.

    Raises:
        ValueError: an estimate lacks its n or interval, or a number is not finite.
    """

    name: str
    split: str
    when: str
    value: float
    n: int | None = None
    ci95: Interval | None = None
    ci_method: str | None = None
    seeds: list[int] = field(default_factory=list)
    kind: Kind = "mean"

    def __post_init__(self) -> None:
        # JSON has lists for tuples and knows nothing of NumPy's numbers: what is stored is plain either way.
        object.__setattr__(self, "value", _plain(self.value))
        object.__setattr__(self, "n", _plain(self.n))
        object.__setattr__(self, "seeds", [_plain(seed) for seed in self.seeds])
        if self.ci95 is not None:
            object.__setattr__(self, "ci95", tuple(map(_plain, self.ci95)))
        problem = _problem(self)
        if problem:
            raise ValueError(f"figure {' | '.join(filter(None, self.key))!r}: {problem}")

    @property
    def key(self) -> tuple[str, str, str]:
        """A run holds one figure of each name, split and when."""
        return self.name, self.split, self.when

    def text(self) -> str:
        """The value for a reader: `35.8 %`, `+35.0 points`, `0.417`, `1,553`."""
        if self.kind == "share":
            return f"{100 * self.value:.1f} %"
        if self.kind == "share_difference":
            return f"{100 * self.value:+.1f} points"
        return ("+" if self.kind == "mean_difference" and self.value >= 0 else "") + _number(self.value)

    def interval_text(self) -> str:
        """The interval in the value's unit: `[27.8, 44.7]`; empty where there is none."""
        if self.ci95 is None:
            return ""
        if self.kind in ("share", "share_difference"):
            return "[{:.1f}, {:.1f}]".format(*(100 * bound for bound in self.ci95))
        return "[{}, {}]".format(*map(_number, self.ci95))


def share(name: str, split: str, when: str, successes: int, n: int, seeds: Sequence[int] = ()) -> Figure:
    """A share of `n` items with its Wilson interval."""
    interval = wilson_interval(successes, n)
    return Figure(name, split, when, successes / n, n, interval, "wilson", list(seeds), "share")


def mean(
    name: str, split: str, when: str, values: Sequence[float] | np.ndarray, seeds: Sequence[int] = (), *, seed: int = 0
) -> Figure:
    """The mean of `values` with its percentile bootstrap interval; `seed` is the bootstrap's own."""
    interval = bootstrap_interval(values, seed=seed)
    average = float(np.mean(values, dtype=np.float64))
    return Figure(name, split, when, average, len(values), interval, "bootstrap", list(seeds))


def difference(
    name: str,
    split: str,
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    seeds: Sequence[int] = (),
    *,
    seed: int = 0,
) -> Figure:
    """How much the mean rose from `before` to `after` on the same items, in order, as the figure of when = "change".

    Where every value is 0 or 1 (or a bool) it is a difference of shares, shown in points.
    """
    change, interval = paired_bootstrap_difference(before, after, seed=seed)
    kind: Kind = "share_difference" if {*before, *after} <= {0, 1} else "mean_difference"
    return Figure(name, split, "change", change, len(before), interval, "paired bootstrap", list(seeds), kind)


def count(name: str, split: str, when: str, number: int) -> Figure:
    """A number of things, which has no interval."""
    return Figure(name, split, when, number, kind="count")


def value(name: str, split: str, when: str, number: float) -> Figure:
    """A number that is neither a mean nor a count of things: a size, a temperature, one measured time."""
    return Figure(name, split, when, number, kind="value")


@dataclass
class Results:
    """All figures of one run, and what they cost.

    Args:
        run: the run's name and id.
        figures: in the order in which they were first put.
        cost: e.g. {"training seconds": 508.2, "sampled tokens": 31744}.
        dropped: how many items were left out and why, e.g. {"rows longer than the context": 3}.
    """

    run: str = ""
    figures: list[Figure] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def put(self, figure: Figure) -> None:
        """Add a figure; one of the same name, split and when gives way to it, in place."""
        for position, old in enumerate(self.figures):
            if old.key == figure.key:
                self.figures[position] = figure
                return
        self.figures.append(figure)

    def get(self, name: str, split: str, when: str) -> Figure | None:
        """The figure of that name, split and when, or None."""
        return next((figure for figure in self.figures if figure.key == (name, split, when)), None)

    def save(self, run_dir: Path | str) -> Path:
        """Write `results.json` into the run directory, in one piece."""
        path = Path(run_dir) / FILE_NAME
        write_json_atomic(path, {"schema": SCHEMA_VERSION, **asdict(self)})
        return path

    @classmethod
    def load(cls, run_dir: Path | str) -> Results:
        """Read a run's `results.json`; a run that has none yet has empty results.

        Raises:
            ValueError: the file is not what `save` writes; the message names the file and the place in it.
        """
        path = Path(run_dir) / FILE_NAME
        if not path.exists():
            return cls()
        try:
            return _parse(json.loads(path.read_bytes()))
        except ValueError as error:  # also what json and UTF-8 decoding raise
            raise ValueError(f"{path}: {error}") from None


def summary_table(results: Results) -> Table:
    """The figures as a table for the terminal: before beside after, each with its interval, and n.

    Parts ("planted/prefix") are listed for the first measure only, parts of measures ("kind/syntax") not at all: the
    report shows them.
    """
    from rich.table import Table
    from rich.text import Text

    whole = [f for f in results.figures if "/" not in f.name]
    figures = [f for f in whole if "/" not in f.split or f.name == whole[0].name]
    whens = moments(figures)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("", no_wrap=True)
    for when in whens:
        table.add_column(when or "value", justify="right")
    table.add_column("n" if figures else "", justify="right")
    previous = None
    for (name, split), at in table_rows(figures).items():
        if name != previous:
            table.add_row(Text(name.replace("_", " "), style="bold"))
        label = "    " + split.partition("/")[2] if "/" in split else "  " + split
        sizes = dict.fromkeys(f"{figure.n:,}" for figure in at.values() if figure.n is not None)
        cells = [_Cell(at[when]) if when in at else "" for when in whens]
        table.add_row(Text(label.replace("_", " ")), *cells, " / ".join(sizes))
        previous = name
    return table


class _Cell:
    """A figure and its interval: on one line where the terminal is wide enough, else on two."""

    def __init__(self, figure: Figure) -> None:
        self._parts = [part for part in (figure.text(), figure.interval_text()) if part]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(max(map(len, self._parts)), len(" ".join(self._parts)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        line = " ".join(self._parts)
        yield Text(line if len(line) <= options.max_width else "\n".join(self._parts), justify="right")


def table_rows(figures: Sequence[Figure]) -> dict[tuple[str, str], dict[str, Figure]]:
    """Figures by (name, split), then by when; names keep their order, and the splits of a name stand together.

    A name has one unit: fractions that happened to be all 0 or 1 are shares, but beside means they are shown as means.
    """
    names = list(dict.fromkeys(figure.name for figure in figures))
    with_means = {figure.name for figure in figures if figure.kind in _AS_MEAN.values()}
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in sorted(figures, key=lambda figure: names.index(figure.name)):
        if figure.name in with_means:
            figure = replace(figure, kind=_AS_MEAN.get(figure.kind, figure.kind))
        rows.setdefault((figure.name, figure.split), {})[figure.when] = figure
    return rows


def moments(figures: Sequence[Figure]) -> list[str]:
    """The values of `when` that occur: before, control, after, change, then any others in order of appearance."""
    present = dict.fromkeys(figure.when for figure in figures)
    usual = [when for when in ("before", "control", "after", "change") if when in present]
    return usual + [when for when in present if when not in usual]


def _plain(number: Any) -> Any:
    return number.item() if isinstance(number, np.generic) else number


def _number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 or isinstance(number, int) else f"{number:#.3g}".rstrip(".")


def _problem(figure: Figure) -> str:
    """What is wrong with a figure, or an empty string."""
    if figure.kind not in get_args(Kind):
        return f"kind is {figure.kind!r}, not one of {', '.join(get_args(Kind))}"
    if not math.isfinite(figure.value):
        return f"the value is {figure.value}"
    if figure.ci95 is not None and not _is_interval(figure.ci95):
        return f"ci95 is {figure.ci95}, not two finite numbers in order"
    if figure.kind not in _ESTIMATES:
        return ""
    if not figure.n or figure.n < 1:
        return f"a {figure.kind.replace('_', ' ')} needs n, the number of items it is made of"
    if figure.ci95 is None or not figure.ci_method:
        return f"a {figure.kind.replace('_', ' ')} needs ci95, its 95 % interval, and ci_method"
    return ""


def _is_interval(pair: Sequence[float]) -> bool:
    return len(pair) == 2 and all(isinstance(x, int | float) and math.isfinite(x) for x in pair) and pair[0] <= pair[1]


_TYPES: dict[str, Any] = {
    "name": str, "split": str, "when": str, "value": (int, float), "n": (int, type(None)), "ci95": (list, type(None)),
    "ci_method": (str, type(None)), "seeds": list, "kind": str,
}  # fmt: skip


def _parse(document: Any) -> Results:
    if not isinstance(document, dict) or "schema" not in document:
        raise ValueError("not a results file: it has no key 'schema'")
    if document["schema"] != SCHEMA_VERSION:
        raise ValueError(f"schema {document['schema']} is not the one this version reads ({SCHEMA_VERSION})")
    for key, kind in {"run": str, "figures": list, "cost": dict, "dropped": dict}.items():
        if not isinstance(document.get(key), kind):
            raise ValueError(f"{key}: expected {_type_name(kind)}, found {document.get(key)!r}")
    figures = [_parse_figure(row, f"figures[{i}]") for i, row in enumerate(document["figures"])]
    return Results(document["run"], figures, document["cost"], document["dropped"])


def _parse_figure(row: Any, where: str) -> Figure:
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected an object, found {row!r}")
    known = [f.name for f in fields(Figure)]
    for key in row.keys() - set(known):
        raise ValueError(f"{where}: unknown key {key!r}")
    for key in known:
        if key not in row:
            raise ValueError(f"{where}: the key {key!r} is missing")
        if not isinstance(row[key], _TYPES[key]) or isinstance(row[key], bool):
            raise ValueError(f"{where}.{key}: expected {_type_name(_TYPES[key])}, found {row[key]!r}")
    try:
        return Figure(**row)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _type_name(kind: Any) -> str:
    words = {str: "text", int: "a whole number", float: "a number", list: "a list", dict: "an object"}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(words.get(each, "null") for each in kinds if not (each is int and float in kinds))
