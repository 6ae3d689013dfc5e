"""Verifiers of reasoning-gym: gold answers pass in every family, and no model's text is ever run as Python."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from lit_reason.grading import VerifierGrader
from lit_reason.grading.verifier import FORMULAS, OWN_CHECK, PYTHON_LITERALS, is_harmless
from lit_reason.questions import Asking
from lit_reason.questions_gym import Family, exercises, families
from lit_reason.records import Question
from tests.grading.conftest import sample

ATTACKS = [
    "__import__('os').system('touch pwned')", "open('pwned', 'w')", "exec(chr(49))", "().__class__", "eval(input())",
    "[x for x in (1,)]", "f'{open}'", "(lambda: 0)()", "exit()", "x.__class__", "print(1)", "breakpoint()",
]  # fmt: skip


def made(family: str, n: int = 1, **config: object) -> list[Question]:
    made = exercises(Family(family, config=config), n, 3_000_000, Asking("{question}"), Counter())
    return [exercise.question for exercise in made]


def test_an_answer_is_looked_for_in_boxes_statements_and_the_whole_text() -> None:
    (question,) = made("chain_sum")
    gold = question.gold
    texts = [rf"\boxed{{{gold}}}", f"The answer is {gold}.", str(gold), f"{gold}.0",
    f"<answer>{gold}</answer>", "-99999", "",
             rf"\boxed{{{gold}"]  # fmt: skip
    found = list(VerifierGrader().grade_all((question, sample(text)) for text in texts))
    assert [grade.status for grade in found] == ["right"] * 5 + ["wrong", "unparsed", "unparsed"]
    assert {grade.answer_key for grade in found[:4]} == {gold}


def test_countdown_answers_are_checked_strictly() -> None:
    (question,) = made("countdown")
    gold = str(question.gold)
    first = re.findall(r"\d+", gold)[0]
    cheats = [f"{gold} # done", gold.replace(first, f"sqrt({int(first) ** 2})", 1), f"{gold}+0", f"{gold}//1", "1+1"]
    texts = [rf"\boxed{{{gold}}}", gold, gold.replace("*", " * ").replace("-", "−"), *cheats]
    found = list(VerifierGrader().grade_all((question, sample(text)) for text in texts))
    assert [grade.status for grade in found] == ["right"] * 3 + ["wrong"] * len(cheats)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_would_run_reaches_a_verifier_that_evaluates(attack: str) -> None:
    assert not any(is_harmless(family, attack) for family in FORMULAS)
    assert not any(is_harmless(family, attack) for family in PYTHON_LITERALS)


def test_attacks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evaluating = sorted((FORMULAS | PYTHON_LITERALS | OWN_CHECK) & set(families()))
    pairs = [(question, sample(text)) for family in evaluating for question in made(family) for text in ATTACKS]
    found = list(VerifierGrader().grade_all(pairs))
    assert len(found) == len(pairs)
    assert not any(grade.status == "right" for grade in found)
    assert not list(tmp_path.iterdir())


def test_a_gold_answer_with_signs_of_its_own_is_right() -> None:
    """The verifier of prime_factorization fails on LaTeX's sign, into which a reading turns this one."""
    (question,) = made("prime_factorization")
    assert "×" in str(question.gold)
    texts = [str(question.gold), f"The answer is {question.gold}", "no factors"]
    found = [grade.status for grade in VerifierGrader().grade_all((question, sample(text)) for text in texts)]
    assert found[:2] == ["right", "right"] and found[2] != "right"


def test_every_family_that_evaluates_text_is_known() -> None:
    """A new version of the library with another `eval` has to be looked at before it may be used."""
    import reasoning_gym

    folder = Path(reasoning_gym.__file__).parent
    calls = re.compile(r"\b(?:eval|exec|sympify|parse_expr)\((?!self|full_code|entry|problem|exp\.|expr)[^)]*answer")
    found = {path.stem for path in folder.rglob("*.py") if calls.search(path.read_text("utf-8"))}
    assert found == FORMULAS | PYTHON_LITERALS | OWN_CHECK


def test_a_question_of_another_version_is_not_judged() -> None:
    (question,) = made("chain_sum")
    changed = Question(question.id, "What is 1 + 1?", question.gold, question.meta)
    (grade,) = VerifierGrader().grade_all([(changed, sample(str(question.gold)))])
    assert (grade.status, grade.detail["kind"]) == ("unparsed", "error")
    assert "another version of reasoning-gym" in grade.detail["message"]


def test_a_question_without_a_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="q7: meta has no reasoning_gym"):
        list(VerifierGrader().grade_all([(Question("q7", "?", "1"), sample("1"))]))


@pytest.mark.slow
@pytest.mark.parametrize("family", families())
def test_gold_answers_are_right_in_every_family(family: str) -> None:
    asked = made(family, 2)
    with_gold = [question for question in asked if question.gold is not None]
    found = VerifierGrader(seconds=30).grade_all((question, sample(str(question.gold))) for question in with_gold)
    assert [grade.status for grade in found] == ["right"] * len(with_gold)
