"""AoR over a pool: batches, repeated attempts, replay, a kill, blindness, order (checks G, H, J, K), and its cost."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from lit_reason.aggregation import NeedMore
from lit_reason.aggregation.aor import AggregationOfReasoning, Reply
from lit_reason.aggregation.aor.driver import drawn_in_order, write_results
from lit_reason.aggregation.aor.log import JudgeLog
from lit_reason.aggregation.errors import AggregationError
from lit_reason.records import Vote
from tests.aggregation.aor.scripted import ScriptedJudge, rows, shown_chains

SETTINGS = {"n": 6, "n_max": 12, "m": 3, "b": 2}


def by_text(phase: str, text: str, shown: list[str]) -> int:
    """A score that depends on the chain and the phase only."""
    return random.Random(f"{phase}{text}").randint(3, 10)


def pool(n_questions: int = 12, n: int = 12, seed: int = 0):
    draw = random.Random(seed)
    return [row for q in range(n_questions) for row in rows(f"q{q}", draw.choices(["A", "B", "C", None], k=n))]


def questions(data):
    return list({row[0].id: row[0] for row in data}.values())


def run(judge=None, data=None, log=None, draw=None, **changes):
    data = pool() if data is None else data
    aor = AggregationOfReasoning(judge or ScriptedJudge(by_text), log, **(SETTINGS | changes))
    return aor.run(questions(data), data, draw)


def table(results) -> list[dict]:
    return [result.row() for result in results]


def test_calls_of_many_questions_reach_the_judge_together() -> None:
    class Counting(ScriptedJudge):
        batches: list[int] = []

        def reply(self, prompts, seeds):
            self.batches.append(len(prompts))
            return super().reply(prompts, seeds)

    judge = Counting(by_text)
    results = run(judge)
    calls = sum(r.outcome.local_calls + r.outcome.global_calls for r in results)
    assert calls == sum(judge.batches) == len(judge.prompts)
    assert len(judge.batches) < calls / 5 and max(judge.batches) <= 64


def test_one_question_at_a_time_gives_the_same() -> None:
    data = pool()
    alone = [result for q in questions(data) for result in run(data=[row for row in data if row[0] == q])]
    assert table(alone) == table(run(data=data))


def test_the_protocol_of_one_question() -> None:
    data = rows("q", ["A", "B"] * 6)
    aor = AggregationOfReasoning(ScriptedJudge(lambda *a: 8), **SETTINGS)
    question, samples, grades = data[0][0], [row[1] for row in data], [row[2] for row in data]
    assert aor(question, samples[:2], grades[:2]) == NeedMore(4)
    assert aor(question, samples[:6], grades[:6]) == NeedMore(3)
    judged = len(aor._asker.judge.prompts)
    assert aor(question, samples[:6], grades[:6]) == NeedMore(3)
    assert len(aor._asker.judge.prompts) == judged  # what is known is not asked again
    vote = aor(question, samples, grades)
    assert isinstance(vote, Vote) and (vote.answer, vote.n, vote.n_parsed, vote.support, vote.tied) == (
        "A",
        12,
        12,
        6,
        True,
    )
    assert vote == aor.run([question], data)[0].vote


def test_drawing_more_gives_what_the_pool_would_have_given() -> None:
    data = pool(n=12)
    first = [row for row in data if row[1].sample_index < 6]
    asked: list[tuple[str, int]] = []

    def draw(wanted):
        for question, n in wanted:
            had = 6 + sum(m for id, m in asked if id == question.id)
            asked.append((question.id, n))
            yield from [r for r in data if r[0] == question and had <= r[1].sample_index < had + n]

    assert table(run(data=first, draw=draw)) == table(run(data=data))
    assert asked and all(n == 3 for _, n in asked)


def test_a_pool_that_is_too_short_is_used_as_it_is(caplog) -> None:
    results = run(data=pool(n=4))
    assert {result.outcome.n_used for result in results} == {4}
    assert "the pool ended early" in caplog.text
    lone = AggregationOfReasoning(ScriptedJudge(by_text), **SETTINGS).run([rows("q", ["A"])[0][0]], [])
    assert (lone[0].outcome.answer, lone[0].outcome.stop, lone[0].vote.n) == (None, "no_survivor", 0)


class Failing(ScriptedJudge):
    """Writes nothing readable in the first `failures` replies to any one set of chains."""

    def __init__(self, failures: int) -> None:
        super().__init__(by_text)
        self.failures, self.seen = failures, {}

    def _one(self, prompt: str) -> Reply:
        self.seen[prompt] = self.seen.get(prompt, 0) + 1
        if self.seen[prompt] <= self.failures:
            return Reply("I would rather not say.", 100, 5)
        return super()._one(prompt)


def test_four_failures_and_a_success(tmp_path) -> None:
    data = rows("q", ["A", "A", "B", "B", "B", "B"])
    patient = run(Failing(4), data, tmp_path / "log.jsonl", n_max=6)[0]
    plain = run(ScriptedJudge(by_text), data, n_max=6)[0]
    assert patient.outcome == plain.outcome and not patient.outcome.degraded
    local = patient.usage["local"]
    assert local.attempts == 5 * patient.outcome.local_calls and local.unreadable == 4 * patient.outcome.local_calls
    assert local.tokens_in == 400 * patient.outcome.local_calls + plain.usage["local"].tokens_in
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted({row["attempt"] for row in log}) == [1, 2, 3, 4, 5]
    assert len(log) == 5 * (patient.outcome.local_calls + patient.outcome.global_calls)
    assert [row["scores"] is None for row in log if row["attempt"] < 5] == [True] * (len(log) // 5 * 4)


def test_five_failures_degrade_and_the_run_goes_on() -> None:
    data = rows("q", ["A", "A", "B", "B", "B", "B"]) + rows("r", ["A"] * 6)
    bad, good = run(Failing(5), data, n_max=6)
    assert bad.outcome.degraded and (bad.outcome.answer, bad.outcome.stop) == ("B", "judge_failed")
    assert bad.usage["local"].attempts == 5 * bad.outcome.local_calls
    assert good.outcome.answer == "A"


def test_a_deterministic_judge_is_asked_once() -> None:
    judge = Failing(1)
    judge.deterministic = True
    result = run(judge, rows("q", ["A", "A", "B", "B", "B", "B"]), n_max=6)[0]
    assert result.usage["local"].attempts == result.outcome.local_calls and result.outcome.degraded


def test_replay_costs_no_call_and_gives_the_same_bytes(tmp_path) -> None:
    first = run(log=tmp_path / "log.jsonl")
    silent = ScriptedJudge(by_text)
    again = run(silent, log=tmp_path / "log.jsonl")
    assert silent.prompts == []
    for name, results in (("a", first), ("b", again)):
        write_results(tmp_path / name, results)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != b""


@pytest.mark.parametrize("die_at", [1, 2, 5, 9])
def test_a_run_killed_in_the_middle(tmp_path, die_at: int) -> None:
    class Dying(ScriptedJudge):
        calls = 0

        def reply(self, prompts, seeds):
            self.calls += 1
            if self.calls == die_at:
                raise KeyboardInterrupt
            return super().reply(prompts, seeds)

    data, log = pool(), tmp_path / "log.jsonl"
    expected = table(run(data=data))
    settings = SETTINGS | {"calls_at_once": 4}
    with pytest.raises(KeyboardInterrupt):
        AggregationOfReasoning(Dying(by_text), log, **settings).run(questions(data), data)
    if log.exists():  # a kill may also cut the last line short
        log.write_bytes(log.read_bytes()[:-20])
    judge = ScriptedJudge(by_text)
    aor = AggregationOfReasoning(judge, log, **settings)
    assert table(aor.run(questions(data), data)) == expected
    keys = [json.loads(line)["call"] for line in log.read_text().splitlines() if line.endswith("}")]
    assert len(keys) == len(set(keys)) == len(aor.log)  # nothing was asked twice, nothing is lost
    assert len(judge.prompts) < len(keys) or die_at == 1


def test_other_settings_reuse_what_was_asked(tmp_path) -> None:
    log = JudgeLog(tmp_path / "log.jsonl")
    run(log=log)
    stricter, fresh = ScriptedJudge(by_text), ScriptedJudge(by_text)
    assert table(run(stricter, log=log, theta=4)) == table(run(fresh, theta=4))
    assert 0 < len(stricter.prompts) < len(fresh.prompts) / 2
    static = ScriptedJudge(by_text)
    run(static, log=log, n_max=6)
    assert static.prompts == []


def test_judges_have_logs_of_their_own(tmp_path) -> None:
    one, other = ScriptedJudge(by_text), ScriptedJudge(by_text)
    other.identity = {"judge": "another"}
    assert JudgeLog.of(tmp_path, one).path != JudgeLog.of(tmp_path, other).path
    assert JudgeLog.of(tmp_path, one).path == JudgeLog.of(tmp_path, one).path
    assert [path.name for path in tmp_path.rglob("*.json")] == ["judge.json"] * 2


def test_blindness_to_what_is_right() -> None:
    """Check G: verdicts and gold may say anything."""
    data = pool()
    draw = random.Random(1)
    told = [
        (replace(q, gold=draw.choice("ABC")), s, replace(g, status=draw.choice(["right", "wrong"])) if g.answer else g)
        for q, s, g in data
    ]
    judge, plain = ScriptedJudge(by_text), ScriptedJudge(by_text)
    assert table(run(judge, told)) == table(run(plain, data))
    assert judge.prompts == plain.prompts


def test_renaming_answers_renames_the_result() -> None:
    """Check H."""
    names = {"A": "X y", "B": "1/2", "C": "-3", None: None}
    renamed = [(q, s, replace(g, answer=names[g.answer_key], answer_key=names[g.answer_key])) for q, s, g in pool()]
    for old, new in zip(run(), run(data=renamed), strict=True):
        assert new.outcome.answer == names[old.outcome.answer]
        assert list(new.outcome.averages) == [names[answer] for answer in old.outcome.averages]
        assert (new.outcome.n_used, new.outcome.stop) == (old.outcome.n_used, old.outcome.stop)


def test_order_inside_the_first_n_matters_only_for_ties() -> None:
    """Check H: with batches as large as the groups and scores that differ, the order of drawing changes nothing."""
    draw = random.Random(0)
    values = {f"q-{i}": value for i, value in enumerate(draw.sample(range(61, 100), 20))}

    def distinct(phase: str, text: str, shown: list[str]) -> float:
        return values[text] / 10

    data = rows("q", draw.choices(["A", "B", "C"], k=20))
    settings = {"n": 20, "n_max": 20, "b": 20, "allow_fraction": True}
    expected = run(ScriptedJudge(distinct), data, **settings)[0].outcome
    for seed in range(20):
        order = random.Random(seed).sample(data, 20)
        shuffled = [(q, replace(s, sample_index=i), replace(g, sample_index=i)) for i, (q, s, g) in enumerate(order)]
        found = run(ScriptedJudge(distinct), shuffled, **settings)[0].outcome
        assert (found.answer, found.margin) == (expected.answer, expected.margin)
        assert found.averages == expected.averages


def test_seeded_draw_orders_are_shared() -> None:
    data = pool()
    one, same, other = drawn_in_order(data, 1), drawn_in_order(data, 1), drawn_in_order(data[::-1], 2)
    assert one == same != other
    assert sorted(row[1].text for row in one) == sorted(row[1].text for row in other)
    assert [row[1].sample_index for row in one] == [row[2].sample_index for row in one] == list(range(12)) * 12


def test_answers_stand_in_another_order_in_each_round() -> None:
    judge = ScriptedJudge(lambda *a: 8)
    run(judge, rows("q", ["A", "B", "C"] * 2), n_max=6)
    orders = [tuple(label for label, _ in shown_chains(p)) for p in judge.prompts if "Answer Option" in p]
    assert len(orders) == 3 and len(set(orders)) > 1
    fixed = ScriptedJudge(lambda *a: 8)
    run(fixed, rows("q", ["A", "B", "C"] * 2), n_max=6, shuffle=False)
    orders = [tuple(label for label, _ in shown_chains(p)) for p in fixed.prompts if "Answer Option" in p]
    assert orders == [("A", "B", "C")] * 3


def test_prompts_show_the_question_unless_told_otherwise() -> None:
    judge, blind = ScriptedJudge(by_text), ScriptedJudge(by_text)
    run(judge), run(blind, include_question=False)
    assert all("What is q" in prompt for prompt in judge.prompts)
    assert not any("What is q" in prompt for prompt in blind.prompts)


def test_a_long_chain_loses_its_middle() -> None:
    judge = ScriptedJudge(lambda *a: 8)
    data = [(q, replace(s, text="HEAD" + "x" * 992 + "TAIL", n_tokens=100), g) for q, s, g in rows("q", ["A", "B"] * 3)]
    run(judge, data, n_max=6, max_chain_tokens=10)
    assert all("HEAD" in p and "TAIL" in p and "omitted" in p and len(p) < 1500 for p in judge.prompts)


def test_an_llm_may_parse() -> None:
    class Prose(ScriptedJudge):
        def _one(self, prompt: str) -> Reply:
            if prompt.startswith("Below is a judgement"):
                return Reply(prompt.partition("Judgement:\n")[2].replace("<", "{").replace(">", "}"), 50, 6)
            reply = super()._one(prompt)
            return Reply(reply.text.replace("{", "<").replace("}", ">"), *reply[1:])

    parsed, plain = run(Prose(by_text), parser="llm"), run()
    for one, other in zip(parsed, plain, strict=True):
        assert one.outcome == other.outcome
        calls = one.outcome.local_calls + one.outcome.global_calls
        parse = one.usage.get("parse")
        assert (parse.attempts, parse.tokens_in) == (calls, 50 * calls) if calls else parse is None


def test_costs() -> None:
    result = run(ScriptedJudge(lambda *a: 8), rows("q", ["A", "A", "B", "B", "B", "B"]), n_max=6)[0]
    assert (result.outcome.local_calls, result.outcome.global_calls) == (1 + 2, 3)
    assert result.usage["global"].tokens_out == 3 * 7 and result.chain_tokens == 60
    judge = sum(usage.tokens_in + usage.tokens_out for usage in result.usage.values())
    assert result.tokens == result.vote.n_tokens == 60 + judge
    assert result.row()["judge"]["local"]["attempts"] == 3
    unanimous = run(data=rows("q", ["A"] * 6))[0]
    assert unanimous.usage == {} and unanimous.tokens == 60 and unanimous.row()["margin"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: [*data, data[3]], "sample 3 of question 'q' occurs twice"),
        (lambda data: [(q, replace(s, text=" "), g) for q, s, g in data], "sample 0 of question 'q' has no text"),
        (lambda data: [(q, replace(s, text=None), g) for q, s, g in data], "sample 0 of question 'q' has no text"),
    ],
)
def test_bad_rows_are_refused_before_any_call(change, message: str) -> None:
    judge = ScriptedJudge(by_text)
    with pytest.raises(AggregationError, match=message):
        run(judge, change(rows("q", ["A", "B", "A", "B", "A", "A"])))
    assert judge.prompts == []


def test_missing_samples_are_no_chains() -> None:
    data = rows("q", ["A", "B", "A", "B"])
    gone = [(q, replace(s, text=""), replace(g, answer_key=None, detail={"kind": "missing"})) for q, s, g in data[3:]]
    assert run(data=data[:3] + gone)[0].outcome.n_used == 3


def test_the_release_extractor_reads_texts() -> None:
    data = [(q, replace(s, text=f"the answer is {i % 2} of 5"), g) for i, (q, s, g) in enumerate(rows("q", ["A"] * 6))]
    assert run(data=data, extractor="release_number")[0].outcome.groups == {"5": 6}
