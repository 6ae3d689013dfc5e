"""Training, validation and test functions: apart by normalised body, and no near-duplicates across (section 9.6)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from lit_reason.case2code.functions import Function
from lit_reason.case2code.names import split_of
from lit_reason.case2code.pipeline import build, left_out, stored_functions
from lit_reason.case2code.settings import RealSettings
from lit_reason.case2code.similarity import Alike
from lit_reason.files import stable_hash, write_json_atomic

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Ids = dict[Split, list[str]]

NEAR_DUPLICATE = "near-duplicates of held-out functions"


def real_functions(settings: RealSettings, split: Split) -> list[Function]:
    """The functions of one split in the order of their bodies' hashes; builds the cache if it is not complete.

    A body's hash alone decides on its split and place, so that other sources or a restart never move a function. A
    training function like a held-out one is left out, and a validation function like one of the test.

    Raises:
        EmptyCorpus: with the reasons, when nothing is left.
        SandboxUnavailable: where functions would have to run without isolation and that is not allowed.
    """
    most = {"train": settings.n_train, "val": settings.n_val, "test": settings.n_test}[split]
    return split_folder(build(settings), settings)[split][:most]


def split_folder(folder: Path, settings: RealSettings) -> dict[Split, list[Function]]:
    """The functions of a complete folder by split; the assignment is kept beside them."""
    share, threshold = settings.held_out_share, settings.near_duplicates
    path = folder / f"splits-{stable_hash([share, threshold])}.json"
    functions = {function.id: function for function in stored_functions(folder)}
    if not path.exists():
        ids = split_functions(list(functions.values()), share, threshold)
        write_json_atomic(path, {"held_out_share": share, "near_duplicates": threshold, **ids})
    stored = json.loads(path.read_text("utf-8"))
    return {split: [functions[id] for id in stored[split]] for split in SPLITS}


def dropped(folder: Path, settings: RealSettings) -> Counter[str]:
    """What is missing from the splits of a folder: unusable rows and inputs, and near-duplicates."""
    n = sum(map(len, split_folder(folder, settings).values()))
    return +(left_out(folder) + Counter({NEAR_DUPLICATE: len(stored_functions(folder)) - n}))


def split_functions(functions: Sequence[Function], held_out_share: float, threshold: float | None) -> Ids:
    """The ids of each split. Half of the held-out share is for validation, half for the test; of functions so few that
    none would be left for training, none is held out."""
    shares: Mapping[Split, float] = {"train": 1 - held_out_share, "val": held_out_share / 2, "test": held_out_share / 2}
    ordered = sorted(functions, key=lambda f: (f.body, f.id))
    splits: dict[Split, list[Function]] = {"train": [], "val": [], "test": []}
    for function in ordered:
        splits[split_of(function.body, shares)].append(function)
    if threshold is not None:
        splits["val"] = unlike(splits["val"], splits["test"], threshold)
        splits["train"] = unlike(splits["train"], [*splits["val"], *splits["test"]], threshold)
    if not splits["train"] and held_out_share < 1:
        splits = {"train": ordered, "val": [], "test": []}
    return {split: [f.id for f in found] for split, found in splits.items()}


def unlike(functions: Sequence[Function], others: Sequence[Function], threshold: float) -> list[Function]:
    """The functions whose similarity to every other one stays below the threshold."""
    alike = Alike([other.code for other in others], threshold)
    return [function for function in functions if function.code not in alike]
