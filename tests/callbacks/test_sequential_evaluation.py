"""Revisions, budgets and judging on real, small models, and the two configurations of the embedded one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.charts import load_charts
from lit_reason.cli import main
from lit_reason.results import Results
from lit_reason.sampling.preference import continuation_logprobs

N_QUESTIONS, CHAINS, ROUNDS = 3, 2, 2


@pytest.fixture
def run(tmp_path):
    def go(name: str, *more: str, kind: str = "SequentialEvaluation") -> Path:
        arguments = [
            "validate", "--model=CausalLanguageModel", "--model.backbone.name=llama-tiny",
            "--model.backbone.tokenizer=bytes", "--model.backbone.dtype=float32", "--model.lora=null",
            "--data=ArithmeticChainDataModule", f"--data.n_val={N_QUESTIONS}", "--data.n_train=0", "--data.n_test=0",
            "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", f"--trainer.callbacks+={kind}",
            "--trainer.callbacks.grader=MathGrader", "--trainer.callbacks.n=4",
            "--trainer.callbacks.max_new_tokens=12", f"--trainer.callbacks.pools={tmp_path / 'pools'}",
            f"--run.root={tmp_path}", f"--run.name={name}", "--run.id=only", *more,
        ]  # fmt: skip
        assert main(arguments) == 0
        return tmp_path / name / "only"

    return go


REVISIONS = [
    f"--trainer.callbacks.revisions.rounds={ROUNDS}", f"--trainer.callbacks.revisions.chains={CHAINS}",
    "--trainer.callbacks.revisions.max_new_tokens=8", "--trainer.callbacks.revisions.budgets=[4, 8]",
    "--trainer.callbacks.revisions.answer_tokens=4",
]  # fmt: skip


def test_rounds_and_budgets_reach_the_report(run, tmp_path):
    folder = run("a", *REVISIONS)
    results = Results.load(folder)
    for r in range(ROUNDS + 1):
        figure = results.get("revisions: accuracy", f"round {r}", "validate")
        assert figure.n == N_QUESTIONS * CHAINS and figure.ci95 is not None
    assert results.get("accuracy at a budget", "8 tokens", "validate").n == N_QUESTIONS * CHAINS
    assert results.get("accuracy", "majority", "validate").n == N_QUESTIONS  # what every evaluation says is there, too
    titles = {chart.title for chart in load_charts(folder)}
    assert {"Revising against sampling, validate", "What a revision changes, validate",
            "Accuracy at a budget of thinking, validate"} <= titles  # fmt: skip
    (stored,) = (tmp_path / "pools").glob("*/revisions/*/process-0.jsonl")
    rounds = [json.loads(line) for line in stored.read_text().splitlines()]
    assert len(rounds) == N_QUESTIONS * CHAINS * ROUNDS
    assert {row["cue"] for row in rounds} <= {"Wait", "Alternatively"}


def test_finished_rounds_are_not_made_again(run, tmp_path):
    first = run("a", *REVISIONS)
    (stored,) = (tmp_path / "pools").glob("*/revisions/*/process-0.jsonl")
    lines = stored.read_text().splitlines(keepends=True)
    stored.write_text("".join(lines[:7]) + lines[7][:20])  # killed while it wrote the eighth of twelve rounds
    again = run("b", *REVISIONS)
    assert len(stored.read_text().splitlines()) == len(lines) + 1  # the torn line stays, and its round is made again
    assert Results.load(first).figures == Results.load(again).figures


def test_a_cue_s_log_probability_is_that_of_its_tokens(tiny_backbone):
    import torch

    from lit_reason.backbones import load_model, load_tokenizer
    from lit_reason.chat import Chat

    model, chat = load_model(tiny_backbone).eval(), Chat(load_tokenizer(tiny_backbone), "plain")
    prompt = [{"role": "user", "content": "1 + 1"}, {"role": "assistant", "content": "is 3\n\n"}]
    (found,) = continuation_logprobs(model, chat, [prompt], ["Wait", "No"])
    ids = chat.prompt_ids(prompt)
    by_hand = 0.0
    for token in chat.tokenizer("No", add_special_tokens=False)["input_ids"]:  # one token at a time
        with torch.inference_mode():
            by_hand += float(model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token])
        ids = [*ids, token]
    assert found["No"] == pytest.approx(by_hand, abs=1e-4)
    assert set(found) == {"Wait", "No"}


def test_only_a_model_in_this_process_can_go_on(tmp_path, capsys):
    path = tmp_path / "rollout.jsonl"
    row = {"id": "1", "question": "1?", "ref_answer": "1", "model_solution": [r"\boxed{1}"]}
    path.write_text(json.dumps(row) + "\n")
    asking = tmp_path / "asking.yaml"
    asking.write_text('data: {asking: {template: "{question}"}}')
    arguments = [
        "validate", "--model=SamplerModule", f"--model.replay={path}", "--model.lengths=words",
        "--data=QuestionFileDataModule", f"--data.validation_path={path}", f"--config={asking}",
        "--trainer.callbacks+=SequentialEvaluation", "--trainer.callbacks.grader=MathGrader",
        "--trainer.callbacks.n=1", f"--trainer.callbacks.pools={tmp_path / 'pools'}", f"--run.root={tmp_path}",
    ]  # fmt: skip
    assert main(arguments) != 0
    said = capsys.readouterr().err
    assert "only a model in this process can" in said and "Traceback" not in said


@pytest.mark.slow
def test_the_embedded_model_votes_on_forty_sums(tmp_path):
    """Check K: 40 easy chain sums, n = 8, every rule, figures written."""
    config = ["validate", "--config=configs/test_time_scaling/smollm2.yaml"]
    where = [f"--trainer.callbacks.0.init_args.pools={tmp_path / 'pools'}", f"--run.root={tmp_path}", "--run.id=only"]
    assert main([*config, *where, "--run.name=a"]) == 0
    results = Results.load(tmp_path / "a" / "only")
    rules = {figure.split for figure in results.figures if figure.name == "accuracy"}
    assert len(rules) >= 14 and all(results.get("accuracy", rule, "validate").n == 40 for rule in rules)
    assert (tmp_path / "a" / "only" / "figures" / "accuracy_against_samples_validate.svg").exists()


@pytest.mark.slow
def test_the_embedded_model_judges_its_own_chains(tmp_path):
    """AoR's check L: 20 sums, n = 6, n_max = 9, k = 2; SC and AoR side by side with the parse-failure rate."""
    where = [f"--trainer.callbacks.0.init_args.pools={tmp_path / 'pools'}", f"--run.root={tmp_path}", "--run.id=only"]
    assert main(["validate", "--config=configs/aor/smollm2.yaml", *where, "--run.name=a"]) == 0
    results = Results.load(tmp_path / "a" / "only")
    for name in ("AoR accuracy", "SC(6) accuracy", "SC(9) accuracy"):
        assert results.get(name, "", "validate").n == 20
    assert results.get("unreadable judge replies", "local", "validate").n > 20
    assert "AoR beside the majority" in (tmp_path / "a" / "only" / "report.html").read_text()
