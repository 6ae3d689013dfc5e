"""Other people's generations in, ours out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from lit_reason.pool import PoolError, SamplePool
from lit_reason.pool_commands import main
from lit_reason.pool_formats import IMPORTED, read_generations
from lit_reason.pool_io import export_jsonl, import_jsonl
from lit_reason.records import Grade, Question, Sample
from lit_reason.sampling import SamplingSettings

SMV = [
    {"id": 7, "question": "What is 6*7?", "ref_answer": "42", "difficulty": "Level 1", "options": None,
     "model_answer": ["42", "42", "40"],
     "model_solution": ["6*7 is \\boxed{42}", "... \\boxed{42}", "... Wait ... \\boxed{40}"]},
    {"id": 8, "question": "2+2?", "ref_answer": 4, "difficulty": "Level 2", "options": ["3", "4"],
     "model_answer": [None, "4"], "model_solution": [None, "it is 4"]},
    {"id": 9, "question": "open?", "ref_answer": None, "model_answer": [None], "model_solution": ["no idea"]},
]


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


def by_key(rows):
    return {(row.question_id, row.sample_index): row for row in rows}


def test_rollouts_are_what_building_the_pool_by_hand_gives(write, tmp_path):
    made = import_jsonl(write(*SMV), tmp_path / "pools", model="QwQ", lengths="words")
    questions = {q.id: q for q in made.pool.questions()}
    assert questions["7"] == Question("7", "What is 6*7?", "42", {"difficulty": "Level 1"})
    assert questions["8"] == Question("8", "2+2?", "4", {"difficulty": "Level 2", "options": ["3", "4"]})
    samples, grades = by_key(made.pool.samples()), by_key(made.pool.grades(IMPORTED))
    assert samples["7", 2].text == "... Wait ... \\boxed{40}" and samples["7", 2].n_tokens == 4
    assert set(samples) == {("7", 0), ("7", 1), ("7", 2), ("8", 1), ("9", 0)}
    assert made.dropped == {"samples without text": 1} and made.bad == []
    expected = {
        ("7", 0): ("right", "42"), ("7", 1): ("right", "42"), ("7", 2): ("wrong", "40"),
        ("8", 1): ("right", "4"), ("9", 0): ("unparsed", None),
    }
    assert {key: (g.status, g.answer_key) for key, g in grades.items()} == expected
    assert grades["9", 0].detail == {"kind": "no gold answer"}
    assert made.pool.manifest["identity"]["model"] == "QwQ" and made.pool.manifest["settings"] is None


def test_lengths_are_counted_by_a_tokenizer_where_they_are_missing(write):
    rows = [{"id": "a", "text": "four", "n_tokens": 99}, {"id": "b", "text": "six ü"}]
    found = read_generations(write(*rows), lengths="bytes")
    assert [s.n_tokens for s in found.samples] == [99, 6]
    with pytest.raises(PoolError, match=r"line 1: no n_tokens; have them counted"):
        read_generations(write(SMV[0]))


def test_revisions_and_chains_of_aor(write):
    revised = {"question": "q?", "options": None, "answer": "4", "solution": "3", "search_solution": ["4", "4 again"]}
    aor = [{"question": f"{name}?", "answer": "B", name: ["chain one", "chain two"]}
           for name in ("response_list", "response", "samples")]
    found = read_generations(write(revised, *aor), lengths="characters")
    assert [(s.sample_index, s.text) for s in found.samples[:3]] == [(0, "3"), (1, "4"), (2, "4 again")]
    assert list(found.questions) == ["line-1", "line-2", "line-3", "line-4"]
    assert {q.gold for q in found.questions.values()} == {"4", "B"}
    assert len(found.samples) == 9 and found.grades == []


def test_weak_to_strong_results_are_one_response_a_row(write):
    """As GAIR-NLP/weak-to-strong-reasoning writes them, and without ids, where the question's text tells."""
    released = [
        {"id": 0, "prompt": "Question: 48 and half?\nAnswer:", "response": "72\n#### 72", "pred": "72", "gold": "72",
         "result": True, "num_tokens": 40},
        {"id": 1, "prompt": "Question: 10?\nAnswer:", "response": "?", "pred": "", "gold": "10", "num_tokens": 3},
        {"id": 0, "prompt": "Question: 48 and half?\nAnswer:", "response": "#### 24", "pred": "24", "num_tokens": 9},
    ]  # fmt: skip
    found = read_generations(write(*released))
    drawn = [(s.question_id, s.sample_index, s.n_tokens) for s in found.samples]
    assert drawn == [("0", 0, 40), ("1", 0, 3), ("0", 1, 9)]
    assert [(g.status, g.answer) for g in found.grades] == [("right", "72"), ("unparsed", None), ("wrong", "24")]
    bare = [{"question": q, name: text, "answer": "4", "topic": "sums"} for q, name, text in
            (("2+2?", "response", "4"), ("1+3?", "generated", "5"), ("2+2?", "generated", "no"))]  # fmt: skip
    found = read_generations(write(*bare), lengths="words")
    assert {q.prompt: (q.gold, q.meta) for q in found.questions.values()} == {
        "2+2?": ("4", {"topic": "sums"}), "1+3?": ("4", {"topic": "sums"})
    }  # fmt: skip
    first, second, third = found.samples
    assert (first.question_id, first.sample_index) == (third.question_id, 0) and third.sample_index == 1
    assert second.question_id != first.question_id and found.grades == []


