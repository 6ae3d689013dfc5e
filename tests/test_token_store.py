"""One pass over the rows makes a store: the same however it was interrupted or shared out, and read back exactly."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lit_reason import tokenising
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.rows import RowsError
from lit_reason.shards import MissingShards, Shard, shard_problem
from lit_reason.token_store import TokenStore
from lit_reason.tokenising import Recipe, build, build_part

ROOT = Path(__file__).resolve().parents[1]
CHAT = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes")))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its own cache, and pieces so small that a few rows make many."""
    monkeypatch.setenv("LIT_REASON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tokenising, "PIECE", 8)
    return tmp_path / "cache" / "tokens"


def some_rows(n: int) -> list[dict[str, str]]:
    draw = random.Random(n)
    return [{"prompt": f"é{i}", "completion": "".join(draw.choices("abc ", k=1 + i % 9)) + "."} for i in range(n)]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte of a store."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def made(path: Path | str, **settings: Any) -> TokenStore:
    return build(Recipe(str(path), CHAT, **settings))


def test_documents_come_back_as_they_were_tokenised(tmp_path: Path) -> None:
    rows = some_rows(30)
    store = made(write(tmp_path / "a.jsonl", rows))
    assert len(store) == len(store.documents()) == 30
    for i, (row, document) in enumerate(zip(rows, store, strict=True)):
        roles = {"user": row["prompt"], "assistant": row["completion"]}
        expected = CHAT.document("", [{"role": role, "content": text} for role, text in roles.items()])
        assert document.id == f"a.jsonl:{i + 1}"
        for name in ("input_ids", "is_target"):
            found, wanted = getattr(document, name), getattr(expected, name)
            assert found.dtype == wanted.dtype and np.array_equal(found, wanted)
        assert store.documents().lengths[i] == len(expected.input_ids)
        assert store.documents().targets[i] == expected.n_targets
    assert [d.id for d in pickle.loads(pickle.dumps(store))[3:5]] == ["a.jsonl:4", "a.jsonl:5"]


def test_every_kind_of_source_gives_the_same_documents(tmp_path: Path) -> None:
    rows = some_rows(50)
    sources = {kind: tmp_path / f"a.{kind}" for kind in ("jsonl", "json", "csv", "parquet")}
    write(sources["jsonl"], rows)
    sources["json"].write_text(json.dumps(rows), "utf-8")
    sources["csv"].write_text("".join(f"{a},{b}\n" for a, b in [("prompt", "completion"), *(r.values() for r in rows)]))
    pq.write_table(pa.Table.from_pylist(rows), sources["parquet"], row_group_size=7)
    (tmp_path / "folder" / "b").mkdir(parents=True)
    for i, name in enumerate(("a.jsonl", "b/c.jsonl", "d.jsonl")):
        write(tmp_path / "folder" / name, [rows[:20], [], rows[20:]][i])
    tokens = [d.input_ids.tolist() for d in made(sources["jsonl"])]
    for source in (sources["json"], sources["csv"], sources["parquet"], tmp_path / "folder"):
        assert [d.input_ids.tolist() for d in made(source)] == tokens
    assert made(tmp_path / "folder")[20].id == "d.jsonl:1"


def test_a_data_set_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = some_rows(20)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.Dataset.from_list(rows))
    store = made("owner/name:train")
    assert [d.id for d in store] == [f"owner/name:train:{i}" for i in range(1, 21)]
    assert made("owner/name:train").folder == store.folder
    rows[3] = rows[4]
    assert made("owner/name:train").digest != store.digest


def test_what_cannot_be_used_is_counted_and_the_first_few_are_named(tmp_path: Path) -> None:
    lines = [*some_rows(20), *["{broken"] * 30, "", *[""] * 20, *some_rows(20)]
    path = write(tmp_path / "a.jsonl", lines)
    with path.open("a") as stream:
        stream.write('{"prompt": "cut')
    store = made(path)
    assert (len(store), store.dropped) == (40, {"not JSON": 31})
    assert [place for place, _ in store.summary["shown"]] == [f"a.jsonl:{i}" for i in range(21, 31)]
    assert store[20].id == "a.jsonl:72"


