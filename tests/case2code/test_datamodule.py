"""The DataModule: documents, questions, the control without information, and mistakes in its settings."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datamodules.case2code import Case2CodeDataModule
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.case2code.grader import CaseGrader
from lit_reason.case2code.names import normalised_body
from lit_reason.case2code.planted import PlantedSettings, with_names
from lit_reason.case2code.prompts import PromptSettings, build_target
from lit_reason.case2code.settings import RealSettings
from lit_reason.chat import Chat
from lit_reason.records import Question, Sample, from_table, to_table

CHAT = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes")))
PLANTED = PlantedSettings(n_train=150, n_val=60, n_test=60)
SHORT = PromptSettings(style="short", k_min=3, lead_in="")


def module(real: RealSettings | None = None, **settings: Any) -> Case2CodeDataModule:
    """The module with the one thing that it takes from a trainer."""
    data = Case2CodeDataModule(
        **{"planted": PLANTED, "real": real or RealSettings(sources=[]), "prompts": SHORT, **settings}
    )
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=CHAT))  # type: ignore[assignment]
    return data


def target(document) -> str:
    return CHAT.tokenizer.decode(document.input_ids[document.is_target]).removesuffix(CHAT.tokenizer.eos_token)


def test_documents_are_prompt_and_original_source() -> None:
    data = module()
    rows, documents = data.rows("train", "training"), data.documents("train")
    assert len(documents) == 150
    for (function, prompt), document in zip(rows, documents, strict=True):
        assert document.id == function.id
        assert target(document) == build_target(function.code)
        assert list(document.input_ids[~document.is_target]) == CHAT.prompt_ids(prompt.text)


def test_nothing_of_a_held_out_function_is_trained_on(small: RealSettings) -> None:
    data = module(small)
    trained = {f.body for f, _ in data.rows("train", "training")}
    for split in ("val", "test"):
        asked = data.questions(split)
        assert {question.meta["source"] for question in asked} == {"planted", "real"}
        assert not trained & {question.meta["body"] for question in asked}
    assert len({q.id for split in ("val", "test") for q in data.questions(split)}) == len(
        data.questions("val") + data.questions("test")
    )


def test_questions_hide_what_their_prompt_does_not_show(small: RealSettings) -> None:
    for question in module(small).questions("test"):
        meta = question.meta
        assert sorted(meta["shown"] + meta["hidden"]) == list(range(len(meta["cases"])))
        assert isinstance(question.prompt, str)
        assert question.prompt.count("\n") >= len(meta["shown"])
        assert meta["instruction_prompt"][0]["role"] == "user"
        assert meta["name_given"]
        assert question.gold == meta["code"]
        assert "return" not in question.prompt.replace("returns", "")


RAISING = "def checked(n: int):\n    if n < 0:\n        raise ValueError(f'{n} is below zero')\n    return n // 2\n"


def test_an_untrained_model_is_shown_messages_only_where_prompts_are(tmp_path: Path) -> None:
    (tmp_path / "raising.py").write_text(RAISING)
    real = RealSettings(sources=[str(tmp_path)], call_seconds=0.1, held_out_share=1.0)
    for messages in (True, False):
        data = module(real, prompts=PromptSettings(k_min=8, k_max=10, error_messages=messages))
        asked = [q for split in ("val", "test") for q in data.questions(split)]
        raising = [q for q in asked if any("error" in q.meta["cases"][i] for i in q.meta["shown"])]
        assert raising
        for question in raising:
            errors = [case for i in question.meta["shown"] if "error" in (case := question.meta["cases"][i])]
            for text in (question.prompt, question.meta["instruction_prompt"][0]["content"]):
                assert all((f"{case['error']}: {case['message']}" in text) == messages for case in errors)


def test_questions_survive_the_pool_and_their_gold_is_right(small: RealSettings) -> None:
    questions = from_table(Question, to_table(Question, module(small).questions("test")))
    samples = [Sample("p", q.id, 0, f"```python\n{q.gold}```", 1, 1, "stop") for q in questions]
    grades = CaseGrader().grade_all(zip(questions, samples, strict=True))
    assert all(grade.status == "right" for grade in grades)


def test_same_settings_same_documents_and_order(small: RealSettings) -> None:
    one, two = module(small).documents("train"), module(small).documents("train")
    assert [d.input_ids.tobytes() for d in one] == [d.input_ids.tobytes() for d in two]


def test_control_keeps_prompts_names_and_bodies_but_not_their_pairing() -> None:
    real, control = module(), module(shuffled_targets=True)
    plain, shuffled = real.documents("train"), control.documents("train")
    rows = real.rows("train", "training")
    same = 0
    bodies: Counter[str] = Counter()
    for (function, prompt), document in zip(rows, shuffled, strict=True):
        assert list(document.input_ids[~document.is_target]) == CHAT.prompt_ids(prompt.text)
        code = target(document).removeprefix("```python\n").removesuffix("```")
        (definition,) = ast.parse(code).body
        assert isinstance(definition, ast.FunctionDef)
        assert (definition.name, *(a.arg for a in definition.args.args)) == (function.name, *function.params)
        bodies[normalised_body(code)] += 1
        same += normalised_body(code) == function.body
    assert bodies == Counter(function.body for function, _ in rows)
    assert same <= 3
    assert sum(a.input_ids.tobytes() != b.input_ids.tobytes() for a, b in zip(plain, shuffled, strict=True)) >= 147


def test_control_leaves_real_and_held_out_functions_alone(small: RealSettings) -> None:
    real, control = module(small), module(small, shuffled_targets=True)
    assert real.questions("val") == control.questions("val")
    for a, b in zip(real.documents("train"), control.documents("train"), strict=True):
        if a.id.startswith("real-"):
            assert a.input_ids.tobytes() == b.input_ids.tobytes()
    for a, b in zip(real.documents("val"), control.documents("val"), strict=True):
        assert a.input_ids.tobytes() == b.input_ids.tobytes()


def test_renaming_does_not_change_what_a_planted_function_does() -> None:
    for function, _ in module().rows("train", "training"):
        names = (function.name, *function.params)
        other = with_names(function.code, names, ("quux", "foo", "baz")[: len(names)])
        assert normalised_body(other) == function.body
        scope: dict[str, Any] = {}
        exec(other, scope)
        values = [case.arguments().values() for case in function.cases]
        assert [repr(scope["quux"](*v)) for v in values] == [case.returned for case in function.cases]


def test_long_prompts_are_left_out_and_counted() -> None:
    data = module(prompts=PromptSettings(style="short", k_min=3, max_chars=60))
    documents = data.documents("train")
    n = 150 - len(documents)
    assert 0 < n < 150
    assert data.dropped == {"training prompt over 60 characters": n}
    data.documents("train")
    assert data.dropped == {"training prompt over 60 characters": n}


def test_prepare_builds_the_cache_only_where_real_functions_are_used(small: RealSettings, own_cache) -> None:
    module().prepare_data()
    module(RealSettings(n_train=0, n_val=0, n_test=0)).prepare_data()
    module(small).prepare_data()
    assert len(list((own_cache / "case2code").glob("*/reasons.json"))) >= 1


@pytest.mark.parametrize(
    ("settings", "key", "part"),
    [
        ({"prompts": {"k_min": 9}}, "prompts.k_min", "is 9, but no more than planted.n_shown = 6 cases are shown"),
        ({"prompts": PromptSettings(k_min=4, k_max=3)}, "prompts.k_max", "must be at least k_min = 4, got 3"),
        ({"planted": {"families": ["prefx"]}}, "planted.families", "unknown family 'prefx'"),
        ({"planted": SimpleNamespace(n_shown=10)}, "planted.n_shown", "must be below n_cases = 10, got 10"),
        ({"real": {"sources": ["no_such"]}}, "real.sources", "neither `stdlib`, an installed package, nor a path"),
    ],
)
def test_mistakes_are_found_before_anything_is_built(settings: dict[str, Any], key: str, part: str) -> None:
    found = Case2CodeDataModule.check_config(settings)
    assert any(k == key and part in message for k, message in found)


def test_defaults_are_consistent() -> None:
    assert Case2CodeDataModule.check_config({}) == []


def test_loss_falls_on_the_target_or_on_all_tokens() -> None:
    plain, everything = module().documents("train"), module(loss_on="all").documents("train")
    for one, other in zip(plain, everything, strict=True):
        assert one.input_ids.tobytes() == other.input_ids.tobytes()
        assert other.is_target.all() and not one.is_target.all()
        assert other.n_targets == len(other.input_ids) - 1
