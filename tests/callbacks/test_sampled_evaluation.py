"""The evaluations of samples through the real command line, on generations and a server whose truth is known."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lit_reason.charts import load_charts
from lit_reason.cli import main
from lit_reason.results import Results
from lit_reason.statistics import wilson_interval
from tests.sampling import faulty_server
from tests.sampling.faulty_server import FaultyServer

ROOT = Path(__file__).resolve().parents[2]


def row(id, gold, *solutions, **more):
    asked = {"id": id, "question": f"What is number {id}?", "ref_answer": gold}
    return {**asked, "model_solution": list(solutions), **more}


ROWS = [
    row(0, "42", r"it is \boxed{42}", r"so \boxed{42}", r"well it must be Wait no surely \boxed{40}"),
    row(1, "2", r"\boxed{2}", r"a long and winding road to \boxed{3}", r"another long way that ends in \boxed{3}"),
    row(2, "5", r"one two \boxed{5}", r"one two Wait \boxed{6}", ""),
    row(3, "7", r"\boxed{1}", r"by \boxed{1}", r"and by \boxed{1}"),
]


@pytest.fixture
def rollout(tmp_path):
    def write(rows=ROWS) -> Path:
        path = tmp_path / "rollout.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def arguments(tmp_path):
    asking = tmp_path / "asking.yaml"
    asking.write_text('data: {asking: {template: "{question}"}}')

    def build(path: Path, *more: str, kind: str = "SampledEvaluation", n: int = 3, name: str = "run") -> list[str]:
        return [
            "validate", "--model=SamplerModule", f"--model.replay={path}", "--model.lengths=words",
            "--data=QuestionFileDataModule", f"--data.validation_path={path}",
            f"--config={asking}", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
            f"--trainer.callbacks+={kind}",
            "--trainer.callbacks.grader=MathGrader", f"--trainer.callbacks.n={n}",
            f"--trainer.callbacks.pools={tmp_path / 'pools'}", f"--run.root={tmp_path}", f"--run.name={name}",
            "--run.id=only", *more,
        ]  # fmt: skip

    return build


@pytest.fixture
def run(tmp_path, arguments):
    def go(path: Path, *more: str, name: str = "run", **options) -> Path:
        assert main(arguments(path, *more, name=name, **options)) == 0
        return tmp_path / name / "only"

    return go


def value(results: Results, name: str, split: str = "") -> float:
    figure = results.get(name, split, "validate")
    assert figure is not None, (name, split)
    return figure.value


def test_every_rule_on_the_same_samples(run, rollout):
    folder = run(rollout())
    results = Results.load(folder)
    # 0: 42 42 40, right; 1: 2 3 3, wrong, but the single 2 is the shortest; 2: a tie of 5 and 6; 3: never right.
    assert value(results, "accuracy", "majority") == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert value(results, "accuracy", "shortest") == 3 / 4
    assert value(results, "accuracy", "coverage") == 3 / 4
    assert value(results, "accuracy minus the majority's", "shortest") == pytest.approx(3 / 4 - 1.5 / 4)
    assert value(results, "at k/1", "coverage") == pytest.approx(4 / 12)
    assert value(results, "at k/2", "coverage") == pytest.approx((1 + 2 / 3 + 2 / 3) / 4)  # pass@2 by hand
    assert results.get("accuracy", "shortest", "validate").ci95 == pytest.approx(wilson_interval(3, 4))
    assert results.dropped["validate: samples without a readable answer"] == 1
    titles = [chart.title for chart in load_charts(folder)]
    for title in ("Accuracy against samples", "Accuracy against tokens", "Lengths of samples", "Revisions and accuracy",
                  "Accuracy by length within the question"):  # fmt: skip
        assert f"{title}, validate" in titles
    page = (folder / "report.html").read_text()
    assert "Accuracy against samples" in page and "Revisions and accuracy" in page


def test_a_second_run_asks_and_grades_nothing_and_compares_with_the_first(run, rollout, capsys):
    first = run(rollout())
    again = run(rollout(), name="again")
    assert Results.load(first).figures == Results.load(again).figures
    cost = Results.load(again).cost["validate, sampled: seconds spent sampling"]
    assert cost == 0 or Results.load(again).cost["validate, sampled: sampled tokens"] > 0
    capsys.readouterr()
    assert main(["report", "--compare", str(first), str(again)]) == 0
    assert "majority" in capsys.readouterr().out


def test_lengths_within_questions_and_not_between_them(run, rollout):
    results = Results.load(run(rollout()))
    figure = results.get("length, wrong / right of one question", "", "validate")
    assert figure.n == 3 and figure.value > 1  # the three questions that have both kinds


def test_what_is_missing_is_counted_and_not_called_cut(run, rollout, caplog):
    rows = [*ROWS, row(4, "8", r"\boxed{8}")]  # one solution instead of three
    results = Results.load(run(rollout(rows)))
    assert value(results, "accuracy", "coverage") == 4 / 5
    assert results.get("samples cut by the limit", "", "validate").n == 13
    assert value(results, "samples cut by the limit") == 0
    assert results.dropped["validate, sampled: missing answers counted wrong"] == 2


def test_questions_without_gold_are_left_out_and_counted(run, rollout):
    results = Results.load(run(rollout([*ROWS, row(4, None, r"\boxed{8}", r"\boxed{8}", r"\boxed{9}")])))
    assert results.get("accuracy", "majority", "validate").n == 4
    assert results.dropped["validate: questions without a gold answer"] == 1


MISTAKES = {
    "an empty pool": ([], [], "no row|empty|unusable|usable"),
    "no gold anywhere": ([row(0, None, r"\boxed{1}", r"\boxed{1}", r"\boxed{1}")], [], "no question has a gold answer"),
    "a sample given twice": (
        [{"id": "a", "question": "q", "gold": "1", "text": r"\boxed{1}", "sample_index": 0, "n_tokens": 3}] * 2,
        [], "twice|sample 0|index 0|already",
    ),
    "greedy, but several": (ROWS, ["--trainer.callbacks.temperature=0"], "temperature.*set n to 1"),
    "two who answer": (
        ROWS, ["--model.endpoint.base_url=http://localhost:1/v1", "--model.endpoint.model=m"], "both set",
    ),
    "no share of probability": (ROWS, ["--trainer.callbacks.top_p=0"], "top_p.*above 0"),
    "an unknown rule": (ROWS, ['--trainer.callbacks.rules=[{"class_path": "Majorty"}]'], "Majority"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(rollout, arguments, mistake, capsys):
    rows, more, message = MISTAKES[mistake]
    assert main(arguments(rollout(rows), *more)) != 0
    said = capsys.readouterr()
    text = said.err + said.out
    assert re.search(message, text) and "Traceback" not in text


def test_a_length_of_zero_is_no_chain_and_stops_nothing(run, rollout, tmp_path):
    rows = [
        {"id": f"q{i}", "question": f"What is {i}?", "gold": "1", "text": "" if i == s == 0 else r"\boxed{1}",
         "sample_index": s, "n_tokens": 0 if i == s == 0 else 4}
        for i in range(2) for s in range(2)
    ]  # fmt: skip
    asked = tmp_path / "questions.jsonl"
    questions = [{"id": r["id"], "question": r["question"], "answer": "1"} for r in rows[::2]]
    asked.write_text("".join(json.dumps(question) + "\n" for question in questions))
    replay = ["--model.lengths=stored", f"--data.validation_path={asked}"]
    results = Results.load(run(rollout(rows), *replay, n=2))
    assert value(results, "accuracy", "majority") == 1


def test_two_processes_count_each_question_once(rollout, arguments, tmp_path, run):
    alone = run(rollout())
    command = arguments(rollout(), "--trainer.devices=2", "--trainer.strategy=ddp", name="both")
    done = subprocess.run([sys.executable, "train.py", *command], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert Results.load(tmp_path / "both" / "only").figures == Results.load(alone).figures


@pytest.fixture
def ask(tmp_path, arguments):
    """Questions put to a server instead of a replay."""

    def go(server, *texts: str, more: tuple[str, ...] = ()) -> int:
        path = tmp_path / "questions.jsonl"
        path.write_text("".join(json.dumps({"question": text, "answer": "5"}) + "\n" for text in texts))
        own = [f"--model.endpoint.base_url={server.url}", "--model.endpoint.model=tiny", "--model.endpoint.retries=0"]
        others = [a for a in arguments(path, n=2) if not a.startswith(("--model.replay", "--model.lengths"))]
        return main([*others, *own, *more])

    return go


def test_prompts_are_shown_before_a_server_is_asked_and_a_failing_question_stops_no_other(ask, tmp_path, caplog):
    with FaultyServer() as server:
        assert ask(server, "a", "b", "400x99", "c", more=("--model.system=Think.",)) == 0
    shown = [record.getMessage() for record in caplog.records if "final prompt of question" in record.getMessage()]
    assert len(shown) == 1 and shown[0].count("final prompt of question") == 3 and "[system] Think." in shown[0]
    results = Results.load(tmp_path / "run" / "only")
    assert results.get("accuracy", "majority", "validate").n == 4
    assert results.dropped["validate, sampled: samples that failed: HTTP 400"] == 2
    assert results.dropped["validate, sampled: missing answers counted wrong"] == 2


def test_another_model_than_asked_is_one_line(ask, capsys):
    with FaultyServer(model="huge") as server:
        assert ask(server, "a", "b") != 0
    said = capsys.readouterr().err
    assert "answers as huge" in said and "Traceback" not in said


def test_a_gold_answer_that_cannot_be_read_is_counted_and_left_out(run, rollout):
    rows = [*ROWS, row(4, "\\frac{", r"\boxed{8}", r"\boxed{8}", r"\boxed{9}")]
    results = Results.load(run(rollout(rows)))
    assert results.get("accuracy", "majority", "validate").n == 4
    assert results.dropped["validate: gold answer that cannot be read, not graded"] == 1


# --- AoR: the chains are replayed, a server judges, and knows what is right ---


def judging(right: set[str], n_tokens: int = 5):
    """A chat server's reply: 10 for chains and for a right answer, 2 for a wrong one."""

    def completion(self, body):
        asked = body["messages"][-1]["content"]
        options = re.findall(r"^Answer Option: (\S+) Total", asked, re.M)
        chains = re.findall(r"^(Chain \d+):\n(.*?)(?=\n\n)", asked, re.M | re.S)
        scores = {option: 10 if option in right else 2 for option in options}
        scores |= {label: 10 for label, _ in chains}
        lines = [f"{'' if label.startswith('Chain') else 'Answer Option: '}{label} Total Score: {s}/10"
                 for label, s in scores.items()]  # fmt: skip
        message = {"role": "assistant", "content": "\n".join(lines)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": n_tokens, "total_tokens": 7 + n_tokens}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": self.server.model, "choices": [choice],
                "usage": usage}  # fmt: skip

    return completion


