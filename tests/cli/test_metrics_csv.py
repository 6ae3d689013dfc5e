"""metrics.csv: what is written, what a kill leaves, and that a resumed file equals the undisturbed one."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lit_reason.metrics_csv import CsvTable, MetricsCSV, written

ROWS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b/c", "d, e"]), st.floats(allow_nan=True, width=32), min_size=1), max_size=8
)


def test_numbers_are_written_alike_and_exactly():
    value = torch.tensor(0.1).item()
    assert written(value) == "0.100000001" and torch.tensor(float(written(value))).item() == value
    assert [written(v) for v in (3, 3.0, True, None, float("nan"), 1e-30)] == ["3", "3", "1", "", "nan", "1e-30"]


def test_what_depends_on_the_clock_is_apart(tmp_path):
    logger = MetricsCSV(str(tmp_path), "metrics")
    logger.log_metrics({"loss": 0.5, "speed/tokens": 10.0, "epoch": 0}, step=1)
    logger.log_metrics({"speed/tokens": 11.0, "epoch": 0}, step=2)
    assert (tmp_path / "metrics.csv").read_text() == "step,loss,epoch\n1,0.5,0\n"
    assert (tmp_path / "speed.csv").read_text() == "step,speed/tokens\n1,10\n2,11\n"


def test_a_new_column_keeps_the_rows_before_it(tmp_path):
    table = CsvTable(tmp_path / "m.csv")
    table.append({"step": 0, "a": 1})
    table.append({"step": 1, "b": 2, "a": 3})
    table.append({"step": 2, "b": 4})
    assert (tmp_path / "m.csv").read_text() == "step,a,b\n0,1,\n1,3,2\n2,,4\n"


def test_a_row_cut_short_is_taken_away_before_the_next(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("step,a\n0,1\n1,0.12")
    CsvTable(path).append({"step": 1, "a": 5})
    assert path.read_text() == "step,a\n0,1\n1,5\n"


def test_a_header_cut_short_is_no_header(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("step,los")
    CsvTable(path).append({"step": 0, "loss": 5})
    assert path.read_text() == "step,loss\n0,5\n"


def test_cutting_takes_the_columns_that_come_again(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("step,a,b\n0,1,\n1,2,\n2,3,9\n")
    CsvTable(path).cut_from(2)
    assert path.read_text() == "step,a\n0,1\n1,2\n"
    CsvTable(path).cut_from(0)
    assert path.read_text() == ""


def test_cutting_nothing_makes_no_file(tmp_path):
    CsvTable(tmp_path / "m.csv").cut_from(3)
    assert not (tmp_path / "m.csv").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, lost=st.integers(1, 200), data=st.data())
def test_killed_and_resumed_is_undisturbed(tmp_path: Path, rows, lost, data):
    """A kill cuts the last line at any byte; the rows after the checkpoint come again."""
    whole, killed = tmp_path / "whole.csv", tmp_path / "killed.csv"
    for path in (whole, killed):
        path.unlink(missing_ok=True)
    table = CsvTable(whole)
    for step, row in enumerate(rows):
        table.append({"step": step, **row})
    resume_at = data.draw(st.integers(0, len(rows)))
    n_written = data.draw(st.integers(resume_at, len(rows)))
    table = CsvTable(killed)
    for step, row in enumerate(rows[:n_written]):
        table.append({"step": step, **row})
    if n_written > resume_at:
        last_line = killed.read_bytes().splitlines(keepends=True)[-1]
        with killed.open("rb+") as stream:
            stream.truncate(killed.stat().st_size - min(lost, len(last_line)))
    table = CsvTable(killed)
    table.cut_from(resume_at)
    for step, row in enumerate(rows[resume_at:], resume_at):
        table.append({"step": step, **row})
    assert (killed.read_bytes() if killed.exists() else b"") == (whole.read_bytes() if whole.exists() else b"")
    if rows:
        assert len(list(csv.reader(whole.open()))) == len(rows) + 1
