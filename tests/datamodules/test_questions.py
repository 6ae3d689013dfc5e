"""Questions that are generated: families of reasoning-gym, and arithmetic chains with planted revisions."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.questions import ArithmeticChainDataModule, ReasoningGymDataModule
from lit_reason.backbones import Backbone, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.cli import main
from lit_reason.grading import MathGrader, VerifierGrader
from lit_reason.questions import SPLITS, Asking, text_key
from lit_reason.questions_chains import TOPICS, Chain, ChainSettings, solution
from lit_reason.questions_gym import SPACING, UNREPEATABLE, Family, FamilyError, exercises
from lit_reason.records import Sample

FAMILIES = [Family("chain_sum", 0), Family("countdown"), Family("gsm_symbolic"), Family("knights_knaves", 1)]


def gym(families: list[Family] = FAMILIES, **settings: Any) -> ReasoningGymDataModule:
    return ReasoningGymDataModule(families, **{"n_train": 12, "n_val": 10, "n_test": 4, **settings})


def test_families_share_a_split_and_no_question_is_in_two() -> None:
    data = gym()
    for split, n in (("train", 12), ("val", 10), ("test", 4)):
        assert len(data.questions(split)) == n  # type: ignore[arg-type]
    assert Counter(q.meta["source"] for q in data.questions("val")) == {
        "chain_sum@0": 3, "countdown": 3, "gsm_symbolic": 2, "knights_knaves@1": 2,
    }  # fmt: skip
    texts = [{text_key(question) for question in data.questions(split)} for split in SPLITS]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]


def test_overlaps_are_dropped_from_what_trains_and_counted() -> None:
    """One-digit sums of two terms: 200 questions, so that a few hundred must repeat."""
    data = gym([Family("chain_sum", 0)], n_train=300, n_val=50, n_test=50)
    sizes = {split: len(data.questions(split)) for split in SPLITS}
    assert set(data.dropped) == {
        "test question asked twice", "val question asked twice", "train question asked twice",
        "val question that is also in test", "train question that is also in test",
        "train question that is also in val",
    }  # fmt: skip
    assert sum(sizes.values()) + sum(data.dropped.values()) == 400
    assert sum(sizes.values()) == len({text_key(q) for split in SPLITS for q in data.questions(split)})


def test_neighbouring_seeds_share_nothing() -> None:
    """In the library itself, seeds 42 and 43 share nearly every item."""
    import reasoning_gym

    theirs = [
        {item["question"] for item in reasoning_gym.create_dataset("chain_sum", seed=s, size=30)} for s in (42, 43)
    ]
    assert len(theirs[0] & theirs[1]) >= 29
    ours = [{text_key(q) for q in gym([Family("chain_sum")], n_val=30, seed=s).questions("val")} for s in (42, 43)]
    assert len(ours[0] & ours[1]) <= 1


def test_the_same_settings_give_the_same_questions() -> None:
    assert gym().questions("val") == gym().questions("val")
    assert gym().questions("val") != gym(seed=1).questions("val")


def test_levels_are_harder_and_config_comes_before_them() -> None:
    terms = []
    for family in (Family("chain_sum", 0), Family("chain_sum", 6), Family("chain_sum", 6, {"max_terms": 3})):
        questions = gym([family], n_val=40).questions("val")
        terms.append(max(len(re.findall(r"\d+", str(q.prompt))) for q in questions))
    assert terms[0] == 2 and terms[1] > 3 and terms[2] == 3


def test_what_was_made_is_verified() -> None:
    questions = gym().questions("val")
    pairs = [
        (q, Sample("p", q.id, 0, text, 1, 1, "stop")) for q in questions for text in (rf"\boxed{{{q.gold}}}", "none")
    ]
    grades = list(VerifierGrader().grade_all(pairs))
    assert [grade.status for grade in grades[::2]] == ["right"] * len(questions)
    assert not any(grade.status == "right" for grade in grades[1::2])


def test_questions_are_plain_json() -> None:
    for question in gym().questions("val"):
        assert json.loads(json.dumps(question.meta)) == question.meta


def test_what_the_library_fails_to_make_is_skipped_and_counted() -> None:
    hard = Family(
        "countdown", config={"min_target": 90, "max_target": 99, "max_value": 12, "min_numbers": 2, "max_numbers": 2}
    )
    dropped: Counter[str] = Counter()
    made = list(exercises(hard, 3, SPACING, Asking(), dropped))
    assert len({exercise.question.id for exercise in made}) == 3
    assert all(90 <= eval(str(exercise.question.gold)) <= 99 for exercise in made)
    assert dropped["countdown item that reasoning-gym fails to make"] > 0


@pytest.mark.parametrize(("family", "message"), [
    (Family("count_down"), "name: reasoning-gym has no family count_down; did you mean countdown?"),
    (Family("xyz"), "name: reasoning-gym has no family xyz; "),
    (Family("ransom_note"), "name: ransom_note makes other questions in every process, so none can be graded again"),
    (Family("composite"), "name: reasoning-gym has no family composite"),
    (Family("countdown", 9), "level: countdown has levels 0 to 4"),
    (Family("gsm_symbolic", 1), "level: gsm_symbolic has no levels"),
    (Family("countdown", config={"min_number": 3}),
    "config.min_number: countdown has no such setting; did you mean min_n"),
    (Family("countdown", config={"seed": 3}), "config.seed: countdown has no such setting"),
    (Family("countdown", config={"min_numbers": 30}),
    "config: countdown refuses it: max_numbers must be >= min_numbers"),
])  # fmt: skip
def test_families_that_cannot_be_made_are_refused_in_one_line(family: Family, message: str) -> None:
    with pytest.raises(FamilyError) as caught:
        list(exercises(family, 1, 0, Asking(), Counter()))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_just_the_families_that_are_refused_follow_the_string_hashes_of_the_process() -> None:
    program = (
        "import json, reasoning_gym\nfrom reasoning_gym.factory import DATASETS\n"
        "def made(name): return reasoning_gym.create_dataset(name, seed=7, size=3)\n"
        "def shown(name): return [[item['question'], str(item['answer'])] for item in made(name)]\n"
        "print('\\n' + json.dumps({name: shown(name) for name in DATASETS if name != 'composite'}))"
    )

    def made(seed: str) -> dict[str, list[str]]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    one, two = made("1"), made("2")
    assert {name for name in one if one[name] != two[name]} == UNREPEATABLE


def test_the_command_line_names_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = {"class_path": "CausalLanguageModel", "init_args": {"backbone": {"name": "llama-tiny"}}}
    config = tmp_path / "run.yaml"
    for data, messages in [
        ({"class_path": "ReasoningGymDataModule",
        "init_args": {"families": [{"name": "chain_sums"}, {"name": "gcd", "level": 99}]}},
         ["number 1, name: reasoning-gym has no family chain_sums; did you mean chain_sum?",
         "number 2, level: gcd has levels 0"]),
        ({"class_path": "ReasoningGymDataModule", "init_args": {"families": []}}, ["name at least one family"]),
        ({"class_path": "ArithmeticChainDataModule", "init_args": {"chains": {"topics": ["ad"]}}},
        ["did you mean add?"]),
        ({"class_path": "ArithmeticChainDataModule", "init_args": {"chains": {"max_steps": 1}}},
        ["there are 100 different multiply"]),
    ]:  # fmt: skip
        config.write_text(json.dumps({"model": model, "data": data}))
        assert main(["validate", "--config", str(config)]) == 2
        said = capsys.readouterr().err
        for message in messages:
            assert message in said


# --- arithmetic chains


def chains(settings: ChainSettings = ChainSettings(), **sizes: Any) -> ArithmeticChainDataModule:
    return ArithmeticChainDataModule(settings, **{"n_train": 200, "n_val": 40, "n_test": 40, **sizes})


@given(
    st.sampled_from(sorted(TOPICS)), st.integers(3, 20), st.integers(0, 19),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 19)), min_size=1, max_size=6), st.integers(0, 99),
)  # fmt: skip
def test_a_solution_follows_the_chain_step_by_step(
    topic: str, modulus: int, start: int, steps: list[tuple[int, int]], seed: int
) -> None:
    steps = [(kind % len(TOPICS[topic]), operand % modulus) for kind, operand in steps]
    chain = Chain(topic, start % modulus, tuple(steps), modulus)
    lines = solution(chain, ChainSettings(), Random(seed)).splitlines()
    names = {"max": max, "min": min}
    value = start % modulus
    for line, (_, operand) in zip(lines, steps, strict=False):
        left, symbol, right, _, result = line.split()
        assert (int(left), int(right)) == (value, operand)
        value = names[symbol](value, operand) if symbol in names else eval(f"{value} {symbol} {operand}")
        value %= modulus
        assert int(result) == value
    assert lines[-1] == rf"\boxed{{{value}}}"


def test_gold_answers_of_chains_are_what_python_computes_and_the_grader_accepts() -> None:
    data = chains()
    for question in data.questions("test"):
        start, *steps = re.sub(r".*: ", "", str(question.prompt)).split()
        value = int(start)
        for symbol, operand in zip(steps[::2], steps[1::2], strict=True):
            value = eval(f"{value} {symbol} {operand}") % 10
        assert question.gold == str(value)
        assert question.meta["difficulty"] == len(steps) // 2
    pairs = [(e.question, Sample("p", e.question.id, 0, str(e.solution), 1, 1, "stop")) for e in data.exercises("val")]
    assert {grade.status for grade in MathGrader().grade_all(pairs)} == {"right"}


def test_cells_are_balanced_and_splits_share_nothing() -> None:
    data = chains(ChainSettings(min_steps=2, max_steps=5), n_train=400)
    cells = Counter((q.meta["topic"], q.meta["difficulty"]) for q in data.questions("train"))
    assert set(cells.values()) == {50} and len(cells) == 8
    texts = [text_key(question) for split in SPLITS for question in data.questions(split)]
    assert len(texts) == len(set(texts)) == 480


@pytest.mark.parametrize(("first_try", "revision_right"), [(0.8, 0.4), (0.4, 0.8)])
def test_mistakes_and_revisions_are_planted_as_often_as_asked(first_try: float, revision_right: float) -> None:
    settings = ChainSettings(min_steps=2, first_try=first_try, revise=0.5, revision_right=revision_right, solutions=10)
    found = chains(settings, n_train=300).exercises("train")
    attempts = [str(e.solution).split("\nWait\n") for e in found]
    right = [
        [a.endswith(rf"\boxed{{{e.question.gold}}}") for a in several]
        for e, several in zip(found, attempts, strict=True)
    ]
    assert len(found) == 3000
    for share, values in {
        first_try: [several[0] for several in right],
        0.5: [len(several) == 2 for several in right],
        revision_right: [several[1] for several in right if len(several) == 2],
    }.items():
        assert sum(values) / len(values) == pytest.approx(share, abs=4 * math.sqrt(0.25 / len(values)))
    independent = [several[1] for several in right if len(several) == 2 and several[0]]
    assert sum(independent) / len(independent) == pytest.approx(revision_right, abs=0.08)


@given(st.integers(0, 10**6), st.sampled_from(sorted(TOPICS)))
def test_a_wrong_attempt_is_wrong_in_the_end_and_consistent_after_its_slip(seed: int, topic: str) -> None:
    rng = Random(seed)
    steps = tuple((rng.randrange(len(TOPICS[topic])), rng.randrange(10)) for _ in range(rng.randint(1, 6)))
    chain = Chain(topic, rng.randrange(10), steps, 10)
    *lines, box = solution(chain, ChainSettings(first_try=0.0), rng).splitlines()
    assert box != rf"\boxed{{{chain.results()[-1]}}}"
    values = [chain.start, *(int(line.split()[-1]) for line in lines)]
    off = [(values[i + 1] - TOPICS[topic][kind][1](values[i], b)) % 10 for i, (kind, b) in enumerate(steps)]
    assert sorted(off)[:-1] == [0] * (len(off) - 1)
    assert max(off) in (1, 9)


def test_documents_of_chains_keep_planted_mistakes_and_several_solutions(tmp_path: Path) -> None:
    data = chains(ChainSettings(first_try=0.5, solutions=3), n_train=20, n_val=5)
    chat = Chat(load_tokenizer(Backbone("llama-tiny", tokenizer="bytes", chat_template="plain")), "plain")
    data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(chat=chat))  # type: ignore[assignment]
    documents = data.documents("train")
    assert len({document.id for document in documents}) == len(documents) == 60
    targets = [
        chat.tokenizer.decode(d.input_ids[d.is_target]).removesuffix(chat.tokenizer.eos_token) for d in documents
    ]
    assert targets == [e.solution for e in data.exercises("train")]
    assert len(data.questions("train")) == 20
    assert len(data.documents("val")) == 5


@pytest.mark.parametrize(("settings", "n", "message"), [
    (ChainSettings(topics=("add", "mutliply")), 10, "mutliply is no topic; did you mean multiply?"),
    (ChainSettings(topics=()), 10, "is empty; known: add"),
    (ChainSettings(min_steps=3, max_steps=2), 10, "is 3, above max_steps = 2"),
    (ChainSettings(modulus=2), 10, "is 2; with fewer than 3"),
    (ChainSettings(cue=" "), 10, "is no single line"),
    (ChainSettings(max_steps=1), 500, "there are 100 different multiply chains of 1 steps; 250 are asked for"),
])  # fmt: skip
def test_chain_settings_that_cannot_be(settings: ChainSettings, n: int, message: str) -> None:
    assert message in settings.problems(n)[0][1]
    with pytest.raises(ValueError, match=re.escape(message)):
        chains(settings, n_train=n, n_val=0, n_test=0).questions("train")