@pytest.fixture
def judge(monkeypatch):
    monkeypatch.setattr(faulty_server._Handler, "completion", judging({"42", "2", "5", "7"}))
    with FaultyServer() as server:
        yield server


def aor(server, *more: str) -> list[str]:
    return [
        "--trainer.callbacks.aor.n=3", "--trainer.callbacks.aor.n_max=3", "--trainer.callbacks.aor.k=1",
        f"--trainer.callbacks.judge.endpoint.base_url={server.url}", "--trainer.callbacks.judge.endpoint.model=tiny",
        *more,
    ]  # fmt: skip


def test_a_judge_that_knows_rescues_minorities(run, rollout, judge):
    folder = run(rollout(), *aor(judge), kind="AorEvaluation")
    results = Results.load(folder)
    assert value(results, "AoR accuracy") == value(results, "accuracy", "coverage") == 3 / 4
    assert value(results, "SC(3) accuracy") == 2 / 4  # ties go to the first: 42, 3, 5, 1
    assert value(results, "minority rescue against SC(3)") == 1 / 4
    assert value(results, "majority loss against SC(3)") == 0
    assert value(results, "unreadable judge replies", "local") == 0
    assert results.cost["validate, AoR, local phase: calls"] == 6  # three questions, two answers each; one is unanimous
    assert results.cost["validate, AoR, global phase: calls"] == 3
    assert results.cost["validate, AoR, global phase: tokens read"] == 21
    lines = [json.loads(line) for line in (folder / "aor-validate.jsonl").read_text().splitlines()]
    assert [line["answer"] for line in lines] == ["42", "2", "5", "1"] and lines[3]["stop"] == "unanimous"
    assert "AoR beside the majority" in (folder / "report.html").read_text()


