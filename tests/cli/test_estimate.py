"""`train.py estimate`: figures without weights, data or hardware, and a line for what cannot be estimated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]
LLAMA_70B = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8192, "intermediate_size": 28672,
    "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256,
    "tie_word_embeddings": False, "bos_token_id": 128000, "eos_token_id": 128001,
}  # fmt: skip
N_70B = 70_553_706_496
TINY = ("--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes", "--model.backbone.dtype=float32")
CAUSAL = ("--model=CausalLanguageModel", *TINY)

Estimate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def estimate(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Estimate:
    """`estimate(*arguments)` -> exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "160")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["estimate", *arguments])
        return code, *capfd.readouterr()

    return command


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder of Llama 3 70B's shape, without a weight or a tokenizer."""
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_70B))
    return folder


def rows(text: str) -> dict[str, list[str]]:
    """The cells of all printed tables by their first one."""
    lines = [line.strip("│ ").split("│") for line in text.splitlines() if line.startswith("│")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def exact(cell: str) -> int:
    return int(re.search(r"\(([\d,]+)\)", cell)[1].replace(",", ""))


def test_a_model_that_no_machine_here_could_hold(large: Path) -> None:
    """Under ZeRO 3 on 64 GPUs that are not here; 16 bytes a weight, 2 of them again for reduced gradients, and a few
    weights whole on every rank. In little memory."""
    arguments = [
        sys.executable, str(ROOT / "train.py"), "estimate", "--model=CausalLanguageModel", "--model.lora=null",
        f"--model.backbone.name={large}", "--config", str(ROOT / "configs/trainer/deepspeed_zero3.yaml"),
        "--trainer.accelerator=gpu", "--trainer.devices=8", "--trainer.num_nodes=8",
        "--trainer.precision=bf16-mixed", "--memory=80GB",
    ]  # fmt: skip
    environment = {**os.environ, "COLUMNS": "160"}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, said
    found, small = rows(said), 161 * 8192  # the norms are too small to be parted
    assert f"{N_70B:,} parameters, {N_70B:,} of them trained" in said
    assert exact(found["weights"][0]) == pytest.approx(2 * N_70B / 64 + 2 * small, abs=10_000)
    assert exact(found["master weights"][0]) == pytest.approx(4 * N_70B / 64, abs=10_000)
    assert exact(found["optimizer states"][0]) == pytest.approx(8 * N_70B / 64, abs=10_000)
    assert found["ddp"][-1] == found["zero2"][-1] == "no"
    assert "the least sharding that fits 80.00 GB a process, as given: fsdp2" in said
    assert found["zero3"][2] != ""  # DeepSpeed's own figure beside it
    assert usage.ru_maxrss < 2_000_000  # kB; the weights would take 141,107,000


def test_adapters_train_alone_and_frozen_weights_keep_their_dtype(estimate: Estimate, large: Path) -> None:
    (large / "config.json").write_text(json.dumps({**LLAMA_70B, "num_hidden_layers": 2}))
    code, said, _ = estimate(
        "--model=CausalLanguageModel", f"--model.backbone.name={large}", "--model.backbone.dtype=bfloat16",
        "--model.lora.r=16", "--trainer.precision=bf16-mixed", "--trainer.devices=1", "--trainer.accelerator=gpu",
        "--memory=200GiB",
    )  # fmt: skip
    n = 2 * (2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192) + 2 * 128256 * 8192 + 8192
    adapters = 2 * 16 * (2 * 2 * 8192 + 2 * (8192 + 1024) + 3 * (8192 + 28672))
    assert code == 0 and f"{n + adapters:,} parameters, {adapters:,} of them trained" in said
    assert "as built: frozen weights bfloat16, trained weights float32" in said
    found = rows(said)
    assert exact(found["weights"][0]) == 2 * n + 4 * adapters + 2 * 64 * 4  # and rotary frequencies
    assert exact(found["gradients"][0]) == 4 * adapters
    assert exact(found["optimizer states"][0]) == 8 * adapters + 4 * 2 * 14
    assert "the least sharding that fits 214.75 GB a process, as given: one process" in said


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        ("auto", "ddp"),
        ("ddp", "ddp"),
        ("FSDP2", "fsdp2"),
        ("deepspeed_stage_2_offload", "zero2_offload"),
        ("deepspeed_stage_3", "zero3"),
    ],
)
def test_strategies_by_lightnings_names(strategy: str, name: str, estimate: Estimate) -> None:
    code, said, _ = estimate(*CAUSAL, f"--trainer.strategy={strategy}", "--trainer.devices=2")
    assert code == 0 and f"each of 2 processes under {name} holds" in said
    assert set(rows(said)) > {
        "one process",
        "ddp",
        "fsdp2",
        "zero1",
        "zero2",
        "zero3",
        "zero2_offload",
        "zero3_offload",
    }


