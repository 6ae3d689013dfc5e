"""Checks C, H, I: gold answers of H2 decide nothing, rounds restart from the same weights, a killed run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.files import read_jsonl, write_jsonl_atomic
from lit_reason.grading import TextGrader
from lit_reason.language_model import CausalLanguageModel
from lit_reason.pool_io import import_jsonl
from lit_reason.records import Question, Sample
from lit_reason.results import Results
from lit_reason.sampling.protocol import SamplingSettings, missing
from lit_reason.sampling.replay import ReplaySampler
from lit_reason.weak_to_strong.asking import Asker
from lit_reason.weak_to_strong.question_files import read_questions
from lit_reason.weak_to_strong.steps import make_initial, make_questions, select
from lit_reason.weak_to_strong.thresholds import WeakToStrongError


class Counted:
    """A sampler that answers 7 three times of four, and counts what it is asked."""

    identity = {"model": "counted"}

    def __init__(self, stop_after: int | None = None) -> None:
        self.drawn, self.stop_after = 0, stop_after

    def sample(self, questions, settings, done=frozenset()):
        for question, index in missing(questions, settings.n, done):
            if self.drawn == self.stop_after:
                raise KeyboardInterrupt
            self.drawn += 1
            text = rf"\boxed{{{7 if (hash_of(question.id) + index) % 4 else 8}}}"
            yield [Sample("", question.id, index, text, 1, 1, "stop")]


def hash_of(id: str) -> int:
    return sum(map(ord, id))


@pytest.fixture
def made(tmp_path) -> Path:
    make_initial(tmp_path / "q", n=8)
    make_questions(tmp_path / "q", str(tmp_path / "q" / "initial.jsonl"), n_h1=20, n_h2=24, n_test=8, max_steps=3)
    return tmp_path / "q"


def write_votes(folder: Path, questions: list[Question], sampler: Counted, seed: int = 0) -> Path:
    votes = Asker(folder, sampler, TextGrader()).votes(questions, SamplingSettings(n=4, temperature=1.0, seed=seed))
    path = folder / "votes.jsonl"
    write_jsonl_atomic(path, [vars(vote) for vote in votes])
    return path


def test_splits_share_neither_id_nor_text(made):
    names = {"h1": "prompt", "h2": "question", "test": "question", "initial": "prompt"}
    rows = {name: [row for _, row in read_jsonl(made / f"{name}.jsonl")] for name in names}
    texts = [row[names[name]] for name, several in rows.items() for row in several]
    ids = [row["id"] for name in ("h1", "h2", "test") for row in rows[name]]
    assert len(set(texts)) == len(texts) and len(set(ids)) == len(ids)
    assert all("gold" not in row for row in rows["h2"])


def test_what_the_base_models_have_seen_is_not_asked(tmp_path):
    make_initial(tmp_path / "all", n=290, topics=("mixed",), min_steps=1, max_steps=2, seed=1)
    make_questions(tmp_path / "q", str(tmp_path / "all" / "initial.jsonl"), n_h1=50, n_h2=50, n_test=50,
                   topics=("mixed",), min_steps=1, max_steps=1)  # fmt: skip
    seen = {row["prompt"] for _, row in read_jsonl(tmp_path / "all" / "initial.jsonl")}
    asked = [row["question"] for name in ("h2", "test") for _, row in read_jsonl(tmp_path / "q" / f"{name}.jsonl")]
    dropped = Results.load(tmp_path / "q").dropped["questions that the base models have seen"]
    rows = [row for _, row in read_jsonl(tmp_path / "q" / "h1.jsonl")]
    assert not seen & set(asked) and dropped == 150 - len(asked) - len(rows) > 20


def test_questions_that_the_base_models_have_all_seen_leave_no_task(tmp_path):
    """The same seed and settings draw the same chains."""
    make_initial(tmp_path, n=30, topics=("add", "mixed"))
    with pytest.raises(WeakToStrongError, match="^H1 is empty: the base models have seen all its questions"):
        make_questions(tmp_path / "q", str(tmp_path / "initial.jsonl"), n_h1=20, n_h2=8, n_test=8)


def test_garbage_gold_changes_reports_only(made, tmp_path):
    """Check C, in both stages: what trains is the same to the byte."""
    questions = read_questions(made / "h2.jsonl", with_gold=False)
    votes = write_votes(tmp_path / "w", questions, Counted())
    garbage = tmp_path / "garbage.jsonl"
    write_jsonl_atomic(garbage, [{**row, "gold": "garbage"} for _, row in read_jsonl(made / "h2_gold.jsonl")])
    written = []
    for name, gold in (("true", made / "h2_gold.jsonl"), ("garbage", garbage)):
        first, second = tmp_path / name / "1", tmp_path / name / "2"
        select(first, str(made / "h2.jsonl"), str(votes), str(gold), tau=0.75)
        select(second, str(made / "h2.jsonl"), str(votes), str(gold), tau=0.5, onto=str(first / "rows.jsonl"))
        written.append([(d / f).read_bytes() for d in (first, second) for f in ("rows.jsonl", "discarded.jsonl")])
    assert written[0] == written[1] and written[0][0]
    found = Results.load(tmp_path / "garbage" / "1").get("label accuracy", "rows", "")
    assert found.value == 0


def test_only_the_oracle_reads_gold(made, tmp_path):
    questions = read_questions(made / "h2.jsonl", with_gold=False)
    votes = write_votes(tmp_path / "w", questions, Counted())
    gold = tmp_path / "sevens.jsonl"
    rows = [{**row, "gold": "7" if i < 3 else "1"} for i, (_, row) in enumerate(read_jsonl(made / "h2_gold.jsonl"))]
    write_jsonl_atomic(gold, rows)
    select(tmp_path / "o", str(made / "h2.jsonl"), str(votes), str(gold), oracle=True)
    assert len((tmp_path / "o" / "rows.jsonl").read_text().splitlines()) == 3


def test_a_killed_run_asks_only_what_is_missing(made, tmp_path):
    questions = read_questions(made / "h2.jsonl", with_gold=False)
    whole = write_votes(tmp_path / "whole", questions, Counted()).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_votes(tmp_path / "killed", questions, Counted(stop_after=50))
    again = Counted()
    assert write_votes(tmp_path / "killed", questions, again).read_bytes() == whole
    assert again.drawn == 4 * 24 - 50


def test_an_empty_second_stage_keeps_the_first(made, tmp_path, caplog):
    rows, votes = tmp_path / "rows.jsonl", tmp_path / "votes.jsonl"
    write_jsonl_atomic(rows, [{"id": "val/0", "prompt": "p", "target": "t", "answer": "1"}])
    write_jsonl_atomic(votes, [])
    select(tmp_path / "b", str(made / "h2.jsonl"), str(votes), str(made / "h2_gold.jsonl"), onto=str(rows))
    assert (tmp_path / "b" / "rows.jsonl").read_bytes() == rows.read_bytes()
    assert "rows are those of Stage I" in caplog.text


def test_bad_files_are_named(made, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"id": "a", "question": "q"}) + "\n" + json.dumps({"id": "a", "question": "r"}) + "\n")
    with pytest.raises(WeakToStrongError, match="line 2: the id 'a' occurs twice"):
        read_questions(bad, with_gold=False)
    with pytest.raises(WeakToStrongError, match="tau is 60, .*write 0.6"):
        select(tmp_path, str(made / "h2.jsonl"), str(bad), str(made / "h2_gold.jsonl"), tau=60)


@pytest.mark.parametrize("name", ["h1", "test"])
def test_no_question_of_h1_or_the_test_is_trained_on(made, tmp_path, name):
    """Neither by what is voted on nor by the rows of the earlier stage."""
    held = [row for _, row in read_jsonl(made / f"{name}.jsonl")]
    mixed = [*[row for _, row in read_jsonl(made / "h2.jsonl")][:3], {"id": held[1]["id"], "question": "q?"}]
    write_jsonl_atomic(tmp_path / "mixed.jsonl", mixed)
    votes = write_votes(tmp_path / "w", read_questions(tmp_path / "mixed.jsonl", with_gold=False), Counted())
    known = {row["id"]: row for row in [*mixed, *[row for _, row in read_jsonl(made / "h2.jsonl")]]}
    write_jsonl_atomic(tmp_path / "gold.jsonl", [{**row, "gold": "7"} for row in known.values()])
    given = [str(tmp_path / "mixed.jsonl"), str(votes), str(tmp_path / "gold.jsonl")]
    apart = [str(made / "h1.jsonl"), str(made / "test.jsonl")]
    with pytest.raises(WeakToStrongError, match=f"^training row 4: the id '{held[1]['id']}' is also in .*{name}.jsonl"):
        select(tmp_path / "a", *given, tau=0.5, apart=apart)
    assert not (tmp_path / "a" / "rows.jsonl").exists()
    select(tmp_path / "a", *given, tau=0.5)
    given[0], given[1] = str(made / "h2.jsonl"), str(tmp_path / "none.jsonl")
    write_jsonl_atomic(tmp_path / "none.jsonl", [])
    with pytest.raises(WeakToStrongError, match="training row 4"):
        select(tmp_path / "b", *given, onto=str(tmp_path / "a" / "rows.jsonl"), apart=apart)


def test_base_models_without_the_box_learn_everything_but_the_answer(tmp_path):
    for name, boxed in (("boxed", True), ("plain", False)):
        make_initial(tmp_path / name, n=8, boxed=boxed)
    boxed, plain = ([r for _, r in read_jsonl(tmp_path / name / "initial.jsonl")] for name in ("boxed", "plain"))
    for with_box, without in zip(boxed, plain, strict=True):
        assert with_box["target"] == without["target"] + "\n" + rf"\boxed{{{with_box['answer']}}}"
        assert without["prompt"] == with_box["prompt"] and without["target"].endswith(f"= {with_box['answer']}")


def test_every_round_restarts_from_the_same_weights(tiny_backbone, tmp_path):
    """Check H: an exported S0 gives the same weights whatever the run; trained ones have another name."""
    import torch

    from lit_reason.backbones import Backbone
    from lit_reason.export import export_model

    torch.manual_seed(0)
    initial = CausalLanguageModel(tiny_backbone, lora=None)
    initial.configure_model()
    folder = export_model(initial, tmp_path / "s0")
    names = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        student = CausalLanguageModel(Backbone(str(folder), dtype="float32"), lora=None)
        student.configure_model()
        names.append(student.weights_identity())
    assert names[0] == names[1]
    with torch.no_grad():
        next(student.parameters()).add_(1e-3)
    assert student.weights_identity() != names[0]


def test_others_generations_are_filtered(made, tmp_path):
    """Samples of any model, imported from JSON lines, go through the same votes."""
    questions = read_questions(made / "h2.jsonl", with_gold=False)[:3]
    file = tmp_path / "others.jsonl"
    write_jsonl_atomic(file, [
        {"id": q.id, "question": q.prompt, "sample_index": i, "text": rf"so \boxed{{{i // 3}}}", "n_tokens": 4}
        for q in questions for i in range(4)
    ])  # fmt: skip
    made_pool = import_jsonl(file, tmp_path / "pools", "somebody", "stored")
    asker = Asker(tmp_path / "v", ReplaySampler(made_pool.pool), TextGrader())
    votes = asker.votes(questions, SamplingSettings(n=4, temperature=1.0))
    assert [(vote.answer, vote.confidence) for vote in votes] == [("0", 0.75)] * 3
