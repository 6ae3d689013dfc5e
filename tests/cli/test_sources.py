"""Merging files and the command line, and where each setting was written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lit_reason.config.classes import ClassIndex, class_index
from lit_reason.config.mistakes import nearest
from lit_reason.config.sources import Settings

EARLY = "lightning.pytorch.callbacks.early_stopping.EarlyStopping"
TIMER = "lightning.pytorch.callbacks.timer.Timer"


@pytest.fixture
def merged(tmp_path, monkeypatch):
    """`merged("a: 1", "--b.c=2", ...)`: YAML texts become files, words that begin with -- arguments."""
    monkeypatch.chdir(tmp_path)

    def merge(*sources: str) -> Settings:
        settings = Settings(class_index())
        for i, source in enumerate(sources):
            if source.startswith("--"):
                key, _, value = source[2:].partition("=")
                settings.add_argument(key, value)
            else:
                Path(f"{i}.yaml").write_text(source)
                settings.add_file(f"{i}.yaml")
        assert settings.mistakes == []
        return settings

    return merge


def test_mappings_merge_and_later_wins(merged):
    settings = merged("trainer: {max_steps: 1, devices: 2}", "trainer: {max_steps: 3}", "--trainer.devices=4")
    assert settings.values == {"trainer": {"max_steps": 3, "devices": "4"}}
    assert str(settings.origin(("trainer", "max_steps"))) == "1.yaml:1"
    assert str(settings.origin(("trainer", "devices"))) == "command line"


def test_order_is_the_order_given(merged):
    settings = merged("--run.seed=1", "run:\n  name: x\n  seed: 2")
    assert settings.values["run"]["seed"] == 2
    assert settings.notes == ["run.seed: the file replaces what the command line said before it [1.yaml:3]"]


def test_callbacks_grow(merged):
    settings = merged(
        "trainer: {callbacks: [EarlyStopping]}", "trainer: {callbacks: Timer}", "--trainer.callbacks+=Timer"
    )
    assert [item["class_path"] for item in settings.values["trainer"]["callbacks"]] == [EARLY, TIMER, TIMER]
    assert str(settings.origin(("trainer", "callbacks", 1))) == "1.yaml:1"


@pytest.mark.parametrize("replace", ["trainer: {callbacks=: [Timer]}", "--trainer.callbacks=null"])
def test_callbacks_are_replaced_on_demand(merged, replace):
    settings = merged("trainer: {callbacks: [EarlyStopping]}", replace)
    found = settings.values["trainer"]["callbacks"] or []
    assert EARLY not in [item["class_path"] for item in found]


def test_lists_of_plain_values_are_replaced_unless_asked(merged):
    base = "data: {class_path: D, sizes: [1, 2]}"
    assert merged(base, "data: {sizes: [3]}").get("data", "sizes") == [3]
    assert merged(base, "data: {sizes+: [3]}").get("data", "sizes") == [1, 2, 3]
    assert merged(base, "data: {sizes+: 3}").get("data", "sizes") == [1, 2, 3]
    assert merged("data: {class_path: D}", "data: {sizes+: 3}").get("data", "sizes") == [3]


def test_a_key_of_a_list_goes_to_its_last_class_or_a_numbered_one(merged):
    base = "trainer: {callbacks: [EarlyStopping, Timer]}"
    settings = merged(base, "--trainer.callbacks.duration=1", "--trainer.callbacks.0.monitor=loss")
    early, timer = settings.values["trainer"]["callbacks"]
    assert timer["init_args"] == {"duration": "1"} and early["init_args"] == {"monitor": "loss"}


def test_init_args_may_be_left_out(merged):
    long = merged("model: {class_path: CausalLanguageModel, init_args: {lora: {r: 4}}}")
    short = merged("model: {class_path: CausalLanguageModel, lora: {r: 4}}")
    spread = merged("model: CausalLanguageModel", "model: {lora: {r: 4}}")
    assert long.values == short.values == spread.values
    assert long.get("model", "lora", "r") == 4 and str(spread.origin(("model", "lora", "r"))) == "1.yaml:1"


def test_a_null_is_replaced_by_settings_and_back(merged):
    base = "model: {class_path: CausalLanguageModel, lora: {r: 4}}"
    assert merged(base, "--model.lora=null").get("model", "lora", default="absent") is None
    assert merged(base, "--model.lora=null", "--model.lora.r=8").get("model", "lora") == {"r": "8"}


def test_another_class_starts_afresh_and_says_so(merged):
    settings = merged("data: {class_path: Case2CodeDataModule, shuffled_targets: true}", "--data=InstructionDataModule")
    assert settings.values["data"] == {"class_path": "datamodules.instruction.InstructionDataModule"}
    assert settings.notes == [
        "data: InstructionDataModule replaces Case2CodeDataModule, whose settings are dropped: shuffled_targets "
        "[command line]"
    ]
    same = merged("data: {class_path: Case2CodeDataModule, shuffled_targets: true}", "data: Case2CodeDataModule")
    assert same.get("data", "shuffled_targets") is True and same.notes == []


def test_yaml_means_what_it_looks_like(merged):
    settings = merged("a: 1e-3\nb: 5.0e+2\nc: '1e-3'\nd: &x {e: 1}\nf: {<<: *x, e: 2}\n")
    assert settings.values == {"a": 0.001, "b": 500.0, "c": "1e-3", "d": {"e": 1}, "f": {"e": 2}}


def test_texts_on_the_command_line_stay_texts(merged):
    settings = merged("--model.backbone.system={% if x %}y{% endif %}", "--run.name=007", "--run.without=[Export]")
    assert settings.get("model", "backbone", "system") == "{% if x %}y{% endif %}"
    assert settings.values["run"] == {"name": "007", "without": ["Export"]}


def test_the_index_reads_and_does_not_run(tmp_path):
    for room, text in {
        "datamodules/a.py": "class Same:\n    pass\n1 / 0\n",
        "callbacks/b.py": "class Same(Base): pass\n",
    }.items():
        path = tmp_path / room
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "callbacks" / "broken.py").write_text("class Half(:\n")
    index = ClassIndex(tmp_path)
    assert index.class_path("Same") is None and index.class_path("Half") is None
    assert index.problem("Same")[0] == "names several classes, write one in full: callbacks.b.Same, datamodules.a.Same"
    assert index.class_path("Timer") == TIMER


def test_nearest():
    valid = ["max_steps", "max_epochs", "min_steps", "accumulate_grad_batches"]
    assert nearest("max_step", valid) == "max_steps" and nearest("accum", valid) == "accumulate_grad_batches"
    assert nearest("MAX_STEPS", valid) == "max_steps" and nearest("zzz", valid) is None


def test_every_shipped_configuration_is_read(merged):
    files = sorted((Path(__file__).resolve().parents[2] / "configs").rglob("*.yaml"))
    assert files
    for file in files:
        assert merged(file.read_text()).values.keys() == yaml.safe_load(file.read_text()).keys()
