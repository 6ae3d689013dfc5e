"""The callback in real, small fits. Where right answers are needed, the sampler is one that knows the gold answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from callbacks.case2code_evaluation import Case2CodeEvaluation
from lit_reason.answers import choose_examples, read_pools
from lit_reason.case2code.grader import CaseGrader
from lit_reason.chat import Chat
from lit_reason.evaluation import Row
from lit_reason.files import read_jsonl
from lit_reason.pool import SamplePool
from lit_reason.records import Grade, Question, Sample
from lit_reason.results import Results
from lit_reason.sampling.protocol import missing
from lit_reason.sampling.transformers_sampler import TransformersSampler
from tests.evaluation.small_run import N_QUESTIONS, data_module, evaluation, fit, module, trainer
from tests.sampling.conftest import KINDS
from tests.sampling.tiny import drawn, scripted_model

ROOT = Path(__file__).resolve().parents[2]


class Oracle(TransformersSampler):
    """Knows every answer; gives it to each second question only, and a syntax error to the others."""

    def sample(self, questions, settings, done=frozenset()):
        for question, index in missing(questions, settings.n, done):
            right = (int(question.id[-1], 36) + index) % 2
            text = f"```python\n{question.gold}\n```" if right else "```python\ndef (\n```"
            yield [Sample("", question.id, index, text, 5, 7, "stop")]


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def exact(sample):
    """A sample without its log-probability, whose last digits depend on who else was in the batch."""
    return replace(sample, logprob=None)


def strict_pass(folder, when):
    return Results.load(folder).get("strict_pass", "planted", when)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    model = fit(folder, [evaluation(folder)])
    return folder, weights(model)


def test_a_fit_leaves_figures_examples_and_pools_of_both_moments(finished):
    folder, _ = finished
    results = Results.load(folder)
    for when in ("before", "after"):
        strict = results.get("strict_pass", "planted", when)
        assert (strict.n, strict.kind, strict.ci_method) == (N_QUESTIONS, "share", "wilson")
        kinds = [f for f in results.figures if f.name.startswith("kind/") and f.when == when]
        assert sum(f.value for f in kinds) == pytest.approx(1) and len(kinds) == 8
        families = [f for f in results.figures if f.name == "strict_pass" and "/" in f.split and f.when == when]
        assert sum(f.n for f in families if not f.split.startswith("planted/name_")) == N_QUESTIONS
        assert results.cost[f"{when}, greedy: sampled tokens"] > 0
        assert results.cost[f"{when}, greedy: seconds spent sampling"] > 0
    assert results.get("strict_pass", "planted", "change").n == N_QUESTIONS
    examples = [row for _, row in read_jsonl(folder / "examples.jsonl")]
    assert [row["when"] for row in examples] == ["before"] * 10 + ["after"] * 10
    assert all(row["split"] == "planted" and row["gold"] and row["family"] for row in examples)
    pools = {entry["when"]: SamplePool(folder / entry["folder"]) for entry in read_pools(folder)}
    assert len(pools["before"].samples()) == len(pools["after"].grades("case2code@1")) == N_QUESTIONS
    assert pools["before"].key != pools["after"].key


def test_untrained_models_are_asked_plainly_and_trained_ones_as_trained(finished):
    folder, _ = finished
    pools = {entry["when"]: SamplePool(folder / entry["folder"]) for entry in read_pools(folder)}
    before, after = ({q.id: q for q in pools[when].questions()} for when in ("before", "after"))
    for id, question in before.items():
        assert question.prompt == question.meta["instruction_prompt"] != after[id].prompt
        assert isinstance(after[id].prompt, str) and question.meta == after[id].meta


def test_figures_say_what_the_answers_were(tmp_path, monkeypatch):
    monkeypatch.setattr("lit_reason.language_model.local_sampler", Oracle)
    fit(tmp_path, [evaluation(tmp_path, samples=2)])
    results = Results.load(tmp_path)
    rows = SamplePool(tmp_path / read_pools(tmp_path)[0]["folder"]).samples()
    n_right = sum("def (" not in row.text for row in rows)
    assert 0 < n_right < N_QUESTIONS
    for when in ("before", "after"):
        figure = {f.name: f.value for f in results.figures if (f.split, f.when) == ("planted", when)}
        share = pytest.approx(n_right / N_QUESTIONS)
        for name in ("strict_pass", "case_fraction", "value_aware", "shown_pass", "hidden_pass", "kind/ok"):
            assert figure[name] == share, name
        assert figure["kind/syntax"] == pytest.approx(1 - n_right / N_QUESTIONS)
        assert (figure["overfit_gap"], figure["pass@1"], figure["pass@2"]) == (0, 0.5, 1)
    assert results.get("strict_pass", "planted", "change").value == 0
    statuses = {row["status"] for _, row in read_jsonl(tmp_path / "examples.jsonl")}
    assert statuses == {"right", "wrong"}


def test_human_eval_is_asked_in_the_same_way_before_and_after_and_reported_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("lit_reason.language_model.local_sampler", Oracle)
    fit(tmp_path, [evaluation(tmp_path, human_eval=8, samples=2)])
    results = Results.load(tmp_path)
    for when in ("before", "after"):
        figure = results.get("strict_pass", "human_eval", when)
        assert (figure.value, figure.n, figure.kind) == (0.5, 8, "share")
        assert results.get("pass@1", "human_eval", when).value == 0.5
        assert results.get("pass@2", "human_eval", when).value == 1.0
        assert results.get("kind/syntax", "human_eval", when).value == 0.5
        assert results.get("strict_pass", "planted", when).n == N_QUESTIONS
        assert results.cost[f"{when}, human_eval_greedy: sampled tokens"] == 8 * 7
    assert results.get("strict_pass", "human_eval", "change").value == 0
    pools = {(e["when"], e["answers"]): SamplePool(tmp_path / e["folder"]) for e in read_pools(tmp_path)}
    before, after = (pools[when, "human_eval_greedy"].questions() for when in ("before", "after"))
    assert [q.prompt for q in before] == [q.prompt for q in after] and len(before) == 8
    assert len(pools["after", "human_eval_sampled"].grades("human_eval@2")) == 16
    assert {row["split"] for _, row in read_jsonl(tmp_path / "examples.jsonl")} == {"planted", "human_eval"}


def test_training_does_not_notice_the_evaluation(finished, tmp_path, monkeypatch):
    class Drawing(CaseGrader):
        """Draws from the global random state, as a sampler or grader may."""

        def grade_all(self, pairs):
            torch.rand(3)
            return super().grade_all(pairs)

    _, evaluated = finished
    alone = weights(fit(tmp_path / "alone", []))
    assert equal(evaluated, alone)
    drawing = evaluation(tmp_path / "drawing", grader=Drawing())
    assert equal(weights(fit(tmp_path / "drawing", [drawing])), alone)
    monkeypatch.setattr("lit_reason.language_model.isolate_rng", nullcontext)
    broken = evaluation(tmp_path / "broken", grader=Drawing())
    assert not equal(weights(fit(tmp_path / "broken", [broken])), alone), "a forgotten random state must be noticed"


def test_a_resumed_run_keeps_before_and_a_finished_one_costs_nothing(tmp_path, monkeypatch):
    sampled = []

    class Counting(TransformersSampler):
        def sample(self, questions, settings, done=frozenset()):
            for batch in super().sample(questions, settings, done):
                sampled.extend(batch)
                yield batch

    monkeypatch.setattr("lit_reason.language_model.local_sampler", Counting)
    last = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1)
    fit(tmp_path, [evaluation(tmp_path), last], max_steps=1, enable_checkpointing=True)
    assert len(sampled) == 2 * N_QUESTIONS
    first = Results.load(tmp_path)

    fit(tmp_path, [evaluation(tmp_path)], tmp_path / "last.ckpt", max_steps=2)
    assert len(sampled) == 3 * N_QUESTIONS, "only the newly trained model is asked"
    assert strict_pass(tmp_path, "before") == first.get("strict_pass", "planted", "before")

    shutil.rmtree(tmp_path / read_pools(tmp_path)[0]["folder"])  # a pool of before that is gone loses only the change
    (tmp_path / "results.json").unlink()  # killed in the last evaluation: training is over, on_train_end never comes
    fit(tmp_path, [evaluation(tmp_path)], tmp_path / "last.ckpt", max_steps=1)
    assert len(sampled) == 3 * N_QUESTIONS, "the pool has these answers"
    assert strict_pass(tmp_path, "change") is None and strict_pass(tmp_path, "before") is None
    assert strict_pass(tmp_path, "after") == first.get("strict_pass", "planted", "after")


def test_killed_in_an_evaluation_and_started_again(finished, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("small_run.py")
    killed = subprocess.run([sys.executable, script, tmp_path], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    (pool,) = (SamplePool(path.parent) for path in tmp_path.glob("pools/*/manifest.json"))
    survivors = pool.samples()
    assert len(survivors) == 6 and not (tmp_path / "results.json").exists()

    fit(tmp_path, [evaluation(tmp_path)])
    folder, _ = finished
    assert [s for s in pool.samples() if s in survivors] == survivors
    for entry, expected in zip(read_pools(tmp_path), read_pools(folder), strict=True):
        assert entry["key"] == expected["key"]
        rows = SamplePool(tmp_path / entry["folder"]).samples()
        others = SamplePool(folder / expected["folder"]).samples()
        assert list(map(exact, rows)) == list(map(exact, others)) and len(rows) == N_QUESTIONS
    assert Results.load(tmp_path).figures == Results.load(folder).figures


def test_validate_measures_once_and_returns_the_figures(tmp_path):
    def validate(**options):
        return trainer(tmp_path, [evaluation(tmp_path, **options)], limit_val_batches=1).validate(
            module(lora=None), data_module(), verbose=False
        )

    (metrics,) = validate()
    assert 0 <= metrics["strict_pass/planted"] <= 1 and "val/loss" in metrics
    validate(instruction_prompt=True)
    assert Results.load(tmp_path).get("strict_pass", "planted", "validate").n == N_QUESTIONS
    assert len(list(tmp_path.glob("pools/*"))) == 2, "the plain instruction prompt is another question"


def test_the_test_set_is_its_own(tmp_path):
    (metrics,) = trainer(tmp_path, [evaluation(tmp_path)]).test(module(lora=None), data_module(), verbose=False)
    figure = Results.load(tmp_path).get("strict_pass", "planted", "test")
    assert (figure.value, figure.n) == (metrics["strict_pass/planted"], 6)
    (entry,) = read_pools(tmp_path)
    asked = {question.id for question in SamplePool(tmp_path / entry["folder"]).questions()}
    assert asked == {question.id for question in data_module().questions("test")}


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_answer_ends_at_its_closing_fence_although_the_model_would_go_on(kind):
    """With the callback's own settings, greedy and sampled, on a model that never ends by itself."""
    block = ["```python\n", "def f(x):\n", "    return x\n", "```"]
    model, tokenizer = scripted_model(["Here:\n", *block, "\nso ", "on "])
    sampler = KINDS[kind](model, tokenizer, Chat(tokenizer), identity={"model": "scripted"})
    for settings in Case2CodeEvaluation(max_new_tokens=24, samples=2, temperature=0.01).settings:
        for sample in drawn(sampler, [Question("q", "f?")], settings).values():
            assert (sample.text, sample.finish_reason) == ("Here:\n" + "".join(block), "stop")
            assert sample.n_tokens == 1 + len(block)
        for sample in drawn(sampler, [Question("q", "f?")], replace(settings, stop_after_block=())).values():
            assert sample.text.endswith("```\nso " + 18 * "on ") and sample.finish_reason == "length"
            assert sample.n_tokens == 24


