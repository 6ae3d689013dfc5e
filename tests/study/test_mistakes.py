"""What is wrong with a study, all at once, one line each, before any run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_reason.cli import main


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that a wrong study prints."""
    assert main(["study", *arguments]) == 2
    assert not Path("runs").exists(), "nothing was started"
    return [line.removeprefix("config error: ") for line in capsys.readouterr().err.splitlines()]


SHAPES = {
    "runs: {}\n": [
        "runs: expected at least one run, as in `runs: {weak: {command: fit, config: weak.yaml}}` [s.yaml:1]"
    ],
    "sedes: [0]\nruns:\n  a: {call: x.f}\n": ["sedes: is no setting of a study (did you mean seeds?) [s.yaml:1]"],
    "seeds: [0, 0]\nruns:\n  a: {call: x.f}\n": [
        "seeds: expected a list of different whole numbers >= 0 (got [0, 0]) [s.yaml:1]"
    ],
    "runs:\n  a: {call: x.f}\n  a: {call: x.g}\n": ["runs.a: is given twice, first on line 2 [s.yaml:3]"],
    "runs:\n  a: {}\n": [
        "runs.a: needs either `command` (fit, validate, test, predict, prepare) or `call` (a function) [s.yaml:2]"
    ],
    "runs:\n  a: {command: fti}\n": [
        "runs.a.command: expected one of fit, validate, test, predict, prepare (got fti; did you mean fit?) [s.yaml:2]"
    ],
    "runs:\n  a: {call: f, comand: fit}\n": [
        "runs.a.comand: is no setting of a run (did you mean command?) [s.yaml:2]",
        "runs.a.call: expected the dotted path of a function (got f) [s.yaml:2]",
    ],
    "runs:\n  a:\n    call: x.f\n    each: {seed: [1], t: [1, 1]}\n": [
        "runs.a.each.seed: expected the name of a variable other than seed and run_dir (got seed) [s.yaml:4]",
        "runs.a.each.t: expected a list of different values, as in [0, 0.5] (got [1, 1]) [s.yaml:4]",
    ],
    "variables: {bugdet: 1, seed: 2, l: [1]}\nruns:\n  a: {call: x.f, each: {l: [1]}, set: {p: '${budget} ${l}'}}\n": [
        "variables.bugdet: no run uses it (did you mean budget?) [s.yaml:1]",
        "variables.seed: expected the name of a variable other than seed and run_dir (got seed) [s.yaml:1]",
        "variables.l: expected a text, a number, true or false (got [1]) [s.yaml:1]",
        "runs.a.each.l: expected the name of a variable other than seed and run_dir (got l) [s.yaml:3]",
    ],
    "runs:\n  a: {call: x.f, set: {p: '${b.word}', q: '${sed}'}}\n  bb: {call: x.f}\n": [
        "runs.a.set.p: there is no run 'b' (got ${b.word}; did you mean ${bb.word}?) [s.yaml:2]",
        "runs.a.set.q: is neither a variable of this run nor an artifact, written ${run.artifact} "
        "(got ${sed}; did you mean ${seed}?) [s.yaml:2]",
    ],
    "runs:\n  a: {call: x.f, once: true, set: {p: '${b.word}'}}\n  b: {call: x.f}\n": [
        "runs.a.set.p: b is made for each seed, of which this run knows nothing (got ${b.word}) [s.yaml:2]"
    ],
    "runs:\n  a: {call: x.f, each: {t: [1, 2]}}\n  b: {call: x.f, each: {t: [1, 3]}, set: {p: '${a.word}'}}\n": [
        "runs.b.set.p: a is not made for t 3 (got ${a.word}) [s.yaml:3]"
    ],
    "runs:\n  a: {call: x.f, set: {p: '${c.w}'}}\n  b: {call: x.f, set: {p: '${a.w}'}}\n"
    "  c: {call: x.f, set: {p: '${b.w}'}}\n": ["runs: wait for each other: a -> c -> b -> a [s.yaml:2]"],
    "runs:\n  a: {command: fit, config: nowhere.yaml}\n  b: {call: x.f, inputs: [gone]}\n": [
        "runs.a: --config: no such file (got nowhere.yaml) [s.yaml:2]",
        "runs.b: inputs: no such file or folder (got gone) [s.yaml:3]",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", SHAPES)
def test_a_wrong_file(capsys, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(text)
    assert answer(capsys, "--config", "s.yaml") == SHAPES[text]


def test_every_runs_own_configuration_is_checked_first_with_its_line(capsys, tmp_path, monkeypatch):
    """By the checker of `fit`; a path that an earlier run will make is no mistake, a wrong type beside it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("base.yaml").write_text("model:\n  class_path: CausalLanguageModel\n  lora: {rank: 3}\n")
    Path("own.py").write_text("from pathlib import Path\ndef make(out: Path, n: int) -> None:\n    pass\n")
    Path("s.yaml").write_text(
        "tables: own.tabels\nruns:\n  rows:\n    call: own.make\n    once: true\n    set: {m: 1, n: many}\n"
        "  fit:\n    command: fit\n    config: base.yaml\n    set:\n      data: {class_path: InstructionDataModule}\n"
        "      data.path: ${rows.rows}\n      data.loading.rows: -1\n      trainer.max_step: 3\n"
        "  other:\n    call: own.mkae\n"
    )
    assert answer(capsys, "--config", "s.yaml") == [
        "runs.rows: set.m: is no setting of make [s.yaml:6]",
        "runs.rows: set.n: expected a whole number (got many) [s.yaml:6]",
        "runs.fit: trainer.max_step: is no setting of Trainer (did you mean trainer.max_steps?) [s.yaml:14]",
        "runs.fit: model.lora.rank: is no setting of Lora [base.yaml:3]",
        "runs.fit: data.loading.rows: expected a whole number >0 (got -1) [s.yaml:13]",
        "runs.other: call: own has no function mkae; did you mean make? (got own.mkae) [s.yaml:16]",
        "tables: own has no function tabels (got own.tabels) [s.yaml:1]",
    ]


def test_wrong_arguments(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("runs:\n  weak: {call: x.f}\n")
    one_file = "--config: a study is one file, as in: train.py study --config configs/studies/NAME.yaml"
    assert answer(capsys) == [f"{one_file} [command line]"]
    no_file = "--config: no such file (got t.yaml; did you mean s.yaml?)"
    assert answer(capsys, "--config", "t.yaml") == [f"{no_file} [command line]"]
    assert answer(capsys, "--config", "s.yaml", "--dryrun", "--only") == [
        "dryrun: needs a value (did you mean --dry_run?) [command line]", "only: needs a value [command line]"
    ]  # fmt: skip
    assert answer(capsys, "--config", "s.yaml", "--only", "waek") == [
        "--only: the study has no such run (got waek; did you mean weak?) [command line]"
    ]
    assert answer(capsys, "--config", "s.yaml", "--smoke") == [
        "--smoke: the study has no section `smoke` (got s.yaml) [command line]"
    ]
    assert answer(capsys, "--config", "s.yaml", "--sedes", "3") == [
        "sedes: is no setting of a study (did you mean seeds?) [command line]"
    ]
