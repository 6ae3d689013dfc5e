"""Ids, hashes and checkpoints of run directories."""

from __future__ import annotations

import copy
import fnmatch
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from lit_reason.files import write_json_atomic
from lit_reason.run_directory import (
    NOT_IN_RESUME_HASH,
    RunSettings,
    changed_settings,
    has_stable_id,
    is_complete,
    lock,
    new_id,
    newest_checkpoint,
    resume_hash,
    runs_of,
)

CONFIG: dict[str, Any] = {
    "run": {"root": "runs", "name": "n", "id": None, "seed": 0, "without": []},
    "model": {"class_path": "M", "init_args": {"lr": 0.1, "lora": {"r": 8}}},
    "data": {"class_path": "D", "init_args": {"loading": {"rows": 4, "num_workers": 0}}},
    "trainer": {
        "max_steps": 5,
        "accumulate_grad_batches": 1,
        "devices": 1,
        "val_check_interval": None,
        "callbacks": [],
    },
    "ckpt_path": None,
}


def changed(key: str, value: Any) -> dict[str, Any]:
    """CONFIG with one setting changed."""
    config = copy.deepcopy(CONFIG)
    *path, last = key.split(".")
    node = config
    for part in path:
        node = node["init_args"][part] if part not in node else node[part]
    node = node if last in node or "init_args" not in node else node["init_args"]
    node[last] = value
    return config


@pytest.mark.parametrize(
    "key, value",
    [
        ("run.id", "x"), ("run.name", "x"), ("run.root", "x"), ("ckpt_path", "last"), ("trainer.max_steps", 9),
        ("trainer.devices", 2), ("trainer.val_check_interval", 3), ("trainer.callbacks", [{"class_path": "C"}]),
        ("data.loading.num_workers", 2),
    ],
)  # fmt: skip
def test_what_a_continued_run_may_change(key, value):
    assert resume_hash(changed(key, value)) == resume_hash(CONFIG)


@pytest.mark.parametrize(
    "key, value",
    [
        ("run.seed", 1), ("model.lr", 0.2), ("model.lora.r", 4), ("model.lora", None), ("data.loading.rows", 8),
        ("trainer.accumulate_grad_batches", 2), ("model.class_path", "N"),
    ],
)  # fmt: skip
def test_what_makes_it_another_experiment(key, value):
    config = (
        changed(key, value)
        if key != "model.class_path"
        else {**CONFIG, "model": {**CONFIG["model"], "class_path": "N"}}
    )
    assert resume_hash(config) != resume_hash(CONFIG)


def test_every_exception_has_a_reason_and_names_settings_that_exist():

    from lightning.pytorch.utilities.model_helpers import is_overridden  # noqa: F401  (Lightning is there)

    names = {f"trainer.{name}" for name in inspect.signature(Trainer.__init__).parameters}
    names |= {f"run.{name}" for name in RunSettings.__dataclass_fields__} | {
        "ckpt_path",
        "weights_only",
        "data.loading.num_workers",
    }
    for pattern, reason in NOT_IN_RESUME_HASH.items():
        assert reason and any(fnmatch.fnmatchcase(name, pattern) for name in names), pattern
    learning = ("accumulate_grad_batches", "gradient_clip_val", "precision", "limit_train_batches", "overfit_batches")
    for name in learning:
        assert not any(fnmatch.fnmatchcase(f"trainer.{name}", pattern) for pattern in NOT_IN_RESUME_HASH)


def test_ids_in_their_order():
    slurm = {"SLURM_JOB_ID": "7"}
    array = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    assert new_id(RunSettings(id="given"), "fit", CONFIG, {**slurm, "LIT_REASON_RUN_ID": "study"}) == "given"
    assert new_id(RunSettings(), "fit", CONFIG, {**slurm, "LIT_REASON_RUN_ID": "study"}) == "study"
    assert re.fullmatch("7-[0-9a-f]{8}", new_id(RunSettings(), "fit", CONFIG, slurm))
    assert re.fullmatch("7_2-[0-9a-f]{8}", new_id(RunSettings(), "fit", CONFIG, array))
    assert new_id(RunSettings(), "fit", CONFIG, {"TORCHELASTIC_RUN_ID": "abc"}) == "abc"
    assert re.fullmatch(r"\d{8}-\d{6}-\d{3}", new_id(RunSettings(), "fit", CONFIG, {"TORCHELASTIC_RUN_ID": "none"}))
    assert has_stable_id(RunSettings(), slurm) and not has_stable_id(RunSettings(), {})


def test_two_steps_of_one_job_do_not_collide_and_a_requeued_one_finds_itself():
    slurm = {"SLURM_JOB_ID": "7"}
    fit = new_id(RunSettings(), "fit", CONFIG, slurm)
    assert fit == new_id(RunSettings(), "fit", changed("ckpt_path", "auto"), slurm)
    assert (
        len(
            {
                fit,
                new_id(RunSettings(), "validate", CONFIG, slurm),
                new_id(RunSettings(), "fit", changed("model.lr", 1), slurm),
            }
        )
        == 3
    )


def test_changes_are_said_in_the_users_words():
    assert changed_settings(CONFIG, changed("model.lora.r", 4)) == ["model.lora.r: 8 -> 4"]
    assert changed_settings(CONFIG, changed("run.id", "x")) == []
    assert changed_settings(CONFIG, changed("trainer.val_check_interval", "x")) == [
        "trainer.val_check_interval: null -> x"
    ]


def test_the_newest_checkpoint_is_the_highest_whole_step(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 10):
        torch.save({"global_step": step}, folder / f"step={step}.ckpt")
    torch.save({"global_step": 12}, folder / "named-otherwise.ckpt")
    torch.save({"global_step": 99}, folder / ".step=99.ckpt")
    whole = (folder / "step=10.ckpt").read_bytes()
    (folder / "step=50.ckpt").write_bytes(whole[: len(whole) // 2])
    (folder / "step=60.ckpt").mkdir()  # a sharded checkpoint whose last file is missing
    assert newest_checkpoint(tmp_path) == folder / "named-otherwise.ckpt"
    (folder / "step=60.ckpt" / "header.pt").write_text("checkpoint")
    assert newest_checkpoint(tmp_path) == folder / "step=60.ckpt"
    assert not is_complete(folder / "step=50.ckpt")


def test_a_lock_is_held_once_and_freed(tmp_path):
    first = lock(tmp_path)
    assert first is not None and lock(tmp_path) is None
    first.close()
    again = lock(tmp_path)
    assert again is not None
    again.close()


def test_the_newest_run_comes_first_even_when_its_clock_is_coarse(tmp_path: Path):
    for name, started in {"b": "2026-01-01", "a": "2026-01-02", "c": "2026-01-02"}.items():
        write_json_atomic(tmp_path / name / "environment.json", {"started": started})
    (tmp_path / "no run").mkdir()
    assert [path.name for path in runs_of(tmp_path)] == ["c", "a", "b"]
