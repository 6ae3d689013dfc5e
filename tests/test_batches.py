"""The window planner and the batch: every document once, windows exact, order resumable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.batches import (
    IGNORED,
    DocumentRows,
    Loading,
    ResumableOrder,
    TokenDocument,
    WindowPlanner,
    collate,
    document_mask,
)

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=60)


def document(id: str, n: int, first_target: int) -> TokenDocument:
    return TokenDocument(id, np.arange(n, dtype=np.int32) + 3, np.arange(n) >= first_target)


def planner(
    lengths: list[int], rows: int, accumulate: int, world_size: int, pack: bool = True, seed: int = 0
) -> WindowPlanner:
    return WindowPlanner(lengths, [n - 1 for n in lengths], Loading(40, rows, pack), accumulate, world_size, seed)


@settings(max_examples=60, deadline=None)
@given(
    lengths=LENGTHS,
    rows=st.integers(1, 4),
    accumulate=st.integers(1, 3),
    world_size=st.integers(1, 3),
    pack=st.booleans(),
)
def test_an_epoch_holds_every_document_once_and_every_window_is_full(lengths, rows, accumulate, world_size, pack):
    plan = planner(lengths, rows, accumulate, world_size, pack)
    micro = [plan.micro_batches(0, rank) for rank in range(world_size)]
    assert sorted(i for rank in micro for m in rank for row in m.rows for i in row) == list(range(len(lengths)))
    assert {len(rank) for rank in micro} == {plan.n_steps(1) * accumulate}
    for rank in micro:
        for m in rank:
            assert len(m.rows) <= rows
            assert all(sum(lengths[i] for i in row) <= 40 for row in m.rows)
    for step in range(plan.n_steps(1)):
        window = [m for rank in micro for m in rank[step * accumulate : (step + 1) * accumulate]]
        assert {m.window_targets for m in window} == {
            sum(lengths[i] - 1 for m in window for row in m.rows for i in row)
        }


@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS, pack=st.booleans())
def test_the_split_of_a_window_does_not_change_its_documents(lengths, pack):
    def windows(rows: int, accumulate: int, world_size: int) -> list[list]:
        return list(planner(lengths, rows, accumulate, world_size, pack).windows(2))

    assert windows(8, 1, 1) == windows(4, 2, 1) == windows(1, 8, 1) == windows(2, 2, 2)


def plain_packing(order: list[int], lengths: list[int], n_rows: int) -> list[list[tuple[int, ...]]]:
    """The rule of `WindowPlanner._pack`, each step a search over all rows."""
    windows, coming = [], list(order)
    while coming:
        rows: list[list[int]] = [[] for _ in range(n_rows)]
        free, waiting = [40] * n_rows, []
        while coming and len(waiting) < n_rows:
            document = coming.pop(0)
            fitting = [i for i, room in enumerate(free) if room >= lengths[document]]
            if not fitting:
                waiting.append(document)
                continue
            best = min(fitting, key=free.__getitem__)
            rows[best].append(document)
            free[best] -= lengths[document]
        coming = waiting + coming
        windows.append([tuple(row) for row in rows if row])
    return windows


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(2, 40), max_size=200), rows=st.integers(1, 9), epoch=st.integers(0, 3))
def test_the_plan_is_that_of_the_plain_rule(lengths, rows, epoch):
    order = np.random.default_rng([0, epoch]).permutation(len(lengths)).tolist()
    assert list(planner(lengths, rows, 1, 1).windows(epoch)) == plain_packing(order, lengths, rows)


def test_windows_and_micro_batches_are_sequences():
    plan = planner([5] * 200, 2, 3, 1)
    windows, micro = plan.windows(0), plan.micro_batches(0)
    assert windows[-1] == windows[len(windows) - 1] and windows[1:3] == [windows[1], windows[2]]
    assert [micro[i] for i in (4, 0, 3)] == [list(micro)[i] for i in (4, 0, 3)]
    for sequence in (windows, micro):
        with pytest.raises(IndexError):
            sequence[len(sequence)]


def test_epochs_and_seeds_differ_and_repeat():
    lengths = [5] * 50
    first = list(planner(lengths, 4, 1, 1).windows(0))
    assert first == list(planner(lengths, 4, 1, 1).windows(0))
    assert first != list(planner(lengths, 4, 1, 1).windows(1))
    assert first != list(planner(lengths, 4, 1, 1, seed=1).windows(0))


def test_packing_fills_rows():
    lengths = np.random.default_rng(0).integers(4, 20, 2000).tolist()
    windows = planner(lengths, 8, 1, 1).windows(0)
    used = sum(lengths) / sum(40 * 8 for _ in windows)
    assert used > 0.95


def test_a_document_longer_than_a_row_is_refused():
    with pytest.raises(ValueError, match="41 tokens does not fit a row of 40"):
        planner([41], 1, 1, 1)


def test_a_resumed_order_yields_the_rest_but_keeps_the_length():
    micro = planner([5] * 40, 2, 1, 1).micro_batches(0)
    order = ResumableOrder(micro, start=2)
    assert list(order) == micro[2:]
    assert len(order) == len(micro)


def test_collate_by_hand():
    batch = collate(
        [[document("a", 3, 1), document("b", 2, 0)], [document("c", 2, 1)]], window_targets=9, pad_id=0, width=6
    )
    assert batch["input_ids"].tolist() == [[3, 4, 5, 3, 4, 0], [3, 4, 0, 0, 0, 0]]
    assert batch["labels"].tolist() == [
        [IGNORED, 4, 5, IGNORED, 4, IGNORED],  # b's first token is a target by itself, but nothing in b predicts it
        [IGNORED, 4, IGNORED, IGNORED, IGNORED, IGNORED],
    ]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 0, 1, 2, 3]]
    assert batch["document_ids"].tolist() == [[0, 0, 0, 1, 1, -1], [0, 0, -1, -1, -1, -1]]
    assert batch["row_ids"] == [["a", "b"], ["c"]]
    assert (batch["window_targets"], batch["n_targets"], batch["n_tokens"]) == (9, 4, 7)


def test_no_rows_make_one_row_of_padding():
    batch = collate([], window_targets=5, pad_id=7, width=4)
    assert batch["input_ids"].tolist() == [[7, 7, 7, 7]]
    assert batch["labels"].eq(IGNORED).all() and batch["n_targets"] == 0


def test_document_mask_by_hand():
    mask = document_mask(torch.tensor([[0, 0, 1, -1]]))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_unpacked_rows_are_as_wide_as_the_longest():
    documents = [document(str(n), n, 1) for n in (3, 9, 4, 8)]
    loading = Loading(16, rows=2, pack=False, shuffle=False)
    plan = WindowPlanner([3, 9, 4, 8], [2, 8, 3, 7], loading, accumulate=2)
    batches = [DocumentRows(documents, loading, 0)[m] for m in plan.micro_batches(0)]
    assert [b["input_ids"].shape[1] for b in batches] == [9, 4]  # sorted by length within the window
