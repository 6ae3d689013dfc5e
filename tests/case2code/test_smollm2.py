"""Acceptance M, and HumanEval, with the real 135M model: what the pieces do together, and that it fits a laptop."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lightning.pytorch import Trainer

from callbacks.case2code_evaluation import Case2CodeEvaluation
from datamodules.case2code import Case2CodeDataModule
from lit_reason.answers import read_pools
from lit_reason.backbones import Backbone
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.language_model import CausalLanguageModel
from lit_reason.pool import SamplePool
from lit_reason.results import Figure, Results

ROOT = Path(__file__).resolve().parents[2]
CPU_MINUTES = 15

SMOKE = {
    "data": {
        "init_args": {
            "planted": {"n_train": 200, "n_val": 20},
            "real": {"sources": []},
            "loading": {"row_tokens": 512},
        }
    },
    "trainer": {
        "max_epochs": 1,
        "callbacks=": [{"class_path": "Case2CodeEvaluation", "init_args": {"max_new_tokens": 256}}],
    },
}


def show(capsys: pytest.CaptureFixture[str], label: str, found: Figure | None) -> None:
    assert found is not None
    with capsys.disabled():
        print(f"\n{label:<34} {found.text():>8} {found.interval_text():<16} n {found.n}, {found.ci_method}", end="")


@pytest.mark.slow
def test_two_hundred_functions_and_twenty_answers_within_fifteen_cpu_minutes(
    tmp_path: Path, embedded_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M: one LoRA epoch of rows of 512 tokens, twenty prompts of up to 256 tokens before and after, and the report."""
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(SMOKE))
    configs = ["--config", str(ROOT / "configs/case2code/smollm2.yaml"), "--config", str(tmp_path / "smoke.yaml")]
    place = ["--run.root", str(tmp_path / "runs"), "--run.name", "smoke", "--run.id", "one"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "fit", *configs, *place],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-2000:]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = (used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime) / 60
    run = tmp_path / "runs" / "smoke" / "one"
    results = Results.load(run)
    for when in ("before", "after"):
        show(capsys, f"smoke, strict pass {when}", results.get("strict_pass", "planted", when))
        assert results.get("strict_pass", "planted", when).n == 20
    with capsys.disabled():
        print(f"\nsmoke, CPU minutes {minutes:.1f}", end="")
    assert minutes < CPU_MINUTES
    assert "<html" in (run / "report.html").read_text("utf-8")[:2000].lower()


@pytest.mark.slow
def test_the_real_model_is_asked_human_eval(
    tmp_path: Path, embedded_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight problems: answers hold code, most of it runs, and the figure counts all of them."""
    model = CausalLanguageModel(Backbone(), lora=None)
    data = Case2CodeDataModule(PlantedSettings(n_train=0, n_val=2), RealSettings(sources=[]))
    evaluation = Case2CodeEvaluation(instruction_prompt=True, human_eval=8, pools=str(tmp_path / "pools"))
    Trainer(
        accelerator="cpu", default_root_dir=tmp_path, callbacks=[evaluation], logger=False, limit_val_batches=1,
        enable_progress_bar=False, enable_model_summary=False,
    ).validate(model, data, verbose=False)  # fmt: skip
    results = Results.load(tmp_path)
    found = results.get("strict_pass", "human_eval", "validate")
    show(capsys, "HumanEval, first eight, pass@1", found)
    assert found.n == 8
    (entry,) = [entry for entry in read_pools(tmp_path) if entry["answers"] == "human_eval_greedy"]
    grades = SamplePool(tmp_path / entry["folder"]).grades("human_eval@2")
    kinds = [grade.detail["kind"] for grade in grades]
    assert sum(kind in ("ok", "wrong", "runtime", "timeout") for kind in kinds) >= 4, kinds
    assert all(f"def {question.meta['entry_point']}" in question.prompt[0]["content"]
               for question in SamplePool(tmp_path / entry["folder"]).questions())  # fmt: skip