def test_rows_of_one_sample_in_any_order_and_with_other_names(write):
    rows = [
        {"id": "a", "idx": 3, "text": "x", "answer": "5", "tokens_in": 10, "tokens_out": 2, "seed": 4},
        {"question_id": "a", "text": "y", "n_tokens": 1, "question": "a?", "gold": 5, "finish_reason": "length"},
        {"id": "a", "sample_index": 0, "text": "", "n_tokens": 0, "logprob": -1.5, "answer": None},
    ]
    found = read_generations(write(*rows))
    samples = by_key(found.samples)
    assert set(samples) == {("a", 3), ("a", 4), ("a", 0)}
    assert (samples["a", 3].n_prompt_tokens, samples["a", 3].n_tokens, samples["a", 3].seed) == (10, 2, 4)
    assert samples["a", 4].finish_reason == "length" and samples["a", 0].logprob == -1.5
    assert found.questions["a"] == Question("a", "a?", "5")
    assert [(g.sample_index, g.status) for g in found.grades] == [(3, "right"), (0, "unparsed")], "gold came later"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{broken\n", "Expecting property name"),
        ("[1]\n", "expected an object, found list"),
        ({"id": "z"}, "no text, and none of model_solution"),
        ({"id": "z", "text": 5, "n_tokens": 1}, "text is 5"),
        ({"id": "z", "text": "x"}, "no n_tokens"),
        ({"id": "z", "text": "x", "n_tokens": 0}, "n_tokens is 0, but there is text"),
        ({"id": "z", "text": "x", "n_tokens": -3}, "n_tokens is -3, not a whole number from 0"),
        ({"id": "z", "text": "x", "n_tokens": 2.5}, "n_tokens is 2.5"),
        ({"id": "z", "text": "x", "n_tokens": 1, "logprob": float("nan")}, "logprob is nan, not a finite number"),
        ({"id": "z", "text": "x", "n_tokens": 1, "sample_index": -1}, "sample_index is -1"),
        ({"id": "z", "text": "x", "n_tokens": 1, "finish_reason": "tool"}, "finish_reason is 'tool'"),
        ({"id": "z", "text": "x", "n_tokens": 1, "answer": ["5"]}, "answer is a list, not a text or a number"),
        ({"id": "z", "text": "half \ud83d", "n_tokens": 1}, "half a character"),
        ({"id": "z", "model_solution": "one text"}, "model_solution is one text, not a list"),
        ({"id": "z", "response": "one text"}, "no n_tokens"),
        ({"id": "z", "response": {"a": 1}}, "response is an object, not a list"),
        ({"id": "z", "model_solution": ["a"], "model_answer": ["1", "2"]}, "model_answer does not match"),
        ({"id": "z", "question": 5, "text": "x", "n_tokens": 1}, "the question is 5"),
    ],
)
def test_bad_rows_are_named_counted_and_stop_nothing(write, row, why):
    good = {"id": "a", "text": "x", "n_tokens": 1}
    path = write(good, row, {**good, "id": "b"})
    found = read_generations(path)
    assert [s.question_id for s in found.samples] == ["a", "b"] and set(found.questions) == {"a", "b"}
    assert found.dropped == {"bad rows": 1}
    assert len(found.bad) == 1 and found.bad[0].startswith(f"{path}, line 2: ") and why in found.bad[0]


