"""What evaluations of samples meet in practice, through the command line: one line that names the row or the key, or a
count in results.json, and never a question that stops the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_reason.backbones import load_model, load_tokenizer
from lit_reason.cli import main
from lit_reason.results import Results
from tests.sampling.faulty_server import FaultyServer

CAPPED = "validate, sampled: samples that failed: not asked, the token cap is reached"


@pytest.fixture
def files(tmp_path):
    """Two questions in a file of their own, and generations in another."""
    asking = tmp_path / "asking.yaml"
    asking.write_text('data: {asking: {template: "{question}"}}')
    questions = tmp_path / "questions.jsonl"
    lines = [json.dumps({"id": f"q{i}", "question": f"What is {i}?", "answer": "1"}) + "\n" for i in range(2)]
    questions.write_text("".join(lines))

    def write(rows: list[dict]) -> Path:
        path = tmp_path / "generations.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def validate(tmp_path):
    def go(*who: str, n: int = 2, more: tuple[str, ...] = ()) -> int:
        return main([
            "validate", *who, "--data=QuestionFileDataModule", f"--data.validation_path={tmp_path / 'questions.jsonl'}",
            f"--config={tmp_path / 'asking.yaml'}", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
            "--trainer.callbacks+=SampledEvaluation", "--trainer.callbacks.grader=MathGrader",
            f"--trainer.callbacks.n={n}", f"--trainer.callbacks.pools={tmp_path / 'pools'}", f"--run.root={tmp_path}",
            "--run.name=run", "--run.id=only", *more,
        ])  # fmt: skip

    return go


@pytest.fixture
def replayed(files, validate):
    def go(rows: list[dict]) -> int:
        return validate("--model=SamplerModule", f"--model.replay={files(rows)}")

    return go


def row(question: int, index: int, **more) -> dict:
    asked = {"id": f"q{question}", "question": f"What is {question}?", "gold": "1", "text": r"\boxed{1}"}
    return {**asked, "sample_index": index, "n_tokens": 3, **more}


FOUR = [row(question, index) for question in range(2) for index in range(2)]


@pytest.mark.parametrize(("rows", "line"), [
    ([], "generations.jsonl: no usable row; the file is empty"),
    ([*FOUR, row(1, 0)], "generations.jsonl, line 5: sample 0 of question 'q1' is already in line 3"),
    ([row(7, 0)], "generations.jsonl: holds none of the 4 samples that are asked for"),
])  # fmt: skip
def test_what_cannot_go_on_is_one_line_that_names_the_row(replayed, rows, line, tmp_path, capsys):
    assert replayed(rows) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{tmp_path}/{line}"


@pytest.mark.parametrize(("rows", "dropped"), [
    (FOUR[1:], {"samples that the replayed pool does not have": 1}),
    ([row(0, 0, logprob=float("nan")), *FOUR[1:]], {"bad rows": 1, "samples that the replayed pool does not have": 1}),
    ([row(0, 0, logprob=float("-inf")), *FOUR[1:]], {"bad rows": 1, "samples that the replayed pool does not have": 1}),
    ([row(0, 0, n_tokens=-1), *FOUR[1:]], {"bad rows": 1, "samples that the replayed pool does not have": 1}),
])  # fmt: skip
def test_what_is_missing_or_broken_is_counted_and_the_others_are_judged(replayed, rows, dropped, tmp_path):
    assert replayed(rows) == 0
    results = Results.load(tmp_path / "run" / "only")
    assert {f"validate, sampled: {why}": n for why, n in dropped.items()}.items() <= results.dropped.items()
    assert results.dropped["validate, sampled: missing answers counted wrong"] == 1
    assert results.get("accuracy", "majority", "validate").value == 1.0


def test_a_log_probability_that_is_no_number_loses_its_sample_alone(files, validate, tmp_path):
    (tmp_path / "questions.jsonl").write_text("".join(
        json.dumps({"question": text, "answer": "5"}) + "\n" for text in ("a", "say nan", "b")
    ))  # fmt: skip
    with FaultyServer() as server:
        endpoint = [f"--model.endpoint.base_url={server.url}", "--model.endpoint.model=tiny"]
        assert validate("--model=SamplerModule", *endpoint, "--model.endpoint.logprobs=true") == 0
    results = Results.load(tmp_path / "run" / "only")
    why = "validate, sampled: samples that failed: a log-probability that is no finite number"
    assert (results.dropped[why], results.get("accuracy", "majority", "validate").n) == (2, 3)


LOCAL = ["--model=CausalLanguageModel", "--model.lora=null", "--model.backbone.dtype=float32"]
TINY = [*LOCAL, "--model.backbone.name=llama-tiny", "--model.backbone.tokenizer=bytes"]


def test_a_model_without_a_chat_template_is_one_line_that_names_the_setting(files, validate, tiny_backbone, tmp_path,
                                                                            capsys):  # fmt: skip
    folder = tmp_path / "model"
    load_model(tiny_backbone).save_pretrained(folder)
    tokenizer = load_tokenizer(tiny_backbone)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    assert validate(*LOCAL, f"--model.backbone.name={folder}") == 2
    said = capsys.readouterr().err
    line = f"{folder} has no chat template: set chat_template to `plain` or a Jinja text"
    assert said.splitlines()[-1] == line


def test_a_local_model_stops_at_the_token_cap_and_says_what_was_not_asked(files, validate, tmp_path):
    caps = ("--trainer.callbacks.max_new_tokens=8", "--trainer.callbacks.max_total_tokens=100")
    assert validate(*TINY, n=20, more=caps) == 0
    results = Results.load(tmp_path / "run" / "only")
    spent = sum(results.cost[f"validate, sampled: {kind} tokens"] for kind in ("prompt", "sampled"))
    assert 60 < spent <= 100
    assert 0 < results.dropped[CAPPED] == results.dropped["validate, sampled: missing answers counted wrong"] < 40


def test_a_cap_below_one_answer_is_a_mistake_of_the_settings(files, validate, capsys):
    assert validate(*TINY, more=("--trainer.callbacks.max_total_tokens=100",)) == 2
    assert "max_total_tokens: is 100, but one answer may take max_new_tokens, 512" in capsys.readouterr().err
