"""Every configuration in `configs/` is accepted by the checks that `train.py` makes, and those of paper size train,
with a tiny model in place of names on the hub."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from lit_reason.backbones import Backbone, load_model, load_tokenizer
from lit_reason.cli import main
from lit_reason.config.request import read_request
from lit_reason.config.session import mistakes_of
from lit_reason.study.checks import all_mistakes
from lit_reason.study.file import read_study
from lit_reason.study.plan import plan

CONFIGS = Path("configs")
RUNS = [str(file.relative_to(CONFIGS)) for file in sorted(CONFIGS.glob("*/*.yaml")) if file.parent.name != "studies"]
STUDIES = [
    pytest.param(str(file), marks=[pytest.mark.slow] if file.stem == "case2code" else [])
    for file in sorted(CONFIGS.glob("studies/*.yaml"))
]

BENEATH = {
    "trainer/": "case2code/smollm2.yaml",
    "case2code/control.yaml": "case2code/smollm2.yaml",
    "case2code/deduction.yaml": "case2code/smollm2.yaml",
    "case2code/many_layouts.yaml": "case2code/scratch.yaml",
    "case2code/one_layout.yaml": "case2code/scratch.yaml",
    "case2code/telling_names.yaml": "case2code/scratch.yaml",
    "test_time_scaling/chains_clean.yaml": "test_time_scaling/chains.yaml",
    "test_time_scaling/sequential.yaml": "test_time_scaling/smollm2.yaml",
    "weak_to_strong/deepseek_gsm8k.yaml": "weak_to_strong/llama3_gsm8k.yaml",
    "weak_to_strong/llama3_math.yaml": "weak_to_strong/llama3_gsm8k.yaml",
    "weak_to_strong/match_epochs.yaml": "weak_to_strong/reasoning.yaml",
    "weak_to_strong/match_steps.yaml": "weak_to_strong/reasoning.yaml",
    "weak_to_strong/reasoning_base.yaml": "weak_to_strong/reasoning.yaml",
    "weak_to_strong/spelling_small.yaml": "weak_to_strong/spelling.yaml",
}
"""What an overlay is put over."""

GIVEN = {
    "aor/endpoint.yaml": "data.validation_path",
    "case2code/from_release.yaml": "data.release_path",
    "instruction/smollm2.yaml": "data.path",
    "test_time_scaling/endpoint.yaml": "data.validation_path",
    "test_time_scaling/replay.yaml": "data.validation_path",
    "weak_to_strong/llama3_gsm8k.yaml": "data.path",
    "weak_to_strong/own.yaml": "data.path",
    "weak_to_strong/reasoning.yaml": "data.path",
    "weak_to_strong/spelling.yaml": "data.path",
}
"""The file of the user's own that a configuration asks for."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [{"id": str(i), "prompt": f"What is {i} + 1?", "target": f"It is {i + 1}."} for i in range(8)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, str]:
    """Random models of the families that the paper-size runs name, as folders in place of hub ids."""
    from transformers import GPT2Config, GPT2LMHeadModel

    backbone = Backbone("llama-tiny", dtype="float32", tokenizer="bytes")
    tokenizer = load_tokenizer(backbone)
    size = {
        "vocab_size": len(tokenizer),
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "eos_token_id": tokenizer.eos_token_id,
    }
    found = {}
    for name, model in (("llama", load_model(backbone)), ("gpt2", GPT2LMHeadModel(GPT2Config(**size)))):
        folder = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found[name] = str(folder)
    return found


def files_of(config: str) -> list[str]:
    beneath = BENEATH.get(config) or next((base for part, base in BENEATH.items() if config.startswith(part)), None)
    return [*(files_of(beneath) if beneath else []), config]


def command(config: str, rows: str) -> list[str]:
    files = files_of(config)
    words = [word for file in files for word in ("--config", str(CONFIGS / file))]
    return [*words, *(f"--{GIVEN[file]}={rows}" for file in files if file in GIVEN)]


@pytest.mark.parametrize("config", RUNS)
def test_a_run_is_accepted(config, rows):
    subcommand = "validate" if config.startswith(("aor/", "test_time_scaling/")) else "fit"
    found = mistakes_of(read_request(subcommand, command(config, rows)))
    assert [each for each in found if "no usable GPU" not in each.problem] == []


