"""Forty-odd mistakes, each answered by one exact line, before any model or data is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lit_reason.cli import main

ROOT = Path(__file__).resolve().parents[2]
DEMO = ["--config", "configs/case2code/smollm2.yaml"]
SFT = ["--model", "CausalLanguageModel", "--data", "InstructionDataModule"]
HERE = "[command line]"
NO_MODEL = "model: is missing: name a LightningModule, as in --model CausalLanguageModel"

ON_THE_DEMO = {
    "--model.lora.rank 8": f"model.lora.rank: is no setting of Lora {HERE}",
    "--trainer.max_step 3": f"trainer.max_step: is no setting of Trainer (did you mean trainer.max_steps?) {HERE}",
    "--trainer.max_epoch 3": f"trainer.max_epoch: is no setting of Trainer (did you mean trainer.max_epochs?) {HERE}",
    "--data.planted.n_trian 5": "data.planted.n_trian: is no setting of PlantedSettings (did you mean data.planted.n_train?) "
    f"{HERE}",
    "--modle.lora.r 8": f"modle: is no setting (did you mean model?) {HERE}",
    "--model.optimizer.lr=-1": f"model.optimizer.lr: expected a number >0 (got -1) {HERE}",
    "--model.optimizer.lr abc": f"model.optimizer.lr: expected a number >0 (got abc) {HERE}",
    "--model.optimizer.name adam": f"model.optimizer.name: expected one of adamw, sgd (got adam; did you mean adamw?) {HERE}",
    "--model.schedule.warmup 1.5": f"model.schedule.warmup: expected a number >=0 and <=1 (got 1.5) {HERE}",
    "--model.schedule.name cosin": "model.schedule.name: expected one of cosine, linear, constant (got cosin; did you mean "
    f"cosine?) {HERE}",
    "--model.backbone.dtype float16": "model.backbone.dtype: expected one of auto, float32, bfloat16, float64 (got float16; "
    f"did you mean bfloat16?) {HERE}",
    "--model.backbone.attention flash": f"model.backbone.attention: expected one of sdpa, eager (got flash) {HERE}",
    "--model.backbone.name ./nope": f"model.backbone.name: no such folder (got ./nope) {HERE}",
    "--model.lora.targets heads": f"model.lora.targets: expected one of attention, mlp, all (got heads) {HERE}",
    "--model.lora.r eight": f"model.lora.r: expected a whole number (got eight) {HERE}",
    "--trainer.precision 7": f"trainer.precision: is none of the allowed words (got 7) {HERE}",
    "--trainer.devices 0": f"trainer.devices: expected at least 1 (or -1 for all) (got 0) {HERE}",
    "--trainer.strategy ddpp": f"trainer.strategy: is no known strategy (got ddpp; did you mean ddp?) {HERE}",
    "--trainer.callbacks+=Nonsense": f"trainer.callbacks.1: is no known class (got Nonsense) {HERE}",
    "--trainer.callbacks.max_new_token 7": "trainer.callbacks.0.max_new_token: is no setting of Case2CodeEvaluation "
    f"(did you mean trainer.callbacks.0.max_new_tokens?) {HERE}",
    "--trainer.logger Nothing": f"trainer.logger.0: is no known class (got Nothing) {HERE}",
    "--trainer.max_steps": f"trainer.max_steps: needs a value {HERE}",
    "--data.prompts.style shrt": f"data.prompts.style: expected one of varied, short (got shrt; did you mean short?) {HERE}",
    "--data.planted.families [prefx]": "data.planted.families: unknown family 'prefx'; did you mean 'prefix'? "
    f"(got ['prefx']) {HERE}",
    "--data.planted.n_shown 10": f"data.planted.n_shown: must be below n_cases = 10, got 10 (got 10) {HERE}",
    "--data.loading.rows 0": f"data.loading.rows: expected a whole number >0 (got 0) {HERE}",
    "--data.loading.row_tokens=-4": f"data.loading.row_tokens: expected a whole number >0 (got -4) {HERE}",
    "--data.real.max_error_share 2": f"data.real.max_error_share: expected a number >=0 and <=1 (got 2) {HERE}",
    "--data.real.sources [no_such_package]": "data.real.sources: source 'no_such_package' is neither `stdlib`, an installed "
    f"package, nor a path (got ['no_such_package']) {HERE}",
    "--ckpt_path last --run.name never": f"ckpt_path: nothing to continue: there is no run in runs/never (got last) {HERE}",
    "--ckpt_path nowhere.ckpt": f"ckpt_path: no such checkpoint (got nowhere.ckpt) {HERE}",
    "--run.seed x": f"run.seed: expected a whole number >=0 (got x) {HERE}",
    "--run.without [Progres]": f"run.without.0: is no built-in callback or logger (got Progres; did you mean Progress?) {HERE}",
    "stray": f"stray: settings are written --key value {HERE}",
}

ALONE = {
    "--config nowhere.yaml": [f"--config: no such file (got nowhere.yaml) {HERE}"],
    "--run.name nothing": [NO_MODEL],
    "--model Nonsense": [f"model: is no known class (got Nonsense) {HERE}"],
    "--model Chat": [f"model: Chat is not a LightningModule (got lit_reason.chat.Chat) {HERE}"],
    "--model CausalLanguageModel --data Case2CodeDataMdule": [
        f"data: is no known class (got Case2CodeDataMdule; did you mean Case2CodeDataModule?) {HERE}"
    ],
    " ".join(SFT): [f"data.path: is required by InstructionDataModule {HERE}"],
    " ".join([*SFT, "--data.path", "/no/rows.jsonl"]): [
        f"data.path: no such file: /no/rows.jsonl (got /no/rows.jsonl) {HERE}"
    ],
}


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
    """The lines that a wrong command line prints."""
    assert main(list(arguments)) == 2
    return [line.removeprefix("config error: ") for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("mistake", ON_THE_DEMO)
def test_on_the_demo(capsys, mistake):
    assert answer(capsys, "fit", *DEMO, *mistake.split()) == [ON_THE_DEMO[mistake]]


@pytest.mark.parametrize("mistake", ALONE)
def test_alone(capsys, mistake):
    assert answer(capsys, "fit", *mistake.split()) == ALONE[mistake]


def test_a_misspelt_command(capsys):
    assert answer(capsys, "fti") == [f"no command 'fti' (did you mean fit?) {HERE}"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_what_this_hardware_lacks(capsys):
    assert answer(capsys, "fit", *DEMO, "--trainer.precision", "16-mixed") == [
        f"trainer.precision: float16 needs a GPU; here bf16-mixed and 32-true work (got 16-mixed) {HERE}"
    ]
    assert answer(capsys, "fit", *DEMO, "--trainer.accelerator", "gpu") == [
        f"trainer.accelerator: this machine has no usable GPU; cpu and auto work here (got gpu) {HERE}"
    ]


def test_a_cross_field_mistake_names_both_places(capsys):
    assert answer(capsys, "fit", *DEMO, "--data.prompts.k_min", "9") == [
        "data.prompts.k_max: must be at least k_min = 9, got 4 (got 4) [configs/case2code/smollm2.yaml:32]",
        f"data.prompts.k_min: is 9, but no more than planted.n_shown = 4 cases are shown (got 9) {HERE}",
    ]


def test_all_mistakes_at_once(capsys):
    mistakes = ["--model.lora.rank 8", "--trainer.max_step 3", "--data.planted.n_trian 5", "--model.optimizer.lr=-1"]
    lines = answer(capsys, "fit", *DEMO, *" ".join(mistakes).split())
    assert sorted(lines) == sorted(ON_THE_DEMO[mistake] for mistake in mistakes)


def test_broken_files_name_their_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("model: {class_path: CausalLanguageModel\ntrainer: [")
    Path("list.yaml").write_text("- 1\n")
    Path("typo.yaml").write_text("model:\n  class_path: CausalLanguageModel\n  init_args:\n    optimzer: {lr: 1}\n")
    assert answer(capsys, "fit", "--config", "broken.yaml") == [
        "not valid YAML: expected ',' or '}', but got ':' [broken.yaml:2]"
    ]
    assert answer(capsys, "fit", "--config", "list.yaml") == [
        "expected `key: value` lines at the top of the file [list.yaml:1]"
    ]
    assert answer(capsys, "fit", "--config", "typo.yaml") == [
        "model.optimzer: is no setting of CausalLanguageModel (did you mean model.optimizer?) [typo.yaml:4]"
    ]