def test_every_module_is_built_as_it_trains(estimate: Estimate) -> None:
    probe = ("--model=WeakToStrongClassifier", *TINY, "--model.linear_probe=true", "--model.optimizer.name=sgd")
    code, said, _ = estimate(*probe, "--trainer.devices=1", "--trainer.strategy=auto")
    assert code == 0 and "128 of them trained" in said  # a head of 2 x 64
    assert exact(rows(said)["weights"][0]) > 4 * 94_528 and rows(said)["gradients"][0] == "512 B"
    assert "optimizer states" not in rows(said)  # SGD without momentum keeps none


def test_a_given_bucket_counts(estimate: Estimate) -> None:
    zero = ("--trainer.strategy=DeepSpeed", "--trainer.strategy.stage=2", "--trainer.strategy.overlap_comm=false")
    _, said, _ = estimate(*CAUSAL, *zero, "--trainer.strategy.reduce_bucket_size=1000000", "--trainer.devices=2")
    assert exact(rows(said)["in between, at most"][0]) < 4 * 1_100_000


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--memory=lots"],
            "config error: memory: expected an amount with its unit, such as 80GB or 24GiB (got lots) [command line]",
        ),
        (
            ["--trainer.strategy=fsdp"],
            "config error: trainer.strategy: estimate knows auto, ddp, FSDP2, DeepSpeed, deepspeed_stage_1, "
            "deepspeed_stage_2, deepspeed_stage_2_offload, deepspeed_stage_3, deepspeed_stage_3_offload "
            "(got fsdp; did you mean FSDP2?) [command line]",
        ),
        (
            ["--trainer.strategy=DeepSpeed", "--trainer.strategy.config=ds.json"],
            "config error: trainer.strategy.config: estimate reads the strategy's own settings, and no DeepSpeed "
            "configuration beside them [command line]",
        ),
        (
            ["--trainer.precision=transformer-engine"],
            "config error: trainer.precision: estimate knows 32-true, 16-mixed, bf16-mixed, bf16-true, 16-true "
            "(got transformer-engine) [command line]",
        ),
        (
            ["--model=SamplerModule", "--model.replay=pools"],
            "SamplerModule has no optimizer, and exactly one can be estimated",
        ),
    ],
)
def test_what_cannot_be_estimated_is_said_in_a_line(arguments: list[str], line: str, estimate: Estimate) -> None:
    model = [] if arguments[0].startswith("--model=") else [*CAUSAL]
    code, said, error = estimate(*model, *arguments)
    assert (code, said, error) == (2, "", f"{line}\n")


@pytest.mark.parametrize("text", ["{", "{}", '{"model_type": "llama", "num_attention_heads": 0}'])
def test_a_model_whose_configuration_cannot_be_read(text: str, estimate: Estimate, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    code, said, error = estimate("--model=CausalLanguageModel", f"--model.backbone.name={tmp_path}")
    assert (code, said) == (2, "")
    start = f"CausalLanguageModel {tmp_path}: cannot be built from its configuration: "
    assert error.startswith(start) and error.count("\n") == 1 and len(error) > len(start) + 5