def test_contradictions_are_refused_by_line(write):
    row = {"id": "a", "sample_index": 0, "text": "x", "n_tokens": 1, "question": "q?", "gold": "1"}
    with pytest.raises(PoolError, match=r"line 2: sample 0 of question 'a' is already in line 1"):
        read_generations(write(row, row))
    with pytest.raises(PoolError, match=r"line 2: question 'a' had another gold before"):
        read_generations(write(row, {**row, "sample_index": 1, "gold": "2"}))
    with pytest.raises(PoolError, match="no usable row; the file is empty"):
        read_generations(write())
    with pytest.raises(PoolError, match="cannot be read"):
        read_generations("nowhere.jsonl")


def test_import_goes_on_where_it_was_cut_and_does_nothing_twice(write, tmp_path, monkeypatch):
    monkeypatch.setattr("lit_reason.pool_io.ROWS_A_FLUSH", 2)
    path = write(*({"id": f"q{i}", "text": "x", "n_tokens": 1, "answer": "1"} for i in range(7)))
    append, calls = SamplePool.append_samples, []

    def cut(self, samples):
        calls.append(samples)
        if len(calls) == 3:
            raise KeyboardInterrupt
        append(self, samples)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SamplePool, "append_samples", cut)
        import_jsonl(path, tmp_path / "pools")
    rest = import_jsonl(path, tmp_path / "pools")
    assert rest.n_new == 3 and len(rest.pool.samples()) == len(rest.pool.grades(IMPORTED)) == 7
    assert import_jsonl(path, tmp_path / "pools").n_new == 0


def test_what_is_exported_comes_back(tmp_path):
    questions = [Question("a", [{"role": "user", "content": "ü \u2028?"}], "1", {"level": 2}), Question("b", "b?")]
    pool = SamplePool.open(tmp_path / "pools", {"model": "m"}, SamplingSettings(), questions)
    full = Sample("", "a", 0, "line\nü", 3, 2, "length", -1.5, [1, 2], [-0.5, -1.0], 9)
    pool.append_samples([full, Sample("", "b", 1, "", 3, 0, "length"), Sample("", "b", 0, "x", 3, 1, "stop")])
    pool.append_grades("g@1", [Grade("", "a", 0, "g@1", "right", "1", "1", 0.5)])
    path = tmp_path / "out.jsonl"
    assert export_jsonl(pool, path, "g@1") == 3
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert rows[0]["status"] == "right" and "status" not in rows[1]
    found = read_generations(path)
    assert found.questions == {q.id: q for q in questions}
    assert by_key(found.samples) == by_key(replace(sample, pool_key="") for sample in pool.samples())
    assert [(g.question_id, g.status) for g in found.grades] == [("a", "right")]


def test_the_commands(write, tmp_path, capsys):
    path, root = write(*SMV), str(tmp_path / "my pools")
    assert main(["import", str(path), "--root", root, "--lengths", "words", "--model", "QwQ"]) == 0
    out = capsys.readouterr().out
    assert "left out: 1 samples without text" in out and "5 new samples" in out
    assert "graded by imported@1: 3 right, 1 wrong, 1 unparsed" in out
    (folder,) = (tmp_path / "my pools").iterdir()
    assert main(["show", str(folder)]) == 0 and "3 questions, 3 with samples" in capsys.readouterr().out
    assert main(["compact", str(folder)]) == 0 and "2 part files before, 2 now" in capsys.readouterr().out
    assert main(["export", str(folder), str(tmp_path / "o.jsonl"), "--grader", "imported@1"]) == 0
    assert "5 samples in" in capsys.readouterr().out
    for arguments, error in [
        (["show", str(tmp_path)], "not a sample pool"),
        (["export", str(folder), str(tmp_path / "o"), "--grader", "x@1"], "not graded by x@1, but by imported@1"),
        (["import", str(tmp_path / "none.jsonl"), "--root", root], "cannot be read"),
        (["import", str(path), "--root", root], "no n_tokens"),
    ]:
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ") and error in captured.err and captured.err.count("\n") == 1
        assert not captured.out


def test_the_module_is_a_command():
    shown = subprocess.run([sys.executable, "-m", "lit_reason.pool", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "import" in shown.stdout and "compact" in shown.stdout
