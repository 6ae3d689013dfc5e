"""The study's tables from finished runs whose figures are known, and the study itself for a few steps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_reason.case2code.study import tables
from lit_reason.files import write_json_atomic
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question, Sample
from lit_reason.results import Results, share
from lit_reason.sampling import SamplingSettings
from lit_reason.study_results import FinishedRun, FinishedRuns, StudyRecord, StudyResults

ROOT = Path(__file__).resolve().parents[2]
EACH = {
    name: run["each"]
    for name, run in yaml.safe_load((ROOT / "configs/studies/case2code.yaml").read_text("utf-8"))["runs"].items()
    if "each" in run
}
N = 40
KS = {1: 10, 3: 20, 5: 26, 8: 32}
TESTED = {
    ("many_layouts", "input_output"): 30, ("many_layouts", "arrow"): 24,
    ("one_layout", "input_output"): 32, ("one_layout", "arrow"): 2,
}  # fmt: skip
RUNS: list[tuple[str, dict[str, Any], int]] = [
    ("induction", {}, 30), ("shuffled", {}, 1), ("untrained", {}, 0), ("deduction", {}, 25),
    *[("shown", {"k": k}, right) for k, right in KS.items()],
    ("named", {"name_share": 1.0}, 28), ("named", {"name_share": 0.0}, 12),
]  # fmt: skip
"""Run, its variables, and how many of the functions it found: always the first ones."""


def finished(folder: Path, name: str, variables: dict[str, Any], n_right: int) -> FinishedRun:
    """A run directory as an evaluation leaves it."""
    when = "after" if name in ("induction", "shuffled", "deduction") else "validate"
    results = Results(name)
    results.put(share("strict_pass", "planted", when, n_right, N))
    results.save(folder)
    questions = [Question(f"q{i:02}", "?") for i in range(N)]
    pool = SamplePool.open(folder / "pools", {"model": name}, SamplingSettings(), questions)
    pool.append_samples([Sample("", question.id, 0, "", 1, 1, "stop") for question in questions])
    pool.append_grades(
        "g@1", [Grade("", q.id, 0, "g@1", "right" if i < n_right else "wrong") for i, q in enumerate(questions)]
    )
    entry = {
        "when": when,
        "answers": "greedy",
        "key": pool.key,
        "folder": os.path.relpath(pool.folder, folder),
        "grader": "g@1",
    }
    write_json_atomic(folder / "pools.json", [entry])
    return FinishedRun(name, {"seed": 0, **variables}, folder)


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., StudyResults]:
    def make(tested: Mapping[tuple[str, str], int] = TESTED, **right: int) -> StudyResults:
        layouts = [("tested", {"trained_on": of, "layout": at}, n_right) for (of, at), n_right in tested.items()]
        runs = [
            finished(tmp_path / f"{i}", name, variables, right.get(name, n_right))
            for i, (name, variables, n_right) in enumerate([*RUNS, *layouts])
        ]
        return tables(FinishedRuns(runs))

    return make


def test_the_runs_here_are_those_of_the_study() -> None:
    assert EACH["shown"]["k"] == list(KS)
    layouts = [(of, at) for of in EACH["tested"]["trained_on"] for at in EACH["tested"]["layout"]]
    assert sorted(layouts) == sorted(TESTED)
    assert EACH["named"]["name_share"] == [variables["name_share"] for name, variables, _ in RUNS if name == "named"]


def test_every_ablation_has_its_row(study: Callable[..., StudyResults]) -> None:
    found = study()
    controls, shown, names, layouts = found.tables
    assert [row[1].value for row in controls.rows] == [30 / N, 1 / N, 0, 25 / N]
    assert [(row[0], row[1].value) for row in shown.rows] == [(k, right / N) for k, right in KS.items()]
    assert [row[1].value for row in names.rows] == [28 / N, 12 / N]
    cells = [[cell.value for cell in row[1:]] for row in layouts.rows]
    assert cells == [pytest.approx([30 / N, 24 / N, 6 / N]), pytest.approx([32 / N, 2 / N, 30 / N])]
    (chart,) = found.charts
    assert list(chart.series[0].x) == list(KS) and list(chart.series[0].y) == [right / N for right in KS.values()]
    assert all(figure.n == N and figure.seeds == [0] for figure in found.figures())


def test_claims_are_judged_by_paired_differences(study: Callable[..., StudyResults], tmp_path: Path) -> None:
    found = study()
    assert [claim.verdict for claim in found.claims] == ["replicated"] * 5 + ["not testable here"]
    gain = found.claims[0].measured
    assert gain is not None and gain.value == pytest.approx(29 / N) and gain.ci_method == "paired bootstrap"
    record = StudyRecord("case2code", "t", "p", found)
    record.save(tmp_path)
    assert StudyRecord.load(tmp_path).results.claims[0].verdict == "replicated"


def test_a_control_that_learns_as_much_refutes_the_claim(study: Callable[..., StudyResults]) -> None:
    assert study(shuffled=30).claims[0].verdict == "not replicated"


@pytest.mark.parametrize(("right", "less", "better"), [
    ((30, 24, 32, 2), "replicated", "replicated"),
    ((38, 24, 16, 2), "not replicated", "replicated"),   # better on the held-out layout, but loses as much
    ((12, 10, 32, 10), "replicated", "not replicated"),  # loses less because it had less to lose
    ((20, 2, 32, 24), "not replicated", "not replicated"),
])  # fmt: skip
def test_losing_less_and_doing_better_are_two_claims(
    right: tuple[int, ...], less: str, better: str, study: Callable[..., StudyResults]
) -> None:
    """Acceptance J, with the drop of each model by hand: known minus held-out layout."""
    many_known, many_new, one_known, one_new = right
    claims = study(dict(zip(TESTED, right, strict=True))).claims
    by_name = {claim.measured.name: claim for claim in claims if claim.measured}
    lost = by_name["lost less with twelve layouts than with one"]
    assert lost.verdict == less and by_name["twelve layouts over one, held out"].verdict == better
    assert lost.measured is not None
    assert lost.measured.value == pytest.approx(((one_known - one_new) - (many_known - many_new)) / N)
    assert (lost.measured.n, lost.measured.kind, lost.measured.seeds) == (N, "share_difference", [0])


@pytest.mark.slow
def test_the_study_runs_from_its_file(tmp_path: Path) -> None:
    """Every run of the study, far too short to learn anything."""
    command = [sys.executable, str(ROOT / "train.py"), "study", "--config", "configs/studies/case2code.yaml", "--smoke"]
    finished = subprocess.run(
        [*command, "--root", str(tmp_path)], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-3000:]
    (folder,) = (path.parent for path in tmp_path.glob("**/results.json") if "claims" in path.read_text("utf-8"))
    assert len(StudyRecord.load(folder).results.tables) == 4 and (folder / "report.html").exists()
