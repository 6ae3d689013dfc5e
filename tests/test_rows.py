"""Rows of every format, with their places; what is no row is named and the rest is read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_reason.rows import RowsError, read_rows, source_problem

ROWS: list[dict[str, Any]] = [
    {"prompt": 'one,\n"1"', "completion": "eins"},
    {"prompt": "zwei é 数", "completion": "2"},
]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


def read(path: Path | str) -> tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, str]]]:
    bad: list[tuple[str, str]] = []
    return list(read_rows(str(path), lambda place, reason: bad.append((place, reason)))), bad


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        text, delimiter = io.StringIO(), "\t" if path.suffix == ".tsv" else ","
        writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(text.getvalue().encode())
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), "utf-8")
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".JSONL"])
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    rows, bad = read(write(tmp_path / f"with space{suffix}", ROWS))
    assert [row for _, row in rows] == ROWS
    assert bad == []


@given(st.lists(st.fixed_dictionaries({"prompt": TEXT, "completion": TEXT}), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_text_survives_every_format(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for suffix in (".jsonl", ".json", ".csv", ".parquet"):
        found, bad = read(write(folder / f"rows{suffix}", rows))
        assert ([row for _, row in found], bad) == (rows, [])


def test_places_are_lines_of_the_file(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b'{"x": 1}\n\nnot json\n[1]\n\xff{"x": 2}\n{"x": 3}\n{"x": ')
    rows, bad = read(lines)
    assert rows == [("a.jsonl:1", {"x": 1}), ("a.jsonl:6", {"x": 3})]
    assert [place for place, _ in bad] == ["a.jsonl:3", "a.jsonl:4", "a.jsonl:5", "a.jsonl:7"]
    assert all(reason.startswith("not JSON: ") for _, reason in bad)


def test_a_compressed_file_that_is_cut_short_ends_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", ROWS)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(RowsError, match=r"a\.jsonl\.gz cannot be unpacked: Compressed file ended"):
        read(path)


def test_only_wanted_places_are_parsed(tmp_path: Path) -> None:
    rows = [{"x": i} for i in range(1, 11)]
    asked: list[int] = []

    def wanted(file: str, number: int) -> bool:
        asked.append(number)
        return file.startswith("a.") and number in (2, 8)

    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" if row["x"] in (2, 8) else "{broken\n" for row in rows))
    for path in (lines, write(tmp_path / "a.json", rows), write(tmp_path / "a.csv", rows)):
        found = list(read_rows(str(path), lambda place, why: pytest.fail(place), wanted=wanted))
        numbers = [2, 8] if path.suffix != ".csv" else [1, 7]  # the header is a CSV file's first line
        assert [int(row["x"]) for _, row in found] == numbers
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=3)
    asked.clear()
    found = list(read_rows(str(tmp_path / "a.parquet"), lambda place, why: None, wanted=wanted))
    assert found == [("a.parquet:2", {"x": 2}), ("a.parquet:8", {"x": 8})]
    assert sorted(set(asked)) == list(range(1, 11))


def test_csv_places_count_line_breaks_inside_fields_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('x,y\n"a\nb",1\n\nc,2\nd\ne,3,4\nf,5\n', "utf-8")
    rows, bad = read(path)
    assert rows == [
        ("a.csv:2", {"x": "a\nb", "y": "1"}),
        ("a.csv:5", {"x": "c", "y": "2"}),
        ("a.csv:8", {"x": "f", "y": "5"}),
    ]
    assert bad == [("a.csv:6", "1 fields under a header of 2"), ("a.csv:7", "3 fields under a header of 2")]


def test_csv_takes_a_byte_order_mark_and_huge_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfx,y\n" + b"a" * 300_000 + b",1\n")
    assert read(path) == ([("a.csv:2", {"x": "a" * 300_000, "y": "1"})], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"version": 1, "data": [{"x": 1}, 2, {"x": 3}]}', [("a.json:1", {"x": 1}), ("a.json:3", {"x": 3})]),
        ('{"messages": [{"role": "user"}]}', [("a.json:1", {"messages": [{"role": "user"}]})]),
        ('{"x": 1}\n{"x": 2}\n', [("a.json:1", {"x": 1}), ("a.json:2", {"x": 2})]),
    ],
)
def test_json_files_of_other_shapes(text: str, expected: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    assert read(path)[0] == expected


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "b.csv", [{"x": "2"}])
    write(tmp_path / "a.jsonl", [{"x": 1}])
    write(tmp_path / "sub/c.parquet", [{"x": 3}])
    write(tmp_path / ".hidden.jsonl", [{"x": 4}])
    (tmp_path / "notes.txt").write_text("not data", "utf-8")
    assert read(tmp_path)[0] == [("a.jsonl:1", {"x": 1}), ("b.csv:2", {"x": "2"}), ("sub/c.parquet:1", {"x": 3})]


def test_sources_that_cannot_be_read_end_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "train.txt").write_text("x", "utf-8")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "broken.json").write_text('[{"x": 1},\n {"x": 2,]\n', "utf-8")
    (tmp_path / "empty").mkdir()
    for source, message in {
        "trian.jsonl": "no such file: trian.jsonl; did you mean train.jsonl?",
        "nowhere/at/all": "no such file: nowhere/at/all",
        "train.txt": "unknown format .txt of train.txt; known: .jsonl, .jsonl.gz, .ndjson, .json, .csv, .tsv, .parquet",
        "empty": "no .jsonl, .jsonl.gz, .ndjson, .json, .csv, .tsv, .parquet file in the folder empty",
        "broken.parquet": "broken.parquet: ",
        "broken.json": "broken.json, line 2: ",
    }.items():
        with pytest.raises(RowsError) as caught:
            read(source)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_a_data_set_without_network_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert source_problem("some-owner/some-name:train[:10]") is None
    with pytest.raises(RowsError, match=r"^data set some-owner/some-name is not in the local cache .* local file$"):
        read("some-owner/some-name:train[:10]")


def test_a_data_set_is_read_by_name_subset_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no hub here, so this stands in for its one function and keeps what it was asked."""
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(name: str, subset: str | None, split: str) -> Any:
        asked.append((name, subset, split))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    rows = list(read_rows("some-owner/some-name:train[:2]", lambda place, reason: None, subset="en"))
    assert rows == [("some-owner/some-name:train[:2]:1", ROWS[0]), ("some-owner/some-name:train[:2]:2", ROWS[1])]
    next(read_rows("plain-name", lambda place, reason: None))
    assert asked == [("some-owner/some-name", "en", "train[:2]"), ("plain-name", None, "train")]
