"""Seventy-odd mistakes, each answered by one exact line, before any model or data is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]
DEMO = ["--config", "configs/case2code/smollm2.yaml"]
SFT = "--model CausalLanguageModel --data InstructionDataModule"
NO_MODEL = "model: is missing: name a LightningModule, as in --model CausalLanguageModel"

# What is added to the demo's command line, and the line that answers it, less its last words.
ON_THE_DEMO = {
    # names
    "--model.lora.rank 8": "model.lora.rank: is no setting of Lora",
    "--trainer.max_step 3": "trainer.max_step: is no setting of Trainer (did you mean trainer.max_steps?)",
    "--trainer.max_epoch 3": "trainer.max_epoch: is no setting of Trainer (did you mean trainer.max_epochs?)",
    "--trainer.accum 2": "trainer.accum: is no setting of Trainer (did you mean trainer.accumulate_grad_batches?)",
    "--data.planted.n_trian 5": (
        "data.planted.n_trian: is no setting of PlantedSettings (did you mean data.planted.n_train?)"
    ),
    "--modle.lora.r 8": "modle: is no setting (did you mean model?)",
    "--lora.r 8": "lora: is no setting (did you mean model.lora?)",
    "--max_steps 5": "max_steps: is no setting (did you mean trainer.max_steps?)",
    "--run.sed 5": "run.sed: is no setting of RunSettings (did you mean run.seed?)",
    "--verbose true": "verbose: is no setting",
    "--trainer.callbacks.max_new_token 7": (
        "trainer.callbacks.0.max_new_token: is no setting of Case2CodeEvaluation "
        "(did you mean trainer.callbacks.0.max_new_tokens?)"
    ),
    "--run.without [Progres]": (
        "run.without.0: is no built-in callback or logger (got Progres; did you mean Progress?)"
    ),
    # types and ranges
    "--model.optimizer.lr=-1": "model.optimizer.lr: expected a number >0 (got -1)",
    "--model.optimizer.lr abc": "model.optimizer.lr: expected a number >0 (got abc)",
    "--model.optimizer.betas [0.9,2]": (
        "model.optimizer.betas: expected a list of 2, each a number >=0 and <=1 (got [0.9, 2])"
    ),
    "--model.optimizer null": "model.optimizer: expected the settings of OptimizerSettings (got null)",
    "--model.schedule.warmup 1.5": "model.schedule.warmup: expected a number >=0 and <=1 (got 1.5)",
    "--model.lora.r 0": "model.lora.r: expected a whole number >0 (got 0)",
    "--model.lora.r eight": "model.lora.r: expected a whole number >0 (got eight)",
    "--model.lora 3": "model.lora: expected the settings of Lora or null (got 3)",
    "--data.loading.rows 0": "data.loading.rows: expected a whole number >0 (got 0)",
    "--data.loading.row_tokens=-4": "data.loading.row_tokens: expected a whole number >0 (got -4)",
    "--data.loading.pack maybe": "data.loading.pack: expected true or false (got maybe)",
    "--data.real.max_error_share 2": (
        "data.real.max_error_share: expected a number >=0 and <=1, as a fraction (got 2; did you mean 0.02?)"
    ),
    "--data.real.max_error_share 200": "data.real.max_error_share: expected a number >=0 and <=1 (got 200)",
    "--run.seed x": "run.seed: expected a whole number >=0 (got x)",
    "--trainer 3": "trainer: expected settings of Trainer, key by key (got 3)",
    "--trainer.max_steps": "trainer.max_steps: needs a value",
    "--trainer.max_steps [1]": "trainer.max_steps: expected a whole number >=-1 (got [1])",
    "--trainer.max_steps true": "trainer.max_steps: expected a whole number >=-1 (got true)",
    "--trainer.max_epochs=-2": "trainer.max_epochs: expected a whole number >=-1 or null (got -2)",
    "--trainer.accumulate_grad_batches 0": "trainer.accumulate_grad_batches: expected a whole number >0 (got 0)",
    "--trainer.gradient_clip_val=-1": "trainer.gradient_clip_val: expected a number >=0 or null (got -1)",
    "stray": "stray: settings are written --key value",
    # words
    "--model.optimizer.name adam": (
        "model.optimizer.name: expected one of adamw, sgd (got adam; did you mean adamw?)"
    ),
    "--model.schedule.name cosin": (
        "model.schedule.name: expected one of cosine, linear, constant (got cosin; did you mean cosine?)"
    ),
    "--model.backbone.dtype float16": (
        "model.backbone.dtype: expected one of auto, float32, bfloat16, float64 (got float16; did you mean bfloat16?)"
    ),
    "--model.backbone.attention flash": "model.backbone.attention: expected one of sdpa, eager (got flash)",
    "--model.lora.targets heads": "model.lora.targets: expected one of attention, mlp, all (got heads)",
    "--data.prompts.style shrt": (
        "data.prompts.style: expected one of varied, short (got shrt; did you mean short?)"
    ),
    "--trainer.precision bf17": "trainer.precision: is none of the allowed words (got bf17; did you mean bf16?)",
    # what is not there
    "--model.backbone.name ./nope": "model.backbone.name: no such folder (got ./nope)",
    "--model.backbone.name smollm-135m": (
        "model.backbone.name: is no known backbone (got smollm-135m; did you mean smollm2-135m?)"
    ),
    "--ckpt_path last --run.name never": (
        "ckpt_path: nothing to continue: there is no run in runs/never (got last)"
    ),
    "--ckpt_path nowhere.ckpt": "ckpt_path: no such checkpoint (got nowhere.ckpt)",
    "--ckpt_path README.md": (
        "ckpt_path: is not a whole checkpoint (cut short, or another kind of file) (got README.md)"
    ),
    "--data.real.sources [no_such_package]": (
        "data.real.sources: source 'no_such_package' is neither `stdlib`, an installed package, nor a path "
        "(got ['no_such_package'])"
    ),
    "--data.planted.families [prefx]": (
        "data.planted.families: unknown family 'prefx'; did you mean 'prefix'? (got ['prefx'])"
    ),
    # classes
    "--trainer.callbacks+=Nonsense": "trainer.callbacks.1: is no known class (got Nonsense)",
    "--trainer.callbacks EarlyStoping": (
        "trainer.callbacks.1: is no known class (got EarlyStoping; did you mean EarlyStopping?)"
    ),
    "--trainer.callbacks EarlyStopping": "trainer.callbacks.1.monitor: is required by EarlyStopping",
    "--trainer.callbacks CausalLanguageModel": (
        "trainer.callbacks.1: CausalLanguageModel is not a Callback "
        "(got lit_reason.language_model.CausalLanguageModel)"
    ),
    "--trainer.logger Nothing": "trainer.logger.0: is no known class (got Nothing)",
    "--trainer.logger.save_dir x": "trainer.logger: name a Logger before its settings",
    # what Lightning would find out late, or not at all
    "--trainer.devices 0": "trainer.devices: expected at least 1 (or -1 for all) (got 0)",
    "--trainer.devices two": "trainer.devices: expected a number, a list of numbers, or auto (got two)",
    "--trainer.strategy ddpp": "trainer.strategy: is no known strategy (got ddpp; did you mean ddp?)",
    "--trainer.accelerator quantum": (
        "trainer.accelerator: expected one of auto, cpu, cuda, gpu, mps, tpu (got quantum)"
    ),
    "--trainer.precision transformer-engine": (
        "trainer.precision: needs the package transformer_engine, which is not installed (got transformer-engine)"
    ),
    "--trainer.default_root_dir x": (
        "trainer.default_root_dir: the run directory is chosen by run.root, run.name and run.id"
    ),
    "--data.planted.n_shown 10": "data.planted.n_shown: must be below n_cases = 10, got 10 (got 10)",
}  # fmt: skip

ALONE = {
    "--config nowhere.yaml": "--config: no such file (got nowhere.yaml)",
    "--config configs": "--config: cannot be read: Is a directory (got configs)",
    "--config configs/case2code/smolm2.yaml": (
        "--config: no such file (got configs/case2code/smolm2.yaml; did you mean configs/case2code/smollm2.yaml?)"
    ),
    "--model Nonsense": "model: is no known class (got Nonsense)",
    "--model Chat": "model: Chat is not a LightningModule (got lit_reason.chat.Chat)",
    "--model nowhere.Thing": "model: there is no module nowhere (got nowhere.Thing)",
    "--model lightning.pytorch.LightningModule": (
        "model: LightningModule is the base class; name a class of that kind (got lightning.pytorch.LightningModule)"
    ),
    "--model lit_reason.language_model.CausalLanguageModl": (
        "model: module lit_reason.language_model has no class CausalLanguageModl "
        "(got lit_reason.language_model.CausalLanguageModl; did you mean CausalLanguageModel?)"
    ),
    "--model CausalLanguageModel --data Case2CodeDataMdule": (
        "data: is no known class (got Case2CodeDataMdule; did you mean Case2CodeDataModule?)"
    ),
    SFT: "data.path: is required by InstructionDataModule",
    f"{SFT} --data.path /no/rows.jsonl": "data.path: no such file: /no/rows.jsonl (got /no/rows.jsonl)",
    "--model tests.cli.toy.Toy --data tests.cli.toy.ToyData --data.low 5": "data.low: must be below high = 1 (got 5)",
}  # fmt: skip

FILES = {
    "model: {class_path: Any\ntrainer: [": "not valid YAML: expected ',' or '}', but got ':' [a.yaml:2]",
    "trainer:\n\tmax_steps: 1\n": "not valid YAML: found character '\\t' that cannot start any token [a.yaml:2]",
    "- 1\n": "expected `key: value` lines at the top of the file [a.yaml:1]",
    "run:\n  seed: 1\n  name: x\n  seed: 2\n": "run.seed: is given twice, first on line 2 [a.yaml:4]",
    "model:\n  class_path: CausalLanguageModel\n  init_args:\n    optimzer: {lr: 1}\n": (
        "model.optimzer: is no setting of CausalLanguageModel (did you mean model.optimizer?) [a.yaml:4]"
    ),
    "model:\n  class_path: CausalLanguageModel\n  lora: {r: many}\n": (
        "model.lora.r: expected a whole number >0 (got many) [a.yaml:3]"
    ),
    "model: CausalLanguageModel\ntrainer:\n  callbacks:\n  - Timer\n  - class_path: EarlyStopping\n    init_args:\n"
    "      monitor: 3\n": "trainer.callbacks.1.monitor: expected text (got 3) [a.yaml:7]",
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    """A mistake must end the command before any model is built."""

    def load(*args: object, **kwargs: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("lit_reason.language_model.load_model", load)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that a wrong command line prints, less where they all come from."""
    assert main(list(arguments)) == 2
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("config error: ").removesuffix(" [command line]") for line in lines]