def test_a_second_run_makes_no_call_and_gives_the_same_bytes(run, rollout, judge):
    first = run(rollout(), *aor(judge), kind="AorEvaluation")
    asked = len(judge.requests)
    again = run(rollout(), *aor(judge), kind="AorEvaluation", name="again")
    assert asked == len(judge.requests) == 9
    assert (first / "aor-validate.jsonl").read_bytes() == (again / "aor-validate.jsonl").read_bytes()


def test_more_chains_are_drawn_where_the_judge_is_undecided(run, rollout, judge, monkeypatch):
    monkeypatch.setattr(faulty_server._Handler, "completion", judging(set()))  # all answers get 2: no margin
    options = ["--trainer.callbacks.aor.n=2", "--trainer.callbacks.aor.m=1"]
    folder = run(rollout(), *aor(judge), *options, kind="AorEvaluation", n=2)
    lines = [json.loads(line) for line in (folder / "aor-validate.jsonl").read_text().splitlines()]
    assert [line["n_used"] for line in lines] == [2, 3, 3, 2]  # 0 and 3 are unanimous after two
    results = Results.load(folder)
    assert results.get("SC(3) accuracy", "", "validate") is None  # not everybody's third chain was drawn
    note = next(chart for chart in load_charts(folder) if chart.title.startswith("AoR beside")).note
    assert "does not tell right answers from wrong ones" in note


def test_the_judge_s_token_cap_holds_over_all_calls(run, rollout, judge, monkeypatch):
    monkeypatch.setattr(faulty_server._Handler, "completion", judging({"42"}, n_tokens=500))
    limits = ["--trainer.callbacks.judge.max_total_tokens=3000", "--trainer.callbacks.judge.max_new_tokens=500"]
    folder = run(rollout(), *aor(judge, *limits), kind="AorEvaluation")
    assert judge.requests and 507 * len(judge.requests) <= 3000  # without a cap there would be nine
    assert value(Results.load(folder), "degraded questions") > 0


def test_who_judges_must_be_said_and_settings_fit(rollout, arguments, capsys):
    assert main(arguments(rollout(), "--trainer.callbacks.aor.n=3", kind="AorEvaluation")) != 0
    assert "judge" in capsys.readouterr().err
    assert main(arguments(rollout(), "--trainer.callbacks.aor.n=4", kind="AorEvaluation")) != 0
    assert "AoR begins with aor.n = 4" in capsys.readouterr().err
    assert main(arguments(rollout(), "--trainer.callbacks.aor.epsilon=11", kind="AorEvaluation")) != 0
    assert "epsilon must lie in 0..10" in capsys.readouterr().err