def test_reasons_that_quote_the_row_are_not_kept_without_end(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": f"role {i}", "content": "x"}]} for i in range(300)]
    store = made(write(tmp_path / "a.jsonl", [*rows, *some_rows(1)]))
    assert store.dropped.total() == 300 and len(store.dropped) == 51
    assert store.dropped["other reasons"] == 250


@pytest.mark.parametrize("text", ["", "\n\n", "{broken\n"])
def test_a_source_without_a_row_makes_an_empty_store(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    store = made(tmp_path / "a.jsonl")
    assert (len(store), len(store.documents()), store.dropped.total()) == (0, 0, text.count("{"))


def test_a_store_is_found_again_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", some_rows(20))
    first = made(path)
    with monkeypatch.context() as patch:
        patch.setattr(tokenising, "read_rows", None)  # calling it would fail
        assert made(path).folder == first.folder
    assert made(path, system="Be brief.").folder != first.folder
    assert made(path, seed=1).folder != first.folder
    own = Chat(CHAT.tokenizer, "plain")
    assert build(Recipe(str(path), own)).folder != first.folder
    os.utime(path, (1, 1))
    touched = made(path)
    assert touched.folder != first.folder and touched.digest == first.digest
    write(path, some_rows(21))
    assert made(path).digest != first.digest


def test_calls_of_the_tokenizer_do_not_change_its_identity() -> None:
    tokenizer = load_tokenizer(Backbone("llama-tiny", tokenizer="bytes"))
    before = Chat(tokenizer).identity
    tokenizer(["a", "long"], padding=True, truncation=True, max_length=3)
    assert Chat(tokenizer).identity == before == CHAT.identity
    assert Chat(tokenizer, system="x").identity != before


def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = (write(tmp_path / name, some_rows(20)) for name in ("a.jsonl", "kept.jsonl"))
    before = path.stat().st_mtime_ns
    read = tokenising.read_rows

    def growing(*given: Any) -> Any:
        for i, row in enumerate(read(*given)):
            if i == 10:
                write(path, some_rows(30))
            yield row

    monkeypatch.setattr(tokenising, "read_rows", growing)
    with pytest.raises(RowsError, match=r"a\.jsonl changed while it was read: run the command again"):
        made(path)
    monkeypatch.setattr(tokenising, "read_rows", read)
    assert len(made(path)) == 30
    write(path, some_rows(20))
    os.utime(path, ns=(before, before))  # put back: what was read meanwhile must not count
    assert [d.input_ids.tolist() for d in made(path)] == [d.input_ids.tolist() for d in made(kept)]


def test_a_row_without_a_target_is_named(tmp_path: Path) -> None:
    rows: list[Any] = [{"prompt": str(i), "completion": "a"} for i in range(20)]
    shown = "{% if m.content != '13' or not messages[1:] %}{{ m.content }}{% endif %}"
    forgetful = f"{{% for m in messages %}}{shown}{{% endfor %}}"
    chat = Chat(CHAT.tokenizer, forgetful)
    with pytest.raises(ValueError, match=r"a\.jsonl:14: the chat template rewrites"):
        build(Recipe(str(write(tmp_path / "a.jsonl", rows)), chat))


KILLED = """
import sys
from lit_reason import tokenising
from lit_reason.cli import main
tokenising.PIECE = 8
sys.exit(main(sys.argv[1:]))
"""


def start(path: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        "prepare", "--model=CausalLanguageModel", "--model.backbone={name: llama-tiny, tokenizer: bytes}",
        "--data=InstructionDataModule", f"--data.path={path}", "--trainer.accelerator=cpu", *more,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, *command], cwd=path.parent, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def killed_at(process: subprocess.Popen[str], cache: Path, n_parts: int) -> None:
    """`kill -9` once so many parts are there."""
    deadline = time.monotonic() + 100
    while len(list(cache.glob("*.parts/*.safetensors"))) < n_parts and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_pass_goes_on_and_makes_the_same_store(cache: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*some_rows(2500), "{broken"])
    killed_at(start(path), cache, 20)
    (parts,) = cache.glob("*.parts")
    (cache / f".{parts.stem}.torn").mkdir()  # as if an earlier kill had fallen into the joining
    kept = {part.name: part.stat().st_mtime_ns for part in parts.glob("*.safetensors")}
    assert 20 <= len(kept) < 313 and not [folder for folder in cache.iterdir() if folder.name == parts.stem]
    store = made(path)
    assert {p.name for p in cache.iterdir() if p.is_dir()} == {parts.stem}
    assert without(store) == contents(made(path).folder)
    assert (len(store), store.dropped.total()) == (2500, 1)


def without(store: TokenStore) -> dict[str, bytes]:
    """Every byte of a store, which is then gone."""
    found = contents(store.folder)
    shutil.rmtree(store.folder)
    return found


def test_shards_in_any_order_and_of_any_count_make_the_same_store(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for i in range(3):
        write(tmp_path / "rows" / f"{i}.jsonl", [*some_rows(50 + 5 * i), "{broken", "", ""])
    recipe = Recipe(str(tmp_path / "rows"), CHAT)
    whole = without(made(recipe.source))
    n_parts = []
    for shard in (Shard(2, 3), Shard(0, 3), Shard(2, 3)):
        counts = build_part(recipe, shard)
        assert counts is not None and counts["documents"] + counts["dropped"].get("not JSON", 0) > 30
        n_parts.append(len(list(cache.glob("*.parts/*.safetensors"))))
    n = sum(-(-(50 + 5 * i + 3) // tokenising.PIECE) for i in range(3))
    assert n_parts == [n // 3, n // 3 + -(-n // 3), n // 3 + -(-n // 3)]
    with pytest.raises(MissingShards, match=r"begun in 3 parts, not done are 1/3: run prepare with --data.shard 1/3"):
        made(recipe.source)
    build_part(recipe, Shard(1, 3))
    build_part(recipe, Shard(0, 2))  # half of another count does not disturb
    assert without(made(recipe.source)) == whole
    build_part(recipe, Shard(1, 4))
    build_part(recipe, Shard(0, 1))  # all that is left
    assert contents(made(recipe.source).folder) == whole
    assert build_part(recipe, Shard(3, 4)) is None  # late, of what is complete: nothing to do
    assert contents(made(recipe.source).folder) == whole


@pytest.mark.slow
def test_shards_by_the_command_line_at_once_repeated_and_killed(cache: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", some_rows(2100))
    killed_at(start(path, "--data.shard=2/3"), cache, 5)
    runs = [start(path, f"--data.shard={i}/3") for i in (2, 0, 2, 1)]
    for process in runs:
        out = process.communicate(timeout=400)[0]
        assert process.returncode == 0, out
    assert "part 1/3 is ready; when all 3 are, run prepare once without data.shard" in out
    joining = start(path)
    assert "train: 1,9" in joining.communicate(timeout=400)[0] and joining.returncode == 0
    shared = without(made(path))
    assert without(made(path)) == shared


@pytest.mark.parametrize(("text", "problem"), [
    ("3/2", "of 2 parts the last is 1/2"), ("2/2", "of 2 parts the last is 1/2"), ("0/0", "there are no 0 parts"),
    ("a/b", "expected i/n, part i of n counted from 0, as in 0/4"), ("1", "expected i/n, part i of n"),
    ("-1/2", "expected i/n"), (None, None), ("0/1", None), ("11/12", None),
])  # fmt: skip
def test_how_shards_are_written(text: str | None, problem: str | None) -> None:
    found = shard_problem(text)
    assert found == problem or (problem and found and found.startswith(problem))
