"""Sharded checkpoints: resumed by as many processes, by another number, by another strategy, and made whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from lit_reason.cli import main
from lit_reason.consolidate import export_checkpoint
from lit_reason.run_directory import is_complete
from tests.strategies.conftest import ASKED_TO_STOP, IN_16_BITS, KEEP, N_STEPS, RESUME_AT, RESUMED
from tests.strategies.modules import assert_continues, metrics, weights
from tests.strategies.ranks import ROOT, run_together


@pytest.mark.parametrize("strategy", RESUMED)
def test_a_resumed_run_is_the_uninterrupted_one(strategy, pairs):
    assert_continues(pairs.run(strategy, "resumed"), pairs.run(strategy, "adam"), RESUME_AT)


@pytest.mark.parametrize("strategy", ASKED_TO_STOP)
def test_a_signal_to_one_rank_saves_all_ranks_at_the_end_of_its_step(strategy, pairs):
    """The signal comes in the third step, and nothing else asks for a checkpoint; what continues from it is, with
    metrics.csv byte for byte, the run that got no signal."""
    stopped, whole = pairs.run(strategy, "stopped"), pairs.run(strategy, "adam")
    pairs.run(strategy, "continued")
    checkpoints = sorted(path.name for path in (stopped / "checkpoints").iterdir())
    assert checkpoints[0] == "step=000003.ckpt" and len(checkpoints) == 2  # and the last step's
    assert (stopped / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    for name, weight in weights(whole / "model").items():
        assert torch.equal(weight, weights(stopped / "model")[name])


@pytest.mark.parametrize("strategy", RESUMED)
def test_a_sharded_checkpoint_becomes_one_folder(strategy, pairs):
    """The last checkpoint, put together without the processes that wrote it, is what the run itself exported."""
    run = pairs.run(strategy, "adam")
    whole = weights(export_checkpoint(run, run / "consolidated"))
    exported = weights(run / "model")
    assert whole.keys() == exported.keys()
    assert all(torch.equal(whole[name], exported[name]) for name in whole)
    assert not all(
        torch.equal(whole[name], w) for name, w in weights(export_checkpoint(pairs.checkpoint(strategy))).items()
    )


@pytest.mark.parametrize("strategy", IN_16_BITS)
def test_only_the_newest_are_kept(strategy, pairs):
    """The first rank removes the others, each out of sight before it is taken apart."""
    run = pairs.run(strategy, "32-true")
    folder = run / "checkpoints"
    steps = range(N_STEPS - KEEP + 1, N_STEPS + 1)
    assert sorted(path.name for path in folder.iterdir()) == [f"step={step:06d}.ckpt" for step in steps]
    assert all(is_complete(path) and path.is_dir() == (strategy != "ddp") for path in folder.iterdir())
    removed = [json.loads((run / f"removed.rank{rank}.json").read_text()) for rank in (0, 1)]
    assert removed == [[f".step={step:06d}.ckpt" for step in range(1, N_STEPS - KEEP + 1)], []]


@pytest.fixture(scope="session")
def alone(pairs):
    """What one process makes of two processes' checkpoints."""
    commands = {
        f"{strategy}-alone": pairs.adam(
            strategy, f"{strategy}-alone", f"--ckpt_path={pairs.checkpoint(written)}", processes=1
        )
        for strategy, written in {"fsdp2": "fsdp2", "zero2": "zero2", "zero3": "fsdp2"}.items()
    }
    return run_together(commands, pairs.folder / "alone", processes=1)


def test_fsdp2_resumes_with_another_number_of_processes(alone, pairs):
    """Dropout falls elsewhere, as two processes draw for half a batch each; the first loss before it counts."""
    assert alone["fsdp2-alone"] == 0
    resumed, whole = metrics(pairs.folder / "fsdp2-alone" / "only"), metrics(pairs.run("fsdp2", "adam"))
    assert resumed["train/lr"] == whole["train/lr"][RESUME_AT:]
    assert resumed["train/loss"] == pytest.approx(whole["train/loss"][RESUME_AT:], rel=0.02)


def test_what_cannot_be_resumed_says_so_in_a_line(alone, pairs):
    assert (alone["zero2-alone"], alone["zero3-alone"]) == (2, 2)
    said = (pairs.folder / "alone" / "rank0.log").read_text()
    assert "was written by 2 processes, and DeepSpeed resumes with as many only (here 1)" in said
    assert "was not written under DeepSpeed" in said and "train.py export" in said
    assert "Traceback" not in said


def test_export_by_the_command_line_loads_in_plain_transformers(pairs, tmp_path):
    assert main(["export", str(pairs.checkpoint("zero3")), "--to", str(tmp_path / "model"), "--merge"]) == 0
    program = (
        f"from transformers import AutoModelForCausalLM as M; print(M.from_pretrained({str(tmp_path / 'model')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "LlamaForCausalLM" in done.stdout, done.stderr[-2000:]


def test_a_place_without_a_checkpoint_is_named(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path} holds no whole checkpoint\n"
