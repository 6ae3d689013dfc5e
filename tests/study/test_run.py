"""Studies that run: order, hand-over, skipping, failing, killing, and what is left at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl
from lit_reason.study_results import StudyRecord

ROOT = Path(__file__).resolve().parents[2]


def test_a_whole_study(folder, three, capsys):
    folder.write(three(title="A small study", paper="Somebody, 1234.5678"))
    assert folder.run() == 0
    assert folder.calls() == ["a 0", "a 1", "b 0", "join a0 b0", "join a1 b0"]
    record = StudyRecord.load(Path("runs/studies/study"))
    assert [claim.verdict for claim in record.results.claims] == ["replicated", "not replicated"]
    measured = record.results.claims[0].measured
    assert (measured.value, measured.n, measured.seeds) == (0.75, 80, [0, 1])
    assert [run["variables"] for run in record.runs] == [{"seed": 0}, {"seed": 1}, {}, {"seed": 0}, {"seed": 1}]
    assert all((Path("runs/studies/study") / run["path"] / "finished.json").exists() for run in record.runs)
    printed = capsys.readouterr().out
    assert "[5/5] pair, seed 1: done in" in printed and "no run left" in printed
    claimed = "REPLICATED It is above a half. Published: above 50 % (here). Measured here: 75.0 %"
    assert claimed in " ".join(printed.split())
    page = Path("runs/studies/study/report.html").read_text()
    assert "A small study" in page and "not replicated" in page and "Somebody, 1234.5678" in page


def test_what_is_finished_is_skipped_and_a_change_reruns_what_builds_on_it(folder, three, capsys):
    folder.write(three())
    assert folder.run() == 0
    folder.calls()
    capsys.readouterr()
    assert folder.run() == 0
    assert folder.calls() == [] and "[1/5] a, seed 0: finished before, runs/studies/study/a/" in capsys.readouterr().out
    study = three()
    study["runs"]["b"]["set"]["text"] = "c"
    folder.write(study)
    assert folder.run("--dry_run") == 0
    plan = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert plan == [
        "[1/5] a, seed 0: skip (finished)", "[2/5] a, seed 1: skip (finished)", "[3/5] b: run (new settings or inputs)",
        "[4/5] pair, seed 0: run (builds on b)", "[5/5] pair, seed 1: run (builds on b)",
    ]  # fmt: skip
    assert folder.run() == 0
    assert folder.calls() == ["c 0", "join a0 c0", "join a1 c0"]
    folder.write(three())
    assert folder.run() == 0 and folder.calls() == [], "the first form is still there"


def test_seeds_from_the_command_line_keep_what_other_seeds_have_finished(folder, three):
    folder.write(three())
    assert folder.run() == 0
    folder.calls()
    assert folder.run("--seeds", "[1, 2]") == 0
    assert folder.calls() == ["a 2", "join a2 b0"]
    assert folder.results()["claims"][0]["measured"]["seeds"] == [1, 2]


def test_only_a_run_and_then_the_rest(folder, three, capsys):
    folder.write(three())
    assert folder.run("--only", "b") == 0
    assert folder.calls() == ["b 0"] and not Path("runs/studies/study/results.json").exists()
    assert "the study's tables wait for 4 more" in capsys.readouterr().out
    assert folder.run("--only=pair") == 0
    assert folder.calls() == ["a 0", "a 1", "join a0 b0", "join a1 b0"] and folder.results()["study"] == "study"


def test_a_failed_run_stops_the_study_with_its_last_lines_and_its_command(folder, three, capsys):
    study = three()
    study["runs"]["a"]["set"]["fails"] = True
    folder.write(study)
    assert folder.run() == 1
    assert folder.calls() == ["a 0"]
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "a, seed 0: failed; its last lines:" and error[-3] == "  | RuntimeError: no luck"
    log, command = error[-2].removeprefix("log: "), error[-1].removeprefix("by hand: ")
    assert "halfway" in Path(log).read_text() and not list(Path("runs").rglob("finished.json"))
    assert subprocess.run(["bash", "-c", command], capture_output=True).returncode == 1, "it fails by hand, too"
    Path("repaired").touch()
    assert subprocess.run(["bash", "-c", command], capture_output=True).returncode == 0
    folder.calls()
    assert folder.run() == 0 and folder.calls() == ["a 0", "a 1", "b 0", "join a0 b0", "join a1 b0"]


def test_keep_going_leaves_only_what_builds_on_the_failed_run(folder, three, capsys):
    study = three(seeds=[0])
    study["runs"]["a"]["set"]["fails"] = True
    folder.write(study)
    assert folder.run("--keep_going") == 1
    assert folder.calls() == ["a 0", "b 0"]
    printed = capsys.readouterr().out
    assert "[3/3] pair, seed 0: left: it builds on a run that failed" in printed and "RuntimeError: no luck" in printed
    assert "failed: a, seed 0; left for that reason: 1 runs" in printed


def test_a_run_that_leaves_nothing_to_hand_on_is_named(folder, three, capsys):
    study = three(seeds=[0])
    study["runs"]["pair"]["set"]["first"] = "${a.wrod}"
    folder.write(study)
    assert folder.run() == 2
    assert "the run left no 'wrod'; there is finished.json, log.txt, word.txt" in capsys.readouterr().err


def test_tables_that_are_not_study_results(folder, three, capsys):
    folder.write(three(tables="builtins.list", seeds=[0]))
    assert folder.run() == 2
    assert "builtins.list returned a list, not a StudyResults" in capsys.readouterr().err


def test_without_a_tables_function_every_figure_is_listed(folder, three):
    study = three()
    del study["tables"]
    folder.write(study)
    assert folder.run() == 0
    (table,) = folder.results()["tables"]
    ((run, figure, value, n),) = table["rows"]
    assert (run, figure, value["value"], n) == ("pair", "accuracy | test", 0.75, 80)


def started(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "train.py"), "study", "--config", "study.yaml", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def waits_for(pattern: str, seconds: float = 60.0) -> Path:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := list(Path("runs").rglob(pattern)):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} after {seconds} s")


def slow_study() -> dict:
    return {
        "runs": {
            "first": {"call": "@write", "once": True, "set": {"text": "w"}},
            "slow": {"call": "@slow", "once": True, "set": {"seconds": 60}, "inputs": ["${first.word}"]},
            "last": {"call": "@write", "once": True, "set": {"text": "${slow.begun}"}},
        }
    }


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_study_that_is_ended_takes_its_run_along_and_goes_on_later(folder, how):
    folder.write(slow_study())
    study = started()
    begun = waits_for("begun")
    os.kill(study.pid, how)
    code = study.wait(30)
    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[how], study.stdout.read().decode()
    Path("quick").touch()
    again = started()
    assert again.wait(60) == 0, again.stdout.read().decode()  # it waits until the killed study's run is gone
    assert folder.calls() == ["w 0", "slow", "slow", f"{begun.resolve().relative_to(folder.path)} 0"]
    mark = json.loads((begun.parent / "finished.json").read_text())
    assert mark["run"] == "slow" and mark["seconds"] < 30


def test_one_study_at_a_time(folder, capsys):
    folder.write(slow_study())
    study = started()
    waits_for("begun")
    assert folder.run() == 2
    assert f"the study is being run by process {study.pid}" in capsys.readouterr().err
    study.kill()
    study.wait(30)


def test_a_mark_is_what_counts_not_what_a_killed_run_left(folder, three):
    """Killed between a run's last file and its mark, the run is made again."""
    folder.write(three(seeds=[0]))
    assert folder.run() == 0
    folder.calls()
    next(Path("runs/studies/study/pair").glob("*/finished.json")).unlink()
    assert folder.run() == 0 and folder.calls() == ["join a0 b0"]


def test_scores_survive(tmp_path):
    from lit_reason.question_scores import load_scores, save_scores

    save_scores(tmp_path, {("accuracy", "test", ""): {"q1": 1, "q2": 0}})
    save_scores(tmp_path, {("accuracy", "test", ""): {"q1": 0.5}, ("other", "test", "after"): {"q": True}})
    assert load_scores(tmp_path) == {("accuracy", "test", ""): {"q1": 0.5}, ("other", "test", "after"): {"q": 1.0}}
    assert len(list(read_jsonl(tmp_path / "scores.jsonl"))) == 2
    with pytest.raises(ValueError, match="figure 'accuracy | test': question 'q' scored nan"):
        save_scores(tmp_path, {("accuracy", "test", ""): {"q": float("nan")}})
    (tmp_path / "scores.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(ValueError, match="scores.jsonl, line 1: not a figure's scores"):
        load_scores(tmp_path)