def test_settings_reach_the_sampler():
    callback = Case2CodeEvaluation(max_new_tokens=7, samples=4, temperature=0.5, top_p=1.0, seed=3)
    greedy, sampled = callback.settings
    assert greedy.stop_after_block == sampled.stop_after_block == ("python", "py", "python3", "py3")
    assert greedy.greedy and greedy.n == 1 and greedy.max_new_tokens == sampled.max_new_tokens == 7
    assert (sampled.n, sampled.temperature, sampled.top_p, sampled.seed) == (4, 0.5, 1.0, 3)
    assert Case2CodeEvaluation.check_config({"top_p": 0.0}) == [("top_p", "must be above 0")]
    assert Case2CodeEvaluation.check_config({}) == []


def test_examples_are_mostly_the_same_questions_and_show_rare_outcomes():
    def row(id, kind):
        grade = Grade("", id, 0, "g", "wrong", detail={"kind": kind})
        return Row(Question(id, ""), Sample("", id, 0, "", 0, 0, "stop"), grade)

    def rows(kinds):
        return [row(f"q{i}", kind) for i, kind in enumerate(kinds)]

    first = choose_examples(rows(["wrong"] * 40), 10)
    second = choose_examples(rows(["wrong"] * 30 + ["ok", "syntax"] * 2 + ["wrong"] * 6), 10)
    ids = [[row.question.id for row in chosen] for chosen in (first, second)]
    assert ids[0][:7] == ids[1][:7] and len(set(ids[1])) == 10
    assert {"ok", "syntax"} <= {row.grade.detail["kind"] for row in second}
    assert len(choose_examples(rows(["ok"] * 3), 10)) == 3


