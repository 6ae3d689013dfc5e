"""Text surgery (check G), transitions by hand (check H), and the driver that resumes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lit_reason.aggregation.errors import AggregationError
from lit_reason.aggregation.revision import (
    Continuation,
    Prefix,
    answers_at_budgets,
    as_samples,
    continue_with,
    revise,
)
from lit_reason.aggregation.sequential import (
    Share,
    backtrack,
    by_initial_rank,
    choose_cue,
    end_thinking,
    equal_tokens,
    keep_thinking,
    transitions,
)
from lit_reason.aggregation.subsets import AtK
from lit_reason.backbones import load_model, load_tokenizer
from lit_reason.chat import Chat
from lit_reason.records import Question, Sample
from lit_reason.sampling.local import TransformersSampler
from lit_reason.sampling.protocol import SamplingSettings

BACKTRACK = {
    "the last paragraph goes": ("a\n\nb\n\nc", "a\n\nb\n\n"),
    "what follows the end of thinking goes first": ("a\n\nb\n\nc</think>\n\nanswer", "a\n\nb\n\n"),
    "the announcement of the answer goes too": ("a\n\nThe Final ANSWER is\n\nc", "a\n\n"),
    "but not where there are two paragraphs": ("The final answer is\n\nc", "The final answer is\n\n"),
    "nor where an earlier one speaks of it": ("final answer\n\nb\n\nc", "final answer\n\nb\n\n"),
    "one paragraph": ("only this", "\n\n"),
    "no blank lines": ("a\nb\nc", "\n\n"),
    "nothing": ("", "\n\n"),
    "blank lines at the end": ("a\n\nb\n\n", "a\n\n"),
    "many of them": ("a\n\nb\n\n\n\n  \n", "a\n\n"),
    "Windows newlines": ("a\r\n\r\nb\r\n\r\nc\r\n", "a\r\n\r\nb\n\n"),
    "a blank line with spaces": ("a\n \t\nb\n \nc", "a\n \t\nb\n\n"),
    "three newlines are one break": ("a\n\n\nb", "a\n\n"),
    "nothing before the end of thinking": ("</think>42", "\n\n"),
}


@pytest.mark.parametrize("case", BACKTRACK)
def test_backtracking(case: str) -> None:
    text, expected = BACKTRACK[case]
    assert backtrack(text) == expected


def test_another_end_of_thinking() -> None:
    assert backtrack("a\n\nb<|end|>c", "<|end|>") == "a\n\n"


def test_budget_forcing() -> None:
    assert end_thinking("so far", elicitation=" Answer:") == "so far\n</think> Answer:"
    assert end_thinking("done</think>42", elicitation=" Answer:") == "done\n</think> Answer:"
    assert keep_thinking("done\n</think>\n42") == "done\n\nWait"
    assert keep_thinking("done", cue="Hmm") == "done\n\nHmm"


def test_cue() -> None:
    assert choose_cue({"Wait": -3.0, "Alternatively": -2.5}) == "Alternatively"
    assert choose_cue({"Wait": -3.0, "Alternatively": -3.0}) == "Wait"
    with pytest.raises(AggregationError, match="the cue 'Wait' is nan"):
        choose_cue({"Wait": math.nan, "Alternatively": -1.0})
    with pytest.raises(AggregationError, match="no revision cue"):
        choose_cue({})


def test_transitions_by_hand() -> None:
    """Check H: wrong, right, right, wrong; beside it a chain that stays wrong, and one that loses a right answer."""
    answers = [["x", "g", "g", "x"], ["y", "y", "z", "y"], ["g", "g", None, "g"], [None, None, "g", "x"]]
    right = [[answer == "g" for answer in rounds] for rounds in answers]
    lengths = [[10, 20, 30, 40]] * 4
    zero, one, two, three = transitions(answers, right, lengths)
    assert (zero.accuracy, zero.coverage, zero.length) == (Share(1, 4), Share(1, 4), 10)
    assert (zero.wrong_to_right, zero.right_to_wrong) == (Share(0, 3), Share(0, 1))
    assert (one.wrong_to_right, one.right_to_wrong, one.coverage) == (Share(1, 3), Share(0, 1), Share(2, 4))
    assert (two.wrong_to_right, two.right_to_wrong, two.coverage) == (Share(1, 2), Share(1, 2), Share(3, 4))
    assert (three.wrong_to_right, three.right_to_wrong) == (Share(1, 2), Share(2, 2))
    assert (three.initially_wrong_to_right, three.initially_right_to_wrong) == (Share(0, 3), Share(0, 1))
    assert (three.coverage, three.accuracy, three.length) == (Share(3, 4), Share(1, 4), 40)
    # Two chains began with an answer that was wrong: x, and y.
    assert [t.sticking for t in (zero, one, two, three)] == [Share(2, 2), Share(1, 2), Share(0, 2), Share(2, 2)]
    assert Share(0, 0).value is None and Share(1, 2).value == 0.5


def test_transitions_by_initial_rank() -> None:
    answers = [["x", "g"], ["g", "x"], ["x", "x"]]
    right = [[a == "g" for a in rounds] for rounds in answers]
    found = by_initial_rank([1, 0, 1], answers, right, [[1, 2]] * 3)
    assert list(found) == [0, 1]
    assert found[0][1].right_to_wrong == Share(1, 1) and found[1][1].wrong_to_right == Share(1, 2)
    with pytest.raises(AggregationError, match="equally many rounds"):
        transitions([["x"], ["x", "y"]], [[True], [True, True]], [[1], [1, 2]])
    with pytest.raises(AggregationError, match="at least one chain"):
        transitions([], [], [])


def test_equal_tokens() -> None:
    curve = [
        AtK("coverage", k, np.array([value]), np.array([tokens]), np.zeros(1), True)
        for k, value, tokens in [(1, 0.4, 100.0), (2, 0.6, 200.0)]
    ]
    first, second = equal_tokens([(150.0, 0.45), (300.0, 0.5)], curve)
    assert (first.sequential, first.parallel) == (0.45, pytest.approx(0.5)) and second.parallel is None


class Script:
    """Continues with a count of its calls; fails where the text is too long."""

    def __init__(self, limit: int = 10**6, die_at: int = -1) -> None:
        self.prefixes: list[Prefix] = []
        self.limit, self.die_at, self.calls = limit, die_at, 0

    def __call__(self, prefixes):
        self.calls += 1
        if self.calls == self.die_at:
            raise KeyboardInterrupt
        self.prefixes += prefixes
        return [
            Continuation("", 0, failed=True)
            if len(p.text) > self.limit
            else Continuation(f", {p.id.split(chr(31))[2]}.\n\nAnswer {len(p.text)}", 5)
            for p in prefixes
        ]


def chains(n: int = 5) -> list[tuple[Question, Sample]]:
    return [(Question(f"q{i}", "?"), Sample("", f"q{i}", 0, f"try {i}\n\nAnswer {i}", 3, 7, "stop")) for i in range(n)]


def prefer(prefixes, cues):
    return [{cue: -float(len(prefix.text)) if cue == "Wait" else -8.0 for cue in cues} for prefix in prefixes]


def test_rounds_build_on_each_other() -> None:
    (rounds,) = revise(chains(1), 2, Script(), prefer=prefer)
    assert [round_.cue for round_ in rounds] == ["Wait", "Alternatively"]  # -7 against -8, then -23 against -8
    assert rounds[0].solution == "try 0\n\nWait, round 1.\n\nAnswer 11"
    assert rounds[1].solution == "try 0\n\nWait, round 1.\n\nAlternatively, round 2.\n\nAnswer 36"
    samples = as_samples(chains(1), [rounds])[0]
    assert [sample.n_tokens for sample in samples] == [7, 12, 17] and samples[2].text == rounds[1].solution
    assert revise(chains(1), 1, Script())[0][0].cue == "Wait"


def test_a_failed_round_keeps_the_solution() -> None:
    script = Script(limit=20)
    (rounds,) = revise(chains(1), 3, script)
    assert [round_.failed for round_ in rounds] == [False, True, True]
    assert rounds[1].solution == rounds[2].solution == rounds[0].solution and rounds[2].n_tokens == 0


@pytest.mark.parametrize("die_at", [1, 2, 4, 6])
def test_revising_goes_on_where_it_was_killed(tmp_path, die_at: int) -> None:
    expected = revise(chains(), 3, Script())
    store = tmp_path / "rounds.jsonl"
    with pytest.raises(KeyboardInterrupt):
        revise(chains(), 3, Script(die_at=die_at), store=store, at_once=2)
    if store.exists():
        store.write_bytes(store.read_bytes()[:-9])
    script = Script()
    assert revise(chains(), 3, script, store=store, at_once=2) == expected
    rows = [json.loads(line) for line in store.read_text().splitlines() if line.endswith("}")]
    assert len({(row["question_id"], row["round"]) for row in rows}) == len(rows) == 15
    silent = Script()
    assert revise(chains(), 3, silent, store=store) == expected and silent.prefixes == []
    with pytest.raises(AggregationError, match="sample 0 of question 'q0' occurs twice"):
        revise(chains(1) * 2, 1, Script())


def test_answers_at_budgets() -> None:
    def cut(text: str, n: int) -> str:
        return " ".join(text.split(" ")[:n])

    script = Script()
    chain = (Question("q", "?"), Sample("", "q", 0, "one two three four", 3, 4, "stop"))
    found = answers_at_budgets([chain], [2, 9], script, cut, elicitation=" So:")
    assert script.prefixes[0].text == "one two\n</think> So:" and found[2][0].n_tokens == 2 + 5
    assert found[9][0].text.startswith("one two three four\n</think> So:, budget 9") and found[9][0].n_tokens == 4 + 5


def test_a_real_sampler_continues_an_answer_that_has_begun(tiny_backbone) -> None:
    tokenizer = load_tokenizer(tiny_backbone)
    model = load_model(tiny_backbone).eval()
    chat = Chat(tokenizer, "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
                           "{% if add_generation_prompt %}[assistant]{% endif %}")  # fmt: skip
    begun = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "so\n\nWait"}]
    assert chat.prompt_text(begun) == "[user]hi[assistant]so\n\nWait"
    assert chat.prompt_text("hi") == "[user]hi[assistant]"
    sampler = TransformersSampler(model, tokenizer, chat, identity={})
    continue_ = continue_with(sampler, SamplingSettings(temperature=1.0, max_new_tokens=6))
    prefixes = [Prefix(f"q{i}", Question("q", "hi"), "so\n\nWait") for i in range(2)]
    one, other = continue_(prefixes)
    assert one.n_tokens == 6 and not one.failed and one.text != other.text
    assert continue_(prefixes)[0] == one
    too_long = Prefix("long", Question("q", "hi"), "x" * (model.config.max_position_embeddings + 1))
    assert continue_([too_long])[0].failed
