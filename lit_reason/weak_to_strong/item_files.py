"""H1, H2 and T of a classification study as files; the gold labels of H2 lie apart from what a student may read.

h1.jsonl        id, text, hard_label        what the weak supervisor learns from
h2.jsonl        id, text                    what it labels
h2_gold.jsonl   id, text, hard_label        for the ceiling and for figures
test.jsonl      id, text, hard_label
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.results import Results, count
from lit_reason.weak_to_strong.items import Item, disjoint_splits, split_in_half
from lit_reason.weak_to_strong.published import FormatName, read_items
from lit_reason.weak_to_strong.question_files import read_identified


def make_items(
    out: Path,
    train: str,
    test: str,
    format: FormatName | None = None,
    subset: str | None = None,
    n_train: PositiveInt = 20_000,
    n_test: PositiveInt = 10_000,
    seed: NonNegativeInt = 0,
    keep_overlap: bool = False,
) -> None:
    """A public set, or a file of one's own, in halves by the seed (Burns et al.'s sizes).

    Args:
        out: directory of the run.
        train: rows to halve: a file, a folder, or `owner/name[:split]`.
        test: test rows, likewise.
        format: the columns of both; null recognises them.
        subset: configuration of a data set that has several.
        n_train: rows of both halves together, at most.
        n_test: test rows, at most.
        seed: of the halves, and of the coins of multiple choice.
        keep_overlap: keep texts of H1 that are in the test, and of H2 that are in H1 or in the test; count them only.
    """
    drawn = _drawn(read_items(train, "train", format, seed, subset), n_train, seed)
    h1, h2 = split_in_half(drawn, seed)
    write_splits(out, h1, h2, _drawn(read_items(test, "test", format, seed, subset), n_test, seed), keep_overlap)


def write_splits(
    out: Path, h1: Sequence[Item], h2: Sequence[Item], test: Sequence[Item], keep_overlap: bool = False
) -> None:
    """Write the four files; texts of H1 that are in the test, and those of H2 that are elsewhere, are dropped and
    counted.

    Raises:
        WeakToStrongError: an id is in two splits, or H2 is empty.
    """
    kept, dropped = disjoint_splits({"T": test, "H1": h1, "H2": h2}, keep_overlap)
    write_jsonl_atomic(out / "h1.jsonl", map(_gold_row, kept["H1"]))
    write_jsonl_atomic(out / "h2.jsonl", [{"id": item.id, "text": item.text} for item in kept["H2"]])
    write_jsonl_atomic(out / "h2_gold.jsonl", map(_gold_row, kept["H2"]))
    write_jsonl_atomic(out / "test.jsonl", map(_gold_row, kept["T"]))
    results = Results(run=out.name, dropped=dict(dropped))
    for name, items in kept.items():
        results.put(count("texts", name, "", len(items)))
    results.save(out)


def read_texts(path: str | Path) -> dict[str, str]:
    """Texts by id.

    Raises:
        WeakToStrongError: a row lacks its id or text, or two have one id.
    """
    return {row["id"]: row["text"] for _, row in read_identified(path, "text")}


def read_gold(path: str | Path) -> dict[str, int]:
    """Gold classes by id; for figures."""
    return {row["id"]: row["hard_label"] for _, row in read_jsonl(path)}


def label_row(id: str, text: str, soft_label: Sequence[float]) -> dict[str, Any]:
    """A row that a student trains on."""
    return {"id": id, "text": text, "soft_label": list(soft_label)}


def read_classes(path: str | Path) -> dict[str, int]:
    """The class of the largest soft label, by id, of a file of label rows."""
    labels = {row["id"]: row["soft_label"] for _, row in read_jsonl(path)}
    return {id: max(range(len(label)), key=label.__getitem__) for id, label in labels.items()}


def _gold_row(item: Item) -> dict[str, Any]:
    return {"id": item.id, "text": item.text, "hard_label": item.hard_label}


def _drawn(items: list[Item], n: int, seed: int) -> list[Item]:
    return Random(seed).sample(items, n) if len(items) > n else items