GATHER = """
import sys, torch.distributed as dist
from lit_reason.answers import Answers
from lit_reason.evaluation import Evaluation, Row
from lit_reason.records import Grade, Question, Sample
from lit_reason.sampling import SamplingSettings
rank, file = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
ids = ["a", "b", "c"]
rows = [Row(Question(i, i), Sample("", i, 0, "", 0, 0, "stop"), Grade("", i, 0, "g", "right")) for i in ids[rank::2]]
own = Evaluation(rows, seconds_sampling=1.0 + rank, n_sampled=len(rows))
found = Answers.gather(own, None, SamplingSettings(), ids)
print([row.question.id for row in found.rows], found.evaluation.seconds_sampling, found.evaluation.n_sampled)
"""


def test_processes_with_unequal_shares_all_get_every_answer_once(tmp_path):
    command = [sys.executable, "-c", GATHER]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meeting")], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in ranks]
    assert outputs == ["['a', 'b', 'c'] 2.0 3\n"] * 2


def test_pools_json_is_relative_and_replaced_by_moment(finished):
    folder, _ = finished
    entries = json.loads((folder / "pools.json").read_text())
    assert [(e["when"], e["answers"], e["grader"]) for e in entries] == [
        ("before", "greedy", "case2code@1"), ("after", "greedy", "case2code@1"),
    ]  # fmt: skip
    assert all(not Path(e["folder"]).is_absolute() for e in entries)
