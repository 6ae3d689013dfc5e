"""The deductive control: prompts hold program and call, the gold answer is what the call gives, values are compared."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from datamodules.case2code_deduction import Case2CodeDeductionDataModule
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.case2code.deduction import Deduction, DeductionGrader, deduction
from lit_reason.case2code.functions import Case, Function
from lit_reason.case2code.planted import PlantedSettings, planted
from lit_reason.case2code.settings import RealSettings
from lit_reason.chat import Chat
from lit_reason.grading import Grader
from lit_reason.records import Question, Sample

CODE = "def clip(xs, cap):\n    return min(sum(xs), cap)\n"
CLIP = Function("f", "clip", ("xs", "cap"), CODE, (Case("{'xs': [4, 4], 'cap': 5}", "5"),))


def kind(text: str, gold: str, finish: str = "stop") -> str:
    pair = Question("q", "?", gold, {}), Sample("p", "q", 0, text, 1, 1, finish)
    (grade,) = DeductionGrader().grade_all([pair])
    assert (grade.status == "right") == (grade.score == 1.0)
    return grade.detail["kind"]


def test_prompt_and_answer() -> None:
    asked = deduction(CLIP)
    assert asked.prompt == "def clip(xs, cap):\n    return min(sum(xs), cap)\nclip(xs=[4, 4], cap=5) ->"
    assert asked.answer == "5"
    assert asked.prompt in asked.instruction_prompt[0]["content"]
    assert Deduction(CLIP, Case("{'xs': None, 'cap': 5}", error="TypeError")).answer == "TypeError"


def test_the_answer_is_what_the_program_gives() -> None:
    asked = [deduction(function) for function in planted(300, 2)]
    for one in asked:
        scope: dict[str, object] = {}
        exec(one.function.code, scope)
        assert eval(one.answer) == scope[one.function.name](**one.case.arguments())  # type: ignore[operator]
        assert one.prompt.endswith(" ->")
    assert len({one.case.kwargs for one in asked}) > 200
    assert [one.case for one in asked] == [deduction(one.function).case for one in asked]
    assert [one.case for one in asked] != [deduction(one.function, seed=1).case for one in asked]


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ('"a"', '"a"', "ok"),
        ("'a'", '"a"', "ok"),
        (" 0.30000000000000004\nand more", "0.3", "ok"),
        ("{2, 1}", "{1, 2}", "ok"),
        ("ValueError", "ValueError", "ok"),
        ("TypeError", "ValueError", "wrong"),
        ("4", "5", "wrong"),
        ("5", '"5"', "wrong"),
        ("five of them", "5", "no_code"),
        ("", "5", "no_code"),
        ("{" + "1+" * 950 + "1}", "{1}", "wrong"),
        ("-" * 1500 + "1", "-1", "wrong"),
        ("{'a': " * 180 + "1" + "}" * 180, "{'a': " * 180 + "2" + "}" * 180, "wrong"),
    ],
)
def test_verdicts(text: str, gold: str, expected: str) -> None:
    assert kind(text, gold) == expected


def test_a_cut_answer_is_wrong() -> None:
    assert kind("5", "5", finish="length") == "truncated"


def test_it_is_a_grader() -> None:
    grader: Grader = DeductionGrader()
    assert grader.name == "case2code_deduction@1"


def test_the_data_module_asks_about_the_same_functions() -> None:
    chat = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes")), "plain")
    settings = PlantedSettings(n_train=50, n_val=20, n_test=20), RealSettings(sources=[])
    data = Case2CodeDeductionDataModule(*settings)
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=chat))  # type: ignore[assignment]
    functions = settings[0].functions("train")
    for function, document in zip(functions, data.documents("train"), strict=True):
        text = chat.tokenizer.decode(document.input_ids[document.is_target])
        assert text == deduction(function).answer + chat.tokenizer.eos_token
    questions = data.questions("val")
    assert len(questions) == 20 and all(question.meta["family"] for question in questions)
    samples = [Sample("p", q.id, 0, str(q.gold), 1, 1, "stop") for q in questions]
    assert all(g.status == "right" for g in DeductionGrader().grade_all(zip(questions, samples, strict=True)))