def test_a_misspelled_key_is_not(rows):
    wrong = [*command("weak_to_strong/burns_sciq.yaml", rows), "--model.los.name=xent"]
    assert [mistake.nearest for mistake in mistakes_of(read_request("fit", wrong))] == ["model.loss"]


@pytest.mark.parametrize("smoke", [False, True])
@pytest.mark.parametrize("file", STUDIES)
def test_a_study_is_accepted(file, smoke, tmp_path):
    if smoke and "\nsmoke:" not in Path(file).read_text():
        pytest.skip("has no short form")
    study = read_study(file, [("seeds", "[0]")], smoke)
    assert all_mistakes(study, plan(study, tmp_path)) == []


@pytest.mark.slow
def test_the_classification_pipeline_of_paper_size_runs(tiny, tmp_path):
    """From rows in SciQ's columns to claims; what H2's gold labels are, only the ceiling and the tables read."""
    for name, n in (("train", 40), ("test", 20)):
        lines = [{"question": f"Which {name} {i}?", "distractor1": "a", "distractor2": "b", "distractor3": "c",
                  "correct_answer": "right", "support": ""} for i in range(n)]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    models = [f"--runs.{run}.set.model.backbone.name={tiny['gpt2']}" for run in ("weak", "ceiling", "student")]
    assert main([
        "study", "--config", "configs/studies/weak_to_strong_burns.yaml", "--seeds=[0]", f"--root={tmp_path / 'runs'}",
        f"--runs.items.set.train={tmp_path / 'train.jsonl'}", f"--runs.items.set.test={tmp_path / 'test.jsonl'}",
        "--runs.student.each.loss=[xent, logconf]", "--runs.small_student.each.loss=[xent]", *models,
        f"--runs.small_student.set.model.backbone.name={tiny['gpt2']}",
    ]) == 0  # fmt: skip
    folder = tmp_path / "runs/studies/weak_to_strong_burns"
    study = json.loads((folder / "results.json").read_text())
    assert [row[0] for row in study["tables"][0]["rows"]] == [
        "weak supervisor", "cross-entropy", "confidence loss", "small student, cross-entropy", "ceiling, gold labels"
    ]  # fmt: skip
    students = list(folder.glob("student/*/config.yaml"))
    assert len(students) == 2 and not any("h2_gold" in file.read_text() for file in students)


def fit(config: str, rows: str, root: Path, *more: str) -> list[dict[str, str]]:
    """The rows of metrics.csv of one epoch on a few rows."""
    words = ["fit", *command(config, rows), "--trainer.accelerator=cpu", "--trainer.max_epochs=1",
             "--trainer.log_every_n_steps=1", "--run.without=[TensorBoardLogger]", f"--run.root={root}",
             "--run.name=paper", "--run.id=only", *more]  # fmt: skip
    assert main(words) == 0
    with (root / "paper/only/metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("llama3_math", "deepseek_gsm8k")]


@pytest.mark.parametrize("config", ["llama3_gsm8k", *SLOW])
def test_two_stage_fits_of_paper_size_train(config, rows, tiny, tmp_path):
    found = fit(f"weak_to_strong/{config}.yaml", rows, tmp_path, f"--model.backbone.name={tiny['llama']}")
    assert any(row["train/loss"] for row in found)
    assert (tmp_path / "paper/only/model/adapter_model.safetensors").is_file()


def test_the_classification_fit_of_paper_size_trains(rows, tiny, tmp_path):
    gases = [f"{first}{second}" for first in ("neo", "xeno", "argo") for second in ("n", "ne", "nia")]
    lines = [{"question": f"Is it {gas}?", "distractor1": "a", "distractor2": "b", "distractor3": "c",
              "correct_answer": gas, "support": ""} for gas in gases]  # fmt: skip
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("".join(json.dumps(line) + "\n" for line in lines))
    test.write_text("".join(json.dumps({**line, "question": "Which one?"}) + "\n" for line in lines))
    found = fit("weak_to_strong/burns_sciq.yaml", rows, tmp_path, f"--model.backbone.name={tiny['gpt2']}",
                f"--data.path={train}", f"--data.test_path={test}")  # fmt: skip
    assert float(found[0]["train/loss"]) == pytest.approx(0.6931, abs=1e-4)  # the head starts at zero
    assert any(row["val/accuracy"] for row in found)
