"""Word problems of known topic and difficulty, from a family's name to the splits of a study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lit_reason.cli import main
from lit_reason.files import read_jsonl
from lit_reason.questions_gym import Family, FamilyError
from lit_reason.study import step
from lit_reason.weak_to_strong.generated_questions import make_generated
from lit_reason.weak_to_strong.own_questions import split_questions
from lit_reason.weak_to_strong.thresholds import WeakToStrongError

WORDS, LEGS = Family("gsm_symbolic"), Family("leg_counting", level=2)


def rows(path: Path) -> list[dict]:
    return [row for _, row in read_jsonl(path)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    make_generated(out, (WORDS, LEGS), n_h1=21, n_h2=30, n_test=10)
    return out / "questions.jsonl"


def test_every_split_has_equal_parts_of_each_family_and_no_text_twice(made: Path) -> None:
    found = rows(made)
    assert Counter((row["split"], row["topic"]) for row in found) == {
        ("T", "gsm_symbolic"): 5, ("T", "leg_counting"): 5, ("H1", "gsm_symbolic"): 11, ("H1", "leg_counting"): 10,
        ("H2", "gsm_symbolic"): 15, ("H2", "leg_counting"): 15,
    }  # fmt: skip
    assert len({row["question"] for row in found}) == len({row["id"] for row in found}) == 61


def test_difficulty_is_the_level_or_the_number_of_calculations(made: Path) -> None:
    for row in rows(made):
        if row["topic"] == "leg_counting":
            assert row["difficulty"] == 2 and "solution" not in row
        else:
            assert row["difficulty"] == row["solution"].count("=") > 0
            assert f"#### {row['gold']}" in row["solution"].splitlines()[-1]


def test_they_become_the_splits_of_a_study(made: Path, tmp_path: Path) -> None:
    split_questions(tmp_path, str(made))
    h1, h2, gold = (rows(tmp_path / f"{name}.jsonl") for name in ("h1", "h2", "h2_gold"))
    assert (len(h1), len(h2), len(gold)) == (21, 30, 30)
    assert all(row["target"].endswith(rf"\boxed{{{row['answer']}}}") and "####" not in row["target"] for row in h1)
    assert all("gold" not in row and row["difficulty"] > 0 for row in h2) and all(row["gold"] for row in gold)


def test_a_seed_makes_the_same_questions_again_and_another_makes_others(made: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_generated(tmp_path / str(seed), (WORDS, LEGS), n_h1=21, n_h2=30, n_test=10, seed=seed)
    assert (tmp_path / "0" / "questions.jsonl").read_bytes() == made.read_bytes()
    assert not {r["question"] for r in rows(made)} & {r["question"] for r in rows(tmp_path / "1" / "questions.jsonl")}


def test_what_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sums = Family("chain_sum", config={"min_digits": 1, "max_digits": 1, "min_terms": 2, "max_terms": 2})
    with pytest.raises(WeakToStrongError, match="chain_sum: only 200 different questions were made, 1200 are asked"):
        make_generated(tmp_path, (sums,))
    with pytest.raises(WeakToStrongError, match="families: is empty"):
        make_generated(tmp_path, ())
    with pytest.raises(FamilyError, match="did you mean gsm_symbolic"):
        make_generated(tmp_path, (Family("gsm_symbolik"),))
    name = "lit_reason.weak_to_strong.generated_questions.make_generated"
    assert step.main([name, "--out", str(tmp_path), "--n_h2", "3", "--families", '[{"name": "leg_counting"}]']) == 0
    assert not capsys.readouterr().err


def test_the_own_study_takes_them_by_its_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the head of its file says."""
    head = Path("configs/studies/weak_to_strong_own.yaml").read_text().split("title:")[0]
    call = "lit_reason.weak_to_strong.generated_questions.make_generated"
    assert f"--runs.arithmetic.call {call}" in head
    study = ["study", "--config", "configs/studies/weak_to_strong_own.yaml", "--root", str(tmp_path)]
    assert main([*study, "--dry_run", "--runs.arithmetic.call", call, "--runs.arithmetic.set.n_h2", "50"]) == 0
    assert f"step {call} --out" in capsys.readouterr().out
