"""Real functions prepared in parts are those prepared at once, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datamodules.case2code_release import WRITTEN_HERE
from lit_reason.case2code import pipeline
from lit_reason.case2code.pipeline import build, build_part, stored_rows
from lit_reason.case2code.settings import RealSettings
from lit_reason.cli import main
from lit_reason.shards import Shard

ROOT = Path(__file__).resolve().parents[2]
FILES = ("functions.jsonl", "rejected.jsonl", "reasons.json", "made_from.json")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(corpus: Path, *more: str) -> list[str]:
    return [
        "prepare", "--model=CausalLanguageModel", "--model.backbone={name: llama-tiny, tokenizer: bytes}",
        "--data=Case2CodeDataModule", f"--data.real.sources=[{corpus}]", "--data.real.call_seconds=0.1",
        "--data.planted={n_train: 2, n_val: 0, n_test: 0}", "--data.loading.row_tokens=8000",
        "--trainer.accelerator=cpu", *more,
    ]  # fmt: skip


def start(corpus: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    script = "import sys; from lit_reason.case2code import pipeline; from lit_reason.cli import main; "
    script += "pipeline._CHUNK = 1; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "LIT_REASON_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *command(corpus, *more)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def folder_of(cache: Path) -> Path:
    (folder,) = (cache / "case2code").iterdir()
    return folder


def test_parts_are_joined(small: RealSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(small)
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path))
    for shard in (Shard(1, 2), Shard(0, 2), Shard(1, 2)):
        build_part(small, shard)
    parts = [tmp_path / "case2code" / whole.name / "parts" / f"{i}-of-2" for i in range(2)]
    bodies = [{row["id"] for name in FILES[:2] for row in stored_rows(part / name)} for part in parts]
    assert [len(found) for found in bodies] == [8, 7] and bodies[0].isdisjoint(bodies[1])
    monkeypatch.setattr(pipeline, "Executor", None)  # calling it would fail
    joined = build(small)
    assert {name: (joined / name).read_bytes() for name in FILES} == {
        name: (whole / name).read_bytes() for name in FILES
    }


@pytest.mark.slow
def test_published_rows_are_prepared_in_parts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codes = ["a + len(b)", "b[:a % 3]", "7", "sorted(b) + [a]", "a in b", "b * a"]
    rows = [
        {"id": f"f{i}", "content": f"def f{i}(a: int, b: list[int]):\n    return {c}\n"} for i, c in enumerate(codes)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": "f9"}]))

    def prepare(*more: str) -> int:
        given = ["--model.backbone={name: llama-tiny, tokenizer: bytes}", "--data.loading.row_tokens=8000"]
        config = str(ROOT / "configs/case2code/from_release.yaml")
        return main(["prepare", "--config", config, *given, "--data.release_path=rows.jsonl", *more])

    assert prepare("--data.out_dir=whole") == 0
    for i in (1, 0):
        assert prepare("--data.out_dir=shared", f"--data.shard={i}/2") == 0
    assert "real functions, part 1/2: " in capfd.readouterr().out
    assert prepare("--data.out_dir=shared") == 0
    for name in (*FILES, *WRITTEN_HERE):
        assert (tmp_path / "shared" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert len((tmp_path / "whole" / "functions.jsonl").read_text().splitlines()) >= 4


@pytest.mark.slow
def test_parts_in_any_order_at_once_and_killed_are_joined(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path / "whole"))
    assert main(command(corpus)) == 0
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path / "shared"))
    killed = start(corpus, tmp_path / "shared", "--data.shard=2/3")
    deadline = time.monotonic() + 100
    while not list((tmp_path / "shared").glob("*/*/parts/*/functions.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    both = [start(corpus, tmp_path / "shared", f"--data.shard={i}/3") for i in (2, 0)]
    for process in both:
        out = process.communicate(timeout=200)[0]
        assert process.returncode == 0 and "kept, " in out, out
        assert "is ready; when all 3 are, run prepare once without data.shard" in out
    capfd.readouterr()
    assert main(command(corpus)) == 2
    assert "begun in 3 parts, not done are 1/3: run prepare with --data.shard 1/3" in capfd.readouterr().err
    for shard in ("1/3", "1/3", "0/3"):
        assert main(command(corpus, f"--data.shard={shard}")) == 0
    assert main(command(corpus)) == 0
    whole, shared = folder_of(tmp_path / "whole"), folder_of(tmp_path / "shared")
    assert whole.name == shared.name
    for name in (*FILES, *(path.name for path in whole.glob("splits-*.json"))):
        assert (shared / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (shared / "parts").exists()
    assert main(command(corpus, "--data.shard=1/3")) == 0
    assert not list((shared / "parts").glob("*/*.jsonl"))


@pytest.mark.parametrize("data", ["Case2CodeDataModule", "InstructionDataModule"])
@pytest.mark.parametrize(("given", "said"), [
    ("3/2", "data.shard: of 2 parts the last is 1/2 (got 3/2)"),
    ("a/b", "data.shard: expected i/n, part i of n counted from 0, as in 0/4 (got a/b)"),
])  # fmt: skip
def test_a_shard_that_cannot_be(
    data: str, given: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    path = ["--data.path=a.jsonl"] if data == "InstructionDataModule" else []
    backbone = "--model.backbone={name: llama-tiny, tokenizer: bytes}"
    assert (
        main(["prepare", "--model=CausalLanguageModel", backbone, f"--data={data}", *path, f"--data.shard={given}"])
        == 2
    )
    assert said in capfd.readouterr().err


def test_a_part_is_not_trained_on(corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *command(corpus, "--data.shard=0/2")[1:]]) == 2
    assert "data.shard: only prepare builds a part of the data; leave it out of fit (got 0/2)" in capfd.readouterr().err
