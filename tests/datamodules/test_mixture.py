"""Acceptance K: at weight 0 the stream is the base's, at weight w the extra tokens are a share w."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.case2code import Case2CodeDataModule
from datamodules.instruction import InstructionDataModule
from datamodules.mixture import MixtureDataModule, mix
from datamodules.token_data import Loading, NothingToTrainOn, TokenDataModule
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.batches import TokenDocument
from lit_reason.case2code.planted import PlantedSettings
from lit_reason.case2code.prompts import PromptSettings
from lit_reason.case2code.settings import RealSettings
from lit_reason.chat import Chat
from lit_reason.cli import main
from lit_reason.documents import Documents

CHAT = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes")))
LOADING = Loading(row_tokens=512, rows=3)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "base.jsonl"
    path.write_text("".join(
        json.dumps({"prompt": f"What is {i} plus {i}?", "completion": "It is " + f"{2 * i} " * (i % 7)}) + "\n"
        for i in range(400)
    ))  # fmt: skip
    return path


def attached(data: TokenDataModule) -> Any:
    torch.manual_seed(3)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        lightning_module=SimpleNamespace(chat=CHAT), accumulate_grad_batches=2, world_size=1, global_rank=0,
        current_epoch=0,
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    return data


def base(rows: Path) -> InstructionDataModule:
    return InstructionDataModule(str(rows), loading=LOADING)


def extra(n: int = 150) -> Case2CodeDataModule:
    settings = PlantedSettings(n_train=n, n_val=5, n_test=5)
    return Case2CodeDataModule(settings, RealSettings(sources=[]), PromptSettings(style="short", lead_in=""))


def stream(data: Any) -> list[Any]:
    return [batch for loader in (data.train_dataloader(), data.val_dataloader()) for batch in loader]


def test_weight_0_gives_the_base_stream_exactly(rows: Path) -> None:
    alone = stream(attached(base(rows)))
    mixed = stream(attached(MixtureDataModule(base(rows), extra(), 0.0, loading=LOADING)))
    assert len(alone) == len(mixed) > 10
    for a, b in zip(alone, mixed, strict=True):
        assert a["row_ids"] == b["row_ids"]
        assert all(torch.equal(a[key], b[key]) for key in ("input_ids", "labels", "position_ids", "document_ids"))


@pytest.mark.parametrize("weight", [0.05, 0.3, 0.6])
def test_weight_w_gives_share_w(rows: Path, weight: float) -> None:
    data = attached(MixtureDataModule(base(rows), extra(), weight, loading=LOADING))
    tokens = {True: 0, False: 0}
    for batch in data.train_dataloader():
        for ids, row in zip(batch["row_ids"], batch["document_ids"], strict=False):
            for place, id in enumerate(ids):
                tokens[id.startswith("planted")] += int((row == place).sum())
    assert tokens[True] / (tokens[True] + tokens[False]) == pytest.approx(weight, abs=0.02)


def test_the_base_is_whole_and_validation_is_the_bases_alone(rows: Path) -> None:
    alone, mixed = attached(base(rows)), attached(MixtureDataModule(base(rows), extra(), 0.4, loading=LOADING))
    wanted = [d.id for d in alone.tokenised["train"]]
    assert [d.id for d in mixed.tokenised["train"] if not d.id.startswith("planted")] == wanted
    assert [d.id for d in mixed.tokenised["val"]] == [d.id for d in alone.tokenised["val"]]
    assert {q.meta["source"] for q in mixed.questions("test")} == {"planted"}


def test_nothing_to_mix_in_is_one_line(rows: Path) -> None:
    with pytest.raises(NothingToTrainOn, match="a share of 0.5 is to be mixed in"):
        attached(MixtureDataModule(base(rows), extra(0), 0.5, loading=LOADING))


def documents(name: str, lengths: list[int]) -> Documents:
    return Documents.of(
        [TokenDocument(f"{name}{i}", np.zeros(n, np.int32), np.ones(n, bool)) for i, n in enumerate(lengths)]
    )


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40), st.lists(st.integers(1, 60), min_size=1, max_size=9),
    st.floats(0.01, 0.9), st.integers(0, 9),
)  # fmt: skip
def test_the_share_holds_in_every_stretch_to_within_one_document(a, b, weight: float, seed: int) -> None:
    found = mix(documents("a", a), documents("b", b), weight, seed)
    assert [d.id for d in found if d.id[0] == "a"] == [f"a{i}" for i in range(len(a))]
    n_base = n_extra = 0
    for i, document in enumerate(found):
        n_base += len(document.input_ids) * (document.id[0] == "a")
        n_extra += len(document.input_ids) * (document.id[0] == "b")
        if i + 1 == len(found) or found[i + 1].id[0] == "a":
            assert -1e-6 <= n_extra - n_base * weight / (1 - weight) < max(b) + 1e-6
    uses = [sum(d.id == f"b{i}" for d in found) for i in range(len(b))]
    assert max(uses) - min(uses) <= 1


def test_another_seed_takes_other_documents_and_the_same_seed_the_same() -> None:
    a, b = documents("a", [10] * 30), documents("b", [10] * 300)
    ids = [[d.id for d in mix(a, b, 0.5, seed)] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_mixing_through_the_command_line(rows: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = [
        "prepare", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny",
        "--model.backbone.tokenizer=bytes",
        "--data=MixtureDataModule", "--data.base=InstructionDataModule", f"--data.base.path={rows}",
        "--data.extra=Case2CodeDataModule", "--data.extra.real.sources=[]", "--data.extra.planted.n_train=50",
    ]  # fmt: skip
    assert main([*common, "--data.weight=0.3"]) == 0
    assert "train: 4" in capsys.readouterr().out
    shutil.copy(rows, "part.jsonl")
    assert main([*common, "--data.base.path=part.jsonl", "--data.base.shard=0/2"]) == 0
    told = capsys.readouterr().out
    assert "part.jsonl, part 0/2: 400 documents, " in told
    assert "part 0/2 is ready; when all 2 are, run prepare once without data.shard" in told
    assert main(["fit", *common[1:], "--data.base.shard=0/2"]) == 2
    assert "data.base.shard: only prepare builds a part of the data; leave it out of fit" in capsys.readouterr().err
    assert main([*common, "--data.weight=1"]) == 2
    assert "data.weight: must be below 1: train on `extra` alone instead (got 1.0)" in capsys.readouterr().err