@pytest.mark.parametrize("mistake", ON_THE_DEMO)
def test_on_the_demo(capsys, mistake):
    assert answer(capsys, "fit", *DEMO, *mistake.split()) == [ON_THE_DEMO[mistake]]


def test_a_mistake_on_the_command_line_says_that_it_is_there(capsys):
    assert main(["fit", *DEMO, "--model.lora.rank", "8"]) == 2
    assert capsys.readouterr().err == "config error: model.lora.rank: is no setting of Lora [command line]\n"


@pytest.mark.parametrize("mistake", ALONE)
def test_alone(capsys, mistake):
    assert answer(capsys, "fit", *mistake.split()) == [ALONE[mistake]]


@pytest.mark.parametrize("text", FILES)
def test_in_a_file_with_its_line(capsys, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(text)
    assert answer(capsys, "fit", "--config", "a.yaml") == [FILES[text]]


def test_a_file_that_is_no_text(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_bytes(b"run: {name: \xe9}\n")
    assert answer(capsys, "fit", "--config", "a.yaml") == ["--config: cannot be read: is not UTF-8 text (got a.yaml)"]


def test_commands(capsys):
    assert answer(capsys, "fti") == ["no command 'fti' (did you mean fit?)"]
    assert answer(capsys, "fit", "--run.name", "nothing") == [NO_MODEL]
    assert answer(capsys, "prepare", "--model", "CausalLanguageModel") == [
        "data: is missing: prepare builds the data of a LightningDataModule"
    ]
    assert answer(capsys, "report", "nowhere") == [
        "report needs one run or study directory: train.py report RUN_OR_STUDY_DIR, or train.py report --compare RUN_A "
        "RUN_B (got nowhere)"
    ]
    assert answer(capsys, "fit", "--help", "trainr") == ["--help: no such topic (got trainr; did you mean trainer?)"]
    assert answer(capsys, "fit", "--help", "--model", "CausalLanguageModl") == [
        "model: is no known class (got CausalLanguageModl; did you mean CausalLanguageModel?)"
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_what_this_hardware_lacks(capsys):
    assert answer(capsys, "fit", *DEMO, "--trainer.precision", "16-mixed") == [
        "trainer.precision: float16 needs a GPU; here bf16-mixed and 32-true work (got 16-mixed)"
    ]
    assert answer(capsys, "fit", *DEMO, "--trainer.accelerator", "gpu") == [
        "trainer.accelerator: this machine has no usable GPU; cpu and auto work here (got gpu)"
    ]
    assert answer(capsys, "fit", *DEMO, "--trainer.strategy", "fsdp") == [
        "trainer.strategy: FSDP's first version needs a GPU; FSDP2 and ddp run on CPU processes (got fsdp)"
    ]


def test_a_strategy_whose_package_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "deepspeed", None)  # as where it cannot be installed
    assert answer(capsys, "fit", *DEMO, "--trainer.strategy", "deepspeed_stage_2") == [
        "trainer.strategy: needs the package deepspeed, which is not installed (got deepspeed_stage_2)"
    ]


def test_processes_of_torchrun_must_share_an_id(capsys, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    (line,) = answer(capsys, "fit", *DEMO)
    assert line.startswith("run.id: is needed where torchrun starts the processes")


def test_a_module_that_cannot_be_imported(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("broken_of_the_user.py").write_text("import no_such_package_at_all\n")
    Path("raising_of_the_user.py").write_text("1 / 0\n")
    assert answer(capsys, "fit", "--model", "broken_of_the_user.Mine") == [
        "model: broken_of_the_user needs no_such_package_at_all, which is not installed (got broken_of_the_user.Mine)"
    ]
    assert answer(capsys, "fit", "--model", "raising_of_the_user.Mine") == [
        "model: raising_of_the_user cannot be imported: ZeroDivisionError: division by zero "
        "(got raising_of_the_user.Mine)"
    ]


def test_a_cross_field_mistake_names_both_places(capsys):
    settings = Path(DEMO[1]).read_text().splitlines()
    (line,) = [i for i, text in enumerate(settings, 1) if text.strip().startswith("k_max:")]
    assert answer(capsys, "fit", *DEMO, "--data.prompts.k_min", "9") == [
        f"data.prompts.k_max: must be at least k_min = 9, got 4 (got 4) [configs/case2code/smollm2.yaml:{line}]",
        "data.prompts.k_min: is 9, but no more than planted.n_shown = 4 cases are shown (got 9)",
    ]


def test_all_mistakes_at_once(capsys):
    """Of names, types, ranges, words, classes and hardware, in one go; cross-field rules wait for sound fields."""
    mistakes = [
        "--model.lora.rank 8", "--trainer.max_step 3", "--data.planted.n_trian 5", "--model.optimizer.lr=-1",
        "--trainer.callbacks+=Nonsense", "--trainer.strategy ddpp", "--model.schedule.name cosin",
        "--model.backbone.name ./nope",
    ]  # fmt: skip
    lines = answer(capsys, "fit", *DEMO, *" ".join(mistakes).split())
    assert sorted(lines) == sorted(ON_THE_DEMO[mistake] for mistake in mistakes)
